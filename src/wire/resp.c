/*
 * Reads and writes the Redis protocol.
 *
 * The everyday item, a short bulk string that is whole, is decided at a glance; all others take the long way. It never looks at the content of
 * a bulk string, and never twice at the same bytes of a long line.
 */
#include "wire/resp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const struct resp_limits resp_limits = {
    .bulk_max = 512U << 20,
    .count_max = 1U << 20,
    .line_max = 64U << 10,
    .depth_max = 8,
};

enum { NUMBER_MAX = 19, DOUBLE_MAX = 64 };

static const char marks[RESP_KINDS] = {
    [RESP_BULK] = '$',       [RESP_ARRAY] = '*',     [RESP_SIMPLE] = '+',     [RESP_ERROR] = '-',
    [RESP_INTEGER] = ':',    [RESP_NULL] = '_',      [RESP_MAP] = '%',        [RESP_SET] = '~',
    [RESP_PUSH] = '>',       [RESP_ATTRIBUTE] = '|', [RESP_DOUBLE] = ',',     [RESP_BOOLEAN] = '#',
    [RESP_BIG_NUMBER] = '(', [RESP_VERBATIM] = '=',  [RESP_BLOB_ERROR] = '!',
};

void resp_begin_requests(struct resp_parser *parser, const struct resp_limits *limits)
{
    must(limits->depth_max >= 1 && limits->depth_max <= RESP_DEPTH_MAX);
    *parser = (struct resp_parser){.limits = limits, .request = true};
}

void resp_begin_replies(struct resp_parser *parser, const struct resp_limits *limits)
{
    resp_begin_requests(parser, limits);
    parser->request = false;
}

/* ---- what every item shares ---- */

static enum resp_verdict wrong(struct resp_parser *parser, const char *why)
{
    parser->why = why;
    return RESP_WRONG;
}

static enum resp_verdict more(struct resp_parser *parser, size_t needed)
{
    parser->needed = needed;
    return RESP_MORE;
}

/* An item was complete: takes it off the aggregates that it ends. True when it ended the message. */
static bool count_down(struct resp_parser *parser)
{
    while (parser->depth > 0) {
        if (--parser->open[parser->depth - 1].left > 0)
            return false;
        parser->depth--;
        if (parser->open[parser->depth].attribute)
            return false; /* what it describes is yet to come */
    }
    return true;
}

static enum resp_verdict complete(struct resp_parser *parser, struct resp_item *item)
{
    item->depth = parser->depth;
    item->last = count_down(parser);
    parser->seen = 0;
    parser->needed = 0;
    return RESP_ITEM;
}

static enum resp_verdict enter(struct resp_parser *parser, struct resp_item *item, uint64_t left)
{
    bool attribute = item->kind == RESP_ATTRIBUTE;

    if (item->kind == RESP_PUSH && parser->depth > 0)
        return wrong(parser, "push inside a reply");
    if (left == 0 && !attribute)
        return complete(parser, item);
    if (parser->depth == parser->limits->depth_max)
        return wrong(parser, "aggregates nested too deep");
    item->depth = parser->depth;
    parser->seen = 0;
    parser->needed = 0;
    if (left > 0) {
        parser->open[parser->depth].left = left;
        parser->open[parser->depth].attribute = attribute;
        parser->depth++;
    }
    return RESP_ITEM;
}

/* ---- lines ---- */

/* A number after the mark and up to CR LF. *end is where the line ends. */
static enum resp_verdict read_number(struct resp_parser *parser, struct bytes bytes, bool plus,
                                     int64_t *number, size_t *end, const char *why)
{
    size_t at = 1, first;
    bool minus = false;
    uint64_t value = 0;

    if (bytes.len > 1 && (bytes.at[1] == '-' || (plus && bytes.at[1] == '+'))) {
        minus = bytes.at[1] == '-';
        at++;
    }
    first = at;
    for (; at < bytes.len && (uint8_t)(bytes.at[at] - '0') < 10; at++) {
        if (at - first == NUMBER_MAX || (at > first && value == 0))
            return wrong(parser, why);
        value = value * 10 + (uint8_t)(bytes.at[at] - '0');
    }
    if (at == bytes.len)
        return more(parser, at + 1);
    if (bytes.at[at] != '\r' || at == first || (minus && value == 0) ||
        value > (uint64_t)INT64_MAX + minus)
        return wrong(parser, why);
    if (at + 1 == bytes.len)
        return more(parser, at + 2);
    if (bytes.at[at + 1] != '\n')
        return wrong(parser, why);
    *number = minus ? (int64_t)(0 - value) : (int64_t)value;
    *end = at + 2;
    return RESP_ITEM;
}

