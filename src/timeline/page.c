#include "timeline/page.h"

#include "base/json.h"

#include <inttypes.h>

/* What was shown of a leg. */
struct shown {
    uint32_t count;
    struct place last;
};

uint32_t page_facts(const struct page_leg *legs, uint32_t count)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < count; i++)
        total += legs[i].answered ? legs[i].reply.count : 0;
    return total;
}

/* ---- the facts ---- */

/* Of the newest the last are shown, else the first. */
static void print_facts(const struct query *query, const struct page_leg *legs, uint32_t count,
                        struct shown *shown, struct json *json)
{
    uint32_t total = page_facts(legs, count), skip = 0, passed = 0, input;
    struct merge merge;
    struct fact fact;

    merge_init(&merge);
    for (uint32_t i = 0; i < count; i++)
        merge_add(&merge, legs[i].answered ? legs[i].reply.facts : (struct bytes){0});
    if (!query->goes_on && total > query->limit)
        skip = total - query->limit;
    json_key(json, "events");
    json_begin_array(json);
    while (passed < skip + query->limit && merge_next(&merge, &fact, &input)) {
        shown[input].count++;
        shown[input].last = (struct place){fact.origin, fact.sequence};
        if (passed++ >= skip)
            fact_print_json(&fact, json);
    }
    json_end(json);
}

/* ---- from where to go on ---- */

static void add_place(struct buf *next, const char *node, struct place place)
{
    if (place.origin)
        buf_print(next, ",%" PRIx64 ".%" PRIu64 ".%s", place.origin, place.sequence, node);
}

/* What was left for the next page is not passed. */
static struct place place_after(const struct query *query, const struct page_leg *leg,
                                const struct shown *shown)
{
    const struct place *before = query_place_of(query, leg->node);

    if (leg->answered && shown->count == leg->reply.count)
        return leg->reply.scanned;
    if (shown->count)
        return shown->last;
    return before ? *before : (struct place){0};
}

static bool is_among(const struct page_leg *legs, uint32_t count, const char *node)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(legs[i].node, node) == 0)
            return true;
    return false;
}

static void print_next(const struct query *query, const struct page_leg *legs, uint32_t count,
                       const struct shown *shown, struct json *json)
{
    char storage[QUERY_NEXT_MAX];
    struct buf next;

    buf_over(&next, storage, sizeof storage);
    buf_print(&next, "%" PRId64, query->base_ms);
    for (uint32_t i = 0; i < count; i++)
        add_place(&next, legs[i].node, place_after(query, &legs[i], &shown[i]));
    for (uint32_t i = 0; i < query->count; i++)
        if (!is_among(legs, count, query->places[i].node))
            add_place(&next, query->places[i].node, query->places[i].place);
    json_key(json, "next");
    json_add_text(json, buf_bytes(&next));
}

/* ---- who is missing ---- */

static void print_missing(const struct page_leg *legs, uint32_t count, struct json *json)
{
    json_key(json, "missing");
    json_begin_array(json);
    for (uint32_t i = 0; i < count; i++) {
        if (legs[i].answered && !legs[i].reply.partial)
            continue;
        json_begin_object(json);
        json_key(json, "node");
        json_add_string(json, legs[i].node);
        json_key(json, "why");
        json_add_string(json, legs[i].answered
                                  ? "its disk cannot be read: only what it has in memory is shown"
                                  : legs[i].why);
        json_end(json);
    }
    json_end(json);
}

static bool is_more(const struct query *query, const struct page_leg *legs, uint32_t count)
{
    bool more = page_facts(legs, count) > query->limit;

    for (uint32_t i = 0; i < count; i++)
        more = more || (legs[i].answered && legs[i].reply.more);
    return more;
}

void page_print(const struct query *query, const struct page_leg *legs, uint32_t count,
                struct buf *out)
{
    struct shown shown[MERGE_INPUTS_MAX] = {0};
    struct json json;

    must(count <= MERGE_INPUTS_MAX);
    json_init(&json, out);
    json_begin_object(&json);
    print_facts(query, legs, count, shown, &json);
    print_next(query, legs, count, shown, &json);
    json_key(&json, "more");
    json_add_bool(&json, is_more(query, legs, count));
    print_missing(legs, count, &json);
    json_end(&json);
    buf_add_byte(out, '\n');
}
