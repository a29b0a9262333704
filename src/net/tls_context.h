/*
 * Private to net: what a session needs of its context, and the sentences for what OpenSSL says.
 */
#pragma once

#include "net/tls.h"

#include <openssl/ssl.h>

/* A session that verifies the other end, between two memory BIOs; NULL when there is no memory. What is wrong with the other's certificate will be written to
 * `sentence` (TLS_SENTENCE_MAX), which must live as long as the session. */
SSL *tls_context_session(struct tls_context *context, bool accepts, char *sentence);
/* A server's session, without BIOs; NULL when there is no memory. */
SSL *tls_context_serve(struct tls_context *context);
/* The one common name of the subject; false when there is none, or more, or it is no plain text. */
MUST_USE bool tls_certificate_name(const X509 *certificate, char name[TLS_NAME_MAX]);
/* A sentence for an error of OpenSSL's queue. `ready`: after our own side of the handshake was done. */
void tls_explain_error(unsigned long error, bool ready, char *text, size_t cap);
/* A sentence for why a certificate is not good; `whose` as in "the certificate of 'a'". */
void tls_explain_verify(int code, X509 *certificate, const char *whose, char *text, size_t cap);
