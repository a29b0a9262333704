/*
 * Reads and writes the PROXY protocol.
 *
 * Version 1 is one line of text, judged when it is complete; version 2 is judged by its first sixteen bytes and then when all
 * of it is there. Bytes that can begin neither are refused at once. What says whose the connection is, is taken strictly;
 * a block that is to be ignored (LOCAL, UNSPEC, UNKNOWN) is measured and skipped, as the specification asks.
 */
#include "wire/proxy.h"

enum {
    V1_MAX = 107, /* with CRLF */
    V2_FIXED = 16,
    V2_ADDRESSES_4 = 12,
    V2_ADDRESSES_6 = 36,
    V2_ADDRESSES_UNIX = 216,
    TLV_FIXED = 3,
    TLV_CRC32C = 3,
    CRC_SIZE = 4,
};

enum { LOCAL = 0x20, PROXY = 0x21 };

enum { UNSPEC = 0x00, TCP4 = 0x11, TCP6 = 0x21, UNIX_STREAM = 0x31 };

#define SIGNATURE BYTES("\r\n\r\n\0\r\nQUIT\n")

static enum proxy_verdict wrong(const char **why, const char *sentence)
{
    *why = sentence;
    return PROXY_WRONG;
}

/* ---- version 1 ---- */

/* Takes the word up to the next space. The last word has no space after it, and leaves nothing. */
static struct bytes take_word(struct bytes *rest)
{
    size_t len = bytes_find(*rest, ' ');
    struct bytes word = bytes_take(*rest, len);

    *rest = len < rest->len ? bytes_skip(*rest, len + 1) : (struct bytes){0};
    return word;
}

static bool parse_port(struct bytes text, uint16_t *port)
{
    return (text.len == 1 || !bytes_starts_with(text, BYTES("0"))) &&
           address_parse_port(text, port);
}

static bool parse_ip(struct bytes text, uint16_t family, struct address *address)
{
    return address_parse_ip(address, text) && address->family == family;
}

/* `rest` is what follows `PROXY `, without CRLF. */
static bool parse_v1(struct bytes rest, struct proxy_header *header)
{
    struct bytes protocol = take_word(&rest), words[4];
    uint16_t family = bytes_equal(protocol, BYTES("TCP6")) ? 6 : 4;

    *header = (struct proxy_header){0};
    if (bytes_equal(protocol, BYTES("UNKNOWN")))
        return true;
    if (family == 4 && !bytes_equal(protocol, BYTES("TCP4")))
        return false;
    for (size_t i = 0; i < 3; i++)
        words[i] = take_word(&rest);
    words[3] = rest;
    return parse_ip(words[0], family, &header->source) &&
           parse_ip(words[1], family, &header->destination) &&
           parse_port(words[2], &header->source.port) &&
           parse_port(words[3], &header->destination.port);
}

static enum proxy_verdict read_v1(struct bytes bytes, struct proxy_header *header, size_t *used,
                                  const char **why)
{
    struct bytes line = bytes_take(bytes, V1_MAX);
    size_t lf = bytes_find(line, '\n');
    struct proxy_header found;

    if (lf == line.len)
        return line.len < V1_MAX ? PROXY_MORE : wrong(why, "a PROXY line of more than 107 bytes");
    if (line.at[lf - 1] != '\r' || bytes_find(line, '\r') != lf - 1)
        return wrong(why, "a PROXY line that does not end with CRLF");
    if (lf < sizeof "PROXY \r" - 1 || !parse_v1(bytes_skip(bytes_take(line, lf - 1), 6), &found))
        return wrong(why,
                     "a PROXY line that does not name a protocol, two addresses and two ports");
    *header = found;
    *used = lf + 1;
    return PROXY_DONE;
}

/* ---- version 2 ---- */

static uint32_t crc32c_add(uint32_t crc, struct bytes bytes)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.at[i];
        crc = crc >> 4 ^ table[crc & 0xf];
        crc = crc >> 4 ^ table[crc & 0xf];
    }
    return crc;
}

/* Of the whole header, its own four bytes at `at` counted as zero. */
static uint32_t header_crc(struct bytes header, size_t at)
{
    uint32_t crc = crc32c_add(UINT32_MAX, bytes_take(header, at));

    crc = crc32c_add(crc, BYTES("\0\0\0\0"));
    return ~crc32c_add(crc, bytes_skip(header, at + CRC_SIZE));
}

static uint16_t get_16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get_32(const uint8_t *at)
{
    return (uint32_t)get_16(at) << 16 | get_16(at + 2);
}

/* `at` is where the addresses end. */
static enum proxy_verdict check_tlvs(struct bytes header, size_t at, const char **why)
{
    bool checked = false;

    while (at < header.len) {
        size_t len, value = at + TLV_FIXED;

        if (header.len - at < TLV_FIXED)
            return wrong(why, "a PROXY header that ends within a TLV");
        len = get_16(header.at + at + 1);
        if (len > header.len - value)
            return wrong(why, "a PROXY header that ends within a TLV");
        if (header.at[at] == TLV_CRC32C) {
            if (len != CRC_SIZE || checked)
                return wrong(why, "a PROXY header with a malformed checksum");
            if (get_32(header.at + value) != header_crc(header, value))
                return wrong(why, "a PROXY header whose checksum is wrong");
            checked = true;
        }
        at = value + len;
    }
    return PROXY_DONE;
}

