/*
 * The names of the fields that this program looks at. One look at a name's length and first letter leaves at most one of them.
 */
#include "wire/grammar.h"
#include "wire/head.h"

#define ROW(text, is_hop)                                                                          \
    {                                                                                              \
        .name = text, .len = sizeof text - 1, .hop = (is_hop)                                      \
    }

const struct http1_known_row http1_known_rows[KNOWN_COUNT] = {
    [KNOWN_HOST] = ROW("host", false),
    [KNOWN_CONNECTION] = ROW("connection", true),
    [KNOWN_KEEP_ALIVE] = ROW("keep-alive", true),
    [KNOWN_PROXY_CONNECTION] = ROW("proxy-connection", true),
    [KNOWN_TE] = ROW("te", true),
    [KNOWN_TRAILER] = ROW("trailer", true), /* trailers are dropped, so announcing them is */
    [KNOWN_TRANSFER_ENCODING] = ROW("transfer-encoding", true),
    [KNOWN_UPGRADE] = ROW("upgrade", true),
    [KNOWN_CONTENT_LENGTH] = ROW("content-length", false),
    [KNOWN_EXPECT] = ROW("expect", false),
    [KNOWN_FORWARDED] = ROW("forwarded", false),
    [KNOWN_X_FORWARDED_FOR] = ROW("x-forwarded-for", false),
    [KNOWN_X_FORWARDED_PROTO] = ROW("x-forwarded-proto", false),
    [KNOWN_X_FORWARDED_HOST] = ROW("x-forwarded-host", false),
    [KNOWN_X_REQUEST_ID] = ROW("x-request-id", false),
    [KNOWN_TRACEPARENT] = ROW("traceparent", false),
    [KNOWN_IDEMPOTENCY_KEY] = ROW("idempotency-key", false),
    [KNOWN_RETRY_AFTER] = ROW("retry-after", false),
    [KNOWN_DATE] = ROW("date", false),
    [KNOWN_SERVER] = ROW("server", false),
    [KNOWN_COOKIE] = ROW("cookie", false),
    [KNOWN_PROXY_AUTHENTICATE] = ROW("proxy-authenticate", true),
    [KNOWN_PROXY_AUTHORIZATION] = ROW("proxy-authorization", true),
    [KNOWN_AUTHORIZATION] = ROW("authorization", false),
};

/* By length and first letter; test_http1_grammar.c finds every row through it. */
static const uint8_t by_shape[KNOWN_NAME_MAX][26] = {
    [2]['t' - 'a'] = KNOWN_TE,
    [4]['d' - 'a'] = KNOWN_DATE,
    [4]['h' - 'a'] = KNOWN_HOST,
    [6]['c' - 'a'] = KNOWN_COOKIE,
    [6]['e' - 'a'] = KNOWN_EXPECT,
    [6]['s' - 'a'] = KNOWN_SERVER,
    [7]['t' - 'a'] = KNOWN_TRAILER,
    [7]['u' - 'a'] = KNOWN_UPGRADE,
    [9]['f' - 'a'] = KNOWN_FORWARDED,
    [10]['c' - 'a'] = KNOWN_CONNECTION,
    [10]['k' - 'a'] = KNOWN_KEEP_ALIVE,
    [11]['r' - 'a'] = KNOWN_RETRY_AFTER,
    [11]['t' - 'a'] = KNOWN_TRACEPARENT,
    [12]['x' - 'a'] = KNOWN_X_REQUEST_ID,
    [13]['a' - 'a'] = KNOWN_AUTHORIZATION,
    [14]['c' - 'a'] = KNOWN_CONTENT_LENGTH,
    [15]['i' - 'a'] = KNOWN_IDEMPOTENCY_KEY,
    [15]['x' - 'a'] = KNOWN_X_FORWARDED_FOR,
    [16]['p' - 'a'] = KNOWN_PROXY_CONNECTION,
    [16]['x' - 'a'] = KNOWN_X_FORWARDED_HOST,
    [17]['t' - 'a'] = KNOWN_TRANSFER_ENCODING,
    [17]['x' - 'a'] = KNOWN_X_FORWARDED_PROTO,
    [18]['p' - 'a'] = KNOWN_PROXY_AUTHENTICATE,
    [19]['p' - 'a'] = KNOWN_PROXY_AUTHORIZATION,
};

enum http1_known http1_known_name(struct bytes name)
{
    uint8_t letter = (uint8_t)((name.at[0] | 0x20) - 'a'), known;

    if (name.len >= KNOWN_NAME_MAX || letter >= 26)
        return KNOWN_NONE;
    known = by_shape[name.len][letter];
    return http1_same_name(name.at, http1_known_rows[known].name, http1_known_rows[known].len)
               ? known
               : KNOWN_NONE;
}
