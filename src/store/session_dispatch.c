/*
 * What becomes of a request: refused, queued by MULTI, answered here, made a record, or sent on to the primary.
 */
#include "store/session_parts.h"

#include "store/space.h"

#include <stdio.h>

enum { SHOWN_MAX = 256, MEMORY_SLACK = 16 };

/* ---- how this member stands ---- */

bool desk_is_primary(const struct desk *desk)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);

    return view->role == ENGINE_PRIMARY && view->writable && view->established;
}

bool desk_may_read(const struct desk *desk)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);

    return view->role == ENGINE_PRIMARY && view->established &&
           desk->log.may_act(desk->log.context);
}

/* Time never goes back, whatever the clock of this member does, or did that of the primary before: what had expired for a record stays so for a read. */
int64_t desk_record_time(struct desk *desk)
{
    return desk->wall_ms > desk->execution.time_ms ? desk->wall_ms : desk->execution.time_ms;
}

/* Where something is evicted it may be a little more, for as long as that takes. */
bool desk_fits(const struct desk *desk)
{
    uint64_t max = (uint64_t)desk->settings.memory_max;

    if (desk->settings.policy != POLICY_NONE)
        max += max / MEMORY_SLACK;
    return desk->settings.memory_max == 0 || space_bytes(desk->execution.space) <= max;
}

bool session_has_memory(struct desk *desk, struct session *session, enum step *step)
{
    bool evicts = desk->settings.policy != POLICY_NONE && !desk->nothing_goes;

    *step = STEP_DONE;
    if (desk_fits(desk))
        return true;
    if (session->pending > 0)
        *step = session_stall(desk, session, STALL_PENDING);
    else if (evicts && session_stall_for(desk, session, STALL_MEMORY, desk->settings.hold_ms))
        *step = STEP_STALL;
    desk->counts.oom += *step == STEP_DONE;
    return false;
}

/* ---- writes ---- */

enum step session_await(struct desk *desk, struct session *session)
{
    if (session_stall_for(desk, session, STALL_PRIMARY, desk->settings.hold_ms))
        return STEP_STALL;
    session_error(desk, session,
                  "TRYAGAIN there is no primary that can be reached: nothing was done");
    return STEP_DONE;
}

static enum step refused(struct desk *desk, struct session *session, enum ledger_refusal why)
{
    switch (why) {
    case LEDGER_FULL:
        if (session_stall_for(desk, session, STALL_ROOM, desk->settings.hold_ms))
            return STEP_STALL;
        session_error(desk, session, "TRYAGAIN too much is not committed yet: nothing was done");
        return STEP_DONE;
    case LEDGER_DISK_FULL:
        session_error(desk, session,
                      "MISCONF Errors writing to the log: No space left on device. Commands that "
                      "may modify the data set are refused");
        return STEP_DONE;
    case LEDGER_TOO_LONG:
        session_error(desk, session, "ERR the command is longer than a record may be");
        return STEP_DONE;
    case LEDGER_NOT_PRIMARY:
    case LEDGER_NO_LEASE:
    case LEDGER_HANDING_OVER:
        return session_await(desk, session);
    case LEDGER_TAKEN:
    case LEDGER_REFUSALS:
        break;
    }
    never("a refusal that is none");
}

static uint64_t cookie_of(const struct session *session)
{
    return (uint64_t)session->generation << 32 | session->slot;
}

static enum step append(struct desk *desk, struct session *session)
{
    struct bytes record = buf_bytes(&desk->record);
    enum ledger_refusal why = LEDGER_TAKEN;

    if (session->pending > 0 && session->route != 0)
        return session_stall(desk, session, STALL_PENDING);
    if (desk->log.append(desk->log.context, record, cookie_of(session), &why) == 0)
        return refused(desk, session, why);
    session->route = 0;
    session->pending++;
    session->pending_bytes += (uint32_t)record.len;
    desk->counts.writes++;
    return STEP_DONE;
}

enum step session_submit(struct desk *desk, struct session *session, bool alone)
{
    if (session->pending >= SESSION_PIPELINE_COUNT ||
        session->pending_bytes >= SESSION_PIPELINE_BYTES)
        return session_stall(desk, session, STALL_PENDING);
    if (desk_is_primary(desk))
        return append(desk, session);
    return forward_request(desk, session, alone, false);
}

enum step session_write(struct desk *desk, struct session *session, const struct bytes *words,
                        uint32_t count)
{
    buf_clear(&desk->record);
    if (!record_write(&desk->record, RECORD_COMMAND, desk_record_time(desk), words, count)) {
        if (session->pending > 0)
            return session_stall(desk, session, STALL_PENDING);
        session_error(desk, session, "ERR the command is longer than a record may be");
        return STEP_DONE;
    }
    return session_submit(desk, session, false);
}

