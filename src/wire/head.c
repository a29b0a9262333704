/*
 * Reads heads line by line, in place.
 *
 * A fault is told when its line is complete, in the order of lines, then what only the whole head shows. So the verdict does
 * not hang on how the bytes were cut: the same message gives the same answer whole, byte by byte, or in any pieces.
 * Two things are told earlier, still by the bytes alone: a message whose first bytes cannot begin one, and a limit that is passed.
 *
 * A head that comes in one piece is looked at once. One that comes in pieces is looked at twice, however many pieces: each
 * line when it is complete, and all of them again at the end, since nothing but the scan's few bytes is kept between calls.
 */
#include "wire/head.h"

#include "wire/grammar.h"

#include <stddef.h>

enum {
    METHOD_MAX = 32,
    REQUEST_LINE_MAX = METHOD_MAX + 1 + HTTP1_TARGET_MAX + sizeof " HTTP/1.1\r\n" - 1,
};

struct reader {
    const uint8_t *base, *at, *end; /* at: of the next line */
    struct http1_head *head;
    struct http1_fault fault;
    bool response;
    uint16_t count; /* of fields before `at` */
};

static struct http1_span span(const struct reader *r, const uint8_t *from, const uint8_t *to)
{
    return (struct http1_span){.at = (uint16_t)(from - r->base), .len = (uint16_t)(to - from)};
}

static bool wrong(struct reader *r, uint16_t status, const char *why)
{
    return http1_wrong(&r->fault, r->response ? 502 : status, why);
}

/* Takes CRLF at `at` and makes what follows the next line. */
static bool end_line(struct reader *r, const uint8_t *at, const char *why)
{
    if (r->end - at >= 2 && at[0] == '\r' && at[1] == '\n') {
        r->at = at + 2;
        return true;
    }
    if (at < r->end && *at == '\n')
        return wrong(r, 400, "a line that ends with LF alone");
    if (at < r->end && *at == '\r')
        return wrong(r, 400, "a CR that is not followed by LF");
    return wrong(r, 400, why);
}

static enum http1_method method_of(struct bytes name)
{
    static const struct {
        char name[8];
        uint8_t len;
    } methods[] = {
        [METHOD_GET] = {"GET", 3},         [METHOD_HEAD] = {"HEAD", 4},
        [METHOD_POST] = {"POST", 4},       [METHOD_PUT] = {"PUT", 3},
        [METHOD_DELETE] = {"DELETE", 6},   [METHOD_CONNECT] = {"CONNECT", 7},
        [METHOD_OPTIONS] = {"OPTIONS", 7}, [METHOD_TRACE] = {"TRACE", 5},
        [METHOD_PATCH] = {"PATCH", 5},
    };

    for (size_t i = METHOD_GET; i < ARRAY_LEN(methods); i++)
        if (name.len == methods[i].len && memcmp(name.at, methods[i].name, name.len) == 0)
            return (enum http1_method)i;
    return METHOD_OTHER;
}

/* Eight bytes, `HTTP/1.1`. Any other digits are a version that this program does not speak, not even as 1.1. */
static bool read_version(struct reader *r, const uint8_t *at)
{
    if (r->end - at < 8 || memcmp(at, "HTTP/", 5) != 0 || !is_digit(at[5]) || at[6] != '.' ||
        !is_digit(at[7]))
        return wrong(r, 400, "a start line without HTTP version");
    if (at[5] != '1' || at[7] > '1')
        return wrong(r, 505, "an HTTP version other than 1.0 and 1.1");
    r->head->minor = (uint8_t)(at[7] - '0');
    return true;
}

static bool read_request_line(struct reader *r)
{
    const uint8_t *line = r->at, *name_end = http1_skip(line, r->end, CLASS_TOKEN);
    const uint8_t *target, *target_end;
    struct http1_head *head = r->head;

    if (name_end == line || name_end == r->end || *name_end != ' ')
        return wrong(r, 400, "a method that is not a token and one space");
    if (name_end - line > METHOD_MAX)
        return wrong(r, 501, "a method that is too long");
    target = name_end + 1;
    target_end = http1_skip(target, r->end, CLASS_TARGET);
    if (target_end - target > HTTP1_TARGET_MAX)
        return wrong(r, 414, "a target that is too long");
    if (target_end == target || target_end == r->end || *target_end != ' ')
        return wrong(r, 400, "a target that is empty or holds a byte that no target may");
    if (!read_version(r, target_end + 1) ||
        !end_line(r, target_end + 9, "something after the HTTP version"))
        return false;

    head->method_name = span(r, line, name_end);
    head->method = method_of(bytes_of(line, (size_t)(name_end - line)));
    head->target = span(r, target, target_end);
    return http1_read_target(bytes_of(r->base, (size_t)(r->end - r->base)), head, &r->fault);
}

