/*
 * A request tells the same story however it arrives. What is accepted means the same when it is written again, and when it is
 * forwarded as a proxy does: without hop fields, with one Host, with the framing that was understood. And a reader that takes
 * every liberty, sharing no code with the parser, finds the same end of the body: there is nothing to smuggle in between.
 */
#include "head_properties.h"

#include <ctype.h>
#include <stdlib.h>

static void same_meaning(const struct http1_head *a, struct bytes a_bytes,
                         const struct http1_head *b, struct bytes b_bytes)
{
    must(b->method == a->method && b->minor == 1);
    must(bytes_equal(http1_bytes(b_bytes, b->method_name), http1_bytes(a_bytes, a->method_name)));
    must(bytes_equal(http1_bytes(b_bytes, b->target), http1_bytes(a_bytes, a->target)));
    must(bytes_equal(http1_bytes(b_bytes, b->path), http1_bytes(a_bytes, a->path)));
    must(bytes_equal(http1_bytes(b_bytes, b->host), http1_bytes(a_bytes, a->host)));
    must(b->framing == a->framing && b->content_length == a->content_length);
}

static void parse_again(struct bytes bytes, struct http1_head *head)
{
    struct http1_scan scan = {0};
    struct http1_fault fault;
    uint32_t used;

    must(http1_request(&scan, bytes, HTTP1_HEAD_MAX, head, &used, &fault) == HTTP1_DONE);
    must(used == bytes.len);
}

static void written_again(const struct http1_head *head, struct bytes bytes, struct buf *out)
{
    struct http1_head again;

    buf_clear(out);
    http1_write_request_line(out, http1_bytes(bytes, head->method_name),
                             http1_bytes(bytes, head->target));
    for (uint16_t i = 0; i < head->field_count; i++)
        http1_write_field(out, http1_bytes(bytes, head->fields[i].name),
                          http1_bytes(bytes, head->fields[i].value));
    http1_write_end(out);
    if (out->full)
        return;
    parse_again(buf_bytes(out), &again);
    same_meaning(head, bytes, &again, buf_bytes(out));
    must(again.keep_alive == head->keep_alive && again.upgrade == head->upgrade &&
         again.expects_continue == head->expects_continue);
    must(again.field_count == head->field_count);
    for (uint16_t i = 0; i < again.field_count; i++)
        must(again.fields[i].hop == head->fields[i].hop &&
             again.fields[i].known == head->fields[i].known);
}

static void forwarded(const struct http1_head *head, struct bytes bytes, struct buf *out)
{
    struct http1_head again;

    buf_clear(out);
    http1_write_request_line(out, http1_bytes(bytes, head->method_name),
                             http1_bytes(bytes, head->target));
    http1_write_field(out, BYTES("Host"), http1_bytes(bytes, head->host));
    for (uint16_t i = 0; i < head->field_count; i++)
        if (!head->fields[i].hop && head->fields[i].known != KNOWN_HOST)
            http1_write_field(out, http1_bytes(bytes, head->fields[i].name),
                              http1_bytes(bytes, head->fields[i].value));
    if (head->framing == FRAMING_CHUNKED)
        http1_write_field(out, BYTES("Transfer-Encoding"), BYTES("chunked"));
    http1_write_end(out);
    if (out->full || head->field_count == HTTP1_FIELDS_MAX)
        return;
    parse_again(buf_bytes(out), &again);
    same_meaning(head, bytes, &again, buf_bytes(out));
    must(again.keep_alive && !again.upgrade);
}

struct lenient {
    unsigned lengths, codings;
    unsigned long long length;
    bool chunked;
};

/* Ends lines at any LF, drops control bytes and blanks anywhere, takes numbers in any base, and `chunked` in any place. */
static void read_leniently(struct lenient *found, struct bytes line)
{
    char text[HTTP1_HEAD_MAX + 1], *value;
    size_t len = 0;

    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] > ' ' && line.at[i] != 0x7f)
            text[len++] = (char)tolower(line.at[i]);
    text[len] = '\0';
    value = strchr(text, ':');
    if (!value)
        return;
    *value++ = '\0';
    if (strcmp(text, "content-length") == 0) {
        found->lengths++;
        found->length = strtoull(value, NULL, 0);
    }
    if (strcmp(text, "transfer-encoding") == 0) {
        found->codings++;
        found->chunked |= strstr(value, "chunked") != NULL;
    }
}

static void a_lenient_reader_agrees(const struct http1_head *head, struct bytes bytes)
{
    struct lenient found = {0};

    must(bytes_find(bytes, 0) == bytes.len);
    for (size_t at = 0; at < bytes.len;) {
        struct bytes rest = bytes_skip(bytes, at);
        size_t len = bytes_find(rest, '\n');

        must(len > 0 && len < rest.len && rest.at[len - 1] == '\r');
        must(bytes_find(rest, '\r') == len - 1);
        read_leniently(&found, bytes_take(rest, len));
        at += len + 1;
    }
    must(found.lengths + found.codings <= 1);
    must(found.chunked == (head->framing == FRAMING_CHUNKED));
    must((found.codings == 1) == (head->framing == FRAMING_CHUNKED));
    must((found.lengths == 1) == (head->framing == FRAMING_LENGTH));
    must(found.length == head->content_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes bytes = bytes_of(data, size);
    struct http1_head head;
    struct buf out;
    uint32_t used;

    (void)same_however_it_arrives((struct arrival){.head_max = SMALL_HEAD_MAX}, bytes, &head,
                                  &used);
    if (same_however_it_arrives((struct arrival){.head_max = HTTP1_HEAD_MAX}, bytes, &head,
                                &used) != HTTP1_DONE)
        return 0;
    a_lenient_reader_agrees(&head, bytes_take(bytes, used));
    must(head.status == 0 && head.framing != FRAMING_UNTIL_CLOSE);
    must(head.minor == 0 || head.host.len > 0);
    must(head.framing != FRAMING_CHUNKED || head.minor == 1);
    if (head.minor == 0)
        return 0;
    buf_init(&out, HTTP1_HEAD_MAX);
    written_again(&head, bytes, &out);
    forwarded(&head, bytes, &out);
    buf_fini(&out);
    return 0;
}
