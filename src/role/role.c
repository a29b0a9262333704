/*
 * The life of a long-lived role, from its first instruction to its last: what worker, agent and monitor have in common.
 */
#include "role/role.h"

#include "base/clock.h"
#include "base/own.h"
#include "role/log.h"
#include "role/role_parts.h"
#include "role/user.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    CHANNEL_FD = 3,
    SCOREBOARD_FD = 4,
    LOG_FD = 5,
    MISSING_MAX = 512,
    GRANTS_MAX = 8,
    TURN_MAX_MS = 500, /* a beat is never older than this while all is well */
};

/* One row per role, and all that differs between them before their own file begins. */
static const struct {
    const char *name;
    enum sandbox_profile profile;
    struct loop_options loop; /* a worker's are configured */
    const char *const *readable;
} kinds[] = {
    [ROLE_AGENT] = {"agent",
                    SANDBOX_AGENT,
                    {.chunks_max = 512, .chunk_bytes = 16 << 10},
                    (const char *const[]){"/etc", "/run/systemd/resolve", "/run/resolvconf",
                                          "/run/NetworkManager", NULL}},
    /* What the other processes use of the machine stands in /proc. */
    [ROLE_MONITOR] = {"monitor",
                      SANDBOX_MONITOR,
                      {.chunks_max = 256, .chunk_bytes = 64 << 10},
                      (const char *const[]){"/proc", NULL}},
    [ROLE_WORKER] = {"worker", SANDBOX_WORKER, {0}, NULL},
};

/* ---- frames ---- */

static void end(struct role *role, int exit_code)
{
    role->over = true;
    role->exit_code = exit_code;
}

static void send_number(struct role *role, enum message type, uint64_t number)
{
    struct frame frame = {.type = type, .number = number};
    struct err err;

    if (channel_send(CHANNEL_FD, &frame, &err))
        return;
    log_error("the supervisor cannot be told", log_text("error.message", err.text));
    end(role, 1);
}

static void put_in_force(struct role *role)
{
    struct beat_record *beat = &role->board->beats[role_slot(role->kind, role->worker)];
    uint64_t before = role->current ? role->current->number : 0;

    role_promote_generation(role);
    if (role->events->configure)
        role->events->configure(role, role->current);
    else
        role_forget(role, before);
    atomic_store_explicit(&beat->generation, role->current->number, memory_order_relaxed);
    send_number(role, MESSAGE_READY, role->current->number);
}

static void drain(struct role *role, int64_t within_ms)
{
    if (!role->events->drain) {
        end(role, 0);
        return;
    }
    role->events->drain(role, after_ms(loop_now(role->loop), within_ms));
    if (role->kind == ROLE_WORKER)
        role_close_listeners_soon(role);
}

static void reopen(struct role *role, struct frame *frame)
{
    role_replace_access_log(role, frame);
    if (role->events->reopen)
        role->events->reopen(role, role->current->access_log_fd);
}

/* Before the role has begun, the newest waits. */
static void take_link(struct role *role, struct frame *frame)
{
    own_close(&role->link_fd);
    role->link_fd = frame_take_fd(frame, 0);
}

static void hand_link_on(struct role *role)
{
    int fd = take_fd(&role->link_fd);

    if (fd >= 0 && role->events->linked)
        role->events->linked(role, fd);
    else
        own_close(&fd);
}

/* What comes before the role has begun is of the life before it: programs end with their agent, and processes stand in the scoreboard. */
static bool take_process(struct role *role, struct frame *frame, struct err *err)
{
    struct process_word word;

    if (frame->len != sizeof word || frame->number >= GROUPS_MAX)
        return err_set(err, ERR_PEER, "a message of type %u has %u bytes", frame->type, frame->len);
    memcpy(&word, frame->body, sizeof word);
    if (role->current && role->events->process)
        role->events->process(role, (enum message)frame->type, (uint32_t)frame->number, &word,
                              frame_take_fd(frame, 0));
    return true;
}

/* False: this frame should never have come. */
static bool take(struct role *role, struct frame *frame, struct err *err)
{
    switch ((enum message)frame->type) {
    case MESSAGE_LISTENERS:
        return role_take_listeners(role, frame, err);
    case MESSAGE_LOGS:
        return role_take_logs(role, frame, err);
    case MESSAGE_GENERATION:
        return role_take_generation(role, frame, err);
    case MESSAGE_DRAIN:
        drain(role, (int64_t)frame->number);
        return true;
    case MESSAGE_REOPEN:
        reopen(role, frame);
        return true;
    case MESSAGE_RELOADED:
        if (role->events->reloaded)
            role->events->reloaded(role, frame->number == 1, bytes_of(frame->body, frame->len));
        return true;
    case MESSAGE_LOOKED:
        if (role->events->looked && role->current)
            role->events->looked(role, frame->number);
        return true;
    case MESSAGE_LINK:
        take_link(role, frame);
        return true;
    case MESSAGE_PROCESS_STARTED:
    case MESSAGE_PROCESS_ENDED:
    case MESSAGE_PROGRAM_STARTED:
    case MESSAGE_PROGRAM_ENDED:
        return take_process(role, frame, err);
    case MESSAGE_PROCESS_START:
    case MESSAGE_PROCESS_KILL:
    case MESSAGE_PROGRAM_START:
    case MESSAGE_PROGRAM_KILL:
    case MESSAGE_FENCE:
    case MESSAGE_READ:
    case MESSAGE_READY:
    case MESSAGE_DRAINED:
    case MESSAGE_RELOAD:
    case MESSAGE_LOOK:
    case MESSAGE_ANNOUNCE:
    case MESSAGE_FINDINGS:
    case MESSAGE_IMAGE:
    case MESSAGE_REFUSED:
        break;
    }
    return err_set(err, ERR_PEER, "a message of type %u is not for a role", frame->type);
}

