/*
 * What goes on to the primary, and comes back: messages between the desks of two members (ledger_send).
 *
 *    request  1, flags 1, session's slot 4, generation 4, number 4, a record whose time is 0
 *    answer   2, outcome 1, slot 4, generation 4, number 4, position 8, the reply as it goes to the client
 *
 * A session's requests are numbered and answered in order. What was not taken is sent again by whoever asked, but only when nothing that came after it was: else its
 * turn is over. What was sent over a link that went down may have been done; a read is asked again.
 */
#include "store/session_parts.h"

#include "base/must.h"
#include "base/pack.h"
#include "store/command.h"
#include "store/record_exec.h"
#include "store/space.h"

#include <stdlib.h>

enum message { MESSAGE_REQUEST = 1, MESSAGE_ANSWER = 2 };
enum { REQUEST_VERSION3 = 1, REQUEST_READS = 2 };
enum outcome { OUTCOME_DONE, OUTCOME_NOT_TAKEN, OUTCOME_UNKNOWN, OUTCOMES };
enum { TIME_AT = 8, HEADER_MAX = 64 };

#define NONE UINT32_MAX
#define REMOTE_COOKIE (1ULL << 63)

struct sender {
    uint32_t slot, generation, number;
};

struct remote {
    struct sender sender;
    uint32_t member; /* 0: nobody there waits for it any more */
    uint32_t next;   /* of those that are free */
    bool version3;
};

static const char unknown_text[] =
    "UNKNOWN the primary was lost before it answered: this may have been done, or may still be";

bool forward_open(struct desk *desk)
{
    desk->remotes = calloc(DESK_REMOTE_MAX, sizeof *desk->remotes);
    if (!desk->remotes)
        return false;
    desk->remote_free = NONE;
    return true;
}

void forward_close(struct desk *desk)
{
    free(desk->remotes);
    desk->remotes = NULL;
}

/* ---- whoever asks ---- */

static void pack_sender(struct buf *out, struct sender sender)
{
    pack_u32(out, sender.slot);
    pack_u32(out, sender.generation);
    pack_u32(out, sender.number);
}

static bool send_request(struct desk *desk, const struct session *session, uint32_t primary,
                         bool read)
{
    struct sender sender = {session->slot, session->generation, session->sent + 1};

    buf_clear(&desk->message);
    pack_u8(&desk->message, MESSAGE_REQUEST);
    pack_u8(&desk->message,
            (uint8_t)((session->version3 ? REQUEST_VERSION3 : 0) | (read ? REQUEST_READS : 0)));
    pack_sender(&desk->message, sender);
    buf_add(&desk->message, buf_bytes(&desk->record));
    return !desk->message.full &&
           desk->log.send(desk->log.context, primary, buf_bytes(&desk->message));
}

enum step forward_request(struct desk *desk, struct session *session, bool alone, bool read)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);
    uint32_t primary = view->role == ENGINE_SECONDARY ? view->primary : 0;

    if (session->pending > 0 && (alone || session->route != primary || session->refused > 0))
        return session_stall(desk, session, STALL_PENDING);
    /* It has to lie where it can stay. */
    if (session->direct) {
        (void)session_stall(desk, session, STALL_PRIMARY);
        session_wake(desk, session);
        return STEP_STALL;
    }
    /* Its time may be over although there is somebody to ask: who never answers. */
    if (session->deadline_ms != 0 && desk->now_ms >= session->deadline_ms && session->pending == 0)
        return session_await(desk, session);
    if (primary == 0 || !send_request(desk, session, primary, read))
        return session->pending > 0 ? session_stall(desk, session, STALL_PENDING)
                                    : session_await(desk, session);
    if (session->pending == 0)
        session->base = session->answered = session->sent;
    session->sent++;
    session->moved_ms = desk->now_ms;
    session->route = primary;
    session->pending++;
    session->pending_bytes += session->request_bytes;
    desk->counts.forwarded++;
    if (!alone) {
        session->kept = true;
        return STEP_DONE;
    }
    session->alone = true;
    if (session->deadline_ms == 0)
        session->deadline_ms = desk->now_ms + desk->settings.hold_ms;
    return session_stall(desk, session, STALL_ANSWER);
}

