/*
 * Judges one answer to one check.
 *
 * It holds no descriptor and knows no time: that an answer is late is the asker's to say. It never waits for
 * content that it has no use for, and never forgives what wire/http1 refuses.
 */
#include "health/check_http.h"

static struct bytes or_else(struct bytes text, struct bytes normal)
{
    return text.len ? text : normal;
}

void check_http_write(struct buf *out, const struct health_check *check, struct image image,
                      const char *endpoint)
{
    struct bytes method = or_else(image_text(image, check->method), BYTES("GET"));
    struct bytes host = or_else(image_text(image, check->host), bytes_of_string(endpoint));

    http1_write_request_line(out, method, or_else(image_text(image, check->path), BYTES("/")));
    http1_write_field(out, BYTES("Host"), host);
    http1_write_field(out, BYTES("User-Agent"), BYTES("nines-check/" NINES_VERSION));
    http1_write_field(out, BYTES("Accept"), BYTES("*/*"));
    if (!bytes_equal(method, BYTES("GET")) && !bytes_equal(method, BYTES("HEAD")))
        http1_write_field(out, BYTES("Content-Length"), BYTES("0"));
    http1_write_field(out, BYTES("Connection"), BYTES("close"));
    http1_write_end(out);
    must(!out->full);
}

void check_http_init(struct check_http *http, const struct health_check *check, struct image image)
{
    bool head_only = bytes_equal(image_text(image, check->method), BYTES("HEAD"));

    *http = (struct check_http){
        .method = head_only ? METHOD_HEAD : METHOD_GET,
        .low = (uint16_t)check->expect_low,
        .high = (uint16_t)check->expect_high,
    };
    buf_init(&http->head, CHECK_HEAD_MAX);
}

void check_http_fini(struct check_http *http)
{
    buf_fini(&http->head);
}

static bool garbage(struct check_http *http, const char *why, enum health_outcome *outcome)
{
    http->why = why;
    *outcome = HEALTH_GARBAGE;
    return true;
}

static bool take_body(struct check_http *http, struct bytes bytes, enum health_outcome *outcome)
{
    struct http1_fault fault;
    enum http1_verdict verdict;

    do {
        struct bytes content;
        size_t used;

        verdict = http1_body_next(&http->body, bytes, &used, &content, &fault);
        if (verdict == HTTP1_WRONG)
            return garbage(http, fault.why, outcome);
        bytes = bytes_skip(bytes, used);
        http->content += content.len;
    } while (verdict == HTTP1_MORE && bytes.len > 0 && http->content < CHECK_BODY_MAX);
    *outcome = HEALTH_OK;
    return verdict == HTTP1_DONE || http->content >= CHECK_BODY_MAX;
}

static bool take_head(struct check_http *http, const struct http1_head *head,
                      enum health_outcome *outcome)
{
    http->status = head->status;
    if (head->status < http->low || head->status > http->high) {
        *outcome = HEALTH_BAD_STATUS;
        return true;
    }
    http1_body_begin(&http->body, head);
    return false;
}

static bool interim(const struct http1_head *head)
{
    return head->status < 200 && head->status != 101;
}

bool check_http_take(struct check_http *http, struct bytes bytes, enum health_outcome *outcome)
{
    struct http1_fault fault;
    struct http1_head head;

    while (http->status == 0) {
        struct bytes part = bytes_take(bytes, CHECK_HEAD_MAX - http->head.len);
        uint32_t used;

        buf_add(&http->head, part);
        bytes = bytes_skip(bytes, part.len);
        switch (http1_response(&http->scan, buf_bytes(&http->head), CHECK_HEAD_MAX, http->method,
                               &head, &used, &fault)) {
        case HTTP1_WRONG:
            return garbage(http, fault.why, outcome);
        case HTTP1_MORE:
            if (http->head.len == CHECK_HEAD_MAX || http->head.full)
                return garbage(http, "the head of the answer is too long", outcome);
            return false;
        case HTTP1_DONE:
            break;
        }
        if (interim(&head))
            buf_drop(&http->head, used);
        else if (take_head(http, &head, outcome) ||
                 take_body(http, bytes_skip(buf_bytes(&http->head), used), outcome))
            return true;
    }
    return take_body(http, bytes, outcome);
}

enum health_outcome check_http_end(const struct check_http *http)
{
    return http->status != 0 && http1_body_complete(&http->body) ? HEALTH_OK : HEALTH_CUT_SHORT;
}
