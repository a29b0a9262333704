/*
 * cluster/fields: what commands and beats are made of: (tag, length, bytes), with rising tags, each at most once. Readers skip what they do not know.
 */
#pragma once

#include "base/pack.h"

/* pack_close ends the field. */
size_t fields_open(struct buf *out, uint8_t tag);

struct fields {
    struct unpack in;
    uint32_t least; /* the next tag is not below it */
};

static inline struct fields fields_of(struct bytes bytes)
{
    return (struct fields){.in = unpack_of(bytes)};
}

/* The next field, or false: at the end, or the order is wrong or something is missing (in.bad). */
bool fields_next(struct fields *fields, uint8_t *tag, struct unpack *value);
