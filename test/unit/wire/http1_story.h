/*
 * A message told as text, so that tests compare stories: what the parser made of some bytes, however they were cut.
 */
#pragma once

#include "wire/http1.h"

#include <stdio.h>
#include <stdlib.h>

enum { STORY_MAX = 512 * 1024 };

/* Bytes in an allocation of exactly their size, so that a sanitizer sees the first byte read beyond them. */
struct exact {
    uint8_t *at;
};

static inline struct bytes exact_copy(struct exact *exact, struct bytes bytes)
{
    exact->at = malloc(bytes.len ? bytes.len : 1);
    must(exact->at);
    if (bytes.len)
        memcpy(exact->at, bytes.at, bytes.len);
    return bytes_of(exact->at, bytes.len);
}

static inline void exact_free(struct exact *exact)
{
    free(exact->at);
    exact->at = NULL;
}

/* What to parse as, and how it arrives: `first` bytes, then `step` more at each call. */
struct arrival {
    bool response;
    enum http1_method asked; /* of a response */
    uint32_t head_max;
    size_t first, step;
    bool in_place; /* views into the whole, which is quicker but hides reading beyond them */
};

static inline void story_framing(struct buf *story, const struct http1_head *head)
{
    static const char *const framings[] = {"none", "length", "chunked", "until-close"};

    buf_print(story, " %s", framings[head->framing]);
    if (head->content_length || head->framing == FRAMING_LENGTH)
        buf_print(story, " %llu", (unsigned long long)head->content_length);
    buf_print(story, "%s%s%s", head->keep_alive ? " keep" : " close",
              head->upgrade ? " upgrade" : "", head->expects_continue ? " expects" : "");
}

static inline void story_span(struct buf *story, const char *before, struct bytes bytes,
                              struct http1_span span)
{
    buf_add_string(story, before);
    buf_add(story, http1_bytes(bytes, span));
}

/* `GET /a?b path=/a host=h 1.1 none keep` or `200 OK 1.1 length 5 keep`. */
static inline void story_head(struct buf *story, struct bytes bytes, const struct http1_head *head)
{
    if (head->status) {
        buf_print(story, "%u ", head->status);
        buf_add(story, http1_bytes(bytes, head->reason));
    } else {
        story_span(story, "", bytes, head->method_name);
        story_span(story, " ", bytes, head->target);
        story_span(story, " path=", bytes, head->path);
        story_span(story, " host=", bytes, head->host);
    }
    buf_print(story, " 1.%u", head->minor);
    story_framing(story, head);
}

/* A line for each field: `name=value`, with `!` before those that are not forwarded. */
static inline void story_fields(struct buf *story, struct bytes bytes,
                                const struct http1_head *head)
{
    for (uint16_t i = 0; i < head->field_count; i++) {
        const struct http1_field *field = &head->fields[i];

        story_span(story, field->hop ? "\n!" : "\n", bytes, field->name);
        buf_print(story, "(%u)", field->known);
        story_span(story, "=", bytes, field->value);
    }
}

static inline enum http1_verdict parse_once(const struct arrival *arrival, struct http1_scan *scan,
                                            struct bytes bytes, struct http1_head *head,
                                            uint32_t *used, struct http1_fault *fault)
{
    if (arrival->response)
        return http1_response(scan, bytes, arrival->head_max, arrival->asked, head, used, fault);
    return http1_request(scan, bytes, arrival->head_max, head, used, fault);
}

/* The verdict's story; returns the verdict, and on DONE *head and *used. */
static inline enum http1_verdict tell_head(struct buf *story, const struct arrival *arrival,
                                           struct bytes all, struct http1_head *head,
                                           uint32_t *used)
{
    struct http1_scan scan = {0};
    struct http1_fault fault = {0};
    enum http1_verdict verdict = HTTP1_MORE;
    size_t len = arrival->first;

    for (;; len += arrival->step) {
        struct exact exact = {0};
        struct bytes bytes = bytes_take(all, len);

        if (!arrival->in_place)
            bytes = exact_copy(&exact, bytes);
        memset(head, 0xa5, sizeof *head);
        verdict = parse_once(arrival, &scan, bytes, head, used, &fault);
        exact_free(&exact);
        if (verdict != HTTP1_MORE || len >= all.len)
            break;
    }
    if (verdict == HTTP1_MORE)
        buf_add_string(story, "more");
    else if (verdict == HTTP1_WRONG)
        buf_print(story, "%u %s", fault.status, fault.why);
    else
        story_head(story, all, head);
    return verdict;
}

/* ---- bodies ---- */

/*
 * Feeds `all` in pieces of the lengths that `cuts` holds (0 counts as 256), over and over; without cuts, whole. Tells the content
 * and then `.` (done), `+` (more), or the fault; returns how many bytes were taken, all of them when it is wrong.
 */
static inline size_t tell_body(struct buf *story, const struct http1_head *head, struct bytes all,
                               struct bytes cuts)
{
    struct http1_body body;
    struct http1_fault fault = {0};
    enum http1_verdict verdict = HTTP1_MORE;
    size_t at = 0, turn = 0;

    http1_body_begin(&body, head);
    do {
        struct exact exact;
        size_t cut = cuts.len ? cuts.at[turn++ % cuts.len] : all.len - at;
        struct bytes piece = exact_copy(&exact, bytes_take(bytes_skip(all, at), cut ? cut : 256)),
                     rest = piece;

        do {
            struct bytes content;
            size_t used;

            verdict = http1_body_next(&body, rest, &used, &content, &fault);
            if (verdict == HTTP1_WRONG) {
                must(used == 0 && content.len == 0);
                break;
            }
            must(used <= rest.len && content.len <= used);
            must(content.len == 0 ||
                 (content.at >= rest.at && content.at + content.len <= rest.at + used));
            must(verdict == HTTP1_DONE || used > 0 || rest.len == 0);
            buf_add(story, content);
            rest = bytes_skip(rest, used);
        } while (verdict == HTTP1_MORE && rest.len > 0);
        at += piece.len - rest.len;
        exact_free(&exact);
    } while (verdict == HTTP1_MORE && at < all.len);

    if (verdict == HTTP1_WRONG) {
        buf_print(story, " %u %s", fault.status, fault.why);
        return all.len;
    }
    must(http1_body_complete(&body) ==
         (verdict == HTTP1_DONE || head->framing == FRAMING_UNTIL_CLOSE));
    buf_add_string(story, verdict == HTTP1_DONE ? "." : "+");
    return at;
}
