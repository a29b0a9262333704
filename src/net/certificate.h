/*
 * certificate: makes the cluster's authority and the nodes' certificates, and reads what one says. Texts in, texts out (PEM); it touches no file.
 *
 * Keys are EC P-256. An authority signs nodes only, no further authority. A node's certificate bears its name as the one common name and as DNS name, and serves for
 * both ends of a link.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum { CERTIFICATE_TEXT_MAX = 16 << 10, CERTIFICATE_NAME_MAX = 64 };

struct certificate {
    struct buf certificate, key; /* PEM; certificate_forget gives them back */
};

/* Seconds since 1970. */
struct certificate_term {
    int64_t from, until;
};

/* `cluster` and `node`: 1 to CERTIFICATE_NAME_MAX bytes without control characters. Results must be zeroed or forgotten before. */
MUST_USE bool certificate_make_authority(const char *cluster, const struct certificate_term *term,
                                         struct certificate *out, struct err *err);
MUST_USE bool certificate_make_node(const struct certificate *authority, const char *node,
                                    const struct certificate_term *term, struct certificate *out,
                                    struct err *err);
/* Wipes the key. */
void certificate_forget(struct certificate *certificate);

struct certificate_view {
    char subject[CERTIFICATE_NAME_MAX + 1], issuer[CERTIFICATE_NAME_MAX + 1];
    struct certificate_term term;
    bool authority;
    char serial[48]; /* hexadecimal */
};

/* Of the first certificate in a PEM text. */
MUST_USE bool certificate_read(struct bytes pem, struct certificate_view *view, struct err *err);
