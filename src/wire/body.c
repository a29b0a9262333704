/*
 * Says which of the bytes after a head are content (RFC 9112 6.3, 7.1).
 *
 * The chunked coding is one step per byte outside of content, through a table, so that any cut of the input gives the same
 * answer. It takes the grammar and nothing beside it: lines end with CRLF, sizes are hexadecimal and bounded, extensions are
 * names with tokens or quoted strings, trailers are fields. Extensions and trailers are bounded and dropped.
 */
#include "wire/grammar.h"
#include "wire/head.h"

enum kind { HEX, TOKEN, COLON, SEMICOLON, EQUALS, QUOTE, BACKSLASH, BLANK, CR, LF, TEXT, OTHER };

enum { KINDS = OTHER };

enum state {
    BROKEN,
    AT_SIZE,
    IN_SIZE,
    BEFORE_EXTENSION, /* after a blank, so not before the line's end */
    BEFORE_NAME,
    IN_NAME,
    AFTER_NAME,
    BEFORE_VALUE,
    IN_VALUE,
    IN_QUOTES,
    IN_ESCAPE,
    AFTER_QUOTES,
    AFTER_VALUE,
    AT_LINE_LF,
    IN_CONTENT,
    AT_CONTENT_CR,
    AT_CONTENT_LF,
    AT_TRAILER,
    IN_TRAILER_NAME,
    IN_TRAILER_VALUE,
    AT_TRAILER_LF,
    AT_LAST_LF,
    ENDED,
    STATES,
};

#define ANY_TOKEN(next) [HEX] = (next), [TOKEN] = (next)
/* All that may stand in a value; `"` and `\` are for the row to say. */
#define ANY_TEXT(next)                                                                             \
    ANY_TOKEN(next), [COLON] = (next), [SEMICOLON] = (next), [EQUALS] = (next), [BLANK] = (next),  \
                     [TEXT] = (next)

/* What is absent is BROKEN. AT_LINE_LF leads to content or to trailers, by the size: see step. */
static const uint8_t steps[STATES][KINDS + 1] = {
    [AT_SIZE] = {[HEX] = IN_SIZE},
    [IN_SIZE] =
        {[HEX] = IN_SIZE, [SEMICOLON] = BEFORE_NAME, [BLANK] = BEFORE_EXTENSION, [CR] = AT_LINE_LF},
    [BEFORE_EXTENSION] = {[BLANK] = BEFORE_EXTENSION, [SEMICOLON] = BEFORE_NAME},
    [BEFORE_NAME] = {[BLANK] = BEFORE_NAME, ANY_TOKEN(IN_NAME)},
    [IN_NAME] = {ANY_TOKEN(IN_NAME), [SEMICOLON] = BEFORE_NAME, [EQUALS] = BEFORE_VALUE,
                 [BLANK] = AFTER_NAME, [CR] = AT_LINE_LF},
    [AFTER_NAME] = {[BLANK] = AFTER_NAME, [SEMICOLON] = BEFORE_NAME, [EQUALS] = BEFORE_VALUE},
    [BEFORE_VALUE] = {[BLANK] = BEFORE_VALUE, [QUOTE] = IN_QUOTES, ANY_TOKEN(IN_VALUE)},
    [IN_VALUE] =
        {ANY_TOKEN(IN_VALUE), [SEMICOLON] = BEFORE_NAME, [BLANK] = AFTER_VALUE, [CR] = AT_LINE_LF},
    [IN_QUOTES] = {ANY_TEXT(IN_QUOTES), [BACKSLASH] = IN_ESCAPE, [QUOTE] = AFTER_QUOTES},
    [IN_ESCAPE] = {ANY_TEXT(IN_QUOTES), [BACKSLASH] = IN_QUOTES, [QUOTE] = IN_QUOTES},
    [AFTER_QUOTES] = {[SEMICOLON] = BEFORE_NAME, [BLANK] = AFTER_VALUE, [CR] = AT_LINE_LF},
    [AFTER_VALUE] = {[BLANK] = AFTER_VALUE, [SEMICOLON] = BEFORE_NAME},
    [AT_LINE_LF] = {[LF] = IN_CONTENT},
    [AT_CONTENT_CR] = {[CR] = AT_CONTENT_LF},
    [AT_CONTENT_LF] = {[LF] = AT_SIZE},
    [AT_TRAILER] = {ANY_TOKEN(IN_TRAILER_NAME), [CR] = AT_LAST_LF},
    [IN_TRAILER_NAME] = {ANY_TOKEN(IN_TRAILER_NAME), [COLON] = IN_TRAILER_VALUE},
    [IN_TRAILER_VALUE] = {ANY_TEXT(IN_TRAILER_VALUE), [QUOTE] = IN_TRAILER_VALUE,
                          [BACKSLASH] = IN_TRAILER_VALUE, [CR] = AT_TRAILER_LF},
    [AT_TRAILER_LF] = {[LF] = AT_TRAILER},
    [AT_LAST_LF] = {[LF] = ENDED},
};

