/*
 * wire/http1: HTTP/1.0 and HTTP/1.1 (RFC 9110, RFC 9112), bytes to messages and back, for both sides.
 *
 * Pure: no I/O, no allocation, no clock. A head is parsed in place from one contiguous view, so its parts are offsets into the
 * caller's bytes; a body is a small state machine that says which of the incoming bytes are content. The parser is strict where
 * attackers live and never repairs: what RFC 9112 allows a recipient to reject, it rejects. A head that comes whole is looked at
 * once; one that comes in pieces at most twice, however many they are. How the bytes were cut never shows in an answer.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

enum {
    HTTP1_FIELDS_MAX = 128,       /* more: 431 */
    HTTP1_TARGET_MAX = 8192,      /* longer: 414 */
    HTTP1_HEAD_MAX = 32768,       /* a whole head; longer: 431. Callers may set a lower one */
    HTTP1_CHUNK_LINE_MAX = 256,   /* size and extensions of one chunk */
    HTTP1_EXTENSIONS_MAX = 16384, /* chunk extensions of one body, dropped all the same */
    HTTP1_TRAILER_MAX = 8192,
};

enum http1_method { /* case-sensitive; any other token is METHOD_OTHER */
                    METHOD_OTHER,
                    METHOD_GET,
                    METHOD_HEAD,
                    METHOD_POST,
                    METHOD_PUT,
                    METHOD_DELETE,
                    METHOD_CONNECT,
                    METHOD_OPTIONS,
                    METHOD_TRACE,
                    METHOD_PATCH,
};

struct http1_span {
    uint16_t at, len; /* into the head's bytes */
};

enum http1_known { /* fields that this program looks at; all others are KNOWN_NONE */
                   KNOWN_NONE,
                   KNOWN_HOST,
                   KNOWN_CONNECTION,
                   KNOWN_KEEP_ALIVE,
                   KNOWN_PROXY_CONNECTION,
                   KNOWN_TE,
                   KNOWN_TRAILER,
                   KNOWN_TRANSFER_ENCODING,
                   KNOWN_UPGRADE,
                   KNOWN_CONTENT_LENGTH,
                   KNOWN_EXPECT,
                   KNOWN_FORWARDED,
                   KNOWN_X_FORWARDED_FOR,
                   KNOWN_X_FORWARDED_PROTO,
                   KNOWN_X_FORWARDED_HOST,
                   KNOWN_X_REQUEST_ID,
                   KNOWN_TRACEPARENT,
                   KNOWN_IDEMPOTENCY_KEY,
                   KNOWN_RETRY_AFTER,
                   KNOWN_DATE,
                   KNOWN_SERVER,
                   KNOWN_COOKIE,
                   KNOWN_PROXY_AUTHENTICATE,
                   KNOWN_PROXY_AUTHORIZATION,
                   KNOWN_AUTHORIZATION,
                   KNOWN_COUNT,
};

struct http1_field {
    struct http1_span name, value; /* value without blanks at its ends */
    uint8_t known;                 /* enum http1_known */
    bool hop; /* not to be forwarded: by RFC 9110 7.6.1, or KNOWN_NONE and named by Connection */
};

enum http1_framing { FRAMING_NONE, FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_UNTIL_CLOSE };

struct http1_head {
    /* of a request */
    enum http1_method method;
    struct http1_span method_name;
    struct http1_span target; /* as it came */
    /*
     * Without query; "*" and authority forms: the whole. Of an absolute form it may be empty, which means "/" (with OPTIONS and
     * without query "*", RFC 9112 3.2.4). What follows it in the target is the query with its "?".
     */
    struct http1_span path;
    /*
     * Of the absolute or authority form's target, else of the Host field; with port. Empty only in HTTP/1.0. The Host field may
     * say otherwise than an absolute target: who forwards writes this one and not the field.
     */
    struct http1_span host;
    bool expects_continue; /* and there is a body to wait with */
    /* of a response */
    uint16_t status;
    struct http1_span reason;
    /* of both */
    uint8_t minor; /* HTTP/1.minor: 0 or 1 */
    enum http1_framing framing;
    uint64_t content_length; /* with FRAMING_LENGTH */
    bool keep_alive;         /* the sender goes on after this message, by version and Connection */
    /*
     * Of a request: Connection and Upgrade ask to change the protocol, to something other than HTTP or TLS. Of a response: it is
     * a 101, which is always complete in that.
     */
    bool upgrade;
    uint16_t field_count;
    struct http1_field fields[HTTP1_FIELDS_MAX];
};

