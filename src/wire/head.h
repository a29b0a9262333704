/*
 * What the files of the head's parser share. Private to the room.
 */
#pragma once

#include "wire/http1.h"

/* Records and is false, so that a failing branch is one line. */
#define http1_wrong(fault, code, sentence)                                                         \
    (*(fault) = (struct http1_fault){.status = (code), .why = (sentence)}, false)

enum { KNOWN_NAME_MAX = 20 };

struct http1_known_row {
    char name[KNOWN_NAME_MAX]; /* lower case */
    uint8_t len;
    bool
        hop; /* never forwarded, whatever Connection says; where false, Connection cannot make it so */
};

extern const struct http1_known_row http1_known_rows[KNOWN_COUNT];

enum http1_known http1_known_name(struct bytes name);

/* Splits a request's target by its form; head->method and target are known. Sets path, and host where the target has one. */
MUST_USE bool http1_read_target(struct bytes bytes, struct http1_head *head,
                                struct http1_fault *fault);
/* `HOST` or `HOST:PORT`, HOST a name or an address, IPv6 in brackets. */
MUST_USE bool http1_is_authority(struct bytes text);

/* What all the fields together say: framing, connection, host, expectation. */
MUST_USE bool http1_settle_request(struct bytes bytes, struct http1_head *head,
                                   struct http1_fault *fault);
MUST_USE bool http1_settle_response(struct bytes bytes, enum http1_method asked,
                                    struct http1_head *head, struct http1_fault *fault);
