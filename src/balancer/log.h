/*
 * balancer/log: one line of JSON for each request or TCP session. Pure.
 *
 * A line is at most LOG_LINE_MAX bytes, so that a pipe takes it whole or not at all. Texts from outside are cut to fit and always escaped.
 */
#pragma once

#include "base/address.h"
#include "base/buf.h"
#include "base/instant.h"

enum {
    LOG_LINE_MAX = 4096, /* PIPE_BUF */
    LOG_METHOD_MAX = 16,
    LOG_HOST_MAX = 96,
    LOG_PATH_MAX = 320,
    LOG_ID_MAX = 128,
};

/* What is noted when a request comes, since its bytes will be gone when it ends. */
struct log_request {
    uint8_t method_len, host_len, id_len;
    uint16_t path_len;
    uint8_t method[LOG_METHOD_MAX], host[LOG_HOST_MAX], path[LOG_PATH_MAX], id[LOG_ID_MAX];
};

void log_note(struct log_request *request, struct bytes method, struct bytes host,
              struct bytes path, struct bytes id);

struct log_entry {
    int64_t wall_ms; /* of the end */
    const char *node, *service;
    const struct address *client;
    const struct log_request *request; /* NULL: a TCP session */
    const struct address *backend;     /* NULL: none was asked */
    uint16_t status;                   /* 0: no answer was begun */
    uint32_t tries;
    uint64_t bytes_in, bytes_out; /* from and to the client */
    int64_t duration_ns;
    const char *reason; /* NULL: all went well */
};

void log_write(struct buf *out, const struct log_entry *entry);