/* What is wrong when a state breaks. */
static const char *const whys[STATES] = {
    [AT_SIZE] = "a chunk without size",
    [IN_SIZE] = "a chunk size that is not hexadecimal digits",
    [BEFORE_EXTENSION] = "a blank after a chunk size",
    [BEFORE_NAME] = "a chunk extension without name",
    [IN_NAME] = "a chunk extension whose name is not a token",
    [AFTER_NAME] = "a blank after the name of a chunk extension",
    [BEFORE_VALUE] = "a chunk extension without value",
    [IN_VALUE] = "a chunk extension whose value is not a token",
    [IN_QUOTES] = "a control byte in a chunk extension",
    [IN_ESCAPE] = "a control byte in a chunk extension",
    [AFTER_QUOTES] = "something after the quotes of a chunk extension",
    [AFTER_VALUE] = "a blank after the value of a chunk extension",
    [AT_LINE_LF] = "a chunk line that does not end with CRLF",
    [AT_CONTENT_CR] = "a chunk that does not end where its size says",
    [AT_CONTENT_LF] = "a chunk that does not end with CRLF",
    [AT_TRAILER] = "a trailer without name",
    [IN_TRAILER_NAME] = "a trailer whose name is not a token and a colon",
    [IN_TRAILER_VALUE] = "a control byte in a trailer",
    [AT_TRAILER_LF] = "a trailer that does not end with CRLF",
    [AT_LAST_LF] = "a body that does not end with CRLF",
};

static const uint64_t CHUNK_MAX = UINT64_C(1) << 60;

static enum kind kind_of(uint8_t byte)
{
    static const struct {
        uint8_t byte, kind;
    } single[] = {{'\r', CR},    {'\n', LF},   {';', SEMICOLON},  {':', COLON}, {' ', BLANK},
                  {'\t', BLANK}, {'"', QUOTE}, {'\\', BACKSLASH}, {'=', EQUALS}};
    uint8_t lower = byte | 0x20;

    if (is_digit(byte) || (lower >= 'a' && lower <= 'f'))
        return HEX;
    if (http1_is(byte, CLASS_TOKEN))
        return TOKEN;
    for (size_t i = 0; i < ARRAY_LEN(single); i++)
        if (byte == single[i].byte)
            return (enum kind)single[i].kind;
    return http1_is(byte, CLASS_VALUE) ? TEXT : OTHER;
}

void http1_body_begin(struct http1_body *body, const struct http1_head *head)
{
    *body = (struct http1_body){
        .framing = head->framing,
        .state = AT_SIZE,
        .response = head->status != 0,
        .remaining = head->framing == FRAMING_LENGTH ? head->content_length : 0,
    };
}

static bool wrong(const struct http1_body *body, struct http1_fault *fault, uint16_t status,
                  const char *why)
{
    return http1_wrong(fault, body->response ? 502 : status, why);
}

