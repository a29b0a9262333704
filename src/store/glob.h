/*
 * glob: patterns as Redis has them, for keys, channels and rights: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before what is meant as it is. Pure; never recursive: the time is
 * at most the product of the lengths.
 */
#pragma once

#include "base/bytes.h"

bool glob_matches(struct bytes pattern, struct bytes text);