/* The text after the mark and up to CR LF. */
static enum resp_verdict read_line(struct resp_parser *parser, struct bytes bytes,
                                   struct bytes *text, size_t *end)
{
    size_t from = parser->seen ? parser->seen : 1;
    size_t at = from + bytes_find(bytes_skip(bytes, from), '\r');

    if (at - 1 > parser->limits->line_max)
        return wrong(parser, "line too long");
    if (at + 1 >= bytes.len) {
        parser->seen = at;
        return more(parser, bytes.len + 1);
    }
    *text = bytes_of(bytes.at + 1, at - 1);
    if (bytes.at[at + 1] != '\n' || bytes_find(*text, '\n') != text->len)
        return wrong(parser, "line does not end with CR LF");
    *end = at + 2;
    return RESP_ITEM;
}

/* ---- kinds ---- */

/* `$5 CRLF hello CRLF`, and what is written like it. */
static enum resp_verdict read_bulk(struct resp_parser *parser, struct bytes bytes,
                                   struct resp_item *item, size_t *used)
{
    int64_t len;
    size_t head = 0, end;
    enum resp_verdict verdict =
        read_number(parser, bytes, false, &len, &head, "invalid bulk length");

    if (verdict != RESP_ITEM)
        return verdict;
    if (len == -1 && item->kind == RESP_BULK && !parser->request) {
        item->kind = RESP_NULL;
        item->number = '$';
        *used = head;
        return complete(parser, item);
    }
    if (len < 0 || (uint64_t)len > parser->limits->bulk_max)
        return wrong(parser, "invalid bulk length");
    end = head + (size_t)len;
    if (bytes.len < end + 2)
        return more(parser, end + 2);
    if (bytes.at[end] != '\r' || bytes.at[end + 1] != '\n')
        return wrong(parser, "bulk string does not end with CR LF");
    item->text = bytes_of(bytes.at + head, (size_t)len);
    if (item->kind == RESP_VERBATIM && (len < 4 || item->text.at[3] != ':'))
        return wrong(parser, "verbatim string without a format");
    *used = end + 2;
    return complete(parser, item);
}

static enum resp_verdict read_aggregate(struct resp_parser *parser, struct bytes bytes,
                                        struct resp_item *item, size_t *used)
{
    bool pairs = item->kind == RESP_MAP || item->kind == RESP_ATTRIBUTE;
    int64_t count;
    size_t head = 0;
    enum resp_verdict verdict =
        read_number(parser, bytes, false, &count, &head, "invalid multibulk length");

    if (verdict != RESP_ITEM)
        return verdict;
    *used = head;
    if (parser->request && count < 0) /* as redis-server has it: nothing was asked */
        count = 0;
    if (count == -1 && item->kind == RESP_ARRAY) {
        item->kind = RESP_NULL;
        item->number = '*';
        return complete(parser, item);
    }
    if (count < 0 || (uint64_t)count > parser->limits->count_max >> pairs)
        return wrong(parser, "invalid multibulk length");
    item->number = count;
    return enter(parser, item, (uint64_t)count << pairs);
}

static bool all_digits(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((uint8_t)(text.at[i] - '0') >= 10)
            return false;
    return text.len > 0;
}

static struct bytes without_sign(struct bytes text)
{
    return bytes_skip(text, text.len > 0 && (text.at[0] == '-' || text.at[0] == '+'));
}

/* `1`, `-1.5`, `1e10`, `inf`, `-inf`, `nan`. */
static bool is_double(struct bytes text)
{
    struct bytes rest = without_sign(text);
    size_t exponent, point;

    if (text.len > DOUBLE_MAX)
        return false;
    if (bytes_equal(rest, BYTES("inf")) || bytes_equal(rest, BYTES("nan")))
        return true;
    exponent = bytes_find(rest, 'e');
    if (exponent == rest.len)
        exponent = bytes_find(rest, 'E');
    if (exponent < rest.len && !all_digits(without_sign(bytes_skip(rest, exponent + 1))))
        return false;
    rest = bytes_take(rest, exponent);
    point = bytes_find(rest, '.');
    return all_digits(bytes_take(rest, point)) &&
           (point == rest.len || all_digits(bytes_skip(rest, point + 1)));
}