/* One frame: what it brings is taken, what it should not have brought is closed. */
static enum channel_outcome receive(struct role *role, struct frame *frame)
{
    enum channel_outcome outcome = channel_receive(CHANNEL_FD, frame);
    struct err err;

    if (outcome == CHANNEL_FRAME && !take(role, frame, &err)) {
        log_error("the supervisor is not understood", log_text("error.message", err.text));
        outcome = CHANNEL_BAD;
    }
    if (outcome == CHANNEL_FRAME)
        frame_close_fds(frame);
    return outcome;
}

static void on_channel(struct watch *watch, bool readable, bool writable)
{
    struct role *role = container_of(watch, struct role, channel);
    static struct frame frame;

    (void)readable;
    (void)writable;
    while (!role->over) {
        switch (receive(role, &frame)) {
        case CHANNEL_NOTHING:
            return;
        case CHANNEL_FRAME:
            if (frame.type == MESSAGE_GENERATION)
                put_in_force(role);
            else if (frame.type == MESSAGE_LINK)
                hand_link_on(role);
            break;
        case CHANNEL_CLOSED: /* without a supervisor nobody would end this process */
        case CHANNEL_BAD:
            end(role, 1);
            break;
        }
    }
}

/* ---- beginning ---- */

/* The loop's options are in the first generation, so it is waited for without a loop. */
static bool await_first_generation(struct role *role, struct err *err)
{
    static struct frame frame;
    struct pollfd channel = {.fd = CHANNEL_FD, .events = POLLIN};
    uint32_t slot;

    for (;;) {
        switch (receive(role, &frame)) {
        case CHANNEL_NOTHING:
            poll(&channel, 1, -1);
            break;
        case CHANNEL_FRAME:
            if (frame.type != MESSAGE_GENERATION)
                break;
            memcpy(&slot, frame.body, sizeof slot);
            if (frame.len != sizeof slot || slot >= ROLES_MAX || slot < role_slot(role->kind, 0))
                return err_set(err, ERR_PEER, "slot %u is not for this role", slot);
            role->worker = slot - role_slot(role->kind, 0);
            return true;
        case CHANNEL_CLOSED:
        case CHANNEL_BAD:
            return err_set(err, ERR_PEER, "the supervisor is gone");
        }
    }
}

static bool open_loop(struct role *role, struct err *err)
{
    const struct config *config = role->next->config;
    struct loop_options options = kinds[role->kind].loop;

    options.kind = (enum loop_kind)config->loop;
    if (role->kind == ROLE_WORKER) {
        options.chunks_max = (uint32_t)config->limits.buffers;
        options.chunk_bytes = (uint32_t)config->limits.buffer_bytes;
        options.pipes_max = (uint32_t)config->limits.pipes;
    }
    return loop_open(&role->loop, &options, err);
}

/* What only the agent may touch: where its state lies, and where its certificates do. A certificate is renewed by putting another file in
 * its place, so it is the folder that must stay readable; one that a reload names elsewhere is read after the next start. */
struct grants {
    char texts[5][CONFIG_PATH_MAX];
    const char *readable[GRANTS_MAX + 1], *writable[3];
};

static void grant_state(struct grants *grants, struct image image, const char *node)
{
    static const char *const parts[] = {"cluster", "timeline"};
    static struct config_tls tls;
    const char *const files[] = {tls.authority, tls.certificate, tls.key};
    uint32_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        snprintf(grants->texts[i], CONFIG_PATH_MAX, "%s/%s",
                 image_string(image, config_of(image)->directory), parts[i]);
        grants->writable[i] = grants->texts[i];
    }
    while (grants->readable[count])
        count++;
    config_tls(image, node, &tls);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char *folder = grants->texts[ARRAY_LEN(parts) + i];

        snprintf(folder, CONFIG_PATH_MAX, "%s", files[i]);
        *strrchr(folder, '/') = '\0';
        must(count < GRANTS_MAX);
        grants->readable[count++] = folder[0] ? folder : "/";
    }
}

