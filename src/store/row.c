#include "store/row.h"

void row_put(struct buf *out, const struct row *row)
{
    must(row->value.len <= UINT32_MAX);
    pack_u8(out, row->kind);
    pack_bytes16(out, row->name);
    pack_u32(out, (uint32_t)row->value.len);
    buf_add(out, row->value);
}

enum row_taken row_take(struct bytes *bytes, struct row *row)
{
    struct unpack in = unpack_of(*bytes);
    struct row taken;

    taken.kind = unpack_u8(&in);
    if (!in.bad && (taken.kind < ROW_CLEAR || taken.kind > ROW_OWNER))
        return ROW_BROKEN;
    taken.name = unpack_bytes16(&in);
    taken.value = unpack_take(&in, unpack_u32(&in));
    if (in.bad)
        return ROW_CUT_OFF;
    *bytes = in.left;
    *row = taken;
    return ROW_WHOLE;
}