/* The space after the status may be missing where no reason follows: servers exist that leave it out, and nothing hangs on it. */
static bool read_status_line(struct reader *r)
{
    const uint8_t *at = r->at, *reason;
    struct http1_head *head = r->head;

    if (!read_version(r, at))
        return false;
    at += sizeof "HTTP/1.1" - 1;
    if (r->end - at < 5 || at[0] != ' ' || at[1] < '1' || !is_digit(at[1]) || !is_digit(at[2]) ||
        !is_digit(at[3]) || (at[4] != ' ' && at[4] != '\r'))
        return wrong(r, 502, "a status that is not three digits");
    head->status = (uint16_t)((at[1] - '0') * 100 + (at[2] - '0') * 10 + (at[3] - '0'));
    reason = at[4] == ' ' ? at + 5 : at + 4;
    at = http1_skip_value(reason, r->end);
    head->reason = span(r, reason, at);
    return end_line(r, at, "a control byte in a reason");
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static bool read_field(struct reader *r)
{
    const uint8_t *line = r->at, *colon = http1_skip(line, r->end, CLASS_TOKEN);
    const uint8_t *value, *value_end, *stop;
    struct http1_field *field;

    if (colon == r->end || *colon != ':' || colon == line) {
        if (colon == line && colon < r->end && is_blank(*colon))
            return wrong(r, 400, "a folded field, or a space before the first");
        if (colon < r->end && is_blank(*colon))
            return wrong(r, 400, "a space before the colon of a field");
        return wrong(r, 400, "a field name that is not a token and a colon");
    }
    for (value = colon + 1; value < r->end && is_blank(*value);)
        value++;
    stop = http1_skip_value(value, r->end);
    if (!end_line(r, stop, "a control byte in a field"))
        return false;
    if (r->count == HTTP1_FIELDS_MAX)
        return wrong(r, 431, "too many fields");
    for (value_end = stop; value_end > value && is_blank(value_end[-1]);)
        value_end--;

    field = &r->head->fields[r->count++];
    field->name = span(r, line, colon);
    field->value = span(r, value, value_end);
    field->known = (uint8_t)http1_known_name(bytes_of(line, (size_t)(colon - line)));
    field->hop = http1_known_rows[field->known].hop;
    return true;
}

static enum http1_verdict refuse(struct reader *r, uint16_t status, const char *why)
{
    (void)wrong(r, status, why);
    return HTTP1_WRONG;
}

/* The limits of a line that is not all here, or that is `len` long; `full`: no byte more of it would be looked at. */
static enum http1_verdict judge_length(struct reader *r, bool first, size_t len, bool full)
{
    if (first && !r->response && (full || len > REQUEST_LINE_MAX))
        return refuse(r, 414, "a request line that is too long");
    return full ? refuse(r, 431, "a head that is too long") : HTTP1_MORE;
}

/* A line did not read well: is it wrong, or only not all here? */
static enum http1_verdict judge_line(struct reader *r, bool first, bool full)
{
    size_t len = (size_t)(r->end - r->at);
    size_t lf = bytes_find(bytes_of(r->at, len), '\n');

    if (lf == len)
        return judge_length(r, first, len + 1, full);
    (void)judge_length(r, first, lf + 1, false);
    return HTTP1_WRONG;
}

/* What can be said of a message by its first bytes: a TLS greeting or another protocol is not waited for. */
static bool may_begin(const struct reader *r)
{
    struct bytes begin = bytes_of(r->at, (size_t)(r->end - r->at));

    if (r->response)
        return bytes_starts_with(BYTES("HTTP/"), bytes_take(begin, 5));
    return begin.len == 0 || http1_is(*begin.at, CLASS_TOKEN) ||
           (r->at == r->base && bytes_equal(begin, BYTES("\r")));
}

static const uint8_t *start_line(const struct reader *r)
{
    struct bytes all = bytes_of(r->base, (size_t)(r->end - r->base));

    return !r->response && bytes_starts_with(all, BYTES("\r\n")) ? r->base + 2 : r->base;
}

static bool read_line(struct reader *r, bool first)
{
    if (!first)
        return read_field(r);
    return r->response ? read_status_line(r) : read_request_line(r);
}

/* Reads lines from `at` on. DONE: `at` is behind the empty line. MORE: `at` is at the line that is not all here. */
static enum http1_verdict read_lines(struct reader *r, bool full)
{
    bool first = r->at == r->base;

    if (first) {
        r->at = start_line(r);
        if (!may_begin(r))
            return refuse(r, 400, "bytes that begin no message");
    }
    for (;; first = false) {
        const uint8_t *line = r->at;

        if (!first && r->end - line >= 2 && line[0] == '\r' && line[1] == '\n') {
            r->at = line + 2;
            return HTTP1_DONE;
        }
        if (!read_line(r, first)) {
            r->at = line;
            return judge_line(r, first, full);
        }
    }
}

enum { BEGIN_MAX = 8 }; /* may_begin looks at no byte behind these */

/* No line can have become complete since the last call: only the limits are left to look at. */
static bool nothing_new(const struct http1_scan *scan, const struct reader *r)
{
    struct bytes fresh = bytes_skip(bytes_of(r->base, (size_t)(r->end - r->base)), scan->seen);

    return scan->seen >= BEGIN_MAX && bytes_find(fresh, '\n') == fresh.len;
}

static enum http1_verdict read_more(struct http1_scan *scan, struct reader *r, bool full)
{
    bool first = scan->line == 0;
    enum http1_verdict verdict;

    r->at = r->base + scan->line;
    r->count = scan->fields;
    if (nothing_new(scan, r)) {
        r->at = first ? start_line(r) : r->at;
        verdict = judge_length(r, first, (size_t)(r->end - r->at) + 1, full);
    } else {
        verdict = read_lines(r, full);
        first = first && r->at == start_line(r);
    }
    scan->seen = (uint32_t)(r->end - r->base);
    scan->line = first ? 0 : (uint32_t)(r->at - r->base);
    scan->fields = r->count;
    return verdict;
}

/* On DONE all of `head` is written that lines say by themselves, and scan is ready for the next message. */
static enum http1_verdict read_head(struct http1_scan *scan, struct reader *r, struct bytes bytes,
                                    uint32_t head_max)
{
    bool in_pieces = scan->line > 0, full = bytes.len >= head_max;
    enum http1_verdict verdict;

    must(head_max <= HTTP1_HEAD_MAX);
    must(scan->seen <= bytes.len);
    r->base = bytes.at;
    r->end = bytes.at + (full ? head_max : bytes.len);
    memset(r->head, 0, offsetof(struct http1_head, fields));
    verdict = read_more(scan, r, full);
    if (verdict == HTTP1_DONE && in_pieces) {
        r->at = r->base;
        r->count = 0;
        verdict = read_lines(r, full);
        must(verdict == HTTP1_DONE);
    }
    r->head->field_count = r->count;
    if (verdict == HTTP1_DONE)
        *scan = (struct http1_scan){0};
    return verdict;
}

enum http1_verdict http1_request(struct http1_scan *scan, struct bytes bytes, uint32_t head_max,
                                 struct http1_head *head, uint32_t *used, struct http1_fault *fault)
{
    struct reader r = {.head = head};
    enum http1_verdict verdict = read_head(scan, &r, bytes, head_max);

    if (verdict == HTTP1_DONE && !http1_settle_request(bytes, head, &r.fault))
        verdict = HTTP1_WRONG;
    if (verdict == HTTP1_DONE)
        *used = (uint32_t)(r.at - r.base);
    if (verdict == HTTP1_WRONG)
        *fault = r.fault;
    return verdict;
}

/* As http1_request, and the one thing more that a response's framing hangs on. */
// NOLINTNEXTLINE(readability-function-size)
enum http1_verdict http1_response(struct http1_scan *scan, struct bytes bytes, uint32_t head_max,
                                  enum http1_method method, struct http1_head *head, uint32_t *used,
                                  struct http1_fault *fault)
{
    struct reader r = {.head = head, .response = true};
    enum http1_verdict verdict = read_head(scan, &r, bytes, head_max);

    if (verdict == HTTP1_DONE && !http1_settle_response(bytes, method, head, &r.fault))
        verdict = HTTP1_WRONG;
    if (verdict == HTTP1_DONE)
        *used = (uint32_t)(r.at - r.base);
    if (verdict == HTTP1_WRONG)
        *fault = r.fault;
    return verdict;
}

const struct http1_field *http1_find(const struct http1_head *head, enum http1_known known)
{
    for (uint16_t i = 0; i < head->field_count; i++)
        if (head->fields[i].known == known)
            return &head->fields[i];
    return NULL;
}