/* Nothing is under way any more. */
static void settle(struct desk *desk, struct session *session)
{
    must(session->refused == 0);
    session->pending = session->pending_bytes = 0;
    session->answered = session->base = session->sent;
    buf_drop(&session->in, session->alone ? session->request_bytes : session->parsed);
    session->parsed = 0;
    if (session->alone) {
        session->alone = false;
        session->deadline_ms = 0;
        desk->counts.commands++;
        if (session->command && strcmp(session->command->name, "exec") == 0)
            session_drop_exec(session);
    }
    if (session->skip == 1)
        session->skip = 0;
    session_wake(desk, session);
}

/* A read is out, which changes nothing. */
static bool only_reads(const struct session *session)
{
    return session->alone && session->command &&
           !(session->command->flags & (COMMAND_SESSION | COMMAND_WRITE));
}

/* The next of what is under way was answered: `reply`, or with NULL an error. */
static void answer(struct desk *desk, struct session *session, const struct bytes *reply,
                   const char *error)
{
    struct buf *out = session_out(desk, session);

    if (out && reply)
        buf_add(out, *reply);
    else if (out)
        resp_write_error(out, bytes_of_string(error));
    session->answered++;
    session->pending--;
    session->moved_ms = desk->now_ms;
}

static void answer_refused(struct desk *desk, struct session *session)
{
    while (session->refused > 0) {
        session->refused--;
        answer(desk, session, NULL, "TRYAGAIN this was not taken, and what came after it was");
    }
}

/* Nothing of what is left was taken: it is looked at again from there. */
static void rewind_to_refused(struct desk *desk, struct session *session)
{
    static const struct resp_limits limits = {RECORD_BYTES_MAX, RECORD_WORDS_MAX, 64 << 10, 1};
    struct resp_parser parser;
    struct resp_item item;
    size_t at = 0, used;

    for (uint32_t skip = session->answered - session->base; !session->alone && skip > 0;) {
        resp_begin_requests(&parser, &limits);
        do {
            must(resp_next(&parser, bytes_skip(buf_bytes(&session->in), at), &item, &used) ==
                 RESP_ITEM);
            at += used;
        } while (!item.last);
        skip -= item.depth > 0 || item.kind == RESP_BULK; /* empty ones count as none */
    }
    buf_drop(&session->in, at);
    /* Of a request behind them a part may have been read, from where it no longer begins. */
    session_drop_reader(session);
    session->parsed = 0;
    session->pending = session->pending_bytes = session->refused = 0;
    session->answered = session->base = session->sent;
    session->alone = false;
    if (session->deadline_ms == 0)
        session->deadline_ms = desk->now_ms + desk->settings.hold_ms;
    (void)session_stall(desk, session, STALL_PRIMARY);
}

static struct session *asker(const struct desk *desk, struct sender sender, uint32_t member)
{
    struct session *session = desk_session(desk, sender.slot, sender.generation);

    return session && session->pending > 0 && session->route == member ? session : NULL;
}

static void take_answer(struct desk *desk, uint32_t member, struct unpack *in)
{
    uint8_t outcome = unpack_u8(in);
    struct sender sender;
    struct session *session;
    uint64_t position;
    uint32_t left;

    sender.slot = unpack_u32(in);
    sender.generation = unpack_u32(in);
    sender.number = unpack_u32(in);
    position = unpack_u64(in);
    session = in->bad ? NULL : asker(desk, sender, member);
    if (!session || outcome >= OUTCOMES)
        return;
    left = sender.number - session->answered - session->refused;
    if (left == 0 || left > session->pending - session->refused)
        return; /* of one that counts as answered */
    if (left > 1)
        answer_refused(desk, session);
    for (; left > 1; left--) /* whose answers got lost */
        answer(desk, session, NULL, unknown_text);
    if (outcome == OUTCOME_NOT_TAKEN) {
        session->refused++;
        if (session->refused == session->pending)
            rewind_to_refused(desk, session);
        return;
    }
    answer_refused(desk, session);
    if (position > session->seen)
        session->seen = position;
    if (position > session->wrote && !only_reads(session))
        session->wrote = position;
    answer(desk, session, outcome == OUTCOME_DONE ? &in->left : NULL, unknown_text);
    if (session->pending == 0)
        settle(desk, session);
}

/* The link went down, or the time is over. */
void forward_lose(struct desk *desk, struct session *session)
{
    if (only_reads(session)) {
        session->refused = session->pending;
        rewind_to_refused(desk, session);
        return;
    }
    answer_refused(desk, session);
    while (session->pending > 0) {
        desk->counts.unknown++;
        answer(desk, session, NULL, unknown_text);
    }
    settle(desk, session);
}