enum http1_verdict {
    HTTP1_MORE, /* an ordinary answer: come back with more bytes appended */
    HTTP1_DONE,
    HTTP1_WRONG, /* status (400, 413, 414, 417, 431, 501, 505; for a response 502) and why say it; close the connection */
};

/* Where an incomplete head's scan stopped; zeroed before the first call for a message, and again by DONE. */
struct http1_scan {
    uint32_t seen, line;
    uint16_t fields;
};

struct http1_fault {
    uint16_t status;
    const char *why; /* static: "space before the colon of a field" */
};

/*
 * Parses a head from the start of `bytes`. At each call `bytes` begins with the same message and holds at least as much as before.
 * HTTP1_DONE: *head is written and *used is its length with the empty line. `head_max` bounds the head in bytes (at most HTTP1_HEAD_MAX).
 * A request may be preceded by one empty line (RFC 9112 2.2), which counts as its head's.
 */
MUST_USE enum http1_verdict http1_request(struct http1_scan *scan, struct bytes bytes,
                                          uint32_t head_max, struct http1_head *head,
                                          uint32_t *used, struct http1_fault *fault);
/* `method` is that of the request which is answered: it decides the framing with the status (HEAD, CONNECT, 1xx, 204, 304). A 101 keeps
 * FRAMING_NONE and upgrade. */
MUST_USE enum http1_verdict http1_response(struct http1_scan *scan, struct bytes bytes,
                                           uint32_t head_max, enum http1_method method,
                                           struct http1_head *head, uint32_t *used,
                                           struct http1_fault *fault);

static inline struct bytes http1_bytes(struct bytes head, struct http1_span span)
{
    return bytes_of(head.at + span.at, span.len);
}

/* The first field of that name, or NULL. */
const struct http1_field *http1_find(const struct http1_head *head, enum http1_known known);

/* ---- bodies ---- */

struct http1_body {
    enum http1_framing framing;
    uint8_t state;
    bool response;
    uint16_t line;       /* bytes of the current chunk line, or of the trailers */
    uint16_t extensions; /* bytes of chunk extensions in all */
    uint64_t remaining;  /* of the length, or of the current chunk */
};

void http1_body_begin(struct http1_body *body, const struct http1_head *head);

/*
 * Takes the next incoming bytes. *used says how many were consumed, of which content (the only one) may be empty: the span of
 * content among them, a view into `bytes`. Its answer is
 *   MORE: skip *used bytes; while some are left call again (a second chunk's content begins there), else wait for others;
 *   DONE: the body ended, perhaps with this content; what is left after *used belongs to the next message;
 *   WRONG: the connection is of no more use. *used is 0 and *content empty; what came before the fault was given before.
 * With bytes, *used is never 0 on MORE. Chunk extensions and trailers are checked and dropped.
 * With FRAMING_UNTIL_CLOSE it is never DONE: the end of the connection is the end.
 */
MUST_USE enum http1_verdict http1_body_next(struct http1_body *body, struct bytes bytes,
                                            size_t *used, struct bytes *content,
                                            struct http1_fault *fault);
/* True when the connection may end here without the message being cut short. */
bool http1_body_complete(const struct http1_body *body);
/* Bytes of content that may be relayed without looking at them (inside a length or until close; 0 otherwise), and telling that they were. */
uint64_t http1_body_opaque(const struct http1_body *body);
void http1_body_skipped(struct http1_body *body, uint64_t count);

/* ---- writing ---- */

/* May `text` be a field's name (or a method), a field's value? For what comes from elsewhere than a parsed head. */
bool http1_is_token(struct bytes text);
bool http1_is_value(struct bytes text);

void http1_write_request_line(struct buf *out, struct bytes method, struct bytes target);
void http1_write_status_line(struct buf *out, uint16_t status, struct bytes reason);
void http1_write_field(struct buf *out, struct bytes name, struct bytes value);
void http1_write_end(struct buf *out);
void http1_write_chunk_head(struct buf *out,
                            uint64_t len); /* `1a\r\n`; content and "\r\n" follow; len > 0 */
#define HTTP1_CHUNK_TAIL BYTES("\r\n")
#define HTTP1_LAST_CHUNK BYTES("0\r\n\r\n")
/* The standard phrase, or "Unknown". */
const char *http1_reason(uint16_t status);
