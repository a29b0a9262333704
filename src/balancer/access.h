/*
 * balancer/access: one line of JSON for each request or TCP session. Pure.
 *
 * A line is at most ACCESS_LINE_MAX bytes, so that a pipe takes it whole or not at all. Texts from outside are cut to fit and always escaped.
 */
#pragma once

#include "base/address.h"
#include "base/buf.h"
#include "base/instant.h"

enum {
    ACCESS_LINE_MAX = 4096, /* PIPE_BUF */
    ACCESS_NAME_MAX = 64,   /* of a node, of a service */
    ACCESS_METHOD_MAX = 16,
    ACCESS_HOST_MAX = 96,
    ACCESS_PATH_MAX = 256,
    ACCESS_ID_MAX = 64,
};

/* What is noted when a request comes, since its bytes will be gone when it ends. */
struct access_request {
    uint8_t method_len, host_len, id_len;
    uint16_t path_len;
    uint8_t method[ACCESS_METHOD_MAX], host[ACCESS_HOST_MAX], path[ACCESS_PATH_MAX],
        id[ACCESS_ID_MAX];
};

void access_note(struct access_request *request, struct bytes method, struct bytes host,
                 struct bytes path, struct bytes id);

struct access_entry {
    int64_t wall_ms; /* of the end */
    const char *node, *service;
    const struct address *client;
    const struct access_request *request; /* NULL: a TCP session */
    const struct address *backend;        /* NULL: none was asked */
    uint16_t status;                      /* 0: no answer was begun */
    uint32_t tries;
    uint64_t bytes_in, bytes_out; /* from and to the client */
    int64_t duration_ns;
    int64_t held_ns;    /* of it, waiting for a group's primary */
    const char *reason; /* NULL: all went well */
};

void access_write(struct buf *out, const struct access_entry *entry);
