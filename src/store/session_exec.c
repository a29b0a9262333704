/*
 * MULTI and what ends it. A transaction that writes is one record; one that only reads is a strong read of all its commands at once. Commands that concern the connection are not
 * queued: what is executed may be executed by another member.
 */
#include "store/session_parts.h"

#include "store/command.h"
#include "store/space.h"

#include <stdlib.h>

/* Of the server's own, what can be done wherever the record is executed. */
static bool can_be_queued(const struct command *command)
{
    return !(command->flags & COMMAND_NO_EXEC) &&
           (!(command->flags & COMMAND_SESSION) ||
            (command->flags & (COMMAND_LOGGED | COMMAND_ANYWHERE)));
}

enum step session_queue(struct desk *desk, struct session *session, struct call *call)
{
    struct session_extra *extra = session->extra;

    call->out = session_out(desk, session);
    if (!can_be_queued(call->command)) {
        extra->broken = true;
        reply_error(call, "ERR Command not allowed inside a transaction");
    } else if (!record_exec_queue(&extra->exec, call->words, call->count)) {
        extra->broken = true;
        reply_error(call, "ERR the transaction is longer than a record may be");
    } else {
        extra->writes |= (call->command->flags & (COMMAND_WRITE | COMMAND_LOGGED)) != 0;
        extra->grows |= (call->command->flags & COMMAND_GROWS) != 0;
        reply_simple(call, "QUEUED");
    }
    return STEP_DONE;
}

void session_drop_exec(struct session *session)
{
    struct session_extra *extra = session->extra;

    if (!extra)
        return;
    record_exec_fini(&extra->exec);
    record_exec_init(&extra->exec);
    extra->queueing = extra->broken = extra->writes = extra->grows = false;
}

enum step handle_multi(struct desk *desk, struct session *session, struct call *call)
{
    struct session_extra *extra = session_extra(session);

    (void)desk;
    if (!extra) {
        reply_error(call, "ERR no memory for a transaction");
    } else if (extra->queueing) {
        reply_error(call, "ERR MULTI calls can not be nested");
    } else {
        extra->queueing = true;
        reply_ok(call);
    }
    return STEP_DONE;
}

enum step handle_discard(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    if (!session->extra || !session->extra->queueing) {
        reply_error(call, "ERR DISCARD without MULTI");
    } else {
        session_drop_exec(session);
        reply_ok(call);
    }
    return STEP_DONE;
}

enum step handle_watch(struct desk *desk, struct session *session, struct call *call)
{
    struct session_extra *extra = session_extra(session);
    const struct ledger_view *view = desk->log.view(desk->log.context);

    if (!extra) {
        reply_error(call, "ERR no memory for a transaction");
        return STEP_DONE;
    }
    if (extra->queueing) {
        reply_error(call, "ERR WATCH inside MULTI is not allowed");
        return STEP_DONE;
    }
    /* In the middle of a copy a key that is not there yet would pass for one that was deleted after it was made. */
    if (view->loading) {
        if (session_stall_for(desk, session, STALL_POSITION, desk->settings.hold_ms))
            return STEP_STALL;
        reply_error(call, "TRYAGAIN this member is being copied");
        return STEP_DONE;
    }
    /* Of a member that is behind it is an older version, of a key that is not there too, so that EXEC refuses rather than overlooks. By the log's time, not this
     * member's: for who reads next at the primary what has expired here may be there still. */
    for (uint32_t i = 1; i < call->count; i++)
        if (!record_exec_watch(
                &extra->exec, call->words[i],
                space_version(call->space, call->words[i], desk->execution.time_ms))) {
            reply_error(call, "ERR the transaction is longer than a record may be");
            return STEP_DONE;
        }
    reply_ok(call);
    return STEP_DONE;
}

enum step handle_unwatch(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    if (session) /* else it was queued, and EXEC has forgotten them */
        session_drop_exec(session);
    reply_ok(call);
    return STEP_DONE;
}

/* Nothing is written: executed here and now, if that is a strong read, else by the primary. */
static enum step read_all(struct desk *desk, struct session *session, struct call *call)
{
    size_t before = session->out.len;

    if (desk_may_read(desk)) {
        execute_record(&desk->execution, 0, buf_bytes(&desk->record), call->out, session->version3);
        if (desk_may_read(desk)) {
            session_drop_exec(session);
            return STEP_DONE;
        }
        session->out.len = before;
    }
    return forward_request(desk, session, true, true);
}

/* Its user may have fewer rights by now than when it was queued. `bytes` are the transaction. */
static bool may_all_of(struct desk *desk, const struct session *session, struct bytes bytes)
{
    struct bytes *words;
    struct call call;
    struct record record;
    uint32_t watched, count;
    uint64_t version;
    struct bytes word;
    bool may = true;

    if (user_may_all(session->user))
        return true;
    must(record_read(bytes, &record) && record_exec_begin(&record, &watched));
    for (; watched > 0; watched--)
        must(record_exec_next_watch(&record, &word, &version));
    words = calloc(record.count + 1, sizeof *words);
    while (words && may && (count = record_exec_next_command(&record)) > 0) {
        for (uint32_t i = 0; i < count; i++)
            must(record_next_word(&record, &words[i]));
        call = (struct call){
            .command = command_of_record(words, count), .words = words, .count = count};
        may = call.command && session_may(desk, session, &call);
    }
    free(words);
    return words && may;
}

enum step handle_exec(struct desk *desk, struct session *session, struct call *call)
{
    struct session_extra *extra = session->extra;
    enum step step;

    if (!extra || !extra->queueing) {
        reply_error(call, "ERR EXEC without MULTI");
        return STEP_DONE;
    }
    if (extra->broken) {
        session_drop_exec(session);
        reply_error(call, "EXECABORT Transaction discarded because of previous errors.");
        return STEP_DONE;
    }
    if (extra->grows && !session_has_memory(desk, session, &step)) {
        if (step == STEP_STALL)
            return step;
        session_drop_exec(session);
        reply_error(call, "EXECABORT Transaction discarded because of: OOM command not allowed "
                          "when used memory > 'maxmemory'.");
        return STEP_DONE;
    }
    buf_clear(&desk->record);
    if (!record_exec_write(&extra->exec, desk_record_time(desk), &desk->record)) {
        session_drop_exec(session);
        reply_error(call, "EXECABORT Transaction discarded because of: no memory");
        return STEP_DONE;
    }
    if (!may_all_of(desk, session, buf_bytes(&desk->record))) {
        session_drop_exec(session);
        reply_error(call, "EXECABORT Transaction discarded because of: NOPERM this user's "
                          "permissions have changed since");
        return STEP_DONE;
    }
    if (!extra->writes)
        return read_all(desk, session, call);
    step = session_submit(desk, session, true);
    /* Refused for good, or appended: nothing of it is needed any more. */
    if (step == STEP_DONE)
        session_drop_exec(session);
    return step;
}
