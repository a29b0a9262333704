/*
 * Frames: what a connection between nodes is cut into. Pure: bytes in, frames out, and back.
 *
 * All integers are little-endian.
 *
 *    0  magic      4  "n9f1"
 *    4  length     4  of the body
 *    8  type       2
 *   10  zero       2
 *   12  sequence   8  of the connection, from 0: a frame that is missing, repeated or moved is noticed
 *   20  checksum   4  XXH3 of the body, seeded with that of the 20 bytes before
 *   24  body
 */
#pragma once

#include "base/bytes.h"

enum { FRAME_HEADER = 24 };

struct frame {
    uint16_t type;
    struct bytes body; /* in the bytes that were read */
};

enum frame_result { FRAME_DONE, FRAME_MORE, FRAME_WRONG };

/* Of the frame that `bytes` begins with and that must be number `sequence`. On DONE *used is its length; on WRONG *why is a
 * static sentence. What cannot become a frame is WRONG as soon as that can be told. */
enum frame_result frame_read(struct bytes bytes, uint64_t sequence, uint32_t body_max,
                             struct frame *frame, size_t *used, const char **why);
/* The header that goes before `body`. */
void frame_write_header(uint8_t header[FRAME_HEADER], uint16_t type, uint64_t sequence,
                        struct bytes body);
