/*
 * A response tells the same story however it arrives, and its framing is what its status and the request's method allow.
 */
#include "head_properties.h"

static void check(const struct http1_head *head, enum http1_method asked)
{
    bool bodiless = asked == METHOD_HEAD || head->status < 200 || head->status == 204 ||
                    head->status == 304 || (asked == METHOD_CONNECT && head->status < 300);

    must(head->status >= 100 && head->status <= 999);
    must(bodiless == (head->framing == FRAMING_NONE));
    must(head->framing != FRAMING_UNTIL_CLOSE || !head->keep_alive);
    must(head->framing != FRAMING_CHUNKED || head->minor == 1);
    must(head->upgrade == (head->status == 101));
    must(!head->expects_continue && head->host.len == 0);
}

static void written_again(const struct http1_head *head, struct bytes bytes,
                          enum http1_method asked)
{
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct http1_head again;
    struct buf out;
    uint32_t used;

    buf_init(&out, HTTP1_HEAD_MAX);
    http1_write_status_line(&out, head->status, http1_bytes(bytes, head->reason));
    for (uint16_t i = 0; i < head->field_count; i++)
        http1_write_field(&out, http1_bytes(bytes, head->fields[i].name),
                          http1_bytes(bytes, head->fields[i].value));
    http1_write_end(&out);
    if (!out.full) {
        must(http1_response(&scan, buf_bytes(&out), HTTP1_HEAD_MAX, asked, &again, &used, &fault) ==
             HTTP1_DONE);
        must(used == out.len && again.status == head->status && again.framing == head->framing);
        must(again.content_length == head->content_length && again.upgrade == head->upgrade);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http1_method methods[] = {METHOD_GET, METHOD_HEAD, METHOD_CONNECT};
    struct bytes bytes = bytes_of(data, size);
    struct http1_head head;
    uint32_t used;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        struct arrival arrival = {
            .response = true, .asked = methods[i], .head_max = HTTP1_HEAD_MAX};

        if (same_however_it_arrives(arrival, bytes, &head, &used) != HTTP1_DONE)
            continue;
        check(&head, methods[i]);
        if (head.minor == 1)
            written_again(&head, bytes, methods[i]);
    }
    return 0;
}
