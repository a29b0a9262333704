/*
 * The embedded store as a process of the supervisor's: this binary in a role of its own, with the sealed image, the scoreboard and the socket of its orders.
 */
#include "role/supervisor.h"

#include "base/own.h"
#include "role/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4 };

/* Only its user may connect, and that is whom the agent becomes too. */
static bool bind_for(const struct run *run, int fd, const struct sockaddr_un *address)
{
    mode_t before;
    int result;

    if (unlink(address->sun_path) < 0 && errno != ENOENT)
        return false;
    before = umask(0177);
    result = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    return result == 0 &&
           (!run->user.any || lchown(address->sun_path, run->user.user, run->user.group) == 0);
}

bool store_run_lend(const struct supervisor *supervisor, const struct run *run,
                    struct store_run *store, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    store_orders_path(supervisor->current.image, run->slot, address.sun_path,
                      sizeof address.sun_path);
    if (fd < 0 || !bind_for(run, fd, &address) || listen(fd, BACKLOG) < 0)
        return err_system(err, "open the socket '%s'", address.sun_path);
    snprintf(store->title, sizeof store->title, "nines: store %s", run->name);
    snprintf(store->slot, sizeof store->slot, "%u", run->slot);
    store->orders = take_fd(&fd);
    store->lent[0] = supervisor->current.image_fd;
    store->lent[1] = supervisor->board_fd;
    store->lent[2] = store->orders;
    return true;
}

void store_run_describe(struct store_run *store, struct launch *launch)
{
    const char *const words[] = {store->title, "role", "store", store->slot, NULL};

    memcpy(store->words, words, sizeof words);
    launch->file = "/proc/self/exe";
    launch->arguments = store->words;
    launch->directory = "/";
    launch->lent = store->lent;
    launch->lent_count = ARRAY_LEN(store->lent);
}
