/*
 * Claims that hold unless this program has a bug. A claim that fails aborts, in every build.
 *
 * Never used on what a peer, a file or a person can cause: that is an `err`.
 */
#pragma once

#include <stddef.h>

#define must(claim) ((claim) ? (void)0 : must_failed(#claim, __FILE__, __LINE__))
#define never(why) must_failed("never: " why, __FILE__, __LINE__)

/* Prints the claim and where it stands to standard error, with one write, and aborts. */
_Noreturn void must_failed(const char *claim, const char *file, int line);

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(text, first) __attribute__((format(printf, text, first)))

/* The structure that holds `member` at `pointer`. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
