/*
 * What another node asks or answers, and what an URL says: whatever it is, it is refused or within its bounds, reads back the same, and an answer
 * becomes a page whose `next` can be asked.
 */
#include "fuzz.h"

#include "timeline/page.h"

#include <jansson.h>

static void request_reads_back(struct bytes bytes)
{
    struct exchange_request request, back;
    uint8_t storage[EXCHANGE_REQUEST_MAX];
    struct buf out;
    const char *why;

    if (!exchange_read_request(bytes, &request, &why))
        return;
    must(request.limit >= 1 && request.limit <= EXCHANGE_FACTS_MAX);
    must(request.severity < SEVERITIES && request.since_ms >= 0);
    buf_over(&out, storage, sizeof storage);
    exchange_add_request(&request, &out);
    must(!out.full && exchange_read_request(buf_bytes(&out), &back, &why));
    must(back.limit == request.limit && back.after.sequence == request.after.sequence);
}

static void page_can_be_gone_on_from(const struct query *query, const struct exchange_reply *reply)
{
    struct page_leg legs[2] = {{.node = "a", .answered = true, .reply = *reply},
                               {.node = "b", .why = "it is down"}};
    json_error_t error;
    struct buf out;
    json_t *page;
    struct query next;
    struct err err;
    char after[QUERY_NEXT_MAX + 16] = "after=";

    buf_init(&out, 8 << 20);
    page_print(query, legs, 2, &out);
    must(!out.full);
    page = json_loadb((const char *)out.at, out.len, 0, &error);
    must(page);
    strcat(after, json_string_value(json_object_get(page, "next")));
    must(reply->scanned.sequence > INT64_MAX || query_read(bytes_of_string(after), 1, &next, &err));
    json_decref(page);
    buf_fini(&out);
}

static void reply_reads_back(struct bytes bytes)
{
    struct exchange_reply reply, back;
    struct query query;
    struct buf out;
    struct err err;
    const char *why;

    if (!exchange_read_reply(bytes, &reply, &why))
        return;
    buf_init(&out, EXCHANGE_REPLY_MAX);
    exchange_add_reply(&reply, &out);
    must(exchange_read_reply(buf_bytes(&out), &back, &why));
    must(back.count == reply.count && bytes_equal(back.facts, reply.facts));
    buf_fini(&out);
    must(query_read(BYTES("limit=3"), 1, &query, &err));
    page_can_be_gone_on_from(&query, &reply);
    must(query_read(BYTES("limit=3&after=5"), 1, &query, &err));
    page_can_be_gone_on_from(&query, &reply);
}

static void query_stays_within_its_bounds(struct bytes text)
{
    struct query query;
    struct err err;

    if (!query_read(text, 1000000, &query, &err))
        return;
    must(query.limit >= 1 && query.limit <= EXCHANGE_FACTS_MAX);
    must(query.count <= QUERY_PLACES_MAX && query.wait_ms <= QUERY_WAIT_MAX_MS);
    for (uint32_t i = 0; i < query.count; i++)
        must(query_request(&query, query.places[i].node).since_ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);

    if (size == 0)
        return 0;
    rest = bytes_skip(rest, 1);
    if (data[0] % 3 == 0)
        request_reads_back(rest);
    else if (data[0] % 3 == 1)
        reply_reads_back(rest);
    else
        query_stays_within_its_bounds(rest);
    return 0;
}
