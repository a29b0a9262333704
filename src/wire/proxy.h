/*
 * wire/proxy: the PROXY protocol, versions 1 and 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt), in and out.
 *
 * Pure. Never detected by itself: a listener expects it or does not. LOCAL and UNKNOWN are accepted and leave both addresses empty.
 */
#pragma once

#include "base/address.h"
#include "base/buf.h"

enum { PROXY_HEADER_MAX = 536 }; /* 16 + 520 for version 2 with TLVs; version 1 has at most 107 */

enum proxy_verdict { PROXY_MORE, PROXY_DONE, PROXY_WRONG };

struct proxy_header {
    struct address source,
        destination; /* family 0: the connection is the sender's own (a health check) */
};

/* On DONE *used is the header's length; on WRONG *why is a static sentence. CRC32C TLVs are verified where present. */
MUST_USE enum proxy_verdict proxy_parse(struct bytes bytes, struct proxy_header *header,
                                        size_t *used, const char **why);
void proxy_write_v1(struct buf *out, const struct proxy_header *header);
void proxy_write_v2(struct buf *out, const struct proxy_header *header); /* with a CRC32C TLV */