/* Whoever asked over a link that is gone was told so. Its numbers may be used anew, by a process that was started again: what is answered late must not reach another one's client. */
static void forget_remotes(struct desk *desk, uint32_t member)
{
    for (uint32_t i = 0; i < desk->remote_fresh; i++)
        if (desk->remotes[i].member == member)
            desk->remotes[i].member = 0;
}

static void lose_all(struct desk *desk, uint32_t member)
{
    list_each (node, &desk->sessions) {
        struct session *session = container_of(node, struct session, node);

        if (session->pending > 0 && session->route == member)
            forward_lose(desk, session);
    }
}

void desk_linked(struct desk *desk, uint32_t member, bool up)
{
    if (!up) {
        forget_remotes(desk, member);
        lose_all(desk, member);
    }
    desk_wake_all(desk, STALL_PRIMARY);
    desk_run_ready(desk);
}

/* ---- whoever is asked ---- */

static uint32_t take_remote(struct desk *desk, uint32_t member, struct sender sender, bool version3)
{
    uint32_t index = desk->remote_free;

    /* What was never used is not touched. */
    if (index != NONE)
        desk->remote_free = desk->remotes[index].next;
    else if (desk->remote_fresh < DESK_REMOTE_MAX)
        index = desk->remote_fresh++;
    else
        return NONE;
    desk->remotes[index] =
        (struct remote){.sender = sender, .member = member, .next = NONE, .version3 = version3};
    return index;
}

static void give_remote(struct desk *desk, uint32_t index)
{
    desk->remotes[index].next = desk->remote_free;
    desk->remote_free = index;
}

/* When the link is gone, whoever asked knows it; when too much waits for it, they hear nothing and give up in time. */
static void send_answer(struct desk *desk, uint32_t member, struct sender sender,
                        enum outcome outcome, uint64_t position, struct bytes reply)
{
    struct buf *message = &desk->message;

    if (reply.len > LEDGER_MESSAGE_MAX - HEADER_MAX)
        reply = BYTES("-ERR the reply is longer than what one member sends to another\r\n");
    buf_clear(message);
    pack_u8(message, MESSAGE_ANSWER);
    pack_u8(message, (uint8_t)outcome);
    pack_sender(message, sender);
    pack_u64(message, position);
    buf_add(message, reply);
    if (message->full || !desk->log.send(desk->log.context, member, buf_bytes(message)))
        desk->counts.unanswered++;
}

bool forward_is_remote(uint64_t cookie)
{
    return cookie & REMOTE_COOKIE;
}

bool forward_version3(const struct desk *desk, uint64_t cookie)
{
    return desk->remotes[(uint32_t)cookie].version3;
}

void forward_finish(struct desk *desk, uint64_t cookie, uint64_t position, struct bytes reply)
{
    uint32_t index = (uint32_t)cookie;
    struct remote *remote = &desk->remotes[index];

    if (reply.len > LEDGER_MESSAGE_MAX - HEADER_MAX)
        reply = BYTES("-ERR this was done, and its reply is longer than what one member sends to "
                      "another\r\n");
    if (remote->member != 0)
        send_answer(desk, remote->member, remote->sender, OUTCOME_DONE, position, reply);
    give_remote(desk, index);
}

void forward_unknown(struct desk *desk, uint64_t cookie)
{
    uint32_t index = (uint32_t)cookie;
    struct remote *remote = &desk->remotes[index];

    if (remote->member != 0)
        send_answer(desk, remote->member, remote->sender, OUTCOME_UNKNOWN, 0, (struct bytes){0});
    give_remote(desk, index);
}

/* A strong read: as for a client of our own. */
static void serve_read(struct desk *desk, uint32_t member, struct sender sender, bool version3,
                       struct bytes record)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);
    uint64_t executed = view->executed;
    struct buf *out = &desk->scratch;
    bool may = desk_may_read(desk);

    buf_clear(out);
    if (may)
        execute_record(&desk->execution, 0, record, out, version3);
    if (!may || !desk_may_read(desk))
        send_answer(desk, member, sender, OUTCOME_NOT_TAKEN, 0, (struct bytes){0});
    else
        send_answer(desk, member, sender, OUTCOME_DONE, executed, buf_bytes(out));
    desk->counts.served++;
}

