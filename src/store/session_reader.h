/*
 * A request as words: what resp tells apart, gathered until it is whole. Private to the desk.
 */
#pragma once

#include "store/session_parts.h"

struct word {
    uint32_t at, len;
    bool unquoted; /* `at` is in `plain` */
};

struct session_reader {
    struct resp_parser parser;
    size_t at; /* bytes that were read */
    struct word *words;
    struct bytes *views;
    uint32_t count, cap;
    struct buf plain; /* words of an inline request that were quoted */
};

struct session_reader *reader_new(void); /* NULL: no memory */
void reader_free(struct session_reader *reader);
/* Whoever has not said who it is may say little. */
void reader_begin(struct session_reader *reader, bool known);
/* The next request of `all`, whose words are reader->views when the answer is ITEM. */
enum resp_verdict reader_read(struct session_reader *reader, struct bytes all);
/* What it holds. */
size_t reader_bytes(const struct session_reader *reader);
