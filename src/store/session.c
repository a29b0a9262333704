/*
 * One client after another: what came from it is cut into requests, as long as they can be looked at, and what has to wait is looked at again when there is reason to.
 */
#include "store/session_reader.h"

#include "base/hash.h"
#include "store/space.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAME_PREFIX_MAX = 64 }; /* __keyspace@0__: */

/* ---- requests ---- */

enum { READER_KEEPS = 64 }; /* words from which on a request that is not whole is not read again */

/* The request is not whole. A short one is read again from its beginning; of a long one is kept what was read. */
static void keep_reader(struct desk *desk, struct session *session)
{
    struct session_reader *fresh;

    if (session->reader || desk->reader->count < READER_KEEPS)
        return;
    fresh = reader_new();
    if (!fresh)
        return;
    session->reader = desk->reader;
    desk->reader = fresh;
}

void session_drop_reader(struct session *session)
{
    reader_free(session->reader);
    session->reader = NULL;
}

static void protocol_error(struct desk *desk, struct session *session, const char *why,
                           struct bytes rest)
{
    char text[160];

    desk->counts.protocol_errors++;
    if (strcmp(why, "expected '$'") == 0 && rest.len > 0)
        snprintf(text, sizeof text, "ERR Protocol error: %s, got '%c'", why,
                 rest.at[0] >= ' ' && rest.at[0] < 127 ? rest.at[0] : '?');
    else
        snprintf(text, sizeof text, "ERR Protocol error: %s", why);
    session_error(desk, session, text);
    session_end(desk, session);
}

/* ---- slots ---- */

static bool open_slots(struct desk *desk, uint32_t count)
{
    must(count >= 1 && count <= SESSIONS_MAX);
    desk->slots = calloc(count, sizeof(struct session *));
    desk->generations = calloc(count, sizeof *desk->generations);
    desk->free_slots = calloc(count, sizeof *desk->free_slots);
    if (!desk->slots || !desk->generations || !desk->free_slots)
        return false;
    desk->slot_count = desk->free_count = count;
    for (uint32_t i = 0; i < count; i++)
        desk->free_slots[i] = i;
    return true;
}

static void take_slot(struct desk *desk, struct session *session)
{
    session->slot = desk->free_slots[desk->free_first];
    desk->free_first = (desk->free_first + 1) % desk->slot_count;
    desk->free_count--;
    session->generation = ++desk->generations[session->slot] & INT32_MAX;
    desk->slots[session->slot] = session;
}

static void give_slot(struct desk *desk, const struct session *session)
{
    uint32_t last = (desk->free_first + desk->free_count) % desk->slot_count;

    desk->slots[session->slot] = NULL;
    desk->free_slots[last] = session->slot;
    desk->free_count++;
}

struct session *desk_session(const struct desk *desk, uint32_t slot, uint32_t generation)
{
    struct session *session = slot < desk->slot_count ? desk->slots[slot] : NULL;

    return session && session->generation == generation ? session : NULL;
}

/* ---- the desk ---- */

static void run_own(void *context, struct call *call)
{
    struct desk *desk = context;

    if (strcmp(call->command->name, "publish") == 0)
        reply_number(call, (int64_t)desk_publish(desk, call->words[1], call->words[2]));
    else if (strcmp(call->command->name, "@users") == 0)
        desk_apply_users(desk, call);
    else if (strncmp(call->command->name, "acl|", 4) == 0 && call->command->flags & COMMAND_LOGGED)
        desk_apply_acl(desk, call);
    else if (call->command->flags & COMMAND_ANYWHERE)
        (void)session_handler_of(call->command)(desk, NULL, call);
    else
        reply_error(call, "ERR Command not allowed inside a transaction");
}