/* Whether a command in it needs memory. */
static bool grows(struct bytes bytes)
{
    struct bytes words[2] = {{0}}, word;
    struct record record;
    uint32_t watched, count;
    uint64_t version;
    const struct command *command;

    if (!record_read(bytes, &record))
        return false;
    count = record.count;
    if (record.kind == RECORD_EXEC) {
        if (!record_exec_begin(&record, &watched))
            return false;
        for (; watched > 0; watched--)
            if (!record_exec_next_watch(&record, &word, &version))
                return false;
        count = record_exec_next_command(&record);
    }
    while (count > 0) {
        for (uint32_t i = 0; i < count; i++)
            if (!record_next_word(&record, i < 2 ? &words[i] : &word))
                return false;
        command = command_of_record(words, count < 2 ? count : 2);
        if (command && (command->flags & COMMAND_GROWS))
            return true;
        count = record.kind == RECORD_EXEC ? record_exec_next_command(&record) : 0;
    }
    return false;
}

/* The sender has looked at its own memory; ours is what counts. Its other writes may be under way, and answers come in their order: so the refusal is a record in the write's stead. Where
 * something may be evicted, it is, and the sender's clients wait for that. */
static struct bytes refuse_growth(struct desk *desk, struct bytes bytes)
{
    bool evicts = desk->settings.policy != POLICY_NONE && !desk->nothing_goes;
    bool queued = bytes.len > 0 && bytes.at[0] == RECORD_EXEC;
    struct bytes words[] = {
        BYTES("@refuse"),
        queued ? BYTES("EXECABORT Transaction discarded because of: OOM command not allowed when "
                       "used memory > 'maxmemory'.")
               : BYTES("OOM command not allowed when used memory > 'maxmemory'.")};

    if (desk_fits(desk) || evicts || !grows(bytes))
        return bytes;
    desk->counts.oom++;
    buf_clear(&desk->scratch);
    must(record_write(&desk->scratch, RECORD_COMMAND, desk_record_time(desk), words, 2));
    return buf_bytes(&desk->scratch);
}

static void serve_write(struct desk *desk, uint32_t member, struct sender sender, bool version3,
                        struct bytes record)
{
    uint32_t index = desk_is_primary(desk) ? take_remote(desk, member, sender, version3) : NONE;
    enum ledger_refusal why = LEDGER_NOT_PRIMARY;

    if (index != NONE && desk->log.append(desk->log.context, record, REMOTE_COOKIE | index, &why)) {
        desk->counts.served++;
        desk->counts.writes++;
        return;
    }
    if (index != NONE)
        give_remote(desk, index);
    if (why == LEDGER_DISK_FULL)
        send_answer(desk, member, sender, OUTCOME_DONE, 0,
                    BYTES("-MISCONF Errors writing to the log: No space left on device. Commands "
                          "that may modify the data set are refused\r\n"));
    else if (why == LEDGER_TOO_LONG)
        send_answer(desk, member, sender, OUTCOME_DONE, 0,
                    BYTES("-ERR the command is longer than a record may be\r\n"));
    else
        send_answer(desk, member, sender, OUTCOME_NOT_TAKEN, 0, (struct bytes){0});
}

static void take_request(struct desk *desk, uint32_t member, struct unpack *in)
{
    uint8_t flags = unpack_u8(in);
    struct sender sender;
    struct record record;
    struct buf time;

    sender.slot = unpack_u32(in);
    sender.generation = unpack_u32(in);
    sender.number = unpack_u32(in);
    buf_clear(&desk->record);
    buf_add(&desk->record, in->left);
    if (in->bad || desk->record.full || !record_read(buf_bytes(&desk->record), &record))
        return;
    buf_over(&time, desk->record.at + TIME_AT, sizeof(uint64_t));
    pack_u64(&time, (uint64_t)desk_record_time(desk));
    if (flags & REQUEST_READS)
        serve_read(desk, member, sender, flags & REQUEST_VERSION3, buf_bytes(&desk->record));
    else
        serve_write(desk, member, sender, flags & REQUEST_VERSION3,
                    refuse_growth(desk, buf_bytes(&desk->record)));
}

void desk_message(struct desk *desk, uint32_t member, struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);

    switch (unpack_u8(&in)) {
    case MESSAGE_REQUEST:
        take_request(desk, member, &in);
        break;
    case MESSAGE_ANSWER:
        take_answer(desk, member, &in);
        break;
    default: /* of a later version: whoever sent it hears nothing */
        break;
    }
    desk_run_ready(desk);
}
