#include "cluster/transfer.h"

#include "base/pack.h"

void fetch_encode(struct buf *out, const struct fetch *fetch)
{
    pack_u64(out, fetch->index);
    pack_u32(out, fetch->offset);
}

bool fetch_decode(struct bytes bytes, struct fetch *fetch)
{
    struct unpack in = unpack_of(bytes);

    *fetch = (struct fetch){.index = unpack_u64(&in)};
    fetch->offset = unpack_u32(&in);
    return unpack_ended(&in);
}

void part_encode(struct buf *out, const struct part *part)
{
    pack_u64(out, part->index);
    pack_u64(out, part->term);
    pack_u32(out, part->total);
    pack_u32(out, part->offset);
    buf_add(out, part->bytes);
}

bool part_decode(struct bytes bytes, struct part *part)
{
    struct unpack in = unpack_of(bytes);

    *part = (struct part){.index = unpack_u64(&in)};
    part->term = unpack_u64(&in);
    part->total = unpack_u32(&in);
    part->offset = unpack_u32(&in);
    part->bytes = in.left;
    return !in.bad;
}

void request_encode(struct buf *out, const struct request *request)
{
    must(request->number <= REQUEST_NUMBER_MAX);
    pack_u64(out, request->number);
    buf_add(out, request->bytes);
}

bool request_decode(struct bytes bytes, struct request *request)
{
    struct unpack in = unpack_of(bytes);

    *request = (struct request){.number = unpack_u64(&in)};
    request->bytes = in.left;
    return !in.bad && request->number <= REQUEST_NUMBER_MAX;
}

/* ---- putting together ---- */

static void check(const struct transfer *transfer)
{
    must(!transfer->bytes.full);
    must(transfer->bytes.len <= transfer->total);
}

void transfer_init(struct transfer *transfer, uint64_t index, uint64_t term)
{
    *transfer = (struct transfer){.index = index, .term = term};
    buf_init(&transfer->bytes, SNAPSHOT_BYTES_MAX);
}

void transfer_fini(struct transfer *transfer)
{
    buf_fini(&transfer->bytes);
}

/* The first part says which snapshot it is: a later one serves as well. */
static bool begins(const struct transfer *transfer, const struct part *part)
{
    return part->offset == 0 && part->index >= transfer->index;
}

enum transfer_result transfer_take(struct transfer *transfer, const struct part *part)
{
    check(transfer);
    if (part->offset != transfer->bytes.len)
        return TRANSFER_IGNORED;
    if (begins(transfer, part)) {
        transfer->index = part->index;
        transfer->term = part->term;
        transfer->total = part->total;
    }
    if (part->index != transfer->index || part->term != transfer->term ||
        part->total != transfer->total || part->total > SNAPSHOT_BYTES_MAX ||
        part->bytes.len == 0 || part->bytes.len > part->total - part->offset)
        return TRANSFER_BROKEN;
    buf_add(&transfer->bytes, part->bytes);
    check(transfer);
    return transfer->bytes.len == transfer->total ? TRANSFER_WHOLE : TRANSFER_MORE;
}