static void grant(struct grants *grants, const struct role *role)
{
    struct image image = role->next->image;

    for (uint32_t i = 0; kinds[role->kind].readable && kinds[role->kind].readable[i]; i++)
        grants->readable[i] = kinds[role->kind].readable[i];
    if (role->kind == ROLE_AGENT && config_own_node(image))
        grant_state(grants, image, role->node);
}

static bool confine(struct role *role, struct err *err)
{
    static struct grants grants;
    struct image image = role->next->image;
    struct sandbox sandbox = {
        .profile = kinds[role->kind].profile,
        .user = role_user(image_string(image, role->next->config->user)),
        .io_uring = loop_kind(role->loop) == LOOP_URING,
        .readable = grants.readable,
        .writable = grants.writable,
    };
    char missing[MISSING_MAX];

    grant(&grants, role);
    if (!sandbox_enter(&sandbox, missing, sizeof missing, err))
        return false;
    if (missing[0])
        log_warning("the kernel cannot confine this process entirely", log_text("reason", missing));
    return true;
}

static bool begin(struct role *role, struct err *err)
{
    char name[32], title[48];

    if (!process_die_with_parent(CHANNEL_FD, err) ||
        !scoreboard_map(SCOREBOARD_FD, &role->board, err) || !await_first_generation(role, err))
        return false;
    snprintf(name, sizeof name, "%s %u", kinds[role->kind].name, role->worker);
    if (role->kind != ROLE_WORKER)
        snprintf(name, sizeof name, "%s", kinds[role->kind].name);
    snprintf(title, sizeof title, "nines: %s", name);
    process_set_title(title);
    role->node = role_node_name(role->next);
    log_begin(name, role->node);
    if (!open_loop(role, err) || !confine(role, err))
        return false;
    atomic_store_explicit(&role->board->beats[role_slot(role->kind, role->worker)].loop,
                          (uint64_t)loop_kind(role->loop), memory_order_relaxed);
    return !role->events->begin || role->events->begin(role, role->next, err);
}

/* ---- running ---- */

static void beat(struct role *role)
{
    struct beat_record *beat = &role->board->beats[role_slot(role->kind, role->worker)];

    atomic_store_explicit(&beat->at, (uint64_t)clock_now().ns, memory_order_relaxed);
}

static void turn_until_over(struct role *role)
{
    watch_start(role->loop, &role->channel, CHANNEL_FD, true, false);
    while (!role->over) {
        beat(role);
        loop_turn(role->loop, TURN_MAX_MS * NS_PER_MS);
        role_close_lingering(role);
    }
    watch_stop(&role->channel);
}

/* Only what is certainly there: descriptor 5 is a pipe's end when the supervisor gave one, and nothing else otherwise. */
static int lent_log(enum role_kind kind)
{
    return kind == ROLE_WORKER && fcntl(LOG_FD, F_SETFD, FD_CLOEXEC) == 0 ? LOG_FD : -1;
}

int role_run(struct role *role, enum role_kind kind, const struct role_events *events)
{
    static struct role_held held[ROLE_HELD_MAX];
    struct err err;

    role->kind = kind;
    role->events = events;
    role->log_fd = lent_log(kind);
    role->node = "";
    role->link_fd = -1;
    role->channel = (struct watch){.ready = on_channel};
    role->held = held;
    list_init(&role->generations);
    log_begin(kinds[kind].name, NULL);
    if (begin(role, &err)) {
        put_in_force(role);
        hand_link_on(role);
        turn_until_over(role);
        if (events->end)
            events->end(role);
    } else {
        log_error("cannot begin", log_text("error.message", err.text));
        role->exit_code = 1;
    }
    /* The loop goes with the process: what is still open in it would only delay the end. */
    role_drop_everything(role);
    scoreboard_unmap(role->board);
    return role->exit_code;
}

void role_drained(struct role *role)
{
    send_number(role, MESSAGE_DRAINED, 0);
    if (!role->over)
        end(role, 0);
}

void role_fail(struct role *role)
{
    end(role, 1);
}

bool role_look(struct role *role, uint64_t number, struct err *err)
{
    struct frame frame = {.type = MESSAGE_LOOK, .number = number};

    (void)role;
    return channel_send(CHANNEL_FD, &frame, err);
}

bool role_announce(struct role *role, struct err *err)
{
    struct frame frame = {.type = MESSAGE_ANNOUNCE};

    (void)role;
    return channel_send(CHANNEL_FD, &frame, err);
}

bool role_order(struct role *role, enum message order, uint32_t slot, struct err *err)
{
    struct frame frame = {.type = order, .number = slot};

    must(role->kind == ROLE_AGENT && slot < GROUPS_MAX);
    must(order >= MESSAGE_PROCESS_START && order <= MESSAGE_FENCE);
    return channel_send(CHANNEL_FD, &frame, err);
}

bool role_reload(struct role *role, struct err *err)
{
    struct frame frame = {.type = MESSAGE_RELOAD};

    (void)role;
    return channel_send(CHANNEL_FD, &frame, err);
}
