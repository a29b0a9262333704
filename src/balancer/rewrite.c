/*
 * Writes heads for the other side. It never changes a field's bytes that it passes on, and never passes a field on that belongs to one
 * connection.
 */
#include "balancer/rewrite.h"

enum {
    REQUEST_EXTRA = 512,  /* names of the fields that are added, two addresses, the id */
    RESPONSE_EXTRA = 128, /* Connection, Transfer-Encoding, Upgrade */
};

size_t rewrite_request_bound(size_t head_len, const struct http1_head *request)
{
    return head_len + 2 * (size_t)request->host.len + REQUEST_EXTRA + REWRITE_ID_MAX;
}

size_t rewrite_response_bound(size_t head_len)
{
    return 2 * head_len + RESPONSE_EXTRA;
}

static bool visible(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] <= ' ' || text.at[i] >= 0x7f || text.at[i] == '"' || text.at[i] == '\\')
            return false;
    }
    return true;
}

struct bytes rewrite_request_id(struct bytes head, const struct http1_head *request)
{
    const struct http1_field *field = http1_find(request, KNOWN_X_REQUEST_ID);
    struct bytes id = field ? http1_bytes(head, field->value) : bytes_of(NULL, 0);

    return id.len <= REWRITE_ID_MAX && visible(id) ? id : bytes_of(NULL, 0);
}

/* ---- runs of untouched fields ---- */

/* A field's line begins at its name and ends where the next one's, or the empty line, begins. */
static size_t line_end(size_t head_len, const struct http1_head *parsed, uint32_t index)
{
    return index + 1 < parsed->field_count ? parsed->fields[index + 1].name.at : head_len - 2;
}

/* Copies every line whose bit in `skip` (by enum http1_known) is not set and that is not hop-by-hop. */
static void copy_fields(struct buf *out, struct bytes head, const struct http1_head *parsed,
                        uint32_t skip, size_t run_start)
{
    size_t run_end = parsed->field_count ? parsed->fields[0].name.at : run_start;

    for (uint32_t i = 0; i < parsed->field_count; i++) {
        const struct http1_field *field = &parsed->fields[i];
        size_t end = line_end(head.len, parsed, i);

        if (field->hop || (skip >> field->known & 1)) {
            buf_add(out, bytes_of(head.at + run_start, run_end - run_start));
            run_start = end;
        }
        run_end = end;
    }
    buf_add(out, bytes_of(head.at + run_start, run_end - run_start));
}

_Static_assert(KNOWN_COUNT <= 32, "a set of known fields is one word");
#define FIELD_BIT(known) (1U << (known))

/* ---- the request ---- */

/* `/path?query`, whatever form the target came in; `*` stays. */
static void add_request_line(struct buf *out, struct bytes head, const struct http1_head *request)
{
    uint32_t target_end = (uint32_t)request->target.at + request->target.len;
    struct bytes rest = bytes_of(head.at + request->path.at, target_end - request->path.at);

    buf_add(out, http1_bytes(head, request->method_name));
    buf_add_byte(out, ' ');
    if (request->path.len == 0)
        buf_add_byte(out, request->method == METHOD_OPTIONS && rest.len == 0 ? '*' : '/');
    buf_add(out, rest);
    buf_add(out, BYTES(" HTTP/1.1\r\n"));
}

static bool line_is_ours(struct bytes head, const struct http1_head *request)
{
    return request->minor == 1 && request->field_count > 0 && request->path.len > 0 &&
           request->path.at == request->target.at && head.at[request->target.at] == '/';
}

static void add_decimal(uint8_t **at, unsigned number)
{
    if (number >= 100)
        *(*at)++ = (uint8_t)('0' + number / 100);
    if (number >= 10)
        *(*at)++ = (uint8_t)('0' + number / 10 % 10);
    *(*at)++ = (uint8_t)('0' + number % 10);
}

/* The IP address as text; IPv4 by hand, since it stands in every request. */
static struct bytes print_ip(const struct address *address, char *text)
{
    uint8_t *at = (uint8_t *)text;

    if (address->family != 4)
        return bytes_of_string(address_print_ip(address, text));
    for (int i = 0; i < 4; i++) {
        if (i)
            *at++ = '.';
        add_decimal(&at, address->ip[i]);
    }
    return bytes_of(text, (size_t)(at - (uint8_t *)text));
}

/* All values of a list field that came, each followed by a comma. */
static void add_former(struct buf *out, struct bytes head, const struct http1_head *request,
                       enum http1_known known)
{
    for (uint32_t i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];

        if (field->known != known || field->value.len == 0)
            continue;
        buf_add(out, http1_bytes(head, field->value));
        buf_add(out, BYTES(", "));
    }
}

/* RFC 7239. A host that would need escapes is left out: no honest one does. */
static void add_forwarded(struct buf *out, struct bytes head, const struct http1_head *request,
                          struct bytes ip, bool six)
{
    struct bytes host = http1_bytes(head, request->host);

    buf_add(out, BYTES("Forwarded: "));
    add_former(out, head, request, KNOWN_FORWARDED);
    buf_add(out, six ? BYTES("for=\"[") : BYTES("for="));
    buf_add(out, ip);
    if (six)
        buf_add(out, BYTES("]\""));
    if (host.len > 0 && visible(host)) {
        buf_add(out, BYTES(";host=\""));
        buf_add(out, host);
        buf_add_byte(out, '"');
    }
    buf_add(out, BYTES(";proto=http\r\nX-Forwarded-For: "));
    add_former(out, head, request, KNOWN_X_FORWARDED_FOR);
    buf_add(out, ip);
    buf_add(out, BYTES("\r\n"));
}

