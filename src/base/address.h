/*
 * An IP address and a port, as plain data, and its written form: `10.0.0.1:80`, `[::1]:80`.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

#include <stdbool.h>
#include <stdint.h>

struct address {
    uint8_t ip[16];  /* network order; an IPv4 address is in the first four, the rest zero */
    uint16_t family; /* 0 none, 4, 6 */
    uint16_t port;   /* host order */
};

enum { ADDRESS_TEXT_MAX = 64 }; /* NUL included */

/* Of an IP address alone, without port or brackets; port becomes 0. False when it is not one. */
MUST_USE bool address_parse_ip(struct address *address, struct bytes text);
/* Of `IP:PORT`. False for a name: names are the resolver's. */
MUST_USE bool address_parse(struct address *address, struct bytes text);
/* Splits `HOST:PORT` (HOST may be a name, in brackets when it is IPv6, or empty). False when it is malformed. */
MUST_USE bool address_split(struct bytes text, struct bytes *host, uint16_t *port);
/* A port alone: digits, at most 65535. */
MUST_USE bool address_parse_port(struct bytes text, uint16_t *port);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_loopback(
    const struct address *address); /* 127.0.0.0/8, ::1, and the former inside IPv6 */
/* Both return text, which holds at least ADDRESS_TEXT_MAX. */
char *address_print(const struct address *address, char *text);
char *address_print_ip(const struct address *address, char *text);
