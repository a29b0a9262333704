/*
 * A connection as a server lives it: requests with bodies one after another, in one buffer that is filled in pieces and emptied
 * from the front. However the bytes arrive, the same requests with the same contents come out, up to the same fault.
 */
#include "fuzz.h"
#include "http1_story.h"

enum { HEAD_MAX = 1024 };

struct connection {
    struct buf in, story;
    struct http1_scan scan;
    struct http1_body body;
    bool in_body, over;
};

static enum http1_verdict take_head(struct connection *c, struct http1_fault *fault)
{
    struct http1_head head;
    uint32_t used;
    enum http1_verdict verdict =
        http1_request(&c->scan, buf_bytes(&c->in), HEAD_MAX, &head, &used, fault);

    if (verdict == HTTP1_DONE) {
        must(used > 0 && used <= c->in.len);
        story_head(&c->story, buf_bytes(&c->in), &head);
        story_fields(&c->story, buf_bytes(&c->in), &head);
        buf_add_string(&c->story, "\n");
        http1_body_begin(&c->body, &head);
        buf_drop(&c->in, used);
        c->in_body = true;
    }
    return verdict;
}

static enum http1_verdict take_body(struct connection *c, struct http1_fault *fault)
{
    struct bytes content;
    size_t used;
    enum http1_verdict verdict =
        http1_body_next(&c->body, buf_bytes(&c->in), &used, &content, fault);

    if (verdict != HTTP1_WRONG) {
        buf_add(&c->story, content);
        buf_drop(&c->in, used);
        c->in_body = verdict == HTTP1_MORE;
    }
    return verdict;
}

/* As long as something comes of it. */
static void take(struct connection *c)
{
    while (!c->over && (c->in_body || c->in.len > 0)) {
        struct http1_fault fault;
        bool in_body = c->in_body;
        enum http1_verdict verdict = in_body ? take_body(c, &fault) : take_head(c, &fault);

        if (verdict == HTTP1_WRONG) {
            buf_print(&c->story, "\n%u %s", fault.status, fault.why);
            c->over = true;
        }
        if (verdict == HTTP1_MORE && (!in_body || c->in.len == 0))
            return;
    }
}

/* The lengths of the pieces are those in `cuts`, 0 for 256, over and over; without cuts, whole. */
static void live(struct connection *c, struct bytes all, struct bytes cuts)
{
    size_t turn = 0;

    *c = (struct connection){0};
    buf_init(&c->in, STORY_MAX);
    buf_init(&c->story, STORY_MAX);
    while (all.len > 0 && !c->over) {
        size_t cut = cuts.len ? cuts.at[turn++ % cuts.len] : all.len;
        struct bytes piece = bytes_take(all, cut ? cut : 256);

        buf_add(&c->in, piece);
        all = bytes_skip(all, piece.len);
        take(c);
    }
    must(!c->in.full && !c->story.full);
}

static void end(struct connection *c)
{
    buf_fini(&c->in);
    buf_fini(&c->story);
}

static void same_in_pieces(const struct connection *whole, struct bytes all, struct bytes cuts)
{
    struct connection c;

    live(&c, all, cuts);
    must(c.over == whole->over && c.in_body == whole->in_body);
    must(bytes_equal(buf_bytes(&c.story), buf_bytes(&whole->story)));
    must(c.over || bytes_equal(buf_bytes(&c.in), buf_bytes(&whole->in)));
    end(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t one = 1;
    struct connection whole;
    struct bytes all = bytes_of(data, size);

    live(&whole, all, (struct bytes){0});
    same_in_pieces(&whole, all, bytes_of(&one, 1));
    same_in_pieces(&whole, all, all);
    end(&whole);
    return 0;
}
