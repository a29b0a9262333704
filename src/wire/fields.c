/*
 * What the fields of a head say together: where the body ends, whether the connection lives on, and which fields are not forwarded.
 *
 * Everything that two readers could understand differently is refused, never repaired (RFC 9112 6, 11.2):
 * - Content-Length is one field of digits that do not begin with a needless zero. Not two fields, even equal ones, and no list.
 * - Transfer-Encoding is `chunked`, in HTTP/1.1, without Content-Length. Another coding before it is 501; anything else is 400.
 * - TRACE and CONNECT come without body: readers differ about whether what follows belongs to it.
 * - Host is one field in HTTP/1.1, at most one in 1.0, and always a host and port.
 *
 * Connection can take a field out of the message only when this program has no use for that field (KNOWN_NONE): naming Host,
 * Content-Length, Authorization or X-Forwarded-For there has no effect.
 */
#include "wire/grammar.h"
#include "wire/head.h"

enum {
    CONNECTION_NAMES_MAX = 32, /* bounds the search for named fields */
    LENGTH_DIGITS_MAX = 18,    /* below 2^63 whatever they are; no body is an exabyte long */
};

struct summary {
    struct http1_head *head;
    struct bytes bytes;
    struct http1_fault *fault;
    const struct http1_field *host, *length;
    bool coded, chunked, other_coding; /* chunked: it was the last coding so far */
    bool close, keep_alive, names_upgrade, has_upgrade, http_again;
    uint16_t names;
};

static bool wrong(struct summary *s, uint16_t status, const char *why)
{
    return http1_wrong(s->fault, status, why);
}

/* Takes the next of a list's members, without blanks; it may be empty. False at the end. */
static bool next_member(struct bytes *list, struct bytes *member)
{
    size_t comma;

    if (!list->at)
        return false;
    comma = bytes_find(*list, ',');
    *member = bytes_trim(bytes_take(*list, comma));
    *list = comma < list->len ? bytes_skip(*list, comma + 1) : (struct bytes){0};
    return true;
}

static bool is_word(struct bytes text, struct bytes word)
{
    return text.len == word.len && http1_same_name(text.at, (const char *)word.at, word.len);
}

static bool take_length(struct summary *s, const struct http1_field *field)
{
    struct bytes text = http1_bytes(s->bytes, field->value);
    uint64_t length = 0;

    if (s->length)
        return wrong(s, 400, "more than one Content-Length");
    s->length = field;
    for (size_t i = 0; i < text.len; i++)
        if (!is_digit(text.at[i]))
            return wrong(s, 400, "a Content-Length that is not digits alone");
    if (text.len == 0 || (text.len > 1 && text.at[0] == '0'))
        return wrong(s, 400, "a Content-Length that is empty or begins with a needless zero");
    if (text.len > LENGTH_DIGITS_MAX)
        return wrong(s, 413, "a Content-Length beyond all bounds");
    for (size_t i = 0; i < text.len; i++)
        length = length * 10 + (uint64_t)(text.at[i] - '0');
    s->head->content_length = length;
    return true;
}

static bool take_codings(struct summary *s, struct bytes list)
{
    for (struct bytes coding; next_member(&list, &coding);) {
        if (!http1_is_token(coding))
            return wrong(s, 400, "a Transfer-Encoding that is not a list of names");
        if (s->chunked)
            return wrong(s, 400, "a Transfer-Encoding where chunked is repeated or not last");
        s->coded = true;
        s->chunked = is_word(coding, BYTES("chunked"));
        s->other_coding |= !s->chunked;
    }
    return true;
}

static void mark_hop(struct summary *s, struct bytes name)
{
    for (uint16_t i = 0; i < s->head->field_count; i++) {
        struct http1_field *field = &s->head->fields[i];

        if (field->known == KNOWN_NONE && field->name.len == name.len &&
            bytes_equal_nocase(http1_bytes(s->bytes, field->name), name))
            field->hop = true;
    }
}

static bool take_connection(struct summary *s, struct bytes list)
{
    for (struct bytes name; next_member(&list, &name);) {
        if (name.len == 0)
            continue;
        if (!http1_is_token(name))
            return wrong(s, 400, "a Connection that is not a list of names");
        if (is_word(name, BYTES("close")))
            s->close = true;
        else if (is_word(name, BYTES("keep-alive")))
            s->keep_alive = true;
        else if (is_word(name, BYTES("upgrade")))
            s->names_upgrade = true;
        else if (++s->names > CONNECTION_NAMES_MAX)
            return wrong(s, 431, "a Connection that names too many fields");
        else
            mark_hop(s, name);
    }
    return true;
}

/*
 * An upgrade to another HTTP, or to TLS around it (RFC 2817), would be a tunnel past every route and limit: it is not taken
 * up, which RFC 9110 7.8 always allows.
 */
static void take_upgrade(struct summary *s, struct bytes list)
{
    static const char *const refused[] = {"h2c", "h2", "http", "tls"};

    s->has_upgrade = true;
    for (struct bytes protocol; next_member(&list, &protocol);)
        for (size_t i = 0; i < ARRAY_LEN(refused); i++)
            s->http_again |= is_word(bytes_take(protocol, bytes_find(protocol, '/')),
                                     bytes_of_string(refused[i]));
}