static bool within_limits(struct http1_body *body, struct http1_fault *fault)
{
    if (body->state <= AT_LINE_LF && ++body->line > HTTP1_CHUNK_LINE_MAX)
        return wrong(body, fault, 400, "a chunk line that is too long");
    if (body->state >= BEFORE_EXTENSION && body->state <= AFTER_VALUE &&
        ++body->extensions > HTTP1_EXTENSIONS_MAX)
        return wrong(body, fault, 413, "chunk extensions that are too long in all");
    if (body->state >= AT_TRAILER && ++body->line > HTTP1_TRAILER_MAX)
        return wrong(body, fault, 431, "trailers that are too long");
    return true;
}

/* `byte` is a digit of the size; a letter's lower four bits are nine less than it stands for. */
static bool add_digit(struct http1_body *body, uint8_t byte, struct http1_fault *fault)
{
    if (body->remaining >= CHUNK_MAX / 16)
        return wrong(body, fault, 413, "a chunk size beyond all bounds");
    body->remaining = body->remaining * 16 + (byte & 0xf) + (byte > '9' ? 9 : 0);
    return true;
}

/* Takes one byte that is not content. */
static bool step(struct http1_body *body, uint8_t byte, struct http1_fault *fault)
{
    enum state next = (enum state)steps[body->state][kind_of(byte)];

    if (next == BROKEN)
        return wrong(body, fault, 400, whys[body->state]);
    if (!within_limits(body, fault))
        return false;
    if (next == IN_SIZE && !add_digit(body, byte, fault))
        return false;
    if (next == IN_CONTENT) {
        next = body->remaining ? IN_CONTENT : AT_TRAILER;
        body->line = 0;
    }
    body->state = (uint8_t)next;
    return true;
}

static struct bytes take_content(struct http1_body *body, struct bytes bytes)
{
    struct bytes content =
        bytes_take(bytes, body->remaining < bytes.len ? (size_t)body->remaining : bytes.len);

    body->remaining -= content.len;
    return content;
}

/* Stops before a second content, and before a fault when there is content: what came before a fault is always given. */
static enum http1_verdict next_chunked(struct http1_body *body, struct bytes bytes, size_t *used,
                                       struct bytes *content, struct http1_fault *fault)
{
    struct bytes found = {0};
    size_t at = 0;

    if (body->state == BROKEN)
        (void)wrong(body, fault, 400, "a body that was malformed before");
    while (at < bytes.len && body->state != ENDED && body->state != BROKEN) {
        if (body->state == IN_CONTENT) {
            if (found.len)
                break;
            found = take_content(body, bytes_skip(bytes, at));
            at += found.len;
            if (body->remaining == 0)
                body->state = AT_CONTENT_CR;
        } else if (step(body, bytes.at[at], fault)) {
            at++;
        } else if (found.len) {
            break;
        } else {
            body->state = BROKEN;
            at = 0;
        }
    }
    *used = at;
    *content = found;
    if (body->state == BROKEN)
        return HTTP1_WRONG;
    return body->state == ENDED ? HTTP1_DONE : HTTP1_MORE;
}

enum http1_verdict http1_body_next(struct http1_body *body, struct bytes bytes, size_t *used,
                                   struct bytes *content, struct http1_fault *fault)
{
    if (body->framing == FRAMING_CHUNKED)
        return next_chunked(body, bytes, used, content, fault);

    *content = body->framing == FRAMING_UNTIL_CLOSE ? bytes : take_content(body, bytes);
    *used = content->len;
    return body->framing != FRAMING_UNTIL_CLOSE && body->remaining == 0 ? HTTP1_DONE : HTTP1_MORE;
}

bool http1_body_complete(const struct http1_body *body)
{
    return body->framing == FRAMING_CHUNKED ? body->state == ENDED : body->remaining == 0;
}

uint64_t http1_body_opaque(const struct http1_body *body)
{
    if (body->framing == FRAMING_UNTIL_CLOSE)
        return UINT64_MAX;
    return body->framing == FRAMING_LENGTH ? body->remaining : 0;
}

void http1_body_skipped(struct http1_body *body, uint64_t count)
{
    must(count <= http1_body_opaque(body));
    if (body->framing == FRAMING_LENGTH)
        body->remaining -= count;
}
