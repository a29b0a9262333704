/*
 * How a snapshot is asked for, and the parts that come. What can be read can be written and read again. Parts in any order, lost or made up, give
 * the bytes of the parts that were taken, one behind the other, never more than was announced.
 *
 * As parts, the input is a row of frames, each behind its length in two bytes.
 */
#include "fuzz.h"

#include "cluster/reread.h"

enum { WHOLE_MAX = 64 << 10 };

static void put_together(struct bytes all)
{
    static uint8_t taken[WHOLE_MAX];
    enum transfer_result result = TRANSFER_IGNORED;
    struct transfer transfer;
    struct unpack in = unpack_of(all);
    size_t len = 0;

    transfer_init(&transfer, 2, 1);
    while (result <= TRANSFER_MORE && !in.bad && in.left.len > 0) {
        struct part part;

        if (!part_decode(unpack_bytes16(&in), &part) || len + part.bytes.len > WHOLE_MAX)
            continue;
        result = transfer_take(&transfer, &part);
        if (result == TRANSFER_IGNORED)
            must(part.offset != len);
        if (result != TRANSFER_MORE && result != TRANSFER_WHOLE)
            continue;
        must(part.index == transfer.index && part.term == transfer.term && transfer.index >= 2);
        memcpy(taken + len, part.bytes.at, part.bytes.len);
        len += part.bytes.len;
        must((result == TRANSFER_WHOLE) == (len == part.total));
    }
    must(bytes_equal(buf_bytes(&transfer.bytes), bytes_of(taken, len)));
    transfer_fini(&transfer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)reread_fetch(bytes_of(data, size));
    (void)reread_part(bytes_of(data, size));
    put_together(bytes_of(data, size));
    return 0;
}
