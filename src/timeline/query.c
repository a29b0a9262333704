#include "timeline/query.h"

#include "base/text.h"

#include <stdio.h>

/* ---- decoding ---- */

static int hex_digit(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool decode(struct bytes text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int byte = text.at[i];

        if (byte == '%') {
            int high = text.len - i > 2 ? hex_digit(text.at[i + 1]) : -1;
            int low = text.len - i > 2 ? hex_digit(text.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte < ' ')
            return false;
        buf_add_byte(out, (uint8_t)byte);
    }
    return !out->full;
}

static struct bytes take_until(struct bytes *rest, uint8_t end)
{
    size_t len = bytes_find(*rest, end);
    struct bytes taken = bytes_take(*rest, len);

    *rest = bytes_skip(*rest, len < rest->len ? len + 1 : len);
    return taken;
}

static bool copy_name(struct bytes name, char *to)
{
    if (name.len == 0 || name.len >= FACT_NODE_MAX)
        return false;
    bytes_to_string(name, to, FACT_NODE_MAX);
    return true;
}

/* ---- places ---- */

static bool read_hex(struct bytes text, uint64_t *number)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.at[i]);

        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *number = value;
    return true;
}

static bool read_place(struct bytes item, struct query *query)
{
    struct query_place *place = &query->places[query->count];
    struct bytes origin = take_until(&item, '.'), sequence = take_until(&item, '.');
    int64_t number;

    if (query->count == QUERY_PLACES_MAX || !read_hex(origin, &place->place.origin) ||
        !text_parse_number(sequence, &number) || number < 0 || !copy_name(item, place->node) ||
        query_place_of(query, place->node))
        return false;
    place->place.sequence = (uint64_t)number;
    query->count++;
    return true;
}

static bool read_after(struct bytes value, int64_t now_ms, struct query *query)
{
    struct bytes base = take_until(&value, ',');

    (void)now_ms;
    query->goes_on = true;
    if (!text_parse_number(base, &query->base_ms) || query->base_ms < 0)
        return false;
    while (value.len)
        if (!read_place(take_until(&value, ','), query))
            return false;
    return true;
}

/* ---- the other keys ---- */

static bool read_since(struct bytes value, int64_t now_ms, struct query *query)
{
    int64_t ms;

    if (text_parse_number(value, &query->since_ms))
        return query->since_ms >= 0;
    if (!text_parse_duration(value, &ms))
        return false;
    query->since_ms = ms < now_ms ? now_ms - ms : 0;
    return true;
}

static bool read_node(struct bytes value, int64_t now_ms, struct query *query)
{
    (void)now_ms;
    return copy_name(value, query->node);
}

static bool read_code(struct bytes value, int64_t now_ms, struct query *query)
{
    const struct code_row *row = code_find_text(value);

    (void)now_ms;
    query->code = row ? row->code : 0;
    return row != NULL;
}

static bool read_severity(struct bytes value, int64_t now_ms, struct query *query)
{
    (void)now_ms;
    for (uint32_t i = 0; i < SEVERITIES; i++) {
        if (bytes_equal(value, bytes_of_string(severity_name(i)))) {
            query->severity = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool read_limit(struct bytes value, int64_t now_ms, struct query *query)
{
    int64_t limit;

    (void)now_ms;
    if (!text_parse_number(value, &limit) || limit < 1 || limit > EXCHANGE_FACTS_MAX)
        return false;
    query->limit = (uint32_t)limit;
    return true;
}

static bool read_wait(struct bytes value, int64_t now_ms, struct query *query)
{
    (void)now_ms;
    return text_parse_number(value, &query->wait_ms) && query->wait_ms >= 0 &&
           query->wait_ms <= QUERY_WAIT_MAX_MS;
}

static const struct key {
    const char *name;
    bool (*read)(struct bytes value, int64_t now_ms, struct query *query);
    const char *expected;
} keys[] = {
    {"since", read_since, "milliseconds since 1970, or how long ago, as in 10m"},
    {"after", read_after, "the `next` of an earlier answer"},
    {"node", read_node, "a node's name"},
    {"code", read_code, "a code, as in N-1101"},
    {"severity", read_severity, "info, warning or critical"},
    {"limit", read_limit, "1 to 1000"},
    {"wait", read_wait, "milliseconds, at most 30000"},
};

static bool read_pair(struct bytes pair, int64_t now_ms, struct query *query, struct err *err)
{
    struct bytes name = take_until(&pair, '=');
    char value[QUERY_NEXT_MAX];
    struct buf out;

    buf_over(&out, value, sizeof value);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!bytes_equal(name, bytes_of_string(keys[i].name)))
            continue;
        if (decode(pair, &out) && keys[i].read(buf_bytes(&out), now_ms, query))
            return true;
        return err_set(err, ERR_USAGE, "%s: expected %s", keys[i].name, keys[i].expected);
    }
    return err_set(err, ERR_USAGE,
                   "there is no such filter: expected since, after, node, code, severity, limit "
                   "or wait");
}

bool query_read(struct bytes text, int64_t now_ms, struct query *query, struct err *err)
{
    *query = (struct query){.limit = QUERY_LIMIT};
    while (text.len)
        if (!read_pair(take_until(&text, '&'), now_ms, query, err))
            return false;
    if (!query->goes_on)
        query->base_ms = query->since_ms ? query->since_ms : now_ms;
    return true;
}

const struct place *query_place_of(const struct query *query, const char *node)
{
    for (uint32_t i = 0; i < query->count; i++)
        if (strcmp(query->places[i].node, node) == 0)
            return &query->places[i].place;
    return NULL;
}

struct exchange_request query_request(const struct query *query, const char *node)
{
    const struct place *place = query_place_of(query, node);
    struct exchange_request request = {.newest = !query->goes_on,
                                       .since_ms = query->since_ms,
                                       .code = query->code,
                                       .severity = query->severity,
                                       .limit = query->limit};

    if (place)
        request.after = *place;
    else if (query->goes_on && query->base_ms > request.since_ms)
        request.since_ms = query->base_ms;
    return request;
}
