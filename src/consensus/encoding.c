/*
 * Bytes of consensus. Every field has one place and is read at it; what is out of bounds is refused here, so that the core
 * meets only what it can hold.
 */
#include "consensus/encoding.h"

enum { FORMAT = 1, FLAG_GRANTED = 1, FLAG_FULL = 2, FLAG_TRANSFER = 4, FLAG_BEAT = 8, FLAGS = 15 };

/* ---- numbers ---- */

static void put(struct buf *out, uint64_t number, size_t width)
{
    for (size_t i = 0; i < width; i++)
        buf_add_byte(out, (uint8_t)(number >> (8 * i)));
}

/* The caller has seen that so many bytes are there. */
static uint64_t get(struct bytes *from, size_t width)
{
    uint64_t number = 0;

    must(from->len >= width);
    for (size_t i = 0; i < width; i++)
        number |= (uint64_t)from->at[i] << (8 * i);
    *from = bytes_skip(*from, width);
    return number;
}

/* ---- entries ---- */

void raft_encode_entry(struct buf *out, const struct raft_entry *entry, struct bytes body)
{
    must(body.len <= RAFT_BODY_MAX);
    put(out, entry->term, 8);
    put(out, entry->kind, 1);
    put(out, entry->change.kind, 1);
    put(out, entry->change.role, 1);
    put(out, 0, 1);
    put(out, entry->change.member, 4);
    put(out, body.len, 4);
    buf_add(out, body);
}

static bool check_entry(const struct raft_entry *entry, struct err *err)
{
    const struct raft_change *change = &entry->change;
    bool changes = change->kind != 0 || change->role != 0 || change->member != 0;

    if (entry->term == 0 || entry->term >= RAFT_NUMBER_MAX)
        return err_set(err, ERR_PEER, "an entry of term %llu", (unsigned long long)entry->term);
    if (entry->kind > RAFT_CONFIG)
        return err_set(err, ERR_PEER, "an entry of unknown kind %u", entry->kind);
    if (entry->kind != RAFT_CONFIG && changes)
        return err_set(err, ERR_PEER, "a membership change in an entry of kind %u", entry->kind);
    if (change->kind > RAFT_REMOVE || change->role > RAFT_WITNESS)
        return err_set(err, ERR_PEER, "a membership change of kind %u to role %u", change->kind,
                       change->role);
    if (entry->kind == RAFT_CONFIG && change->member == 0)
        return err_set(err, ERR_PEER, "a membership change of member 0");
    return true;
}

bool raft_decode_entry(struct bytes *from, struct raft_entry *entry, struct bytes *body,
                       struct err *err)
{
    struct bytes at = *from;
    struct raft_entry found = {0};
    uint64_t zero, len;

    if (at.len < RAFT_ENTRY_BYTES)
        return err_set(err, ERR_PEER, "an entry is cut off after %zu bytes", at.len);
    found.term = get(&at, 8);
    found.kind = (uint8_t)get(&at, 1);
    found.change.kind = (uint8_t)get(&at, 1);
    found.change.role = (uint8_t)get(&at, 1);
    zero = get(&at, 1);
    found.change.member = (uint32_t)get(&at, 4);
    len = get(&at, 4);
    if (zero != 0)
        return err_set(err, ERR_PEER, "an entry's reserved byte is %u", (unsigned)zero);
    if (len > RAFT_BODY_MAX || len > at.len)
        return err_set(err, ERR_PEER, "an entry's body of %llu bytes, with %zu left",
                       (unsigned long long)len, at.len);
    if (!check_entry(&found, err))
        return false;
    *entry = found;
    *body = bytes_take(at, len);
    *from = bytes_skip(at, len);
    return true;
}

/* ---- messages ---- */

static uint8_t flags_of(const struct raft_message *message)
{
    return (uint8_t)((message->granted ? FLAG_GRANTED : 0) | (message->full ? FLAG_FULL : 0) |
                     (message->transfer ? FLAG_TRANSFER : 0) | (message->beat ? FLAG_BEAT : 0));
}

