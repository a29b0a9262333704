/*
 * A fact is read the same however much follows it, never from less than itself, and what was read writes and reads back the same.
 */
#include "fuzz.h"

#include "base/json.h"
#include "base/own.h"
#include "topology/fact.h"

static void prints(const struct fact *fact)
{
    struct json json;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_init(&json, &out);
    fact_print_json(fact, &json);
    must(!out.full && json.done);
    buf_fini(&out);
}

static void reads_back(const struct fact *fact)
{
    uint8_t first[FACT_BYTES_MAX], second[FACT_BYTES_MAX];
    struct buf a, b;
    struct fact back;
    const char *why;
    size_t used;

    buf_over(&a, first, sizeof first);
    buf_over(&b, second, sizeof second);
    fact_encode(fact, &a);
    must(!a.full);
    must(fact_decode(buf_bytes(&a), &back, &used, &why) == FACT_READ && used == a.len);
    must(fact_compare(fact, &back) == 0);
    fact_encode(&back, &b);
    must(bytes_equal(buf_bytes(&a), buf_bytes(&b)));
}

static void is_not_read_from_less(struct bytes whole)
{
    for (size_t len = 0; len < whole.len; len++) {
        autofree uint8_t *exact = malloc(len + 1);
        struct fact fact;
        const char *why;
        size_t used;

        must(exact);
        if (len)
            memcpy(exact, whole.at, len);
        must(fact_decode(bytes_of(exact, len), &fact, &used, &why) == FACT_MORE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_of(data, size);
    struct fact fact;
    const char *why;
    size_t used;

    while (fact_decode(all, &fact, &used, &why) == FACT_READ) {
        must(used > 0 && used <= all.len);
        prints(&fact);
        reads_back(&fact);
        is_not_read_from_less(bytes_take(all, used));
        all = bytes_skip(all, used);
    }
    return 0;
}
