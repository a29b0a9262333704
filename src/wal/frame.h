/*
 * Private to wal: a slot of metadata and a whole file, as bytes. Everything is little-endian.
 *
 * slot, 4096 bytes:  magic 8, version 2, zero 2, bytes of the body 4, sequence 8, checksum 8 (of the 24 before it, and the body); the body
 * file:              magic 8, version 2, zero 6, bytes of the body 8, checksum 8 (likewise); the body
 */
#pragma once

#include "base/buf.h"

enum { FRAME_VERSION = 1, FRAME_HEADER_BYTES = 32, FRAME_SLOT_BYTES = 4096 };

/* Writes the whole slot. A slot's sequence is even in slot 0 and odd in slot 1. */
void frame_put_slot(uint8_t slot[FRAME_SLOT_BYTES], uint64_t sequence, struct bytes body);
MUST_USE bool frame_get_slot(struct bytes slot, unsigned number, uint64_t *sequence,
                             struct bytes *body);

void frame_put_file_header(uint8_t header[FRAME_HEADER_BYTES], struct bytes body);
MUST_USE bool frame_get_file(struct bytes file, struct bytes *body);