bool desk_open(struct desk *desk, const struct desk_options *options, struct err *err)
{
    *desk = (struct desk){.log = options->log,
                          .settings = options->settings,
                          .now_ms = options->now_ms,
                          .wall_ms = options->wall_ms,
                          .started_ms = options->now_ms};
    desk->execution = (struct execution){.space = options->space, .own = run_own, .context = desk};
    rng_seed(&desk->chance, options->seed);
    rng_seed(&desk->execution.chance, rng_next(&desk->chance));
    list_init(&desk->sessions);
    list_init(&desk->dirty);
    list_init(&desk->ready);
    for (int i = 0; i < STALLS; i++)
        list_init(&desk->stalled[i]);
    buf_init(&desk->record, RECORD_BYTES_MAX);
    buf_init(&desk->message, LEDGER_MESSAGE_MAX);
    buf_init(&desk->scratch, SESSION_OUT_MAX);
    buf_init(&desk->channel, PUBSUB_NAME_MAX + NAME_PREFIX_MAX);
    for (size_t i = 0; i + 1 < sizeof desk->run_id; i++)
        desk->run_id[i] = "0123456789abcdef"[rng_below(&desk->chance, 16)];
    desk->users = users_open();
    desk->pubsub = pubsub_open(hash_number(options->seed, 1));
    desk->reader = reader_new();
    desk_listen(desk);
    if (desk->users && desk->pubsub && desk->reader && forward_open(desk) &&
        open_slots(desk, options->sessions_max))
        return true;
    desk_close(desk);
    return err_set(err, ERR_LIMIT, "no memory for the store's clients");
}

void desk_close(struct desk *desk)
{
    must(list_empty(&desk->sessions));
    users_close(desk->users);
    pubsub_close(desk->pubsub);
    reader_free(desk->reader);
    forward_close(desk);
    free(desk->slots);
    free(desk->generations);
    free(desk->free_slots);
    buf_fini(&desk->file_users);
    buf_fini(&desk->record);
    buf_fini(&desk->message);
    buf_fini(&desk->scratch);
    buf_fini(&desk->channel);
    execution_fini(&desk->execution);
    *desk = (struct desk){0};
}

void desk_use_members(struct desk *desk, const struct desk_member *members, uint32_t count)
{
    must(count <= GROUP_MEMBERS_MAX);
    memcpy(desk->members, members, count * sizeof *members);
    desk->member_count = count;
}

/* ---- opening and closing ---- */

bool session_open(struct desk *desk, struct session *session, const char *address,
                  const char *local_address)
{
    struct user *standard = users_default(desk->users);

    if (desk->session_count >= desk->settings.clients_max || desk->free_count == 0) {
        desk->counts.rejected++;
        return false;
    }
    *session = (struct session){.id = ++desk->last_id,
                                .since_ms = desk->now_ms,
                                .active_ms = desk->now_ms,
                                .consistency = (uint8_t)desk->settings.consistency,
                                .bound_ms = desk->settings.bound_ms,
                                .local_address = local_address};
    snprintf(session->address, sizeof session->address, "%s", address);
    if (user_is_on(standard) && !user_needs_password(standard))
        session->user = standard;
    buf_init(&session->in, SESSION_REQUEST_MAX + SESSION_PIPELINE_BYTES);
    buf_init(&session->out, (size_t)desk->settings.out_max);
    list_init(&session->dirty);
    list_init(&session->waiting);
    take_slot(desk, session);
    list_push_back(&desk->sessions, &session->node);
    desk->session_count++;
    desk->counts.connections++;
    return true;
}

void session_close(struct desk *desk, struct session *session)
{
    must(!session->running);
    if (session->extra) {
        session_unsubscribe_all(desk, session);
        record_exec_fini(&session->extra->exec);
        free(session->extra);
    }
    session_drop_reader(session);
    buf_fini(&session->in);
    buf_fini(&session->out);
    list_remove(&session->node);
    list_remove(&session->dirty);
    list_remove(&session->waiting);
    desk->bytes -= session->counted_bytes;
    desk->session_count--;
    give_slot(desk, session);
}

struct session_extra *session_extra(struct session *session)
{
    if (session->extra)
        return session->extra;
    session->extra = calloc(1, sizeof *session->extra);
    if (!session->extra)
        return NULL;
    session->extra->session = session;
    record_exec_init(&session->extra->exec);
    subscriber_init(&session->extra->subscriber);
    return session->extra;
}

/* ---- replies ---- */

void session_touch(struct desk *desk, struct session *session)
{
    if (list_empty(&session->dirty))
        list_push_back(&desk->dirty, &session->dirty);
}