static bool take_host(struct summary *s, const struct http1_field *field)
{
    if (s->host)
        return wrong(s, 400, "more than one Host");
    s->host = field;
    if (!http1_is_authority(http1_bytes(s->bytes, field->value)))
        return wrong(s, 400, "a Host that is not a host and port");
    return true;
}

/* HTTP/1.0 knows no expectations (RFC 9110 10.1.1). */
static bool take_expect(struct summary *s, struct bytes value)
{
    if (s->head->minor == 0)
        return true;
    if (!is_word(value, BYTES("100-continue")))
        return wrong(s, 417, "an Expect other than 100-continue");
    s->head->expects_continue = true;
    return true;
}

static bool take_fields(struct summary *s, bool request)
{
    must(s->bytes.at);
    for (uint16_t i = 0; i < s->head->field_count; i++) {
        const struct http1_field *field = &s->head->fields[i];
        struct bytes value = http1_bytes(s->bytes, field->value);
        bool taken = true;

        if (field->known == KNOWN_NONE)
            continue;
        if (field->known == KNOWN_CONTENT_LENGTH)
            taken = take_length(s, field);
        else if (field->known == KNOWN_TRANSFER_ENCODING)
            taken = take_codings(s, value);
        else if (field->known == KNOWN_CONNECTION)
            taken = take_connection(s, value);
        else if (field->known == KNOWN_UPGRADE)
            take_upgrade(s, value);
        else if (request && field->known == KNOWN_HOST)
            taken = take_host(s, field);
        else if (request && field->known == KNOWN_EXPECT)
            taken = take_expect(s, value);
        if (!taken)
            return false;
    }
    return true;
}

static bool settle_coding(struct summary *s)
{
    if (!s->coded)
        return true;
    if (s->length)
        return wrong(s, 400, "Content-Length together with Transfer-Encoding");
    if (s->head->minor == 0)
        return wrong(s, 400, "Transfer-Encoding in HTTP/1.0");
    if (!s->chunked)
        return wrong(s, 400, "a Transfer-Encoding whose last coding is not chunked");
    if (s->other_coding)
        return wrong(s, 501, "a transfer coding other than chunked");
    return true;
}

static void settle_connection(struct summary *s)
{
    struct http1_head *head = s->head;

    head->keep_alive = !s->close && (head->minor == 1 || s->keep_alive);
    head->upgrade = head->minor == 1 && s->names_upgrade && s->has_upgrade && !s->http_again;
}

bool http1_settle_request(struct bytes bytes, struct http1_head *head, struct http1_fault *fault)
{
    struct summary s = {.head = head, .bytes = bytes, .fault = fault};

    if (!take_fields(&s, true) || !settle_coding(&s))
        return false;
    if (!s.host && head->minor == 1)
        return wrong(&s, 400, "no Host");
    /* The authority of an absolute target overrules the field (RFC 9112 3.2.2). */
    if (s.host && head->host.len == 0)
        head->host = s.host->value;
    settle_connection(&s);
    if (s.chunked)
        head->framing = FRAMING_CHUNKED;
    else
        head->framing = s.length ? FRAMING_LENGTH : FRAMING_NONE;
    if ((head->method == METHOD_TRACE || head->method == METHOD_CONNECT) &&
        (s.chunked || head->content_length > 0))
        return wrong(&s, 400, "a body with a method that has none");
    head->expects_continue &= s.chunked || head->content_length > 0;
    return true;
}

static enum http1_framing framing_of_response(const struct summary *s, enum http1_method asked)
{
    uint16_t status = s->head->status;

    if (asked == METHOD_HEAD || status < 200 || status == 204 || status == 304 ||
        (asked == METHOD_CONNECT && status < 300))
        return FRAMING_NONE;
    if (s->chunked)
        return FRAMING_CHUNKED;
    return s->length ? FRAMING_LENGTH : FRAMING_UNTIL_CLOSE;
}

static bool settle_response(struct summary *s, enum http1_method asked)
{
    struct http1_head *head = s->head;

    if (!take_fields(s, false) || !settle_coding(s))
        return false;
    if ((head->status < 200 || head->status == 204) && (s->coded || head->content_length > 0))
        return wrong(s, 502, "a 1xx or 204 that announces a body");
    settle_connection(s);
    head->framing = framing_of_response(s, asked);
    if (head->framing == FRAMING_UNTIL_CLOSE)
        head->keep_alive = false;
    if (head->status == 101 && !head->upgrade)
        return wrong(s, 502, "a 101 that does not say to what");
    head->upgrade &= head->status == 101;
    return true;
}

bool http1_settle_response(struct bytes bytes, enum http1_method asked, struct http1_head *head,
                           struct http1_fault *fault)
{
    struct summary s = {.head = head, .bytes = bytes, .fault = fault};

    if (settle_response(&s, asked))
        return true;
    fault->status = 502;
    return false;
}