static enum step write(struct desk *desk, struct session *session, struct call *call)
{
    enum step step;

    if (session->skip == 1 && session->pending > 0)
        return session_stall(desk, session, STALL_PENDING);
    if ((call->command->flags & COMMAND_GROWS) && !session_has_memory(desk, session, &step)) {
        if (step == STEP_DONE)
            session_error(desk, session, "OOM command not allowed when used memory > 'maxmemory'.");
        return step;
    }
    return session_write(desk, session, call->words, call->count);
}

/* ---- reads ---- */

static enum step run_here(struct desk *desk, struct session *session, struct call *call)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);

    call->out = session_out(desk, session);
    command_run(call);
    if (view->executed > session->seen)
        session->seen = view->executed;
    desk->counts.reads++;
    return STEP_DONE;
}

static enum step read_there(struct desk *desk, struct session *session, struct call *call)
{
    buf_clear(&desk->record);
    if (!record_write(&desk->record, RECORD_COMMAND, 0, call->words, call->count)) {
        session_error(desk, session, "ERR the command is longer than a record may be");
        return STEP_DONE;
    }
    return forward_request(desk, session, true, true);
}

/* The lease is looked at after the read: what it showed counts only if it was still ours then. */
static enum step read_strongly(struct desk *desk, struct session *session, struct call *call)
{
    size_t before = session->out.len;

    if (!desk_may_read(desk))
        return desk_is_primary(desk) ? session_await(desk, session)
                                     : read_there(desk, session, call);
    (void)run_here(desk, session, call);
    if (desk_may_read(desk))
        return STEP_DONE;
    session->out.len = before;
    return session_await(desk, session);
}

static bool is_recent(const struct desk *desk, const struct session *session)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);

    if (view->role == ENGINE_PRIMARY)
        return desk_may_read(desk);
    return view->linked && !view->loading && view->executed >= view->heard_committed &&
           desk->now_ms - view->heard.ns / NS_PER_MS <= session->bound_ms;
}

static enum step read(struct desk *desk, struct session *session, struct call *call)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);

    if (view->loading && session->consistency != STORE_STRONG)
        return read_there(desk, session, call);
    switch ((enum store_consistency)session->consistency) {
    case STORE_STRONG:
        return read_strongly(desk, session, call);
    case STORE_SESSION:
        if (view->executed >= session->seen)
            return run_here(desk, session, call);
        if (session_stall_for(desk, session, STALL_POSITION, desk->settings.hold_ms))
            return STEP_STALL;
        session_error(desk, session,
                      "TRYAGAIN this member has not got what this connection has seen");
        return STEP_DONE;
    case STORE_BOUNDED:
        if (is_recent(desk, session))
            return run_here(desk, session, call);
        return read_there(desk, session, call);
    case STORE_EVENTUAL:
        return run_here(desk, session, call);
    }
    never("no such consistency");
}

/* ---- refusals ---- */

/* Of a command that is refused within MULTI, EXEC says so. */
static enum step refuse(struct desk *desk, struct session *session, const char *text)
{
    if (session->extra && session->extra->queueing)
        session->extra->broken = true;
    session_error(desk, session, text);
    return STEP_DONE;
}

/* Somebody makes a browser speak to us. */
static bool is_http(struct bytes word)
{
    return bytes_equal_nocase(word, BYTES("post")) || bytes_equal_nocase(word, BYTES("host:"));
}

static enum step refuse_words(struct desk *desk, struct session *session,
                              const struct command *command, const struct bytes *words,
                              uint32_t count)
{
    struct buf *out = session_out(desk, session);

    if (!command && is_http(words[0])) {
        session_end(desk, session);
        return STEP_DONE;
    }
    if (session->extra && session->extra->queueing)
        session->extra->broken = true;
    if (out)
        command_refuse(out, command, words, count);
    return STEP_DONE;
}

static bool may_channels(const struct session *session, const struct call *call)
{
    bool patterns = strcmp(call->command->name, "psubscribe") == 0;
    uint32_t end = call->count;

    if (strcmp(call->command->name, "publish") == 0)
        end = 2;
    else if (!patterns && strcmp(call->command->name, "subscribe") != 0)
        return true;
    for (uint32_t i = 1; i < end; i++)
        if (!user_may_channel(session->user, call->words[i], patterns))
            return false;
    return true;
}

