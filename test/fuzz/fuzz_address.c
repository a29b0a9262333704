/*
 * What is read as an address prints as text that reads as the same address.
 */
#include "fuzz.h"

#include "base/address.h"

static void same_printed(const struct address *address)
{
    char text[ADDRESS_TEXT_MAX], again[ADDRESS_TEXT_MAX];
    struct address back;

    must(address->family == 4 || address->family == 6);
    must(address_parse(&back, bytes_of_string(address_print(address, text))));
    must(address_equal(address, &back));
    must(address_parse_ip(&back, bytes_of_string(address_print_ip(address, again))));
    must(memcmp(back.ip, address->ip, sizeof back.ip) == 0 && back.family == address->family);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size), host;
    struct address address;
    uint16_t port;
    bool split = address_split(text, &host, &port);

    if (split)
        must(host.len < size &&
             (host.len == 0 || (host.at >= data && host.at + host.len < data + size)));
    if (address_parse(&address, text)) {
        must(split && address.port == port);
        same_printed(&address);
    }
    if (address_parse_ip(&address, text)) {
        must(address.port == 0);
        same_printed(&address);
    }
    return 0;
}
