#include "peer/frame.h"

#include "base/must.h"
#include "peer/little.h"

#include <xxhash.h>

enum { AT_LENGTH = 4, AT_TYPE = 8, AT_ZERO = 10, AT_SEQUENCE = 12, AT_SUM = 20 };

static const uint8_t magic[4] = {'n', '9', 'f', '1'};

static uint32_t sum(const uint8_t *header, struct bytes body)
{
    uint64_t seed = XXH3_64bits(header, AT_SUM);

    return (uint32_t)XXH3_64bits_withSeed(body.at, body.len, seed);
}

static enum frame_result wrong(const char **why, const char *sentence)
{
    *why = sentence;
    return FRAME_WRONG;
}

static enum frame_result read_header(const uint8_t *at, uint64_t sequence, uint32_t body_max,
                                     const char **why)
{
    if (get_32(at + AT_LENGTH) > body_max)
        return wrong(why, "a frame that is longer than is allowed");
    if (get_16(at + AT_ZERO) != 0)
        return wrong(why, "a frame of an unknown kind");
    if (get_64(at + AT_SEQUENCE) < sequence)
        return wrong(why, "a frame that came before comes again");
    if (get_64(at + AT_SEQUENCE) > sequence)
        return wrong(why, "a frame is missing before one that came");
    return FRAME_DONE;
}

enum frame_result frame_read(struct bytes bytes, uint64_t sequence, uint32_t body_max,
                             struct frame *frame, size_t *used, const char **why)
{
    size_t known = bytes.len < sizeof magic ? bytes.len : sizeof magic;
    struct bytes body;

    if (known > 0 && memcmp(bytes.at, magic, known) != 0)
        return wrong(why, "bytes that are no frame");
    if (bytes.len < FRAME_HEADER)
        return FRAME_MORE;
    if (read_header(bytes.at, sequence, body_max, why) == FRAME_WRONG)
        return FRAME_WRONG;
    body = bytes_skip(bytes, FRAME_HEADER);
    if (body.len < get_32(bytes.at + AT_LENGTH))
        return FRAME_MORE;
    body.len = get_32(bytes.at + AT_LENGTH);
    if (get_32(bytes.at + AT_SUM) != sum(bytes.at, body))
        return wrong(why, "a frame whose checksum is wrong");
    *frame = (struct frame){.type = get_16(bytes.at + AT_TYPE), .body = body};
    *used = FRAME_HEADER + body.len;
    return FRAME_DONE;
}

void frame_write_header(uint8_t header[FRAME_HEADER], uint16_t type, uint64_t sequence,
                        struct bytes body)
{
    must(body.len <= UINT32_MAX);
    memcpy(header, magic, sizeof magic);
    put_32(header + AT_LENGTH, (uint32_t)body.len);
    put_16(header + AT_TYPE, type);
    put_16(header + AT_ZERO, 0);
    put_64(header + AT_SEQUENCE, sequence);
    put_32(header + AT_SUM, sum(header, body));
}
