/*
 * The embedded store as a process of the supervisor's: this binary in a role of its own, with a channel, the scoreboard and the sealed image. Its orders come from the
 * agent over a stream that both ends get from here, whenever one of them begins.
 */
#include "role/supervisor.h"

#include "base/own.h"
#include "role/log.h"
#include "role/role.h"
#include "role/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

bool store_run_lend(const struct supervisor *supervisor, struct run *run, struct store_run *store,
                    struct err *err)
{
    own_close(&run->channel);
    run->channel = -1;
    if (!channel_pair(&run->channel, &store->channel, err))
        return false;
    snprintf(store->title, sizeof store->title, "nines: store %s", run->name);
    snprintf(store->slot, sizeof store->slot, "%u", run->slot);
    store->lent[STORE_CHANNEL_FD - 3] = store->channel;
    store->lent[STORE_BOARD_FD - 3] = supervisor->board_fd;
    store->lent[STORE_IMAGE_FD - 3] = supervisor->current.image_fd;
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

void store_run_reload(const struct supervisor *supervisor, const struct run *run)
{
    static struct frame frame;
    struct err err;

    if (run->channel < 0)
        return;
    frame = (struct frame){.type = MESSAGE_GENERATION,
                           .number = supervisor->current.number,
                           .fd_count = 1,
                           .fds = {supervisor->current.image_fd}};
    if (!channel_send(run->channel, &frame, &err))
        log_warning("a store does not hear of this reload: reload again",
                    log_text("nines.group", run->name), log_text("error.message", err.text));
}

static void tell_agent(struct supervisor *supervisor, const struct run *run, int fd)
{
    static struct frame frame;
    struct process_word word = {.run = run->number, .pid = run->pid, .started = fd >= 0};

    if (fd < 0)
        snprintf(word.sentence, sizeof word.sentence, "the store does not run");
    frame = (struct frame){.type = fd >= 0 ? MESSAGE_PROGRAM_STARTED : MESSAGE_PROGRAM_ENDED,
                           .number = run->slot,
                           .len = sizeof word,
                           .fd_count = fd >= 0,
                           .fds = {fd}};
    memcpy(frame.body, &word, sizeof word);
    children_tell(supervisor, ROLE_AGENT, &frame);
}

void store_run_link(struct supervisor *supervisor, struct run *run)
{
    static struct frame frame;
    struct err err;
    int ends[2];

    if (run->channel < 0) {
        tell_agent(supervisor, run, -1);
        return;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0) {
        log_warning("a store cannot be given orders", log_text("nines.group", run->name),
                    log_text("error.message", strerror(errno)));
        return;
    }
    frame = (struct frame){.type = MESSAGE_LINK, .fd_count = 1, .fds = {ends[0]}};
    if (!channel_send(run->channel, &frame, &err))
        log_warning("a store cannot be given orders", log_text("nines.group", run->name),
                    log_text("error.message", err.text));
    else
        tell_agent(supervisor, run, ends[1]);
    close(ends[0]);
    close(ends[1]);
}
