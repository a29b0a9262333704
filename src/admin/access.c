#include "admin/access.h"

#include "base/address.h"

#include <strings.h>

static struct bytes name_of(const char *host)
{
    struct bytes name, all = bytes_of_string(host);
    uint16_t port;

    return address_split(all, &name, &port) ? name : all;
}

static bool is_word(struct bytes name, const char *word)
{
    return bytes_equal_nocase(name, bytes_of_string(word));
}

/* `[::1]` without a port keeps its brackets. */
static bool is_address(struct bytes name, struct address *address)
{
    if (name.len > 2 && name.at[0] == '[' && name.at[name.len - 1] == ']')
        name = bytes_of(name.at + 1, name.len - 2);
    return address_parse_ip(address, name);
}

/* An address cannot be rebound, and HTTP/1.0 without a Host is no browser. */
static bool names_no_stranger(const char *host, const char *node)
{
    struct bytes name = name_of(host);
    struct address address;

    return name.len == 0 || is_word(name, "localhost") || is_word(name, node) ||
           is_address(name, &address);
}

static bool names_this_machine(const char *host)
{
    struct bytes name = name_of(host);
    struct address address;

    if (name.len == 0 || is_word(name, "localhost"))
        return true;
    return is_address(name, &address) && address_is_loopback(&address);
}

const char *access_refusal(enum admin_access access, const struct admin_request *request,
                           const char *node)
{
    if (access == ACCESS_PROBE || request->local)
        return NULL;
    if (access == ACCESS_READ)
        return names_no_stranger(request->host, node)
                   ? NULL
                   : "the Host must be an address, localhost or this node's name";
    if (!request->loopback)
        return "orders are taken from this machine only";
    if (!names_this_machine(request->host))
        return "the Host of an order must be localhost or a loopback address";
    if (!request->guarded)
        return "an order needs the header 'X-Nines: 1' or 'Content-Type: application/json'";
    return NULL;
}
