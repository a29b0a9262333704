/*
 * SHA-256 (FIPS 180-4). For passwords that are drawn at random, and for telling things apart; not a key derivation.
 */
#pragma once

#include "base/bytes.h"

enum { SHA256_BYTES = 32, SHA256_TEXT_MAX = 65 }; /* NUL included */

void sha256(struct bytes bytes, uint8_t digest[SHA256_BYTES]);
/* In lower case. Returns `text`, which holds SHA256_TEXT_MAX. */
char *sha256_print(const uint8_t digest[SHA256_BYTES], char *text);
/* Takes as long whatever differs. */
bool sha256_equal(const uint8_t a[SHA256_BYTES], const uint8_t b[SHA256_BYTES]);