struct buf *session_out(struct desk *desk, struct session *session)
{
    if (session->mute || session->skip == 1)
        return NULL;
    session_touch(desk, session);
    return &session->out;
}

void session_error(struct desk *desk, struct session *session, const char *text)
{
    struct buf *out = session_out(desk, session);

    if (out)
        resp_write_error(out, bytes_of_string(text));
}

void session_end(struct desk *desk, struct session *session)
{
    session->closing = true;
    session_touch(desk, session);
}

static uint64_t bytes_of_session(const struct session *session)
{
    const struct session_extra *extra = session->extra;
    uint64_t bytes = session->in.cap + session->out.cap + session->unsent;

    if (session->reader)
        bytes += reader_bytes(session->reader);
    return extra ? bytes + extra->exec.watches.cap + extra->exec.commands.cap : bytes;
}

static void count_bytes(struct desk *desk, struct session *session)
{
    uint64_t bytes = bytes_of_session(session);

    desk->bytes += bytes - session->counted_bytes;
    session->counted_bytes = bytes;
}

/* What it was to be sent is given back at once: until its connection is closed, others need the room. */
static void cut(struct desk *desk, struct session *session, uint64_t *count)
{
    size_t limit = session->out.limit;

    if (!session->cut)
        ++*count;
    session->cut = session->closing = true;
    buf_fini(&session->out);
    buf_init(&session->out, limit);
    count_bytes(desk, session);
    session_touch(desk, session);
}

void session_check_limits(struct desk *desk, struct session *session)
{
    uint64_t *input = &desk->counts.cut_input, *output = &desk->counts.cut_output;

    count_bytes(desk, session);
    if (session->out.full || session->out.len + session->unsent > (size_t)desk->settings.out_max)
        cut(desk, session, output);
    else if (session->in.full)
        cut(desk, session, input);
    else if (desk->bytes > DESK_BYTES_MAX && session->counted_bytes > 2 * SESSION_IN_PAUSE &&
             !session->no_evict)
        cut(desk, session, session->in.cap > session->counted_bytes / 2 ? input : output);
}

void session_drained(struct desk *desk, struct session *session, size_t unsent)
{
    session->unsent = unsent;
    if (session->stall == STALL_OUTPUT && session->out.len + unsent <= SESSION_OUT_PAUSE) {
        session_wake(desk, session);
        desk_run_ready(desk);
    }
}

bool session_is_full(const struct session *session)
{
    return session->closing ||
           (session->stall != STALL_NONE && session->in.len - session->parsed > SESSION_IN_PAUSE);
}

/* ---- waiting ---- */

enum step session_stall(struct desk *desk, struct session *session, enum stall why)
{
    session->stall = (uint8_t)why;
    list_remove(&session->waiting);
    list_push_back(&desk->stalled[why], &session->waiting);
    return STEP_STALL;
}

bool session_stall_for(struct desk *desk, struct session *session, enum stall why, int64_t ms)
{
    if (session->deadline_ms == 0) {
        session->deadline_ms = desk->now_ms + ms;
        if (why == STALL_PRIMARY)
            desk->counts.held++;
    }
    if (desk->now_ms >= session->deadline_ms) {
        desk->counts.timed_out++;
        return false;
    }
    (void)session_stall(desk, session, why);
    return true;
}

void session_wake(struct desk *desk, struct session *session)
{
    if (session->ready)
        return;
    session->ready = true;
    list_remove(&session->waiting);
    list_push_back(&desk->ready, &session->waiting);
}

void desk_wake_all(struct desk *desk, enum stall why)
{
    while (!list_empty(&desk->stalled[why]))
        session_wake(desk, container_of(list_first(&desk->stalled[why]), struct session, waiting));
}

void session_answered(struct desk *desk, struct session *session, uint32_t bytes)
{
    must(session->pending > 0);
    session->pending--;
    session->pending_bytes -= bytes < session->pending_bytes ? bytes : session->pending_bytes;
    if (session->pending > 0)
        return;
    session->pending_bytes = 0;
    if (session->skip == 1)
        session->skip = 0;
    if (session->stall == STALL_PENDING)
        session_wake(desk, session);
}