static bool understand(struct resp_item *item)
{
    char text[DOUBLE_MAX + 1];

    switch (item->kind) {
    case RESP_SIMPLE:
    case RESP_ERROR:
        return true;
    case RESP_NULL:
        item->number = '_';
        return item->text.len == 0;
    case RESP_BOOLEAN:
        item->number = bytes_equal(item->text, BYTES("t"));
        return item->number == 1 || bytes_equal(item->text, BYTES("f"));
    case RESP_BIG_NUMBER:
        return all_digits(without_sign(item->text));
    case RESP_DOUBLE:
        if (!is_double(item->text))
            return false;
        item->real = strtod(bytes_to_string(item->text, text, sizeof text), NULL);
        return true;
    case RESP_INTEGER:
    case RESP_BULK:
    case RESP_VERBATIM:
    case RESP_BLOB_ERROR:
    case RESP_ARRAY:
    case RESP_MAP:
    case RESP_SET:
    case RESP_PUSH:
    case RESP_ATTRIBUTE:
    case RESP_KINDS:
        break;
    }
    never("not a kind of one line");
}

static enum resp_verdict read_scalar(struct resp_parser *parser, struct bytes bytes,
                                     struct resp_item *item, size_t *used)
{
    enum resp_verdict verdict;

    if (item->kind == RESP_INTEGER)
        verdict = read_number(parser, bytes, true, &item->number, used, "invalid integer");
    else
        verdict = read_line(parser, bytes, &item->text, used);
    if (verdict != RESP_ITEM)
        return verdict;
    if (item->kind != RESP_INTEGER && !understand(item))
        return wrong(parser, "malformed value");
    return complete(parser, item);
}

static enum resp_verdict read_reply(struct resp_parser *parser, struct bytes bytes,
                                    struct resp_item *item, size_t *used)
{
    const char *mark = memchr(marks, bytes.at[0], sizeof marks);

    if (!mark)
        return wrong(parser, "unknown kind of reply");
    item->kind = (enum resp_kind)(mark - marks);
    switch (item->kind) {
    case RESP_BULK:
    case RESP_VERBATIM:
    case RESP_BLOB_ERROR:
        return read_bulk(parser, bytes, item, used);
    case RESP_ARRAY:
    case RESP_MAP:
    case RESP_SET:
    case RESP_PUSH:
    case RESP_ATTRIBUTE:
        return read_aggregate(parser, bytes, item, used);
    case RESP_SIMPLE:
    case RESP_ERROR:
    case RESP_INTEGER:
    case RESP_NULL:
    case RESP_DOUBLE:
    case RESP_BOOLEAN:
    case RESP_BIG_NUMBER:
    case RESP_KINDS:
        break;
    }
    return read_scalar(parser, bytes, item, used);
}

/* ---- inline requests: words on a line, which may be quoted ---- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Where the word that begins at `at` ends; 0: its quotes do not. */
static size_t end_of_word(struct bytes line, size_t at, bool *quoted)
{
    uint8_t quote = 0;

    *quoted = false;
    for (; at < line.len; at++) {
        uint8_t byte = line.at[at];

        if (quote == 0 && is_blank(byte))
            return at;
        if (quote == 0 && (byte == '"' || byte == '\'')) {
            *quoted = true;
            quote = byte;
        } else if (quote != 0 && byte == '\\' && at + 1 < line.len &&
                   (quote == '"' || line.at[at + 1] == '\'')) {
            at++;
        } else if (quote != 0 && byte == quote) {
            if (at + 1 < line.len && !is_blank(line.at[at + 1]))
                return 0;
            return at + 1;
        }
    }
    return quote == 0 ? at : 0;
}

static size_t skip_blanks(struct bytes line, size_t at)
{
    while (at < line.len && is_blank(line.at[at]))
        at++;
    return at;
}

/* The whole line is there: how many words has it? False: a quote does not end. */
static bool count_words(struct bytes line, uint32_t *words)
{
    size_t at = skip_blanks(line, 0);
    bool quoted;

    for (*words = 0; at < line.len; ++*words) {
        at = end_of_word(line, at, &quoted);
        if (at == 0)
            return false;
        at = skip_blanks(line, at);
    }
    return true;
}

