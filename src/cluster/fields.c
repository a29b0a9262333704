#include "cluster/fields.h"

size_t fields_open(struct buf *out, uint8_t tag)
{
    pack_u8(out, tag);
    return pack_open(out);
}

bool fields_next(struct fields *fields, uint8_t *tag, struct unpack *value)
{
    if (fields->in.bad || fields->in.left.len == 0)
        return false;
    *tag = unpack_u8(&fields->in);
    *value = unpack_of(unpack_bytes16(&fields->in));
    if (*tag < fields->least)
        fields->in.bad = true;
    fields->least = *tag + 1u;
    return !fields->in.bad;
}
