/*
 * What the groups of two nodes say to each other, in bytes. Both may be of different versions; nothing that comes is trusted.
 */
#include "role/groups_parts.h"

#include <stdio.h>
#include <string.h>

enum {
    MEMBER_BYTES_MAX = 1 + GROUP_NAME_MAX + 1 + 8 + 1 + GROUP_SENTENCE_MAX + GROUP_REPORT_BYTES_MAX,
    OUTLOOK_BYTES_MAX = 1 + 8 + 8 + 1 + GROUP_SENTENCE_MAX + 1 + GROUP_NAME_MAX + 1 +
                        GROUP_MEMBERS_MAX * MEMBER_BYTES_MAX
};

_Static_assert((int)OUTLOOK_BYTES_MAX <= (int)GROUPS_MESSAGE_MAX, "the longest message fits");
_Static_assert(GROUPS_TEXT_MAX <= 256, "a sentence has one byte for its length");

static void text_out(struct buf *out, const char *text)
{
    pack_bytes8(out, bytes_of_string(text));
}

static bool text_in(struct unpack *in, char *text, size_t cap)
{
    struct bytes bytes = unpack_bytes8(in);

    if (bytes.len >= cap)
        return false;
    bytes_to_string(bytes, text, cap);
    return !in->bad;
}

/* ---- reports, and what the leader answers ---- */

void message_report(struct buf *out, const struct group *group, const struct group_report *report)
{
    pack_u8(out, GROUPS_REPORT);
    text_out(out, group->name);
    pack_u8(out, report != NULL);
    if (report)
        group_report_encode(out, report);
}

enum { HEARD = 1, ELIGIBLE = 2, MEMBER_FLAGS = 3 };

static void member_out(struct buf *out, const char *name, const struct groups_member_view *member)
{
    text_out(out, name);
    pack_u8(out, (uint8_t)((member->heard ? HEARD : 0) | (member->eligible ? ELIGIBLE : 0)));
    pack_u64(out, member->lag_ms);
    text_out(out, member->why_not);
    if (member->heard)
        group_report_encode(out, &member->report);
}

void message_outlook(struct buf *out, const struct group *group, const struct groups_view *view)
{
    pack_u8(out, view->failover);
    pack_u64(out, view->loss_bytes);
    pack_u64(out, (uint64_t)view->expected_ms);
    text_out(out, view->why_nobody);
    text_out(out, view->winner ? group->names[view->winner - 1] : "");
    pack_u8(out, (uint8_t)group->config.count);
    for (uint32_t i = 0; i < group->config.count; i++)
        member_out(out, group->names[i], &view->members[i]);
}

static uint32_t place_named(const struct group *group, const char *name)
{
    for (uint32_t i = 0; i < group->config.count; i++)
        if (strcmp(group->names[i], name) == 0)
            return i;
    return GROUP_MEMBERS_MAX;
}

/* Of a member that this node's file does not name, nothing is kept. */
static bool member_in(struct unpack *in, const struct group *group, struct groups_view *view)
{
    struct groups_member_view member = {0};
    char name[GROUP_NAME_MAX];
    uint8_t flags;
    uint32_t place;

    if (!text_in(in, name, sizeof name))
        return false;
    flags = unpack_u8(in);
    member.heard = flags & HEARD;
    member.eligible = flags & ELIGIBLE;
    member.lag_ms = unpack_u64(in);
    if (flags > MEMBER_FLAGS || !text_in(in, member.why_not, sizeof member.why_not) ||
        (member.heard && !group_report_decode(in, &member.report)))
        return false;
    place = place_named(group, name);
    if (place < GROUP_MEMBERS_MAX)
        view->members[place] = member;
    return true;
}

bool message_read_outlook(struct unpack *in, const struct group *group, struct groups_view *view)
{
    char winner[GROUP_NAME_MAX];
    uint8_t count;

    *view = (struct groups_view){.outlook = true, .failover = unpack_u8(in)};
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++)
        view->members[i].lag_ms = UINT64_MAX;
    view->loss_bytes = unpack_u64(in);
    view->expected_ms = (int64_t)unpack_u64(in);
    if (!text_in(in, view->why_nobody, sizeof view->why_nobody) ||
        !text_in(in, winner, sizeof winner) || view->failover >= FAILOVER_PHASES ||
        view->expected_ms < -1)
        return false;
    count = unpack_u8(in);
    if (count > GROUP_MEMBERS_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!member_in(in, group, view))
            return false;
    if (winner[0] && place_named(group, winner) < GROUP_MEMBERS_MAX)
        view->winner = place_named(group, winner) + 1;
    return unpack_ended(in);
}

/* ---- orders ---- */

void message_order(struct buf *out, const struct groups_order *order, int64_t timeout_ms)
{
    pack_u8(out, GROUPS_ORDER);
    pack_u8(out, (uint8_t)order->kind);
    pack_u8(out, order->accept_loss);
    pack_u64(out, (uint64_t)timeout_ms);
    text_out(out, order->group);
    text_out(out, order->to);
}

bool message_read_order(struct unpack *in, struct groups_order *order, int64_t *timeout_ms)
{
    uint8_t kind = unpack_u8(in), accept = unpack_u8(in);

    *order = (struct groups_order){.accept_loss = accept == 1};
    order->kind = kind == GROUPS_FAILOVER ? GROUPS_FAILOVER : GROUPS_SWITCHOVER;
    *timeout_ms = (int64_t)unpack_u64(in);
    return text_in(in, order->group, sizeof order->group) &&
           text_in(in, order->to, sizeof order->to) && kind <= GROUPS_FAILOVER && accept <= 1 &&
           *timeout_ms >= 1 && *timeout_ms <= GROUPS_TIMEOUT_MAX_MS && unpack_ended(in);
}

enum { DONE = 1, REACHED = 2, REPLY_FLAGS = 3 };

void message_reply(struct buf *out, const struct groups_reply *reply)
{
    pack_u8(out, (uint8_t)((reply->done ? DONE : 0) | (reply->reached ? REACHED : 0)));
    text_out(out, reply->by);
    text_out(out, reply->sentence);
}

bool message_read_reply(struct unpack *in, struct groups_reply *reply)
{
    uint8_t flags = unpack_u8(in);

    *reply = (struct groups_reply){.done = flags & DONE, .reached = flags & REACHED};
    return text_in(in, reply->by, sizeof reply->by) &&
           text_in(in, reply->sentence, sizeof reply->sentence) && flags <= REPLY_FLAGS &&
           (reply->reached || !reply->done) && unpack_ended(in);
}
