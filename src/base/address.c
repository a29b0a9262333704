#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>

bool address_parse_ip(struct address *address, struct bytes text)
{
    char name[ADDRESS_TEXT_MAX];
    struct address found = {0};

    if (text.len == 0 || text.len >= sizeof name || bytes_find(text, 0) != text.len)
        return false;
    bytes_to_string(text, name, sizeof name);
    if (inet_pton(AF_INET, name, found.ip) == 1)
        found.family = 4;
    else if (inet_pton(AF_INET6, name, found.ip) == 1)
        found.family = 6;
    else
        return false;
    *address = found;
    return true;
}

bool address_parse_port(struct bytes text, uint16_t *port)
{
    uint32_t value = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.at[i] - '0');
    }
    if (value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

bool address_split(struct bytes text, struct bytes *host, uint16_t *port)
{
    size_t colon = text.len;

    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == ':')
            colon = i;
    if (colon == text.len || !address_parse_port(bytes_skip(text, colon + 1), port))
        return false;
    *host = bytes_take(text, colon);
    if (host->len >= 2 && host->at[0] == '[' && host->at[host->len - 1] == ']') {
        *host = bytes_of(host->at + 1, host->len - 2);
        return host->len > 0;
    }
    return bytes_find(*host, ':') == host->len && bytes_find(*host, '[') == host->len;
}

bool address_parse(struct address *address, struct bytes text)
{
    struct address found;
    struct bytes host;
    uint16_t port;

    if (!address_split(text, &host, &port) || !address_parse_ip(&found, host))
        return false;
    found.port = port;
    *address = found;
    return true;
}

bool address_is_loopback(const struct address *address)
{
    static const uint8_t one[16] = {[15] = 1};
    static const uint8_t mapped[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};

    if (address->family == 4)
        return address->ip[0] == 127;
    return address->family == 6 && (memcmp(address->ip, one, sizeof one) == 0 ||
                                    memcmp(address->ip, mapped, sizeof mapped) == 0);
}

bool address_equal(const struct address *a, const struct address *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

char *address_print_ip(const struct address *address, char *text)
{
    int family = address->family == 6 ? AF_INET6 : AF_INET;

    if (address->family == 0 || !inet_ntop(family, address->ip, text, ADDRESS_TEXT_MAX))
        snprintf(text, ADDRESS_TEXT_MAX, "-");
    return text;
}

char *address_print(const struct address *address, char *text)
{
    char ip[ADDRESS_TEXT_MAX];
    bool brackets = address->family == 6;

    address_print_ip(address, ip);
    snprintf(text, ADDRESS_TEXT_MAX, "%s%.46s%s:%u", brackets ? "[" : "", ip, brackets ? "]" : "",
             address->port);
    return text;
}