static void add_origin(struct buf *out, struct bytes head, const struct http1_head *request,
                       const struct rewrite_client *client)
{
    char text[ADDRESS_TEXT_MAX];
    struct bytes host = http1_bytes(head, request->host);
    bool known = client->address->family != 0;

    add_forwarded(out, head, request, known ? print_ip(client->address, text) : BYTES("unknown"),
                  client->address->family == 6);
    if (!http1_find(request, KNOWN_X_FORWARDED_PROTO))
        buf_add(out, BYTES("X-Forwarded-Proto: http\r\n"));
    if (host.len > 0) {
        buf_add(out, BYTES("X-Forwarded-Host: "));
        buf_add(out, host);
        buf_add(out, BYTES("\r\n"));
    }
    buf_add(out, BYTES("X-Request-Id: "));
    buf_add(out, client->id);
    buf_add(out, BYTES("\r\n"));
}

bool rewrite_upgrades(struct bytes head, const struct http1_head *request)
{
    const struct http1_field *field = request->upgrade ? http1_find(request, KNOWN_UPGRADE) : NULL;
    struct bytes name;

    if (!field || request->framing != FRAMING_NONE)
        return false;
    name = http1_bytes(head, field->value);
    return bytes_find(name, ',') == name.len && !bytes_equal_nocase(name, BYTES("h2c"));
}

static void add_upgrade(struct buf *out, struct bytes head, const struct http1_head *message)
{
    const struct http1_field *field = http1_find(message, KNOWN_UPGRADE);

    buf_add(out, BYTES("Connection: Upgrade\r\nUpgrade: "));
    if (field)
        buf_add(out, http1_bytes(head, field->value));
    buf_add(out, BYTES("\r\n"));
}

/* The Host field is right as it came, unless there is none, or the target named another authority (RFC 9112 3.2.2). */
static bool keeps_host(const struct http1_head *request)
{
    const struct http1_field *field = http1_find(request, KNOWN_HOST);

    return field && field->value.at == request->host.at;
}

void rewrite_request(struct buf *out, struct bytes head, const struct http1_head *request,
                     const struct rewrite_client *client)
{
    uint32_t skip = FIELD_BIT(KNOWN_FORWARDED) | FIELD_BIT(KNOWN_X_FORWARDED_FOR) |
                    FIELD_BIT(KNOWN_X_FORWARDED_HOST) | FIELD_BIT(KNOWN_X_REQUEST_ID);
    size_t start = request->field_count ? request->fields[0].name.at : 0;
    bool host = keeps_host(request);

    if (request->minor == 0)
        skip |= FIELD_BIT(KNOWN_EXPECT);
    if (request->framing == FRAMING_CHUNKED)
        skip |= FIELD_BIT(KNOWN_CONTENT_LENGTH);
    if (!host)
        skip |= FIELD_BIT(KNOWN_HOST);
    if (line_is_ours(head, request))
        start = request->method_name.at;
    else
        add_request_line(out, head, request);
    if (!host) {
        buf_add(out, BYTES("Host: "));
        buf_add(out, http1_bytes(head, request->host));
        buf_add(out, BYTES("\r\n"));
    }
    copy_fields(out, head, request, skip, start);
    add_origin(out, head, request, client);
    if (request->framing == FRAMING_CHUNKED)
        buf_add(out, BYTES("Transfer-Encoding: chunked\r\n"));
    if (rewrite_upgrades(head, request))
        add_upgrade(out, head, request);
    buf_add(out, BYTES("\r\n"));
}

/* ---- the answer ---- */

enum http1_framing rewrite_framing(const struct http1_head *response, uint8_t client_minor)
{
    switch (response->framing) {
    case FRAMING_NONE:
    case FRAMING_LENGTH:
        return response->framing;
    case FRAMING_CHUNKED:
    case FRAMING_UNTIL_CLOSE:
        return client_minor == 0 ? FRAMING_UNTIL_CLOSE : FRAMING_CHUNKED;
    }
    never("a framing without a name");
}

void rewrite_response(struct buf *out, struct bytes head, const struct http1_head *response,
                      const struct rewrite_answer *answer)
{
    bool chunked_length = response->framing == FRAMING_CHUNKED;
    uint32_t skip = chunked_length ? FIELD_BIT(KNOWN_CONTENT_LENGTH) : 0;
    size_t start = 0;

    if (response->minor != 1 || response->field_count == 0) {
        http1_write_status_line(out, response->status, http1_bytes(head, response->reason));
        start = response->field_count ? response->fields[0].name.at : 0;
    }
    copy_fields(out, head, response, skip, start);
    if (answer->framing == FRAMING_CHUNKED)
        buf_add(out, BYTES("Transfer-Encoding: chunked\r\n"));
    if (answer->upgrade)
        add_upgrade(out, head, response);
    else if (answer->close)
        buf_add(out, BYTES("Connection: close\r\n"));
    else if (answer->client_minor == 0)
        buf_add(out, BYTES("Connection: keep-alive\r\n"));
    buf_add(out, BYTES("\r\n"));
}
