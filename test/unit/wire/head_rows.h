/*
 * Runs a table of heads: each row whole, byte by byte, and cut in two at every place must tell the same story.
 */
#pragma once

// clang-format off
#include "unit.h"
// clang-format on
#include "http1_story.h"

struct head_row {
    struct bytes bytes;
    const char *story; /* of story_head, or `STATUS why`, or "more" */
};

#define ROW(text, story)                                                                           \
    {                                                                                              \
        {(const uint8_t *)("" text), sizeof(text) - 1}, story                                      \
    }

static inline void tell(struct buf *story, const struct arrival *arrival, struct bytes bytes)
{
    struct http1_head head;
    uint32_t used;

    buf_clear(story);
    if (tell_head(story, arrival, bytes, &head, &used) != HTTP1_DONE)
        return;
    buf_print(story, " (%u)", used);
    story_fields(story, bytes, &head);
}

static inline void expect_same(struct buf *whole, struct buf *cut, const struct arrival *arrival,
                               struct bytes bytes)
{
    tell(cut, arrival, bytes);
    if (!bytes_equal(buf_bytes(whole), buf_bytes(cut)))
        fail_msg("'%.*s'\nwhole: %.*s\nfirst %zu, then by %zu: %.*s", (int)bytes.len,
                 (const char *)bytes.at, (int)whole->len, (const char *)whole->at, arrival->first,
                 arrival->step, (int)cut->len, (const char *)cut->at);
}

/* However it is cut, the message must tell the story that it tells whole. */
static inline void run_cuts(struct arrival arrival, struct bytes bytes)
{
    struct buf whole, cut;

    buf_init(&whole, STORY_MAX);
    buf_init(&cut, STORY_MAX);
    arrival.first = bytes.len;
    arrival.step = 1;
    tell(&whole, &arrival, bytes);
    arrival.first = 0;
    expect_same(&whole, &cut, &arrival, bytes);
    arrival.step = bytes.len + 1;
    for (arrival.first = 0; arrival.first < bytes.len; arrival.first++)
        expect_same(&whole, &cut, &arrival, bytes);
    buf_fini(&whole);
    buf_fini(&cut);
}

static inline void run_row(struct arrival arrival, const struct head_row *row)
{
    struct http1_head head;
    struct buf story;
    uint32_t used;

    arrival.first = row->bytes.len;
    arrival.head_max = HTTP1_HEAD_MAX;
    buf_init(&story, STORY_MAX);
    (void)tell_head(&story, &arrival, row->bytes, &head, &used);
    if (!bytes_equal(buf_bytes(&story), bytes_of_string(row->story)))
        fail_msg("'%.*s'\nexpected: %s\nfound:    %.*s", (int)row->bytes.len,
                 (const char *)row->bytes.at, row->story, (int)story.len, (const char *)story.at);
    buf_fini(&story);
    run_cuts(arrival, row->bytes);
}
