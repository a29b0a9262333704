/*
 * Channels and keyspace notifications. A PUBLISH is a record without an effect on the space, executed on every member, so that it reaches the listeners of all of them, in the order of the log. What happened to
 * a key is told by each member to its own listeners when it executes the record.
 */
#include "store/session_parts.h"

#include "store/glob.h"

#include <stdio.h>

/* ---- messages ---- */

struct message {
    struct desk *desk;
    struct bytes channel, text;
};

static void write_head(struct buf *out, bool version3, uint64_t count)
{
    resp_write_head(out, version3 ? RESP_PUSH : RESP_ARRAY, count);
}

static void deliver(void *context, struct subscriber *subscriber, struct bytes pattern)
{
    struct message *message = context;
    struct session *session = container_of(subscriber, struct session_extra, subscriber)->session;
    struct buf *out = session->mute && !session->version3 ? NULL : &session->out;

    if (!out || session->cut)
        return;
    session_touch(message->desk, session);
    write_head(out, session->version3, pattern.at ? 4 : 3);
    resp_write_bulk(out, pattern.at ? BYTES("pmessage") : BYTES("message"));
    if (pattern.at)
        resp_write_bulk(out, pattern);
    resp_write_bulk(out, message->channel);
    resp_write_bulk(out, message->text);
    /* One message may go to many: none of them may wait until all have it. */
    session_check_limits(message->desk, session);
}

uint64_t desk_publish(struct desk *desk, struct bytes channel, struct bytes text)
{
    struct message message = {desk, channel, text};

    desk->counts.published++;
    return pubsub_publish(desk->pubsub, channel, deliver, &message);
}

/* ---- keys ---- */

static void tell(void *context, enum notice_class class, const char *event, struct bytes key)
{
    struct desk *desk = context;
    struct bytes name = bytes_of_string(event);
    struct buf *channel = &desk->channel;

    (void)class;
    buf_clear(channel);
    if (desk->settings.notify & NOTICE_KEYSPACE) {
        buf_add_string(channel, "__keyspace@0__:");
        buf_add(channel, key);
        if (!channel->full)
            (void)desk_publish(desk, buf_bytes(channel), name);
        buf_clear(channel);
    }
    if (desk->settings.notify & NOTICE_KEYEVENT) {
        buf_add_string(channel, "__keyevent@0__:");
        buf_add(channel, name);
        (void)desk_publish(desk, buf_bytes(channel), key);
    }
}

/* Without a listener nothing is made up that nobody hears. */
void desk_listen(struct desk *desk)
{
    uint32_t where = NOTICE_KEYSPACE | NOTICE_KEYEVENT;
    bool heard = (desk->settings.notify & where) && !pubsub_is_idle(desk->pubsub);

    desk->notices =
        (struct notices){.wanted = desk->settings.notify & ~where, .context = desk, .tell = tell};
    desk->execution.notices = heard ? &desk->notices : NULL;
}

/* ---- subscriptions ---- */

uint32_t session_subscriptions(const struct session *session)
{
    return session->extra ? subscriber_count(&session->extra->subscriber) : 0;
}

void session_unsubscribe_all(struct desk *desk, struct session *session)
{
    if (session->extra)
        pubsub_leave(desk->pubsub, &session->extra->subscriber);
    desk_listen(desk);
}

static void confirm(struct session *session, struct call *call, const char *what,
                    struct bytes channel)
{
    if (!call->out)
        return;
    write_head(call->out, session->version3, 3);
    reply_string(call, what);
    if (channel.at)
        reply_bulk(call, channel);
    else
        reply_null(call);
    reply_number(call, session_subscriptions(session));
}

static enum step subscribe(struct desk *desk, struct session *session, struct call *call,
                           bool pattern)
{
    struct session_extra *extra = session_extra(session);

    for (uint32_t i = 1; i < call->count; i++) {
        if (!extra ||
            pubsub_add(desk->pubsub, &extra->subscriber, pattern, call->words[i]) == PUBSUB_LIMIT)
            reply_error(call, "ERR too many subscriptions, or too long a name");
        else
            confirm(session, call, pattern ? "psubscribe" : "subscribe", call->words[i]);
    }
    desk_listen(desk);
    return STEP_DONE;
}

static enum step unsubscribe(struct desk *desk, struct session *session, struct call *call,
                             bool pattern)
{
    struct subscriber *subscriber = session->extra ? &session->extra->subscriber : NULL;
    const char *what = pattern ? "punsubscribe" : "unsubscribe";
    uint32_t confirmed = 0;
    struct bytes name;

    for (uint32_t i = 1; i < call->count; i++) {
        if (subscriber)
            (void)pubsub_remove(desk->pubsub, subscriber, pattern, call->words[i]);
        confirm(session, call, what, call->words[i]);
    }
    while (call->count == 1 && subscriber && (name = pubsub_any(subscriber, pattern)).at) {
        buf_clear(&desk->scratch); /* the name goes with the subscription */
        buf_add(&desk->scratch, name);
        must(pubsub_remove(desk->pubsub, subscriber, pattern, buf_bytes(&desk->scratch)));
        confirm(
            session, call, what,
            bytes_of(desk->scratch.at ? (const void *)desk->scratch.at : "", desk->scratch.len));
        confirmed++;
    }
    if (call->count == 1 && confirmed == 0)
        confirm(session, call, what, (struct bytes){0});
    desk_listen(desk);
    return STEP_DONE;
}

enum step handle_subscribe(struct desk *desk, struct session *session, struct call *call)
{
    return subscribe(desk, session, call, false);
}

enum step handle_psubscribe(struct desk *desk, struct session *session, struct call *call)
{
    return subscribe(desk, session, call, true);
}

enum step handle_unsubscribe(struct desk *desk, struct session *session, struct call *call)
{
    return unsubscribe(desk, session, call, false);
}

enum step handle_punsubscribe(struct desk *desk, struct session *session, struct call *call)
{
    return unsubscribe(desk, session, call, true);
}

enum step handle_publish(struct desk *desk, struct session *session, struct call *call)
{
    return session_write(desk, session, call->words, call->count);
}

/* ---- PUBSUB ---- */

enum step handle_pubsub_channels(struct desk *desk, struct session *session, struct call *call)
{
    const struct channel *channel = NULL;
    uint64_t count = 0;

    (void)session;
    for (int round = 0; round < 2; round++) {
        if (round == 1)
            reply_array(call, count);
        while ((channel = pubsub_next(desk->pubsub, channel))) {
            if (call->count > 2 && !glob_matches(call->words[2], channel_name(channel)))
                continue;
            if (round == 1)
                reply_bulk(call, channel_name(channel));
            count++;
        }
    }
    return STEP_DONE;
}

enum step handle_pubsub_numsub(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    reply_array(call, 2ULL * (call->count - 2));
    for (uint32_t i = 2; i < call->count; i++) {
        reply_bulk(call, call->words[i]);
        reply_number(call, (int64_t)pubsub_listeners(desk->pubsub, call->words[i]));
    }
    return STEP_DONE;
}

enum step handle_pubsub_numpat(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    reply_number(call, (int64_t)pubsub_pattern_count(desk->pubsub));
    return STEP_DONE;
}
