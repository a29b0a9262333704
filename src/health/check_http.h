/*
 * health/check_http: the conversation of one HTTP check, bytes to an outcome.
 *
 * Pure, on top of wire/http1: it writes the one request and judges the bytes that come back, in whatever pieces. An answer is healthy when
 * its head is well-formed, its status is expected, and its body comes whole; of a long body the first CHECK_BODY_MAX bytes are enough.
 */
#pragma once

#include "base/buf.h"
#include "health/health.h"
#include "wire/http1.h"

enum {
    CHECK_HEAD_MAX = 16384,
    CHECK_BODY_MAX = 65536,   /* content that is waited for */
    CHECK_REQUEST_MAX = 4096, /* what check_http_write needs at most */
};

struct check_http {
    enum http1_method method;
    uint16_t low, high; /* healthy statuses */
    uint16_t status;    /* 0: no head yet */
    struct http1_scan scan;
    struct http1_body body;
    uint64_t content;
    struct buf head;
    const char *why; /* what is wrong with garbage; static */
};

void check_http_write(struct buf *out, const struct health_check *check, struct image image,
                      const char *endpoint);
void check_http_init(struct check_http *http, const struct health_check *check, struct image image);
void check_http_fini(struct check_http *http);
/* Takes the next bytes; true when they decide the outcome. */
MUST_USE bool check_http_take(struct check_http *http, struct bytes bytes,
                              enum health_outcome *outcome);
/* The peer sends no more, and nothing was decided before. */
enum health_outcome check_http_end(const struct check_http *http);
