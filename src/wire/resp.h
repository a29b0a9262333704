/*
 * wire/resp: the Redis protocol, versions 2 and 3 (redis.io/docs/latest/develop/reference/protocol-spec), for both sides: requests, inline ones too,
 * and replies. Bytes to items and back.
 *
 * Pure: no I/O, no allocation, no clock. An item is a scalar, or the head of an aggregate whose elements follow as items of
 * their own; its text is a view into the caller's bytes. So a message of any size passes without being held as a whole, and only
 * one item at a time has to lie in one piece. How the bytes were cut never shows in the items. It never repairs: a line ends with CR LF
 * (an inline request also with LF alone), a number has no leading zeros, and nothing that redis-server would not send is taken for a reply.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

enum { RESP_DEPTH_MAX = 16 };

/* Of Redis: resp_limits. A caller may set lower ones. */
struct resp_limits {
    uint64_t bulk_max;  /* bytes of one bulk string */
    uint64_t count_max; /* elements of one aggregate; a map's pairs count as two */
    uint32_t line_max;  /* bytes of one line: an inline request, a simple string, an error */
    uint8_t depth_max;  /* aggregates within aggregates; at most RESP_DEPTH_MAX */
};

extern const struct resp_limits resp_limits;

enum resp_kind {
    RESP_BULK,
    RESP_ARRAY,
    RESP_SIMPLE,
    RESP_ERROR,
    RESP_INTEGER,
    RESP_NULL,
    /* version 3 */
    RESP_MAP,
    RESP_SET,
    RESP_PUSH,      /* a message of its own, never an element */
    RESP_ATTRIBUTE, /* stands before an item and counts as none */
    RESP_DOUBLE,
    RESP_BOOLEAN,
    RESP_BIG_NUMBER,
    RESP_VERBATIM,
    RESP_BLOB_ERROR,
    RESP_KINDS,
};

struct resp_item {
    enum resp_kind kind;
    bool last; /* the message ends with this item */
    bool
        quoted; /* of an inline request: text is as it was written, and resp_unquote says what it means */
    uint8_t depth; /* how many aggregates it is in */
    /*
     * Integer and boolean: the value. Array, set, push: how many elements follow; map and attribute: how many pairs. Null: its mark,
     * '_' or as version 2 writes it '$' or '*'.
     */
    int64_t number;
    double real; /* of a double */
    /* Strings, errors, and numbers as they were written. A verbatim string begins with its format: `txt:`. */
    struct bytes text;
};

enum resp_verdict {
    RESP_MORE, /* an ordinary answer: come back with more bytes appended */
    RESP_ITEM,
    RESP_WRONG, /* parser->why says it; the connection is of no more use */
};

struct resp_parser {
    const struct resp_limits *limits;
    bool request;
    uint8_t depth;
    uint32_t words; /* of the inline request under way that are still to come */
    size_t seen;    /* bytes of the item under way that hold no end of line */
    size_t
        needed; /* bytes from the item's beginning below which the answer is MORE: what to make room for */
    const char *why; /* static: "invalid bulk length" */
    struct {
        uint64_t left; /* elements */
        bool attribute;
    } open[RESP_DEPTH_MAX];
};

/* `limits` is borrowed and may be &resp_limits. */
void resp_begin_requests(struct resp_parser *parser, const struct resp_limits *limits);
void resp_begin_replies(struct resp_parser *parser, const struct resp_limits *limits);

/*
 * The next item at the start of `bytes`; *used says how many it took. After MORE, `bytes` begins with the same bytes and holds at least as many.
 * A request is an array of bulk strings, whichever way it was written; an empty one, of no elements, is to be passed over.
 * The head of an inline request takes no bytes: they go with its words.
 */
MUST_USE enum resp_verdict resp_next(struct resp_parser *parser, struct bytes bytes,
                                     struct resp_item *item, size_t *used);

/* What a quoted word means, in at most as many bytes as it has. Returns how many. */
size_t resp_unquote(struct bytes text, uint8_t *out);

/* ---- writing ---- */

void resp_write(struct buf *out, const struct resp_item *item);             /* that is not quoted */
void resp_write_head(struct buf *out, enum resp_kind kind, uint64_t count); /* of an aggregate */
void resp_write_bulk(struct buf *out, struct bytes text);
/* One line: an error's first word is its code. Control characters become blanks, since a line cannot hold them. */
void resp_write_simple(struct buf *out, struct bytes text);
void resp_write_error(struct buf *out, struct bytes text);
void resp_write_integer(struct buf *out, int64_t number);
