/*
 * One member's embedded store as a process: what store/store.h needs of the machine, the configuration and the scoreboard. It decides nothing.
 *
 * It ends when its supervisor does, when it is told to (SIGTERM), and when its disk cannot be believed any more.
 */
#include "role/store.h"

#include "base/clock.h"
#include "base/own.h"
#include "net/tls_context.h"
#include "process/process.h"
#include "role/log.h"
#include "role/messages.h"
#include "role/role_parts.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNKS = 4096,
    CHUNK_BYTES = 16 << 10,
    MISSING_MAX = 512,
    TURN_MAX_MS = 500,
    FAREWELL_MS = 500,
};

struct process {
    uint32_t slot;
    struct loop *loop;
    struct scoreboard *board;
    struct image image;
    const struct config *config;
    const struct config_group *group;
    struct tls_context *tls, *clients_tls; /* clients_tls NULL: they speak in the clear */
    struct store_service *store;
    struct watch channel, signals;
    int signal_fd, door, tls_door, links;
    bool over;
    int exit_code;
};

void store_directory(struct image image, const struct config_group *group,
                     char path[CONFIG_PATH_MAX])
{
    const char *said = image_string(image, group->engine.directory);

    if (strcmp(said, "/") != 0)
        snprintf(path, CONFIG_PATH_MAX, "%s", said);
    else
        snprintf(path, CONFIG_PATH_MAX, "%s/store/%s",
                 image_string(image, config_of(image)->directory),
                 image_string(image, group->replication.item.name));
}

/* ---- the lease ---- */

static bool may_act(void *context)
{
    const struct process *process = context;
    const struct group_record *record = &process->board->groups[process->slot];
    uint64_t lease = counted(&record->lease), until;

    if (!counted(&record->here) || lease >= BOARD_LEASES_MAX)
        return false;
    until = atomic_load_explicit(&process->board->leases[lease].until, memory_order_acquire);
    return until != 0 && until != UINT64_MAX && (int64_t)until > clock_boot().ns;
}

static void failed(void *context, const char *sentence)
{
    struct process *process = context;

    log_error("the store ends", log_text("error.message", sentence));
    process->over = true;
    process->exit_code = 1;
}

static void said(void *context, const char *sentence)
{
    (void)context;
    log_warning("the store says", log_text("reason", sentence));
}

static void closed(void *context)
{
    struct process *process = context;

    process->store = NULL;
}

/* ---- the supervisor ---- */

static bool map_image(int fd, struct image *image, struct err *err)
{
    struct stat stat;
    void *at;

    if (fstat(fd, &stat) < 0 || stat.st_size < (off_t)sizeof(struct config))
        return err_set(err, ERR_PEER, "the supervisor gave no configuration");
    at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return err_system(err, "map the configuration's image");
    *image = (struct image){at, (size_t)stat.st_size};
    return true;
}

static bool open_links_tls(struct tls_context **context, struct image image, const char *node,
                           struct err *err)
{
    static struct config_tls files;

    config_tls(image, node, &files);
    return tls_context_open(
        context, &(struct tls_files){files.authority, files.certificate, files.key}, err);
}

static const char *node_of(struct image image)
{
    return role_node_name(&(struct role_generation){.image = image, .config = config_of(image)});
}

/* Certificates that are no good change nothing, here and below; links that are open stay as they are. */
static bool renew_links(struct process *process, struct image image, struct err *err)
{
    struct tls_context *context;

    if (!process->tls || !config_has_peers(config_of(image)))
        return true;
    if (!open_links_tls(&context, image, node_of(image), err))
        return false;
    store_service_use_tls(process->store, context);
    tls_context_close(process->tls);
    process->tls = context;
    return true;
}

static bool renew(struct process *process, struct image image, const struct config_group *group,
                  struct err *err)
{
    struct tls_context *context;

