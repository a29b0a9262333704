/*
 * The four forms of a request's target (RFC 9112 3.2), and the authority that two of them and the Host field hold.
 */
#include "base/address.h"
#include "wire/grammar.h"
#include "wire/head.h"

/* RFC 3986 allows more: escapes, sub-delims, an empty port. No host name on the Internet needs them. */
bool http1_is_authority(struct bytes text)
{
    const uint8_t *end = text.at + text.len, *host_end;
    uint16_t port;

    if (text.len > 0 && text.at[0] == '[') {
        struct address address;
        struct bytes ip = bytes_skip(text, 1);

        ip.len = bytes_find(ip, ']');
        if (!address_parse_ip(&address, ip) || address.family != 6)
            return false;
        host_end = ip.at + ip.len;
        if (host_end == end)
            return false;
        host_end++;
    } else {
        host_end = http1_skip(text.at, end, CLASS_HOST);
        if (host_end == text.at)
            return false;
    }
    return host_end == end ||
           (*host_end == ':' &&
            address_parse_port(bytes_of(host_end + 1, (size_t)(end - host_end) - 1), &port));
}

static bool ends_with_port(struct bytes authority)
{
    size_t bracket = bytes_find(authority, ']');
    struct bytes tail = bracket < authority.len ? bytes_skip(authority, bracket) : authority;

    return bytes_find(tail, ':') < tail.len;
}

/* The length of `http://` or `https://`, 0 when it begins with neither. */
static size_t scheme_len(struct bytes target)
{
    static const struct bytes schemes[] = {{(const uint8_t *)"http://", 7},
                                           {(const uint8_t *)"https://", 8}};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (target.len >= schemes[i].len &&
            bytes_equal_nocase(bytes_take(target, schemes[i].len), schemes[i]))
            return schemes[i].len;
    return 0;
}

static bool read_absolute(struct bytes bytes, struct http1_head *head, struct http1_fault *fault)
{
    struct bytes target = http1_bytes(bytes, head->target), authority;
    size_t scheme = scheme_len(target), len = 0, path;

    if (scheme == 0)
        return http1_wrong(fault, 400, "a target that is neither a path nor an http URI");
    authority = bytes_skip(target, scheme);
    while (len < authority.len && authority.at[len] != '/' && authority.at[len] != '?')
        len++;
    path = scheme + len;
    if (!http1_is_authority(bytes_take(authority, len)))
        return http1_wrong(fault, 400, "a target whose authority is not a host and port");

    head->host = (struct http1_span){(uint16_t)(head->target.at + scheme), (uint16_t)len};
    head->path.at = (uint16_t)(head->target.at + path);
    head->path.len = (uint16_t)bytes_find(bytes_skip(target, path), '?');
    return true;
}

bool http1_read_target(struct bytes bytes, struct http1_head *head, struct http1_fault *fault)
{
    struct bytes target = http1_bytes(bytes, head->target);

    head->path = head->target;
    if (head->method == METHOD_CONNECT) {
        head->host = head->target;
        if (!http1_is_authority(target) || !ends_with_port(target))
            return http1_wrong(fault, 400, "a CONNECT whose target is not a host and port");
        return true;
    }
    if (target.at[0] == '/') {
        head->path.len = (uint16_t)bytes_find(target, '?');
        return true;
    }
    if (bytes_equal(target, BYTES("*"))) {
        if (head->method != METHOD_OPTIONS)
            return http1_wrong(fault, 400, "a target '*' with a method other than OPTIONS");
        return true;
    }
    return read_absolute(bytes, head, fault);
}
