/*
 * A 64-bit hash of bytes, the same on every machine and in every version: it may stand in files and messages. Not for secrets, and no defence
 * against somebody who wants a collision.
 */
#pragma once

#include "base/bytes.h"

/* `before` is the hash of what came before, or 0: chains. Where one call's bytes end counts. */
uint64_t hash_bytes(uint64_t before, struct bytes bytes);
uint64_t hash_number(uint64_t before, uint64_t number);