    if (!process->clients_tls || !group->store.covered)
        return true;
    if (!store_tls_open(&context, image, group, true, err))
        return false;
    store_service_use_clients_tls(process->store, context);
    tls_context_close(process->clients_tls);
    process->clients_tls = context;
    return true;
}

/* Of what the file says now, certificates and users are taken in without a new start. */
static void reload(struct process *process, int fd)
{
    const struct config_group *group;
    struct image image;
    struct err err;

    if (!map_image(fd, &image, &err)) {
        log_error("a reload is not followed", log_text("error.message", err.text));
        return;
    }
    group = config_group_at(image, process->slot);
    if (group)
        store_service_use_users(process->store, image, &group->store);
    if (group && !renew(process, image, group, &err))
        log_error("clients are shown the certificate that they were shown before",
                  log_text("error.message", err.text));
    if (!renew_links(process, image, &err))
        log_error("other members are shown the certificate that they were shown before",
                  log_text("error.message", err.text));
    munmap((void *)(uintptr_t)image.at, image.len);
}

static void on_channel(struct watch *watch, bool readable, bool writable)
{
    struct process *process = container_of(watch, struct process, channel);
    static struct frame frame;
    enum channel_outcome outcome;

    (void)readable;
    (void)writable;
    while ((outcome = channel_receive(STORE_CHANNEL_FD, &frame)) == CHANNEL_FRAME) {
        if (frame.type == MESSAGE_LINK && frame.fd_count > 0)
            store_service_take_orders(process->store, frame_take_fd(&frame, 0));
        else if (frame.type == MESSAGE_GENERATION && frame.fd_count > 0)
            reload(process, frame.fds[0]);
        frame_close_fds(&frame);
    }
    process->over = process->over || outcome != CHANNEL_NOTHING;
}

static void on_signal(struct watch *watch, bool readable, bool writable)
{
    struct process *process = container_of(watch, struct process, signals);

    (void)readable;
    (void)writable;
    process->over = true;
}

/* ---- beginning ---- */

static bool take_image(struct process *process, struct err *err)
{
    if (!map_image(STORE_IMAGE_FD, &process->image, err))
        return false;
    process->config = config_of(process->image);
    process->group = config_group_at(process->image, process->slot);
    return process->group || err_set(err, ERR_PEER, "there is no group %u", process->slot);
}

static bool take_signals(struct process *process, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    process->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return process->signal_fd >= 0 || err_system(err, "be told to end");
}

static bool open_tls(struct process *process, const char *node, struct err *err)
{
    if (process->group->store.covered &&
        !store_tls_open(&process->clients_tls, process->image, process->group, false, err))
        return false;
    return !config_has_peers(process->config) ||
           open_links_tls(&process->tls, process->image, node, err);
}

static struct address links_of(const struct address *clients)
{
    struct address links = *clients;

    links.port = (uint16_t)(links.port + STORE_LINK_PORT);
    return links;
}

/* Before the sandbox, in which no port can be had. */
static bool open_doors(struct process *process, struct err *err)
{
    const struct config_group *group = process->group;
    struct address links, covered;

    process->door = process->tls_door = -1;
    for (uint32_t i = 0; i < group->member_count; i++) {
        if (group->members[i].node != process->config->node)
            continue;
        links = links_of(&group->members[i].address);
        covered = group->members[i].address;
        if (store_tls_address(group, &covered) &&
            !listener_open_fd(&process->tls_door, &covered, err))
            return false;
        return ((group->store.covered && group->store.tls.port == 0) ||
                listener_open_fd(&process->door, &group->members[i].address, err)) &&
               listener_open_fd(&process->links, &links, err);
    }
    return err_set(err, ERR_CONFIG, "this node is no member of the group");
}