static enum resp_verdict begin_line(struct resp_parser *parser, struct bytes bytes,
                                    struct resp_item *item, size_t *used)
{
    size_t end = parser->seen + bytes_find(bytes_skip(bytes, parser->seen), '\n');
    struct bytes line = bytes_take(bytes, end);

    if (end > parser->limits->line_max)
        return wrong(parser, "too big inline request");
    if (end == bytes.len) {
        parser->seen = end;
        return more(parser, end + 1);
    }
    if (bytes_find(line, 0) != line.len)
        return wrong(parser, "NUL in an inline request");
    if (!count_words(line, &parser->words))
        return wrong(parser, "unbalanced quotes in request");
    if (parser->words > parser->limits->count_max)
        return wrong(parser, "invalid multibulk length");
    item->kind = RESP_ARRAY;
    item->number = parser->words;
    *used = parser->words == 0 ? end + 1 : 0;
    return enter(parser, item, parser->words);
}

static enum resp_verdict next_word(struct resp_parser *parser, struct bytes bytes,
                                   struct resp_item *item, size_t *used)
{
    struct bytes line = bytes_take(bytes, bytes_find(bytes, '\n'));
    size_t at = skip_blanks(line, 0);
    size_t end = end_of_word(line, at, &item->quoted);

    must(end > at);
    item->kind = RESP_BULK;
    item->text = bytes_of(line.at + at, end - at);
    parser->words--;
    *used = parser->words == 0 ? line.len + 1 : end;
    return complete(parser, item);
}

