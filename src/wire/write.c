/*
 * Writes messages. What is written must be grammatical already: names tokens, values without control bytes (http1_is_token,
 * http1_is_value), which all that the parser gave back is.
 */
#include "wire/http1.h"

static uint8_t *put(uint8_t *at, struct bytes bytes)
{
    if (bytes.len)
        memcpy(at, bytes.at, bytes.len);
    return at + bytes.len;
}

/* Five pieces in one go, all or nothing. */
static void put_line(struct buf *out, struct bytes a, struct bytes b, struct bytes c,
                     struct bytes d, struct bytes end)
{
    size_t len = a.len + b.len + c.len + d.len + end.len;
    uint8_t *at = buf_space(out, len);

    if (!at)
        return;
    put(put(put(put(put(at, a), b), c), d), end);
    buf_grew(out, len);
}

void http1_write_request_line(struct buf *out, struct bytes method, struct bytes target)
{
    put_line(out, method, BYTES(" "), target, BYTES(" HTTP/1.1"), BYTES("\r\n"));
}

void http1_write_status_line(struct buf *out, uint16_t status, struct bytes reason)
{
    uint8_t digits[3] = {(uint8_t)('0' + status / 100), (uint8_t)('0' + status / 10 % 10),
                         (uint8_t)('0' + status % 10)};

    must(status >= 100 && status <= 999);
    put_line(out, BYTES("HTTP/1.1 "), bytes_of(digits, sizeof digits), BYTES(" "), reason,
             BYTES("\r\n"));
}

void http1_write_field(struct buf *out, struct bytes name, struct bytes value)
{
    put_line(out, name, BYTES(": "), value, BYTES("\r\n"), BYTES(""));
}

void http1_write_end(struct buf *out)
{
    buf_add(out, BYTES("\r\n"));
}

void http1_write_chunk_head(struct buf *out, uint64_t len)
{
    uint8_t text[18];
    size_t at = sizeof text;

    must(len > 0);
    text[--at] = '\n';
    text[--at] = '\r';
    for (; len; len /= 16)
        text[--at] = (uint8_t) "0123456789abcdef"[len % 16];
    buf_add(out, bytes_of(text + at, sizeof text - at));
}

const char *http1_reason(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *phrase;
    } phrases[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {203, "Non-Authoritative Information"},
        {204, "No Content"},
        {205, "Reset Content"},
        {206, "Partial Content"},
        {300, "Multiple Choices"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {511, "Network Authentication Required"},
    };

    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}
