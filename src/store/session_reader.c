#include "store/session_reader.h"

#include <stdlib.h>

enum { WORDS_FIRST = 16, WORDS_KEPT = 4096 };

enum { ANONYMOUS_WORDS_MAX = 10, ANONYMOUS_BYTES_MAX = 16384 };

static const struct resp_limits known_limits = {.bulk_max = RECORD_BYTES_MAX,
                                                .count_max = RECORD_WORDS_MAX,
                                                .line_max = 64 << 10,
                                                .depth_max = 1};
/* Of whoever has not said who it is. */
static const struct resp_limits anonymous_limits = {.bulk_max = ANONYMOUS_BYTES_MAX,
                                                    .count_max = ANONYMOUS_WORDS_MAX,
                                                    .line_max = 64 << 10,
                                                    .depth_max = 1};

struct session_reader *reader_new(void)
{
    struct session_reader *reader = calloc(1, sizeof *reader);

    if (reader)
        buf_init(&reader->plain, SESSION_REQUEST_MAX);
    return reader;
}

void reader_free(struct session_reader *reader)
{
    if (!reader)
        return;
    free(reader->words);
    free(reader->views);
    buf_fini(&reader->plain);
    free(reader);
}

void reader_begin(struct session_reader *reader, bool known)
{
    resp_begin_requests(&reader->parser, known ? &known_limits : &anonymous_limits);
    reader->at = 0;
    reader->count = 0;
    buf_clear(&reader->plain);
    if (reader->cap > WORDS_KEPT) {
        free(reader->words);
        free(reader->views);
        reader->words = NULL;
        reader->views = NULL;
        reader->cap = 0;
    }
}

static bool grow(struct session_reader *reader)
{
    uint32_t cap = reader->cap ? reader->cap * 2 : WORDS_FIRST;
    struct word *words = realloc(reader->words, cap * sizeof *words);
    struct bytes *views;

    if (!words)
        return false;
    reader->words = words;
    views = realloc(reader->views, cap * sizeof *views);
    if (!views)
        return false;
    reader->views = views;
    reader->cap = cap;
    return true;
}

static bool add(struct session_reader *reader, struct bytes all, const struct resp_item *item)
{
    struct word *word;

    if (reader->count == reader->cap && !grow(reader))
        return false;
    word = &reader->words[reader->count++];
    *word = (struct word){(uint32_t)(item->text.at - all.at), (uint32_t)item->text.len, false};
    if (item->quoted) {
        uint8_t *space = buf_space(&reader->plain, item->text.len);

        if (!space)
            return false;
        *word = (struct word){(uint32_t)reader->plain.len, 0, true};
        word->len = (uint32_t)resp_unquote(item->text, space);
        buf_grew(&reader->plain, word->len);
    }
    return true;
}

static void make_views(struct session_reader *reader, struct bytes all)
{
    for (uint32_t i = 0; i < reader->count; i++) {
        const struct word *word = &reader->words[i];

        reader->views[i] =
            bytes_of((word->unquoted ? reader->plain.at : all.at) + word->at, word->len);
    }
}

static enum resp_verdict refuse(struct session_reader *reader, const char *why)
{
    reader->parser.why = why;
    return RESP_WRONG;
}

enum resp_verdict reader_read(struct session_reader *reader, struct bytes all)
{
    for (;;) {
        struct resp_item item;
        size_t used;
        enum resp_verdict verdict =
            resp_next(&reader->parser, bytes_skip(all, reader->at), &item, &used);

        if (verdict != RESP_ITEM)
            return verdict;
        reader->at += used;
        if (item.kind == RESP_BULK && !add(reader, all, &item))
            return refuse(reader, "no memory for the request");
        if (item.last) {
            make_views(reader, all);
            return RESP_ITEM;
        }
    }
}

size_t reader_bytes(const struct session_reader *reader)
{
    return reader->cap * (sizeof *reader->words + sizeof *reader->views) + reader->plain.cap;
}