static uint32_t fitting(const struct raft_message *message, const struct bytes *bodies,
                        size_t limit)
{
    size_t size = RAFT_MESSAGE_BYTES;
    uint32_t count = 0;

    must(limit >= RAFT_MESSAGE_BYTES + RAFT_ENTRY_BYTES + RAFT_BODY_MAX);
    while (count < message->count) {
        size += RAFT_ENTRY_BYTES + bodies[count].len;
        if (size > limit)
            break;
        count++;
    }
    return count;
}

uint32_t raft_encode(struct buf *out, const struct raft_message *message,
                     const struct raft_entry *entries, const struct bytes *bodies, size_t limit)
{
    uint32_t count = fitting(message, bodies, limit);

    must(message->count <= RAFT_BATCH_MAX);
    must(message->unled_ns >= 0);
    put(out, FORMAT, 1);
    put(out, message->type, 1);
    put(out, flags_of(message), 1);
    put(out, 0, 1);
    put(out, message->from, 4);
    put(out, message->to, 4);
    put(out, message->term, 8);
    put(out, message->index, 8);
    put(out, message->index_term, 8);
    put(out, message->commit, 8);
    put(out, message->type == RAFT_VOTE_REPLY ? (uint64_t)message->unled_ns : message->round, 8);
    put(out, count, 4);
    for (uint32_t i = 0; i < count; i++)
        raft_encode_entry(out, &entries[i], bodies[i]);
    return count;
}

void raft_message_rest(struct raft_message *message, const struct raft_entry *entries,
                       uint32_t sent)
{
    must(sent > 0 && sent < message->count);
    message->index += sent;
    message->index_term = entries[sent - 1].term;
    message->count -= sent;
}

static bool check_head(const struct raft_message *message, struct err *err)
{
    if (message->type >= RAFT_MESSAGE_TYPES)
        return err_set(err, ERR_PEER, "a message of unknown type %u", message->type);
    if (message->from == 0 || message->to == 0)
        return err_set(err, ERR_PEER, "a message from member %u to %u", message->from, message->to);
    if (message->term == 0 || message->term >= RAFT_NUMBER_MAX ||
        message->index_term > message->term)
        return err_set(err, ERR_PEER, "a message of term %llu about an entry of term %llu",
                       (unsigned long long)message->term, (unsigned long long)message->index_term);
    if (message->index >= RAFT_NUMBER_MAX || message->commit >= RAFT_NUMBER_MAX ||
        message->round >= RAFT_NUMBER_MAX)
        return err_set(err, ERR_PEER, "a message whose index, commit or round is out of bounds");
    if (message->count > RAFT_BATCH_MAX || (message->count > 0 && message->type != RAFT_APPEND))
        return err_set(err, ERR_PEER, "a message of type %u with %u entries", message->type,
                       message->count);
    return true;
}

static bool decode_head(struct bytes *from, struct raft_message *message, struct err *err)
{
    uint64_t format, flags, zero;

    if (from->len < RAFT_MESSAGE_BYTES)
        return err_set(err, ERR_PEER, "a message is cut off after %zu bytes", from->len);
    format = get(from, 1);
    message->type = (uint8_t)get(from, 1);
    flags = get(from, 1);
    zero = get(from, 1);
    if (format != FORMAT || (flags & ~(uint64_t)FLAGS) != 0 || zero != 0)
        return err_set(err, ERR_PEER, "a message of format %u, flags %u, reserved %u; known is %u",
                       (unsigned)format, (unsigned)flags, (unsigned)zero, FORMAT);
    message->granted = (flags & FLAG_GRANTED) != 0;
    message->full = (flags & FLAG_FULL) != 0;
    message->transfer = (flags & FLAG_TRANSFER) != 0;
    message->beat = (flags & FLAG_BEAT) != 0;
    message->from = (uint32_t)get(from, 4);
    message->to = (uint32_t)get(from, 4);
    message->term = get(from, 8);
    message->index = get(from, 8);
    message->index_term = get(from, 8);
    message->commit = get(from, 8);
    message->round = get(from, 8);
    message->count = (uint32_t)get(from, 4);
    if (!check_head(message, err))
        return false;
    /* A vote belongs to no round; who has not said how long says 0. */
    if (message->type == RAFT_VOTE_REPLY) {
        message->unled_ns = (int64_t)message->round;
        message->round = 0;
    }
    return true;
}

