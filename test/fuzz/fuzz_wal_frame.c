/*
 * Metadata slots and whole files as bytes: whatever they are, reading them stays within them; what is written reads back the same, and
 * one changed bit makes it invalid.
 */
#include "fuzz.h"

#include "base/own.h"
#include "wal/frame.h"
#include "wal/wal.h"

static void slot_reads_back(struct bytes body)
{
    uint8_t slot[FRAME_SLOT_BYTES];
    uint64_t sequence;
    struct bytes back;

    body = bytes_take(body, WAL_META_BYTES_MAX);
    frame_put_slot(slot, 5, body);
    must(frame_get_slot(bytes_of(slot, sizeof slot), 1, &sequence, &back));
    must(sequence == 5 && bytes_equal(back, body));
    must(!frame_get_slot(bytes_of(slot, sizeof slot), 0, &sequence, &back));
    slot[(FRAME_HEADER_BYTES + body.len) / 2] ^= 1;
    must(!frame_get_slot(bytes_of(slot, sizeof slot), 1, &sequence, &back));
}

static void file_reads_back(struct bytes body)
{
    size_t len = FRAME_HEADER_BYTES + body.len;
    autofree uint8_t *file = malloc(len);
    struct bytes back;

    must(file);
    frame_put_file_header(file, body);
    if (body.len)
        memcpy(file + FRAME_HEADER_BYTES, body.at, body.len);
    must(frame_get_file(bytes_of(file, len), &back) && bytes_equal(back, body));
    must(!frame_get_file(bytes_of(file, len - 1), &back));
    file[len / 2] ^= 1;
    must(!frame_get_file(bytes_of(file, len), &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    autofree uint8_t *exact = malloc(size ? size : 1);
    struct bytes input, body;
    uint64_t sequence;

    must(exact);
    if (size)
        memcpy(exact, data, size);
    input = bytes_of(exact, size);
    for (unsigned number = 0; number < 2; number++)
        if (frame_get_slot(input, number, &sequence, &body))
            must(body.at >= exact && body.at + body.len <= exact + size);
    if (frame_get_file(input, &body))
        must(body.at >= exact && body.at + body.len == exact + size);
    slot_reads_back(input);
    file_reads_back(input);
    return 0;
}
