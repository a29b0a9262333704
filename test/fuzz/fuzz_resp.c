/*
 * The Redis protocol is the same whole or byte by byte, an item never reaches beyond its bytes, and what was understood
 * reads back when it is written. The first byte chooses side and limits.
 */
#include "fuzz.h"

#include "base/own.h"
#include "wire/resp.h"

#include <math.h>

enum { LOOKED_AT_MAX = 4096, ITEMS_MAX = 2 * LOOKED_AT_MAX + 2 };

static const struct resp_limits small = {
    .bulk_max = 64, .count_max = 16, .line_max = 48, .depth_max = 3};

struct reading {
    struct resp_parser parser;
    enum resp_verdict verdict;
    size_t used; /* in all */
    uint32_t count;
    struct resp_item items[ITEMS_MAX];
};

static void begin(struct reading *reading, uint8_t choice)
{
    const struct resp_limits *limits = choice & 2 ? &small : &resp_limits;

    reading->count = 0;
    reading->used = 0;
    reading->verdict = RESP_MORE;
    if (choice & 1)
        resp_begin_requests(&reading->parser, limits);
    else
        resp_begin_replies(&reading->parser, limits);
}

static void check_item(const struct resp_item *item, struct bytes bytes, size_t used)
{
    must(used <= bytes.len && item->kind < RESP_KINDS && item->depth <= RESP_DEPTH_MAX);
    if (item->text.len > 0)
        must(item->text.at >= bytes.at && item->text.at + item->text.len <= bytes.at + used);
    if (item->quoted) {
        autofree uint8_t *plain = malloc(item->text.len);

        must(plain && resp_unquote(item->text, plain) <= item->text.len);
    }
}

static void read_on(struct reading *reading, struct bytes shown)
{
    struct bytes bytes = bytes_skip(shown, reading->used);
    size_t used;

    if (reading->verdict == RESP_WRONG)
        return;
    for (;;) {
        struct resp_item *item = &reading->items[reading->count];

        reading->verdict = resp_next(&reading->parser, bytes, item, &used);
        if (reading->verdict != RESP_ITEM)
            break;
        check_item(item, bytes, used);
        bytes = bytes_skip(bytes, used);
        reading->used += used;
        must(++reading->count < ITEMS_MAX);
    }
    if (reading->verdict == RESP_MORE && bytes.len > 0)
        must(reading->parser.needed > bytes.len);
}

static bool same_item(const struct resp_item *a, const struct resp_item *b)
{
    bool same_real = a->real == b->real || (isnan(a->real) && isnan(b->real));

    return a->kind == b->kind && a->last == b->last && a->quoted == b->quoted &&
           a->depth == b->depth && a->number == b->number && same_real &&
           (a->kind == RESP_DOUBLE || bytes_equal(a->text, b->text));
}

static void must_be_same(const struct reading *a, const struct reading *b)
{
    must(a->count == b->count);
    for (uint32_t i = 0; i < a->count; i++)
        must(same_item(&a->items[i], &b->items[i]));
}

/* What was read, written and read again, is the same. */
static void must_read_back(const struct reading *reading)
{
    static struct reading back;
    struct buf out;

    buf_init(&out, 1 << 20);
    for (uint32_t i = 0; i < reading->count; i++)
        resp_write(&out, &reading->items[i]);
    must(!out.full);
    begin(&back, 0);
    read_on(&back, buf_bytes(&out));
    must(back.verdict == RESP_MORE && back.used == out.len);
    must_be_same(reading, &back);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reading whole, part;
    struct bytes all;

    if (size == 0)
        return 0;
    all = bytes_take(bytes_of(data + 1, size - 1), LOOKED_AT_MAX);
    begin(&whole, data[0]);
    begin(&part, data[0]);
    read_on(&whole, all);
    for (size_t len = 0; len <= all.len; len++) {
        autofree uint8_t *exact = malloc(len ? len : 1);

        must(exact);
        if (len)
            memcpy(exact, all.at, len);
        read_on(&part, bytes_of(exact, len));
        /* The views are of this round's bytes. */
        for (uint32_t i = 0; i < part.count; i++)
            if (part.items[i].text.len > 0 && part.items[i].text.at >= exact &&
                part.items[i].text.at < exact + len)
                part.items[i].text.at = all.at + (part.items[i].text.at - exact);
    }
    must(whole.verdict == part.verdict && whole.used == part.used);
    must(whole.parser.why == part.parser.why);
    must_be_same(&whole, &part);
    if (!(data[0] & 1))
        must_read_back(&whole);
    return 0;
}