static bool decode_entries(struct bytes *from, const struct raft_message *message,
                           struct raft_entry *entries, struct bytes *bodies, struct err *err)
{
    uint64_t term = message->index_term;

    for (uint32_t i = 0; i < message->count; i++) {
        if (!raft_decode_entry(from, &entries[i], &bodies[i], err))
            return err_during(err, "entry %u of %u", i + 1, message->count);
        if (entries[i].term < term || entries[i].term > message->term)
            return err_set(err, ERR_PEER,
                           "entry %u of %u: term %llu after term %llu, in a message of term %llu",
                           i + 1, message->count, (unsigned long long)entries[i].term,
                           (unsigned long long)term, (unsigned long long)message->term);
        term = entries[i].term;
    }
    return true;
}

bool raft_decode(struct bytes frame, struct raft_message *message, struct raft_entry *entries,
                 struct bytes *bodies, struct err *err)
{
    struct raft_message found = {0};

    if (!decode_head(&frame, &found, err) || !decode_entries(&frame, &found, entries, bodies, err))
        return false;
    if (frame.len != 0)
        return err_set(err, ERR_PEER, "%zu bytes behind a message", frame.len);
    if (found.count > 0)
        found.entries = entries;
    *message = found;
    return true;
}

/* ---- members ---- */

void raft_encode_config(struct buf *out, const struct raft_config *config)
{
    must(config->count <= RAFT_MEMBERS_MAX);
    put(out, config->count, 4);
    for (uint32_t i = 0; i < config->count; i++) {
        put(out, config->members[i].id, 4);
        put(out, config->members[i].role, 1);
    }
}

static bool check_config(const struct raft_config *config, struct err *err)
{
    uint32_t before = 0, voters = 0;

    for (uint32_t i = 0; i < config->count; i++) {
        const struct raft_member *member = &config->members[i];

        if (member->id <= before)
            return err_set(err, ERR_PEER, "member %u after member %u", member->id, before);
        if (member->role > RAFT_WITNESS)
            return err_set(err, ERR_PEER, "member %u with role %u", member->id, member->role);
        before = member->id;
        voters += member->role != RAFT_LEARNER;
    }
    if (voters > RAFT_VOTERS_MAX || (config->count > 0 && voters == 0))
        return err_set(err, ERR_PEER, "%u voters, of 1 to %u", voters, RAFT_VOTERS_MAX);
    return true;
}

bool raft_decode_config(struct bytes *from, struct raft_config *config, struct err *err)
{
    struct bytes at = *from;
    struct raft_config found = {0};

    if (at.len < 4)
        return err_set(err, ERR_PEER, "a list of members is cut off after %zu bytes", at.len);
    found.count = (uint32_t)get(&at, 4);
    if (found.count > RAFT_MEMBERS_MAX)
        return err_set(err, ERR_PEER, "%u members, at most %u", found.count, RAFT_MEMBERS_MAX);
    if (at.len < found.count * (size_t)5)
        return err_set(err, ERR_PEER, "a list of %u members in %zu bytes", found.count, at.len);
    for (uint32_t i = 0; i < found.count; i++) {
        found.members[i].id = (uint32_t)get(&at, 4);
        found.members[i].role = (uint8_t)get(&at, 1);
    }
    if (!check_config(&found, err))
        return false;
    *config = found;
    *from = at;
    return true;
}
