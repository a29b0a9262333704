/*
 * A PROXY header is decided by its bytes and not by how they arrive, what follows it is none of its business, and what was
 * understood of it reads back when it is written in either version.
 */
#include "fuzz.h"

#include "base/own.h"
#include "wire/proxy.h"

enum { LOOKED_AT_MAX = PROXY_HEADER_MAX + 16 };

struct outcome {
    enum proxy_verdict verdict;
    struct proxy_header header;
    size_t used;
    const char *why;
};

static struct outcome parse(struct bytes bytes)
{
    struct outcome outcome = {0};
    autofree uint8_t *exact = malloc(bytes.len ? bytes.len : 1);

    must(exact);
    if (bytes.len)
        memcpy(exact, bytes.at, bytes.len);
    outcome.verdict =
        proxy_parse(bytes_of(exact, bytes.len), &outcome.header, &outcome.used, &outcome.why);
    if (outcome.verdict == PROXY_DONE)
        must(outcome.used > 0 && outcome.used <= bytes.len && outcome.used <= PROXY_HEADER_MAX);
    if (outcome.verdict == PROXY_WRONG)
        must(outcome.why);
    return outcome;
}

static bool same_header(const struct proxy_header *a, const struct proxy_header *b)
{
    return address_equal(&a->source, &b->source) && address_equal(&a->destination, &b->destination);
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    if (a->verdict != b->verdict)
        return false;
    if (a->verdict == PROXY_DONE)
        return a->used == b->used && same_header(&a->header, &b->header);
    return a->verdict == PROXY_MORE || a->why == b->why;
}

static void same_written(const struct proxy_header *header,
                         void (*write)(struct buf *, const struct proxy_header *))
{
    uint8_t storage[PROXY_HEADER_MAX];
    struct outcome back;
    struct buf out;

    buf_over(&out, storage, sizeof storage);
    write(&out, header);
    must(!out.full);
    back = parse(buf_bytes(&out));
    must(back.verdict == PROXY_DONE && back.used == out.len && same_header(header, &back.header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_take(bytes_of(data, size), LOOKED_AT_MAX);
    struct outcome whole = parse(all);
    bool decided = false;

    for (size_t len = 0; len < all.len; len++) {
        struct outcome part = parse(bytes_take(all, len));

        if (part.verdict == PROXY_MORE) {
            must(!decided);
            continue;
        }
        decided = true;
        must(same(&part, &whole));
    }
    if (whole.verdict == PROXY_DONE) {
        same_written(&whole.header, proxy_write_v1);
        same_written(&whole.header, proxy_write_v2);
    }
    return 0;
}
