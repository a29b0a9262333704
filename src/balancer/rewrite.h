/*
 * balancer/rewrite: a request's head as the backend gets it, and an answer's head as the client gets it. Pure.
 *
 * What is not touched is copied in runs, as it came. What concerns one connection only (RFC 9110 7.6.1) ends here. The client is added to
 * Forwarded and X-Forwarded-For after whoever was named before. X-Forwarded-Proto stays as a proxy in front wrote it, since only
 * that one knows whether the client came by TLS; X-Forwarded-Host is always the request's own host, since applications build
 * links from it.
 */
#pragma once

#include "base/address.h"
#include "wire/http1.h"

enum { REWRITE_ID_LEN = 32, REWRITE_ID_MAX = 128 };

struct rewrite_client {
    const struct address *address; /* family 0: unknown */
    struct bytes id;               /* the request id for X-Request-Id, already chosen */
};

/* Bytes that the written head needs at most. */
size_t rewrite_request_bound(size_t head_len, const struct http1_head *request);
size_t rewrite_response_bound(size_t head_len);

/* The client's own X-Request-Id when it is sane (visible ASCII without quotes, at most REWRITE_ID_MAX), else empty. */
struct bytes rewrite_request_id(struct bytes head, const struct http1_head *request);
/* True when it asks for an upgrade that may be passed on: not one with a body, which would have to end first, and not to h2c, under which
 * a client would reach paths that no route gave it. */
bool rewrite_upgrades(struct bytes head, const struct http1_head *request);
/* Always HTTP/1.1 and origin-form. `head` is what was parsed into `request`. */
void rewrite_request(struct buf *out, struct bytes head, const struct http1_head *request,
                     const struct rewrite_client *client);

/* How the body goes to a client of HTTP/1.minor. */
enum http1_framing rewrite_framing(const struct http1_head *response, uint8_t client_minor);

struct rewrite_answer {
    enum http1_framing framing; /* from rewrite_framing */
    uint8_t client_minor;
    bool close;   /* this connection ends with this answer */
    bool upgrade; /* a 101 to a request that asked for it */
};

void rewrite_response(struct buf *out, struct bytes head, const struct http1_head *response,
                      const struct rewrite_answer *answer);