/* ---- looking at requests ---- */

static bool may_go_on(struct desk *desk, struct session *session)
{
    if (session->closing || session->stall != STALL_NONE)
        return false;
    if (session->out.len + session->unsent <= SESSION_OUT_PAUSE)
        return true;
    (void)session_stall(desk, session, STALL_OUTPUT);
    return false;
}

static enum step look_at(struct desk *desk, struct session *session, struct session_reader *reader)
{
    enum step step;

    if (reader->count == 0)
        return STEP_DONE;
    session->request_bytes = (uint32_t)reader->at;
    session->kept = false;
    step = session_dispatch(desk, session, reader->views, reader->count);
    if (step == STEP_STALL)
        return step;
    session->deadline_ms = 0;
    desk->counts.commands++;
    if (session->skip == 2 || (session->skip == 1 && session->pending == 0))
        session->skip--;
    return step;
}

/* Looks at requests in turn. Returns how many bytes are done with; what was sent on stays, and counts as parsed. */
static size_t run(struct desk *desk, struct session *session, struct bytes bytes)
{
    size_t done = 0;

    while (may_go_on(desk, session)) {
        struct bytes left = bytes_skip(bytes, done + session->parsed);
        struct session_reader *reader = session->reader ? session->reader : desk->reader;
        enum resp_verdict verdict;

        if (left.len == 0)
            break;
        if (!session->reader)
            reader_begin(reader, session->user != NULL);
        verdict = reader_read(reader, left);
        if (verdict == RESP_MORE) {
            keep_reader(desk, session);
            break;
        }
        if (verdict == RESP_WRONG) {
            if (session->pending == 0)
                protocol_error(desk, session, reader->parser.why, bytes_skip(left, reader->at));
            else
                (void)session_stall(desk, session, STALL_PENDING);
            session_drop_reader(session);
            break;
        }
        if (look_at(desk, session, reader) == STEP_STALL) {
            session_drop_reader(session);
            break;
        }
        if (session->kept)
            session->parsed += reader->at;
        else
            done += reader->at;
        session_drop_reader(session);
    }
    return done;
}

static void run_buffered(struct desk *desk, struct session *session)
{
    session->running = true;
    session->direct = false;
    buf_drop(&session->in, run(desk, session, buf_bytes(&session->in)));
    session->running = false;
    if (session->in.len == 0 && session->in.cap > 0) {
        size_t limit = session->in.limit;

        buf_fini(&session->in);
        buf_init(&session->in, limit);
    }
}

/* Where nothing is left from before, requests are looked at where they came. What may have to be sent on again has to lie in `in`. */
static struct bytes run_direct(struct desk *desk, struct session *session, struct bytes bytes)
{
    size_t done;

    if (session->in.len > 0 || !desk_is_primary(desk))
        return bytes;
    session->running = session->direct = true;
    done = run(desk, session, bytes);
    session->running = session->direct = false;
    return bytes_skip(bytes, done);
}

void session_feed(struct desk *desk, struct session *session, struct bytes bytes)
{
    bool direct = session->in.len == 0;

    if (session->closing)
        return;
    session->active_ms = desk->now_ms;
    desk->counts.in_bytes += bytes.len;
    bytes = run_direct(desk, session, bytes);
    if (bytes.len > 0 && !session->closing) {
        direct = direct && desk_is_primary(desk);
        buf_add(&session->in, bytes);
        if (!direct && session->stall == STALL_NONE)
            run_buffered(desk, session);
        if (session_is_full(session))
            session_touch(desk, session);
    }
    session_check_limits(desk, session);
    desk_run_ready(desk);
}

void desk_run_ready(struct desk *desk)
{
    struct list batch, *node;

    /* Whoever becomes ready meanwhile comes at once: none does without having waited. */
    while (!list_empty(&desk->ready)) {
        list_move(&batch, &desk->ready);
        while ((node = list_pop_front(&batch))) {
            struct session *session = container_of(node, struct session, waiting);

            session->ready = false;
            session->stall = STALL_NONE;
            if (session->closing)
                continue;
            run_buffered(desk, session);
            session_check_limits(desk, session);
            session_touch(desk, session); /* it may receive again */
        }
    }
}