static const char *forbidden(struct desk *desk, const struct session *session,
                             const struct call *call, char *text)
{
    const char *why = NULL;

    if (user_may_all(session->user))
        return NULL;
    if (!user_may_command(session->user, call->command)) {
        snprintf(text, SHOWN_MAX, "NOPERM this user has no permissions to run the '%s' command",
                 call->command->name);
        why = text;
    } else if (!session_may_keys(session, call->command, call->words, call->count)) {
        why = "NOPERM this user has no permissions to access one of the keys used as arguments";
    } else if ((call->command->flags & COMMAND_PUBSUB) && !may_channels(session, call)) {
        why = "NOPERM this user has no permissions to access one of the channels used as arguments";
    }
    desk->counts.denied += why != NULL;
    return why;
}

bool session_may(struct desk *desk, const struct session *session, const struct call *call)
{
    char text[SHOWN_MAX];

    return !forbidden(desk, session, call, text);
}

static bool is_one_of(const struct command *command, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(command->name, *names) == 0)
            return true;
    return false;
}

/* What may be said before one has said who one is. */
static bool is_for_anybody(const struct command *command)
{
    static const char *const names[] = {"auth", "hello", "quit", "reset", NULL};

    return command->flags & COMMAND_SESSION && is_one_of(command, names);
}

/* What a connection of version 2 may still say when it listens to channels. */
static bool is_for_listeners(const struct command *command)
{
    static const char *const names[] = {"subscribe", "unsubscribe", "psubscribe", "punsubscribe",
                                        "ping",      "quit",        "reset",      NULL};

    return command->flags & COMMAND_SESSION && is_one_of(command, names);
}

/* What MULTI does not queue. */
static bool is_for_now(const struct command *command)
{
    static const char *const names[] = {"exec", "discard", "multi", "watch", "quit", "reset", NULL};

    return command->flags & COMMAND_SESSION && is_one_of(command, names);
}

static const char *objection(struct desk *desk, const struct session *session,
                             const struct call *call, char *text)
{
    if (!session->user)
        return is_for_anybody(call->command) ? NULL : "NOAUTH Authentication required.";
    if (!is_for_anybody(call->command)) {
        const char *why = forbidden(desk, session, call, text);

        if (why)
            return why;
    }
    if (session->version3 || session_subscriptions(session) == 0 || is_for_listeners(call->command))
        return NULL;
    snprintf(text, SHOWN_MAX,
             "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
             "are allowed in this context",
             call->command->name);
    return text;
}

/* ---- all of it ---- */

static bool is_paused(const struct desk *desk, const struct command *command)
{
    if (desk->now_ms >= desk->paused_until_ms)
        return false;
    if (command->flags & COMMAND_SESSION)
        return strncmp(command->name, "client|", 7) != 0 && !is_for_anybody(command) &&
               (!desk->paused_writes_only || (command->flags & COMMAND_LOGGED));
    return !desk->paused_writes_only || (command->flags & COMMAND_WRITE);
}

static enum step carry_out(struct desk *desk, struct session *session, struct call *call)
{
    bool queues = session->extra && session->extra->queueing && !is_for_now(call->command);

    if (is_paused(desk, call->command) && !queues)
        return session_stall(desk, session, STALL_PAUSED);
    if (queues)
        return session_queue(desk, session, call);
    if (call->command->flags & COMMAND_SESSION) {
        call->out = session_out(desk, session);
        return session_handler_of(call->command)(desk, session, call);
    }
    return call->command->flags & COMMAND_WRITE ? write(desk, session, call)
                                                : read(desk, session, call);
}

enum step session_dispatch(struct desk *desk, struct session *session, const struct bytes *words,
                           uint32_t count)
{
    const struct command *command = command_named(words, count);
    bool fits = command && command_fits(command, count) && !command_is_container(command);
    struct call call = {.space = desk->execution.space,
                        .command = command,
                        .words = words,
                        .count = count,
                        .now_ms = desk_record_time(desk),
                        .chance = &desk->chance,
                        .version3 = session->version3,
                        .notices = NULL};
    char text[SHOWN_MAX];
    const char *why;

    /* Everything but a write has its reply now, so those of the writes before come first. */
    if (session->pending > 0 && !(fits && (command->flags & (COMMAND_WRITE | COMMAND_LOGGED))))
        return session_stall(desk, session, STALL_PENDING);
    if (!fits)
        return refuse_words(desk, session, command, words, count);
    session->command = command;
    why = objection(desk, session, &call, text);
    if (why) {
        if (session->pending > 0)
            return session_stall(desk, session, STALL_PENDING);
        return refuse(desk, session, why);
    }
    return carry_out(desk, session, &call);
}
