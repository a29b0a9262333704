/*
 * Whatever is written reads back as it was meant. The input's lines are a target and then fields; what the writer may not be
 * given is left out, and so are fields that mean something to the parser.
 */
#include "fuzz.h"
#include "wire/http1.h"

#include <stdlib.h>

struct line {
    struct bytes name, value;
};

struct message {
    struct bytes target;
    struct line lines[HTTP1_FIELDS_MAX];
    size_t count;
};

/* A name that the parser does not know, whatever follows the first letter. */
static bool is_plain(struct bytes name)
{
    return http1_is_token(name) && (name.at[0] == 'q' || name.at[0] == 'Z' || name.at[0] == '!');
}

static bool is_target(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f || text.at[i] == '#')
            return false;
    return text.len > 0 && text.len <= HTTP1_TARGET_MAX && text.at[0] == '/';
}

static struct bytes take_line(struct bytes *rest)
{
    size_t len = bytes_find(*rest, '\n');
    struct bytes line = bytes_take(*rest, len);

    *rest = bytes_skip(*rest, len < rest->len ? len + 1 : len);
    return line;
}

static void plan(struct message *message, struct bytes rest)
{
    struct bytes target = take_line(&rest);

    message->target = is_target(target) ? target : BYTES("/");
    message->count = 0;
    while (rest.len > 0 && message->count < HTTP1_FIELDS_MAX - 1) {
        struct bytes line = take_line(&rest), name = bytes_take(line, bytes_find(line, ':'));
        struct bytes value = bytes_skip(line, name.len < line.len ? name.len + 1 : name.len);

        if (is_plain(name) && http1_is_value(value))
            message->lines[message->count++] = (struct line){name, bytes_trim(value)};
    }
}

static void put_fields(struct buf *out, const struct message *message)
{
    for (size_t i = 0; i < message->count; i++)
        http1_write_field(out, message->lines[i].name, message->lines[i].value);
    http1_write_end(out);
}

/* `first` fields stand before those of the plan. */
static void same_fields(const struct http1_head *head, struct bytes bytes,
                        const struct message *message, size_t first)
{
    must(head->field_count == first + message->count);
    for (size_t i = 0; i < message->count; i++) {
        const struct http1_field *field = &head->fields[first + i];

        must(bytes_equal(http1_bytes(bytes, field->name), message->lines[i].name));
        must(bytes_equal(http1_bytes(bytes, field->value), message->lines[i].value));
        must(field->known == KNOWN_NONE && !field->hop);
    }
}

static void as_request(const struct message *message, struct buf *out)
{
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct http1_head head;
    uint32_t used;

    buf_clear(out);
    http1_write_request_line(out, BYTES("QUERY"), message->target);
    http1_write_field(out, BYTES("host"), BYTES("a"));
    put_fields(out, message);
    if (out->full)
        return;
    must(http1_request(&scan, buf_bytes(out), HTTP1_HEAD_MAX, &head, &used, &fault) == HTTP1_DONE);
    must(used == out->len && head.method == METHOD_OTHER && head.keep_alive);
    must(bytes_equal(http1_bytes(buf_bytes(out), head.target), message->target));
    same_fields(&head, buf_bytes(out), message, 1);
}

static void as_response(const struct message *message, struct buf *out, uint16_t status)
{
    struct http1_scan scan = {0};
    struct http1_fault fault;
    struct http1_head head;
    uint32_t used;

    buf_clear(out);
    http1_write_status_line(out, status, message->target);
    put_fields(out, message);
    if (out->full)
        return;
    must(http1_response(&scan, buf_bytes(out), HTTP1_HEAD_MAX, METHOD_GET, &head, &used, &fault) ==
         HTTP1_DONE);
    must(used == out->len && head.status == status);
    must(bytes_equal(http1_bytes(buf_bytes(out), head.reason), message->target));
    same_fields(&head, buf_bytes(out), message, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message;
    struct buf out;

    plan(&message, bytes_of(data, size));
    buf_init(&out, HTTP1_HEAD_MAX);
    as_request(&message, &out);
    as_response(&message, &out, (uint16_t)(200 + size % 800));
    buf_fini(&out);
    return 0;
}
