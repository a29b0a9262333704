/*
 * The bytes of an announcement: gratuitous ARP (RFC 826, RFC 5944 4.6) and the unsolicited neighbour advertisement (RFC 4861 7.2.6).
 * Pure: no socket is touched here.
 */
#include "process/interfaces.h"

#include "base/buf.h"

#include <string.h>

enum {
    ETHERNET_ARP = 0x0806,
    ETHERNET_IPV6 = 0x86dd,
    ARP_REQUEST = 1,
    ARP_REPLY = 2,
    ICMPV6 = 58,
    ADVERTISEMENT = 136,
    ADVERTISEMENT_BYTES = 32, /* with one option */
    OVERRIDE = 0x20,          /* what a neighbour remembers is replaced */
    OPTION_TARGET_LINK = 2,
    HOPS = 255, /* anything less came over a router, and is ignored */
};

static void add_u16(struct buf *out, uint16_t number)
{
    buf_add_byte(out, (uint8_t)(number >> 8));
    buf_add_byte(out, (uint8_t)number);
}

static void add_arp(struct buf *out, const uint8_t *ip, const uint8_t *mac, bool reply)
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nobody[6];

    buf_add(out, bytes_of(everybody, 6));
    buf_add(out, bytes_of(mac, 6));
    add_u16(out, ETHERNET_ARP);
    add_u16(out, 1); /* Ethernet */
    add_u16(out, 0x0800);
    buf_add_byte(out, 6);
    buf_add_byte(out, 4);
    add_u16(out, reply ? ARP_REPLY : ARP_REQUEST);
    buf_add(out, bytes_of(mac, 6));
    buf_add(out, bytes_of(ip, 4));
    buf_add(out, bytes_of(reply ? mac : nobody, 6));
    buf_add(out, bytes_of(ip, 4));
}

static uint32_t sum(uint32_t so_far, const uint8_t *at, uint32_t len)
{
    for (uint32_t i = 0; i + 1 < len; i += 2)
        so_far += (uint32_t)at[i] << 8 | at[i + 1];
    return so_far;
}

static uint16_t checksum(const uint8_t *from, const uint8_t *to, const uint8_t *message)
{
    uint32_t all = sum(sum(ICMPV6 + ADVERTISEMENT_BYTES, from, 16), to, 16);

    all = sum(all, message, ADVERTISEMENT_BYTES);
    while (all >> 16)
        all = (all & 0xffff) + (all >> 16);
    return (uint16_t)~all;
}

static void add_advertisement(struct buf *out, const uint8_t *ip, const uint8_t *mac)
{
    static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
    static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
    uint8_t message[ADVERTISEMENT_BYTES] = {ADVERTISEMENT, [4] = OVERRIDE};
    uint16_t check;

    memcpy(message + 8, ip, 16);
    message[24] = OPTION_TARGET_LINK;
    message[25] = 1; /* of eight bytes */
    memcpy(message + 26, mac, 6);
    check = checksum(ip, all_nodes, message);
    message[2] = (uint8_t)(check >> 8);
    message[3] = (uint8_t)check;

    buf_add(out, bytes_of(all_nodes_mac, 6));
    buf_add(out, bytes_of(mac, 6));
    add_u16(out, ETHERNET_IPV6);
    add_u16(out, 0x6000);
    add_u16(out, 0);
    add_u16(out, ADVERTISEMENT_BYTES);
    buf_add_byte(out, ICMPV6);
    buf_add_byte(out, HOPS);
    buf_add(out, bytes_of(ip, 16));
    buf_add(out, bytes_of(all_nodes, 16));
    buf_add(out, bytes_of(message, sizeof message));
}

uint32_t announcement_make(const struct address *address, const uint8_t mac[6], bool reply,
                           uint8_t *frame)
{
    struct buf out;

    buf_over(&out, frame, ANNOUNCEMENT_MAX);
    if (address->family == 4)
        add_arp(&out, address->ip, mac, reply);
    else
        add_advertisement(&out, address->ip, mac);
    must(!out.full);
    return (uint32_t)out.len;
}
