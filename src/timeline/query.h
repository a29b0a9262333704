/*
 * What GET /api/v1/events is asked, taken from an URL's query; and `next`, the places from which to go on. Pure.
 *
 * `next` is `MS,origin.sequence.node,…`: nodes that it does not name are asked for all since MS.
 */
#pragma once

#include "base/err.h"
#include "timeline/exchange.h"

enum {
    QUERY_PLACES_MAX = 32,
    QUERY_LIMIT = 100, /* when nothing is said */
    QUERY_WAIT_MAX_MS = 30000,
    QUERY_NEXT_MAX = 32 + QUERY_PLACES_MAX * (16 + 1 + 20 + 1 + FACT_NODE_MAX),
};

struct query_place {
    char node[FACT_NODE_MAX];
    struct place place;
};

struct query {
    int64_t since_ms, wait_ms;
    char node[FACT_NODE_MAX]; /* this one alone; "": all */
    uint16_t code;            /* 0: any */
    uint8_t severity;         /* at least */
    uint32_t limit;
    bool goes_on; /* with `after` */
    int64_t base_ms;
    uint32_t count;
    struct query_place places[QUERY_PLACES_MAX];
};

/* `text` is percent-encoded; keys that are not known are refused, so that a misspelt filter does not pass for none. */
MUST_USE bool query_read(struct bytes text, int64_t now_ms, struct query *query, struct err *err);
/* NULL: no place of this node is known. */
const struct place *query_place_of(const struct query *query, const char *node);
/* What one node is to be asked. */
struct exchange_request query_request(const struct query *query, const char *node);
