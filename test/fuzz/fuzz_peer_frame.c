/*
 * Frames are decided by their bytes and not by how they arrive: what is told of a part holds for the whole, nothing is read beyond what is there, and
 * what was read is written the same. The first byte chooses whether the rest is taken as it is or as the body of a frame that is then well made.
 */
#include "fuzz.h"

#include "base/own.h"
#include "peer/frame.h"

enum { BODY_MAX = 256, LOOKED_AT_MAX = 600 };

struct outcome {
    enum frame_result result;
    struct frame frame;
    size_t used;
    const char *why;
};

/* In storage of exactly this size, so that reading beyond it is seen. */
static struct outcome read_exact(struct bytes bytes, uint64_t sequence, uint8_t **storage)
{
    struct outcome outcome = {0};

    *storage = malloc(bytes.len ? bytes.len : 1);
    must(*storage);
    if (bytes.len)
        memcpy(*storage, bytes.at, bytes.len);
    outcome.result = frame_read(bytes_of(*storage, bytes.len), sequence, BODY_MAX, &outcome.frame,
                                &outcome.used, &outcome.why);
    if (outcome.result == FRAME_DONE)
        must(outcome.used <= bytes.len && outcome.used >= FRAME_HEADER &&
             outcome.frame.body.len == outcome.used - FRAME_HEADER);
    if (outcome.result == FRAME_WRONG)
        must(outcome.why);
    return outcome;
}

static void written_again(const struct outcome *outcome, uint64_t sequence, const uint8_t *bytes)
{
    uint8_t header[FRAME_HEADER];

    frame_write_header(header, outcome->frame.type, sequence, outcome->frame.body);
    must(memcmp(header, bytes, FRAME_HEADER) == 0);
}

/* All frames of a stream; at each, every part of it is looked at too. */
static void walk(struct bytes all)
{
    for (uint64_t sequence = 0;; sequence++) {
        autofree uint8_t *storage = NULL;
        struct outcome whole = read_exact(all, sequence, &storage);
        bool decided = false;

        for (size_t len = 0; len < all.len; len++) {
            autofree uint8_t *part_storage = NULL;
            struct outcome part = read_exact(bytes_take(all, len), sequence, &part_storage);

            must(!decided || part.result != FRAME_MORE);
            decided = part.result != FRAME_MORE;
            if (decided)
                must(part.result == whole.result && part.used == whole.used);
        }
        if (whole.result != FRAME_DONE)
            return;
        written_again(&whole, sequence, all.at);
        all = bytes_skip(all, whole.used);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_take(bytes_of(data, size), LOOKED_AT_MAX);
    uint8_t made[FRAME_HEADER + BODY_MAX];
    struct bytes body;

    if (all.len < 3)
        return 0;
    if (data[0] % 2) {
        walk(bytes_skip(all, 1));
        return 0;
    }
    body = bytes_take(bytes_skip(all, 3), BODY_MAX);
    frame_write_header(made, (uint16_t)(data[1] | data[2] << 8), 0, body);
    if (body.len)
        memcpy(made + FRAME_HEADER, body.at, body.len);
    walk(bytes_of(made, FRAME_HEADER + body.len));
    return 0;
}