static void get_addresses(const uint8_t *at, uint16_t family, struct proxy_header *header)
{
    size_t size = family == 4 ? 4 : 16;

    header->source.family = header->destination.family = family;
    memcpy(header->source.ip, at, size);
    memcpy(header->destination.ip, at + size, size);
    header->source.port = get_16(at + 2 * size);
    header->destination.port = get_16(at + 2 * size + 2);
}

static size_t addresses_size(uint8_t family)
{
    if (family == TCP4)
        return V2_ADDRESSES_4;
    return family == TCP6 ? V2_ADDRESSES_6 : V2_ADDRESSES_UNIX;
}

/* `header` is all of it, with command PROXY and a family that has addresses. */
static enum proxy_verdict parse_v2(struct bytes header, struct proxy_header *found,
                                   const char **why)
{
    uint8_t family = header.at[13];
    size_t size = addresses_size(family);

    if (header.len < V2_FIXED + size)
        return wrong(why, "a PROXY header that ends within its addresses");
    if (family != UNIX_STREAM)
        get_addresses(header.at + V2_FIXED, family == TCP4 ? 4 : 6, found);
    return check_tlvs(header, V2_FIXED + size, why);
}

static enum proxy_verdict read_v2(struct bytes bytes, struct proxy_header *header, size_t *used,
                                  const char **why)
{
    struct proxy_header found = {0};
    uint8_t command, family;
    size_t len;

    if (bytes.len < V2_FIXED)
        return PROXY_MORE;
    command = bytes.at[12];
    family = bytes.at[13];
    len = V2_FIXED + get_16(bytes.at + 14);
    if (command != LOCAL && command != PROXY)
        return wrong(why, "a PROXY header of another version or with an unknown command");
    if (command == PROXY && family != UNSPEC && family != TCP4 && family != TCP6 &&
        family != UNIX_STREAM)
        return wrong(why, "a PROXY header for another protocol than TCP");
    if (len > PROXY_HEADER_MAX)
        return wrong(why, "a PROXY header of more than 536 bytes");
    if (bytes.len < len)
        return PROXY_MORE;
    if (command == PROXY && family != UNSPEC &&
        parse_v2(bytes_take(bytes, len), &found, why) == PROXY_WRONG)
        return PROXY_WRONG;
    *header = found;
    *used = len;
    return PROXY_DONE;
}

enum proxy_verdict proxy_parse(struct bytes bytes, struct proxy_header *header, size_t *used,
                               const char **why)
{
    struct bytes v1 = BYTES("PROXY "), v2 = SIGNATURE;

    if (bytes.len == 0)
        return PROXY_MORE;
    if (bytes_starts_with(v1, bytes_take(bytes, v1.len)))
        return bytes.len < v1.len ? PROXY_MORE : read_v1(bytes, header, used, why);
    if (bytes_starts_with(v2, bytes_take(bytes, v2.len)))
        return read_v2(bytes, header, used, why);
    return wrong(why, "no PROXY header");
}

/* ---- writing ---- */

static bool has_addresses(const struct proxy_header *header)
{
    return header->source.family != 0 && header->source.family == header->destination.family;
}

void proxy_write_v1(struct buf *out, const struct proxy_header *header)
{
    char source[ADDRESS_TEXT_MAX], destination[ADDRESS_TEXT_MAX];

    if (!has_addresses(header)) {
        buf_add_string(out, "PROXY UNKNOWN\r\n");
        return;
    }
    buf_print(out, "PROXY TCP%u %s %s %u %u\r\n", header->source.family,
              address_print_ip(&header->source, source),
              address_print_ip(&header->destination, destination), header->source.port,
              header->destination.port);
}

static uint8_t *put(uint8_t *at, const void *from, size_t len)
{
    memcpy(at, from, len);
    return at + len;
}

static uint8_t *put_16(uint8_t *at, size_t value)
{
    return put(at, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

void proxy_write_v2(struct buf *out, const struct proxy_header *header)
{
    uint8_t bytes[V2_FIXED + V2_ADDRESSES_6 + TLV_FIXED + CRC_SIZE], *at = bytes;
    bool named = has_addresses(header), is_4 = header->source.family == 4;
    size_t ip = is_4 ? 4 : 16, addresses = is_4 ? V2_ADDRESSES_4 : V2_ADDRESSES_6;
    uint32_t crc;

    at = put(at, SIGNATURE.at, SIGNATURE.len);
    *at++ = named ? PROXY : LOCAL;
    if (!named) {
        *at++ = UNSPEC;
        at = put_16(at, 0);
        buf_add(out, bytes_of(bytes, (size_t)(at - bytes)));
        return;
    }
    *at++ = is_4 ? TCP4 : TCP6;
    at = put_16(at, addresses + TLV_FIXED + CRC_SIZE);
    at = put(at, header->source.ip, ip);
    at = put(at, header->destination.ip, ip);
    at = put_16(at, header->source.port);
    at = put_16(at, header->destination.port);
    *at++ = TLV_CRC32C;
    at = put_16(at, CRC_SIZE);
    crc = header_crc(bytes_of(bytes, (size_t)(at - bytes) + CRC_SIZE), (size_t)(at - bytes));
    at = put_16(at, crc >> 16);
    at = put_16(at, crc & UINT16_MAX);
    buf_add(out, bytes_of(bytes, (size_t)(at - bytes)));
}
