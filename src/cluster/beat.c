/*
 * Encodes and decodes beats.
 */
#include "cluster/beat.h"

#include "cluster/fields.h"

/* On the wire: never reused. */
enum tag {
    WHO = 1,
    WORD,
    CLOCK,
    RAFT,
    FLAGS,
    CONFIG,
    APPLIED,
    LEVEL,
    ROW,
    REQUESTS,
    GRANTS,
    REFUSED,
    LEASE,
};

enum { FLAG_TILTED = 1, FLAG_LEADING = 2, FLAG_READY = 4, WORD_BLANK = 1, CELL_SUSPECTED = 1 };

#define NEEDED                                                                                     \
    (1u << WHO | 1u << WORD | 1u << CLOCK | 1u << RAFT | 1u << FLAGS | 1u << CONFIG |              \
     1u << APPLIED | 1u << LEVEL)

/* ---- writing ---- */

static void write_word(struct buf *out, const struct found_word *word)
{
    pack_u8(out, word->blank ? WORD_BLANK : 0);
    pack_u64(out, word->disk);
    pack_u64(out, word->cluster);
    pack_u64(out, word->list_hash);
    pack_u32(out, word->hears);
}

static void write_flags(struct buf *out, const struct beat *beat)
{
    pack_u8(out, (uint8_t)((beat->tilted ? FLAG_TILTED : 0) | (beat->leading ? FLAG_LEADING : 0) |
                           (beat->ready ? FLAG_READY : 0)));
}

static void write_row(struct buf *out, const struct links_row *row)
{
    must(row->count <= CLUSTER_NODES_MAX);
    pack_u8(out, (uint8_t)row->count);
    for (uint32_t i = 0; i < row->count; i++) {
        pack_u32(out, row->cells[i].member);
        pack_u32(out, row->cells[i].ago_ms);
        pack_u8(out, row->cells[i].suspected ? CELL_SUSPECTED : 0);
    }
}

static void write_requests(struct buf *out, const struct beat *beat)
{
    must(beat->request_count <= CLUSTER_LEASES_MAX);
    pack_u64(out, beat->request);
    pack_u8(out, (uint8_t)beat->request_count);
    for (uint32_t i = 0; i < beat->request_count; i++) {
        pack_u8(out, beat->requests[i].slot);
        pack_u64(out, beat->requests[i].epoch);
    }
}

static void write_grants(struct buf *out, const struct beat *beat)
{
    must(beat->grant_count <= CLUSTER_LEASES_MAX);
    pack_u8(out, (uint8_t)beat->grant_count);
    for (uint32_t i = 0; i < beat->grant_count; i++) {
        pack_u8(out, beat->grants[i].slot);
        pack_u64(out, beat->grants[i].epoch);
        pack_u64(out, beat->grants[i].request);
    }
}

static void write_refused(struct buf *out, const struct beat *beat)
{
    must(beat->refused_count <= CLUSTER_NODES_MAX);
    pack_u8(out, (uint8_t)beat->refused_count);
    for (uint32_t i = 0; i < beat->refused_count; i++) {
        pack_u32(out, beat->refused[i].member);
        pack_u64(out, beat->refused[i].incarnation);
    }
}

/* The last one that this version writes. */
enum { TAG_LAST = LEASE };

static void write_field(struct buf *out, enum tag tag, const struct beat *beat)
{
    switch (tag) {
    case WHO:
        pack_u32(out, beat->from.member);
        pack_u64(out, beat->from.incarnation);
        pack_u64(out, beat->number);
        break;
    case WORD:
        write_word(out, &beat->word);
        break;
    case CLOCK:
        pack_u64(out, beat->clock_ms);
        pack_u32(out, beat->clock_count);
        break;
    case RAFT:
        pack_u64(out, beat->term);
        pack_u32(out, beat->leader);
        break;
    case FLAGS:
        write_flags(out, beat);
        break;
    case CONFIG:
        pack_u64(out, beat->config_hash);
        break;
    case APPLIED:
        pack_u64(out, beat->applied);
        pack_u64(out, beat->applied_hash);
        break;
    case LEVEL:
        pack_u16(out, beat->level_max);
        break;
    case ROW:
        write_row(out, &beat->row);
        break;
    case REQUESTS:
        write_requests(out, beat);
        break;
    case GRANTS:
        write_grants(out, beat);
        break;
    case REFUSED:
        write_refused(out, beat);
        break;
    case LEASE:
        pack_u32(out, beat->lease_ms);
        break;
    }
}

/* Lists that are empty are left out: most beats have none. */
static bool has(const struct beat *beat, enum tag tag)
{
    if (tag == ROW)
        return beat->row.count > 0;
    if (tag == REQUESTS)
        return beat->request != 0;
    if (tag == GRANTS || tag == LEASE)
        return beat->grant_count > 0;
    return tag != REFUSED || beat->refused_count > 0;
}

void beat_encode(struct buf *out, const struct beat *beat)
{
    for (uint32_t tag = WHO; tag <= TAG_LAST; tag++) {
        size_t opened;

        if (!has(beat, tag))
            continue;
        opened = fields_open(out, (uint8_t)tag);
        write_field(out, tag, beat);
        pack_close(out, opened);
    }
}

/* ---- reading ---- */

