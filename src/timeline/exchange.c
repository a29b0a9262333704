#include "timeline/exchange.h"

#include "base/pack.h"

/* A record with a length in front: what a newer version adds stands at its end and is not read. */
enum { VERSION = 1 };

static void pack_moment(struct buf *out, struct moment moment)
{
    pack_u64(out, (uint64_t)moment.wall_ms);
    pack_u32(out, moment.counter);
}

static struct moment unpack_moment(struct unpack *in)
{
    struct moment moment;

    moment.wall_ms = (int64_t)unpack_u64(in);
    moment.counter = unpack_u32(in);
    return moment;
}

static struct place unpack_place(struct unpack *in)
{
    struct place place;

    place.origin = unpack_u64(in);
    place.sequence = unpack_u64(in);
    return place;
}

static void pack_place(struct buf *out, struct place place)
{
    pack_u64(out, place.origin);
    pack_u64(out, place.sequence);
}

static bool wrong(const char **why, const char *what)
{
    *why = what;
    return false;
}

/* The version, then the record of fixed fields. False: it is no such thing. */
static bool unpack_head(struct unpack *in, struct unpack *record, const char **why)
{
    uint8_t version = unpack_u8(in);

    *record = unpack_of(unpack_bytes16(in));
    if (in->bad)
        return wrong(why, "it is cut short");
    return version == VERSION || wrong(why, "its version is unknown");
}

bool exchange_wants(const struct exchange_request *request, const struct fact *fact)
{
    const struct code_row *row = code_find(fact->code);
    enum severity severity = row ? row->severity : SEVERITY_WARNING;

    return fact->at.wall_ms >= request->since_ms &&
           (request->code == 0 || request->code == fact->code) && severity >= request->severity;
}

/* ---- requests ---- */

void exchange_add_request(const struct exchange_request *request, struct buf *out)
{
    size_t opened;

    pack_u8(out, VERSION);
    opened = pack_open(out);
    pack_u8(out, request->newest);
    pack_place(out, request->after);
    pack_u64(out, (uint64_t)request->since_ms);
    pack_u16(out, request->code);
    pack_u8(out, request->severity);
    pack_u32(out, request->limit);
    pack_moment(out, request->now);
    pack_close(out, opened);
}

bool exchange_read_request(struct bytes bytes, struct exchange_request *request, const char **why)
{
    struct unpack in = unpack_of(bytes), record;
    struct exchange_request read = {0};

    if (!unpack_head(&in, &record, why))
        return false;
    read.newest = unpack_u8(&record) != 0;
    read.after = unpack_place(&record);
    read.since_ms = (int64_t)unpack_u64(&record);
    read.code = unpack_u16(&record);
    read.severity = unpack_u8(&record);
    read.limit = unpack_u32(&record);
    read.now = unpack_moment(&record);
    if (record.bad || !unpack_ended(&in))
        return wrong(why, "its length is wrong");
    if (read.limit < 1 || read.limit > EXCHANGE_FACTS_MAX)
        return wrong(why, "its limit is out of bounds");
    if (read.severity >= SEVERITIES)
        return wrong(why, "its severity is unknown");
    if (read.since_ms < 0 || read.now.wall_ms < 0)
        return wrong(why, "a time is negative");
    *request = read;
    return true;
}

/* ---- replies ---- */

enum { FLAG_MORE = 1, FLAG_PARTIAL = 2 };

void exchange_add_reply(const struct exchange_reply *reply, struct buf *out)
{
    size_t opened;

    pack_u8(out, VERSION);
    opened = pack_open(out);
    pack_bytes8(out, bytes_of_string(reply->node));
    pack_place(out, reply->scanned);
    pack_u8(out, (uint8_t)((reply->more ? FLAG_MORE : 0) | (reply->partial ? FLAG_PARTIAL : 0)));
    pack_bytes8(out, bytes_of_string(reply->sentence));
    pack_moment(out, reply->now);
    pack_u32(out, reply->count);
    pack_close(out, opened);
    buf_add(out, reply->facts);
}

static bool unpack_text(struct unpack *in, char *text, size_t cap)
{
    struct bytes bytes = unpack_bytes8(in);

    if (bytes.len >= cap || bytes_find(bytes, 0) < bytes.len)
        return false;
    bytes_to_string(bytes, text, cap);
    return true;
}

static bool check_facts(struct bytes facts, uint32_t count, const char **why)
{
    for (; count > 0; count--) {
        struct fact fact;
        size_t used;

        switch (fact_decode(facts, &fact, &used, why)) {
        case FACT_READ:
            facts = bytes_skip(facts, used);
            break;
        case FACT_MORE:
            return wrong(why, "a fact is cut short");
        case FACT_WRONG:
            return false;
        }
    }
    return facts.len == 0 || wrong(why, "there are more facts than it says");
}

bool exchange_read_reply(struct bytes bytes, struct exchange_reply *reply, const char **why)
{
    struct unpack in = unpack_of(bytes), record;
    struct exchange_reply read = {0};
    bool texts;
    uint8_t flags;

    if (bytes.len > EXCHANGE_REPLY_MAX)
        return wrong(why, "it is too long");
    if (!unpack_head(&in, &record, why))
        return false;
    texts = unpack_text(&record, read.node, sizeof read.node);
    read.scanned = unpack_place(&record);
    flags = unpack_u8(&record);
    read.more = flags & FLAG_MORE;
    read.partial = flags & FLAG_PARTIAL;
    texts = unpack_text(&record, read.sentence, sizeof read.sentence) && texts;
    read.now = unpack_moment(&record);
    read.count = unpack_u32(&record);
    read.facts = in.left;
    if (record.bad || !texts || read.scanned.sequence > INT64_MAX)
        return wrong(why, "its head is wrong");
    if (read.count > EXCHANGE_FACTS_MAX)
        return wrong(why, "there are too many facts");
    if (!check_facts(read.facts, read.count, why))
        return false;
    *reply = read;
    return true;
}
