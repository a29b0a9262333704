/*
 * What must hold of every head, request or response: however it arrives, it tells the same story.
 */
#pragma once

#include "fuzz.h"
#include "http1_story.h"

enum {
    BYTEWISE_MAX =
        1024, /* longer ones come in pieces of several bytes: the work grows with the square */
    SMALL_HEAD_MAX = 64, /* a second limit to run into */
};

/* The verdict, and on DONE the head, its length and all its fields, as text. */
static inline enum http1_verdict whole_story(struct buf *story, const struct arrival *arrival,
                                             struct bytes bytes, struct http1_head *head,
                                             uint32_t *used)
{
    enum http1_verdict verdict;

    buf_clear(story);
    verdict = tell_head(story, arrival, bytes, head, used);
    if (verdict == HTTP1_DONE) {
        must(*used > 0 && *used <= bytes.len && *used <= arrival->head_max);
        must(head->field_count <= HTTP1_FIELDS_MAX);
        buf_print(story, " (%u)", *used);
        story_fields(story, bytes, head);
    }
    must(!story->full);
    return verdict;
}

static inline void same_in_pieces(const struct buf *whole, struct arrival arrival,
                                  struct bytes bytes, size_t first, size_t step, bool in_place)
{
    struct http1_head head;
    struct buf cut;
    uint32_t used;

    arrival.first = first;
    arrival.step = step;
    arrival.in_place = in_place;
    buf_init(&cut, STORY_MAX);
    (void)whole_story(&cut, &arrival, bytes, &head, &used);
    must(bytes_equal(buf_bytes(whole), buf_bytes(&cut)));
    buf_fini(&cut);
}

/* Parses whole, into *head and *used, and then in pieces of which the bytes themselves say the lengths. */
static inline enum http1_verdict same_however_it_arrives(struct arrival arrival, struct bytes bytes,
                                                         struct http1_head *head, uint32_t *used)
{
    size_t hint = bytes.len ? bytes.at[bytes.len / 2] : 0;
    enum http1_verdict verdict;
    struct buf whole;

    arrival.first = bytes.len;
    arrival.step = 1;
    buf_init(&whole, STORY_MAX);
    verdict = whole_story(&whole, &arrival, bytes, head, used);
    same_in_pieces(&whole, arrival, bytes, 0, bytes.len <= BYTEWISE_MAX ? 1 : 1 + hint, true);
    same_in_pieces(&whole, arrival, bytes, hint * bytes.len / 256, bytes.len + 1, false);
    same_in_pieces(&whole, arrival, bytes, hint % 16, bytes.len / 3 + 1, false);
    buf_fini(&whole);
    return verdict;
}
