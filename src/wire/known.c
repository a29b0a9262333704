/*
 * The names of the fields that this program looks at. One look at a name's length and first letter leaves at most one of them.
 */
#include "wire/grammar.h"
#include "wire/head.h"

const struct http1_known_row http1_known_rows[KNOWN_COUNT] = {
    [KNOWN_HOST] = {"host", 4, false},
    [KNOWN_CONNECTION] = {"connection", 10, true},
    [KNOWN_KEEP_ALIVE] = {"keep-alive", 10, true},
    [KNOWN_PROXY_CONNECTION] = {"proxy-connection", 16, true},
    [KNOWN_TE] = {"te", 2, true},
    [KNOWN_TRAILER] = {"trailer", 7, true}, /* trailers are dropped, so announcing them is */
    [KNOWN_TRANSFER_ENCODING] = {"transfer-encoding", 17, true},
    [KNOWN_UPGRADE] = {"upgrade", 7, true},
    [KNOWN_CONTENT_LENGTH] = {"content-length", 14, false},
    [KNOWN_EXPECT] = {"expect", 6, false},
    [KNOWN_FORWARDED] = {"forwarded", 9, false},
    [KNOWN_X_FORWARDED_FOR] = {"x-forwarded-for", 15, false},
    [KNOWN_X_FORWARDED_PROTO] = {"x-forwarded-proto", 17, false},
    [KNOWN_X_FORWARDED_HOST] = {"x-forwarded-host", 16, false},
    [KNOWN_X_REQUEST_ID] = {"x-request-id", 12, false},
    [KNOWN_TRACEPARENT] = {"traceparent", 11, false},
    [KNOWN_IDEMPOTENCY_KEY] = {"idempotency-key", 15, false},
    [KNOWN_RETRY_AFTER] = {"retry-after", 11, false},
    [KNOWN_DATE] = {"date", 4, false},
    [KNOWN_SERVER] = {"server", 6, false},
    [KNOWN_COOKIE] = {"cookie", 6, false},
    [KNOWN_PROXY_AUTHENTICATE] = {"proxy-authenticate", 18, true},
    [KNOWN_PROXY_AUTHORIZATION] = {"proxy-authorization", 19, true},
    [KNOWN_AUTHORIZATION] = {"authorization", 13, false},
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
