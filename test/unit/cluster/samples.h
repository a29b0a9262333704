/*
 * One well-formed example of everything the room decodes.
 */
#pragma once

#include "cluster/ask.h"
#include "cluster/beat.h"
#include "document_story.h"

enum { SAMPLE_MAX = 1 << 16 };

static inline struct bytes sample_command(uint8_t *into, struct rng *rng)
{
    static struct document document;
    struct document_reply reply;
    struct document_command command;
    struct buf out;

    story_found(&document);
    for (int i = 0; i < 50; i++) {
        command = story_any(&document, rng);
        (void)story_apply(&document, &command, &reply);
    }
    buf_over(&out, into, SAMPLE_MAX);
    command_encode(&out, &command);
    return buf_bytes(&out);
}

static inline struct bytes sample_snapshot(uint8_t *into, struct rng *rng)
{
    static struct document document;
    struct document_reply reply;
    struct buf out;

    story_found(&document);
    for (int i = 0; i < 200; i++) {
        struct document_command command = story_any(&document, rng);

        (void)story_apply(&document, &command, &reply);
    }
    buf_over(&out, into, SAMPLE_MAX);
    document_encode(&document, &out);
    return buf_bytes(&out);
}

static inline struct bytes sample_charter(uint8_t *into, struct rng *rng)
{
    struct charter charter;
    struct buf out;

    story_charter(&charter);
    charter.cluster = rng_next(rng) | 1;
    buf_over(&out, into, SAMPLE_MAX);
    charter_encode(&out, &charter);
    return buf_bytes(&out);
}

static inline struct bytes sample_beat(uint8_t *into, struct rng *rng)
{
    struct beat beat = {.from = {2, 5}, .number = rng_next(rng), .word = {.disk = 7, .cluster = 8}};
    struct buf out;

    beat.row.count = (uint32_t)rng_below(rng, 4);
    for (uint32_t i = 0; i < beat.row.count; i++)
        beat.row.cells[i] = (struct links_cell){i + 1, (uint32_t)rng_below(rng, 500), i == 2};
    beat.request = rng_below(rng, 3);
    beat.request_count = beat.request ? 2 : 0;
    beat.requests[0] = (struct beat_request){3, 9};
    beat.requests[1] = (struct beat_request){63, 10};
    beat.grant_count = (uint32_t)rng_below(rng, 2);
    beat.grants[0] = (struct beat_grant){0, 4, 77};
    beat.refused_count = (uint32_t)rng_below(rng, 2);
    beat.refused[0] = (struct life){3, 1};
    beat.tilted = rng_chance(rng, 0.5);
    buf_over(&out, into, SAMPLE_MAX);
    beat_encode(&out, &beat);
    return buf_bytes(&out);
}

static inline struct bytes sample_ask(uint8_t *into, struct rng *rng)
{
    static uint8_t command[SAMPLE_MAX];
    struct ask ask = {.number = 4, .from = {1, 2}, .command = sample_command(command, rng)};
    struct buf out;

    buf_over(&out, into, SAMPLE_MAX);
    ask_encode(&out, &ask);
    return buf_bytes(&out);
}

static inline struct bytes sample_reply(uint8_t *into, struct rng *rng)
{
    struct ask_reply reply = {.number = rng_next(rng),
                              .outcome = ASK_REFUSED,
                              .document = DOCUMENT_STALE,
                              .sentence = "the group has changed meanwhile"};
    struct buf out;

    buf_over(&out, into, SAMPLE_MAX);
    ask_reply_encode(&out, &reply);
    return buf_bytes(&out);
}