static bool read_word(struct unpack *in, struct found_word *word)
{
    word->blank = unpack_u8(in) & WORD_BLANK;
    word->disk = unpack_u64(in);
    word->cluster = unpack_u64(in);
    word->list_hash = unpack_u64(in);
    word->hears = unpack_u32(in);
    return word->disk != 0 && word->blank == (word->cluster == 0);
}

static bool read_row(struct unpack *in, struct links_row *row)
{
    uint32_t count = unpack_u8(in);

    if (count > CLUSTER_NODES_MAX)
        return false;
    for (row->count = 0; row->count < count; row->count++) {
        struct links_cell *cell = &row->cells[row->count];

        cell->member = unpack_u32(in);
        cell->ago_ms = unpack_u32(in);
        cell->suspected = unpack_u8(in) & CELL_SUSPECTED;
        for (uint32_t i = 0; i < row->count; i++)
            if (row->cells[i].member == cell->member)
                return false;
    }
    return true;
}

static bool read_requests(struct unpack *in, struct beat *beat)
{
    uint64_t seen = 0;
    uint32_t count;

    beat->request = unpack_u64(in);
    count = unpack_u8(in);
    if (count > CLUSTER_LEASES_MAX || beat->request == 0)
        return false;
    for (beat->request_count = 0; beat->request_count < count; beat->request_count++) {
        struct beat_request *request = &beat->requests[beat->request_count];

        request->slot = unpack_u8(in);
        request->epoch = unpack_u64(in);
        if (request->slot >= CLUSTER_LEASES_MAX || (seen >> request->slot & 1))
            return false;
        seen |= 1ULL << request->slot;
    }
    return true;
}

static bool read_grants(struct unpack *in, struct beat *beat)
{
    uint64_t seen = 0;
    uint32_t count = unpack_u8(in);

    if (count > CLUSTER_LEASES_MAX)
        return false;
    for (beat->grant_count = 0; beat->grant_count < count; beat->grant_count++) {
        struct beat_grant *grant = &beat->grants[beat->grant_count];

        grant->slot = unpack_u8(in);
        grant->epoch = unpack_u64(in);
        grant->request = unpack_u64(in);
        if (grant->slot >= CLUSTER_LEASES_MAX || (seen >> grant->slot & 1))
            return false;
        seen |= 1ULL << grant->slot;
    }
    return true;
}

static bool read_refused(struct unpack *in, struct beat *beat)
{
    uint32_t count = unpack_u8(in);

    if (count > CLUSTER_NODES_MAX)
        return false;
    for (beat->refused_count = 0; beat->refused_count < count; beat->refused_count++) {
        struct life *life = &beat->refused[beat->refused_count];

        life->member = unpack_u32(in);
        life->incarnation = unpack_u64(in);
        for (uint32_t i = 0; i < beat->refused_count; i++)
            if (beat->refused[i].member == life->member)
                return false;
    }
    return true;
}

static void read_flags(struct unpack *in, struct beat *beat)
{
    uint8_t flags = unpack_u8(in);

    beat->tilted = flags & FLAG_TILTED;
    beat->leading = flags & FLAG_LEADING;
    beat->ready = flags & FLAG_READY;
}

static void read_number(struct unpack *in, enum tag tag, struct beat *beat)
{
    if (tag == WHO) {
        beat->from.member = unpack_u32(in);
        beat->from.incarnation = unpack_u64(in);
        beat->number = unpack_u64(in);
        beat->row.from = beat->from;
    } else if (tag == CLOCK) {
        beat->clock_ms = unpack_u64(in);
        beat->clock_count = unpack_u32(in);
    } else if (tag == RAFT) {
        beat->term = unpack_u64(in);
        beat->leader = unpack_u32(in);
    } else if (tag == CONFIG) {
        beat->config_hash = unpack_u64(in);
    } else if (tag == APPLIED) {
        beat->applied = unpack_u64(in);
        beat->applied_hash = unpack_u64(in);
    } else if (tag == LEVEL) {
        beat->level_max = unpack_u16(in);
    } else if (tag == LEASE) {
        beat->lease_ms = unpack_u32(in);
    } else {
        read_flags(in, beat);
    }
}

static bool read_field(struct unpack *in, enum tag tag, struct beat *beat)
{
    if (tag == WORD)
        return read_word(in, &beat->word);
    if (tag == ROW)
        return read_row(in, &beat->row);
    if (tag == REQUESTS)
        return read_requests(in, beat);
    if (tag == GRANTS)
        return read_grants(in, beat);
    if (tag == REFUSED)
        return read_refused(in, beat);
    read_number(in, tag, beat);
    return true;
}

bool beat_decode(struct bytes bytes, struct beat *beat)
{
    struct fields fields = fields_of(bytes);
    struct unpack value;
    uint32_t seen = 0;
    uint8_t tag;

    memset(beat, 0, sizeof *beat);
    if (bytes.len > CLUSTER_BEAT_MAX)
        return false;
    while (fields_next(&fields, &tag, &value)) {
        if (tag < WHO || tag > TAG_LAST)
            continue;
        if (!read_field(&value, tag, beat) || !unpack_ended(&value))
            return false;
        seen |= 1u << tag;
    }
    return !fields.in.bad && (seen & NEEDED) == NEEDED;
}