static bool confine(const struct process *process, const char *node, const char *directory,
                    struct err *err)
{
    static char texts[STORE_TLS_FOLDERS_MAX][CONFIG_PATH_MAX];
    const char *const writable[] = {directory, NULL};
    const char *readable[STORE_TLS_FOLDERS_MAX + 1];
    const struct sandbox sandbox = {.profile = SANDBOX_STORE,
                                    .io_uring = loop_kind(process->loop) == LOOP_URING,
                                    .readable = readable,
                                    .writable = writable};
    char missing[MISSING_MAX];

    store_tls_folders(process->image, process->group, node, texts, readable);
    if (!sandbox_enter(&sandbox, missing, sizeof missing, err))
        return false;
    if (missing[0])
        log_warning("the kernel cannot confine this process entirely", log_text("reason", missing));
    return true;
}

static bool open_service(struct process *process, const char *node, const char *directory,
                         struct err *err)
{
    struct store_member members[GROUP_MEMBERS_MAX];
    const struct config_node *nodes =
        image_items(process->image, process->config->nodes, sizeof *nodes);
    struct store_options options = {
        .loop = process->loop,
        .cluster = image_string(process->image, process->config->cluster),
        .group = image_string(process->image, process->group->replication.item.name),
        .self = node,
        .directory = directory,
        .members = members,
        .member_count = process->group->member_count,
        .door = process->door,
        .tls_door = process->tls_door,
        .links = process->links,
        .tls = process->tls,
        .clients_tls = process->clients_tls,
        .config = &process->group->store,
        .image = process->image,
        .may_act = may_act,
        .failed = failed,
        .said = said,
        .closed = closed,
        .context = process,
    };

    for (uint32_t i = 0; i < options.member_count; i++) {
        const struct config_group_member *member = &process->group->members[i];

        members[i] = (struct store_member){
            .name = image_string(process->image, nodes[member->node].item.name),
            .clients = member->address,
            .links = links_of(&member->address)};
    }
    if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed)
        return err_system(err, "get a random number");
    return store_service_open(&process->store, &options, err);
}

static bool begin(struct process *process, struct err *err)
{
    struct loop_options loop = {.chunks_max = CHUNKS, .chunk_bytes = CHUNK_BYTES};
    static char directory[CONFIG_PATH_MAX];
    const char *node;
    char name[BOARD_NAME_MAX + 8];

    if (!scoreboard_map(STORE_BOARD_FD, &process->board, err) || !take_image(process, err) ||
        !take_signals(process, err))
        return false;
    node = node_of(process->image);
    snprintf(name, sizeof name, "store %s",
             image_string(process->image, process->group->replication.item.name));
    log_begin(name, node);
    store_directory(process->image, process->group, directory);
    loop.kind = (enum loop_kind)process->config->loop;
    return open_tls(process, node, err) && loop_open(&process->loop, &loop, err) &&
           open_doors(process, err) && confine(process, node, directory, err) &&
           open_service(process, node, directory, err);
}

/* What is acknowledged is on disk: the farewell is for clients and members, and does not take long. */
static void close_orderly(struct process *process)
{
    struct instant until = after_ms(loop_now(process->loop), FAREWELL_MS);

    store_service_close(process->store);
    while (process->store && !passed(until, loop_now(process->loop)))
        loop_turn(process->loop, NS_PER_MS);
}

int role_store(const char *slot)
{
    static struct process process;
    struct err err;

    process.slot = (uint32_t)strtoul(slot, NULL, 10);
    process.channel = (struct watch){.ready = on_channel};
    process.signals = (struct watch){.ready = on_signal};
    log_begin("store", NULL);
    if (process.slot >= GROUPS_MAX || !begin(&process, &err)) {
        log_error("cannot begin", log_text("error.message", err.text));
        return 1;
    }
    watch_start(process.loop, &process.channel, STORE_CHANNEL_FD, true, false);
    watch_start(process.loop, &process.signals, process.signal_fd, true, false);
    while (!process.over)
        loop_turn(process.loop, TURN_MAX_MS * NS_PER_MS);
    close_orderly(&process);
    return process.exit_code;
}
