/*
 * timeline/events: answers `nines events` and GET /api/v1/events on the node that is asked: it asks this node and every other, merges, and says who
 * did not answer.
 *
 * The query is that of the URL: since=MS or a time, after=PLACES (the `next` of an earlier answer), node=, code=, severity=, limit=,
 * wait=MS (answer as soon as there is something, at the latest then). The answer is a page:
 *
 *     {"events":[fact, …],"next":"…","more":false,"missing":[{"node":"c","why":"…"}]}
 *
 * With `next` as `after`, whoever asks again gets what came since, from all nodes, also from those that were missing: nothing twice, nothing left out.
 */
#pragma once

#include "timeline/timeline.h"

struct events;

enum { EVENTS_ASKS_MAX = 8, EVENTS_NODES_MAX = 16, EVENTS_WAIT_MAX_MS = 30000 };

typedef void events_replied(void *context, const char *sentence, struct bytes bytes);

struct events_options {
    struct loop *loop;
    struct timeline *timeline;
    const char *node; /* copied */
    /* Names of the other nodes, borrowed until the loop turns; at most EVENTS_NODES_MAX. */
    uint32_t (*others)(void *context, const char **names);
    /* As cluster_request: `replied` follows exactly once, with a sentence when there is no answer; never from inside the call. */
    void (*request)(void *context, const char *node, struct bytes bytes, int64_t timeout_ms,
                    events_replied *replied, void *reply_context);
    void *context;
};

MUST_USE bool events_open(struct events **events, const struct events_options *options,
                          struct err *err);
/* What was asked is dropped without an answer. What was requested of other nodes must have ended: close the cluster first. NULL is fine. */
void events_close(struct events *events);

/* `status` is HTTP's; `json` one value and a newline. */
typedef void events_answered(void *context, uint16_t status, struct bytes json);

/* `answered` follows once, never from inside this call. False: too many are outstanding; nothing follows. */
MUST_USE bool events_ask(struct events *events, struct bytes query, events_answered *answered,
                         void *context);
/* Facts have come: timeline_options.news. */
void events_news(struct events *events);
