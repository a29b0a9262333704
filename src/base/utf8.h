/*
 * Steps through UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing past U+10FFFF.
 */
#pragma once

#include "base/bytes.h"

/* Length of the character at the beginning of `text`, 1 to 4; 0 when the bytes there are not one, or text is empty. */
unsigned utf8_step(struct bytes text, uint32_t *character);
/* Position of the first byte that is not part of a character, or len. */
size_t utf8_valid(struct bytes text);
/* Moves neither the cursor nor the terminal in ways that a reader does not expect: no controls, no line separators, no
 * characters that are invisible or turn the direction of writing, nothing that is no character. */
bool utf8_visible(uint32_t character);
/* Whether a text may keep it at all: as above, but invisible characters are allowed. */
bool utf8_printable(uint32_t character);