static int hex(uint8_t byte)
{
    if ((uint8_t)(byte - '0') < 10)
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* What stands after a backslash in double quotes; returns how many bytes of it. */
static size_t unescape(struct bytes rest, uint8_t *out)
{
    static const char letters[] = "nrtba", values[] = "\n\r\t\b\a";
    const char *letter = memchr(letters, rest.at[0], sizeof letters - 1);

    if (rest.at[0] == 'x' && rest.len >= 3 && hex(rest.at[1]) >= 0 && hex(rest.at[2]) >= 0) {
        *out = (uint8_t)(hex(rest.at[1]) * 16 + hex(rest.at[2]));
        return 3;
    }
    *out = letter ? (uint8_t)values[letter - letters] : rest.at[0];
    return 1;
}

size_t resp_unquote(struct bytes text, uint8_t *out)
{
    size_t len = 0;
    uint8_t quote = 0;

    for (size_t at = 0; at < text.len; at++) {
        uint8_t byte = text.at[at];

        if (quote == 0 && (byte == '"' || byte == '\'')) {
            quote = byte;
        } else if (quote == '"' && byte == '\\' && at + 1 < text.len) {
            at += unescape(bytes_skip(text, at + 1), &out[len++]);
        } else if (quote == '\'' && byte == '\\' && at + 1 < text.len && text.at[at + 1] == '\'') {
            out[len++] = text.at[++at];
        } else if (quote != 0 && byte == quote) {
            break;
        } else {
            out[len++] = byte;
        }
    }
    return len;
}

/* ---- requests ---- */

static enum resp_verdict read_request(struct resp_parser *parser, struct bytes bytes,
                                      struct resp_item *item, size_t *used)
{
    if (parser->words > 0)
        return next_word(parser, bytes, item, used);
    if (parser->depth > 0) {
        item->kind = RESP_BULK;
        if (bytes.at[0] != '$')
            return wrong(parser, "expected '$'");
        return read_bulk(parser, bytes, item, used);
    }
    if (bytes.at[0] != '*')
        return begin_line(parser, bytes, item, used);
    item->kind = RESP_ARRAY;
    return read_aggregate(parser, bytes, item, used);
}

/* The everyday item: a bulk string of a request, below 100 bytes and whole. False: it is none, and nothing was done. */
static bool next_short_bulk(struct resp_parser *parser, struct bytes bytes, struct resp_item *item,
                            size_t *used)
{
    const uint8_t *at = bytes.at;
    size_t head = 4, len, end;

    if (bytes.len < 6 || at[0] != '$' || (uint8_t)(at[1] - '0') >= 10)
        return false;
    len = (size_t)(at[1] - '0');
    if (at[2] != '\r') {
        if (len == 0 || (uint8_t)(at[2] - '0') >= 10 || at[3] != '\r')
            return false;
        len = len * 10 + (size_t)(at[2] - '0');
        head = 5;
    }
    end = head + len;
    if (at[head - 1] != '\n' || bytes.len < end + 2 || at[end] != '\r' || at[end + 1] != '\n' ||
        len > parser->limits->bulk_max)
        return false;
    *item = (struct resp_item){.kind = RESP_BULK, .text = bytes_of(at + head, len)};
    *used = end + 2;
    return true;
}

enum resp_verdict resp_next(struct resp_parser *parser, struct bytes bytes, struct resp_item *item,
                            size_t *used)
{
    *used = 0;
    if (parser->why)
        return RESP_WRONG;
    if (bytes.len == 0 || bytes.len < parser->needed)
        return RESP_MORE;
    if (parser->depth > 0 && parser->words == 0 && next_short_bulk(parser, bytes, item, used))
        return complete(parser, item);
    *item = (struct resp_item){0};
    if (parser->request)
        return read_request(parser, bytes, item, used);
    return read_reply(parser, bytes, item, used);
}

/* ---- writing ---- */

static void write_mark(struct buf *out, enum resp_kind kind)
{
    buf_add_byte(out, (uint8_t)marks[kind]);
}

static void write_counted(struct buf *out, enum resp_kind kind, uint64_t count)
{
    write_mark(out, kind);
    buf_add_number(out, count);
    buf_add(out, BYTES("\r\n"));
}

static void write_bulk(struct buf *out, enum resp_kind kind, struct bytes text)
{
    write_counted(out, kind, text.len);
    buf_add(out, text);
    buf_add(out, BYTES("\r\n"));
}

static void write_line(struct buf *out, enum resp_kind kind, struct bytes text)
{
    write_mark(out, kind);
    for (size_t i = 0; i < text.len; i++)
        buf_add_byte(out, text.at[i] == '\r' || text.at[i] == '\n' ? ' ' : text.at[i]);
    buf_add(out, BYTES("\r\n"));
}

static void write_double(struct buf *out, double real)
{
    if (isnan(real))
        buf_add_string(out, ",nan\r\n");
    else if (isinf(real))
        buf_add_string(out, real < 0 ? ",-inf\r\n" : ",inf\r\n");
    else
        buf_print(out, ",%.17g\r\n", real);
}

void resp_write_head(struct buf *out, enum resp_kind kind, uint64_t count)
{
    must(kind == RESP_ARRAY || kind == RESP_MAP || kind == RESP_SET || kind == RESP_PUSH ||
         kind == RESP_ATTRIBUTE);
    write_counted(out, kind, count);
}

void resp_write_bulk(struct buf *out, struct bytes text)
{
    write_bulk(out, RESP_BULK, text);
}

void resp_write_simple(struct buf *out, struct bytes text)
{
    write_line(out, RESP_SIMPLE, text);
}

void resp_write_error(struct buf *out, struct bytes text)
{
    write_line(out, RESP_ERROR, text);
}

void resp_write_integer(struct buf *out, int64_t number)
{
    write_mark(out, RESP_INTEGER);
    buf_print(out, "%lld\r\n", (long long)number);
}

void resp_write(struct buf *out, const struct resp_item *item)
{
    must(!item->quoted);
    switch (item->kind) {
    case RESP_BULK:
    case RESP_VERBATIM:
    case RESP_BLOB_ERROR:
        write_bulk(out, item->kind, item->text);
        return;
    case RESP_SIMPLE:
    case RESP_ERROR:
    case RESP_BIG_NUMBER:
        write_line(out, item->kind, item->text);
        return;
    case RESP_ARRAY:
    case RESP_MAP:
    case RESP_SET:
    case RESP_PUSH:
    case RESP_ATTRIBUTE:
        write_counted(out, item->kind, (uint64_t)item->number);
        return;
    case RESP_INTEGER:
        resp_write_integer(out, item->number);
        return;
    case RESP_NULL:
        buf_add_string(out, item->number == '$'   ? "$-1\r\n"
                            : item->number == '*' ? "*-1\r\n"
                                                  : "_\r\n");
        return;
    case RESP_DOUBLE:
        write_double(out, item->real);
        return;
    case RESP_BOOLEAN:
        buf_add_string(out, item->number ? "#t\r\n" : "#f\r\n");
        return;
    case RESP_KINDS:
        break;
    }
    never("no such kind of item");
}
