/*
 * Rows of a checkpoint or of a copy, whatever their bytes are: what is taken of them is put again as the same bytes, however they were cut; a value that is read is written as one that
 * reads back the same; what belongs to the state besides is taken or refused. The input is taken as rows, and as one value of each type.
 */
#include "fuzz.h"

#include "store/row.h"
#include "store/session.h"
#include "store/space.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT_MAX = 4096, OUT_MAX = 64 << 20, HEAD = 18 };

static const struct bytes key = {(const uint8_t *)"key", 3};

static struct space *open_space(uint64_t seed)
{
    return space_open(&(struct space_options){.seed = seed, .tracked = true});
}

/* False: the key is not there. */
static bool write_key(struct space *space, struct buf *out)
{
    struct spot spot = space_spot(space, key);

    buf_clear(out);
    if (spot.entry)
        value_write(out, spot.entry);
    must(!out->full);
    return spot.entry != NULL;
}

static void try_value(struct bytes value)
{
    struct space *first = open_space(3), *second = open_space(4);
    struct buf once, twice;
    bool there;

    buf_init(&once, OUT_MAX);
    buf_init(&twice, OUT_MAX);
    there = value_read(first, key, value);
    must(write_key(first, &once) == there && space_count(first) == there);
    if (there) {
        must(value_read(second, key, buf_bytes(&once)) && write_key(second, &twice));
        must(once.len == twice.len); /* a hash's fields have no order */
        (void)space_usage(second, space_spot(second, key).entry, 0);
    }
    space_close(first);
    space_close(second);
    buf_fini(&once);
    buf_fini(&twice);
}

static void try_types(struct bytes input)
{
    uint8_t value[HEAD + LOOKED_AT_MAX] = {1};

    memcpy(value + HEAD, input.at, input.len);
    for (uint8_t type = 0; type < VALUE_TYPES; type++)
        for (uint8_t form = 0; form <= TEXT_LONG; form++) {
            value[HEAD - 2] = type;
            value[HEAD - 1] = form;
            try_value(bytes_of(value, HEAD + input.len));
        }
}

static void try_owner(struct bytes bytes)
{
    static const struct desk_options plain = {
        .settings = {.clients_max = 1, .group = "g", .self = "a", .directory = "/"},
        .seed = 5,
        .sessions_max = 1};
    struct desk_options options = plain;
    struct desk desk;
    struct err err;

    options.space = open_space(6);
    must(desk_open(&desk, &options, &err));
    if (desk_load(&desk, bytes)) {
        struct buf out;

        buf_init(&out, OUT_MAX);
        desk_save(&desk, &out);
        must(!out.full && desk_load(&desk, buf_bytes(&out)));
        buf_fini(&out);
    }
    desk_close(&desk);
    space_close(options.space);
}

static void try_rows(struct bytes input)
{
    struct space *space = open_space(7);
    struct bytes left = input;
    struct buf out;
    struct row row;

    buf_init(&out, OUT_MAX);
    while (row_take(&left, &row) == ROW_WHOLE) {
        row_put(&out, &row);
        if (row.kind == ROW_PUT)
            (void)!value_read(space, row.name, row.value);
        else if (row.kind == ROW_OWNER)
            try_owner(row.value);
        else if (row.kind == ROW_CLEAR)
            space_clear(space);
    }
    must(bytes_equal(buf_bytes(&out), bytes_take(input, input.len - left.len)));
    while (space_tidy(space)) {
    }
    space_close(space);
    buf_fini(&out);
}

/* Of a row that is cut off nothing is taken. */
static void try_cut(struct bytes input)
{
    struct bytes left = input, cut;
    struct row row;

    if (row_take(&left, &row) != ROW_WHOLE)
        return;
    for (size_t len = 0; len < input.len - left.len; len++) {
        cut = bytes_take(input, len);
        must(row_take(&cut, &row) == ROW_CUT_OFF && cut.len == len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_take(bytes_of(data, size), LOOKED_AT_MAX);

    if (size == 0)
        return 0;
    try_rows(input);
    try_cut(input);
    try_value(input);
    try_types(input);
    try_owner(input);
    return 0;
}
