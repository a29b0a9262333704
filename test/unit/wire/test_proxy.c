#include "base/own.h"
#include "wire/proxy.h"

// clang-format off
#include "unit.h"
// clang-format on

#include <stdio.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FROM_4 "\x0a\x00\x00\x01\x0a\x00\x00\x02\x1f\x90\x00\x50"
#define ROW(text, story)                                                                           \
    {                                                                                              \
        {(const uint8_t *)("" text), sizeof(text) - 1}, story                                      \
    }

struct row {
    struct bytes bytes;
    const char *story; /* `SOURCE DESTINATION (used)`, "more", or why it is wrong */
};

enum { STORY_MAX = 256 };

static void tell(struct bytes bytes, char *story)
{
    char source[ADDRESS_TEXT_MAX], destination[ADDRESS_TEXT_MAX];
    struct proxy_header header;
    const char *why = NULL;
    autofree uint8_t *exact = malloc(bytes.len + 1);
    enum proxy_verdict verdict;
    size_t used = 0;

    assert_non_null(exact);
    if (bytes.len)
        memcpy(exact + 1, bytes.at, bytes.len);
    verdict = proxy_parse(bytes_of(exact + 1, bytes.len), &header, &used, &why);
    if (verdict == PROXY_DONE)
        snprintf(story, STORY_MAX, "%s %s (%zu)", address_print(&header.source, source),
                 address_print(&header.destination, destination), used);
    else
        snprintf(story, STORY_MAX, "%s", verdict == PROXY_MORE ? "more" : why);
}

/* However the bytes arrive, nothing is said until what is said of the whole can be. */
static void run(const struct row *rows, size_t count)
{
    char whole[STORY_MAX], part[STORY_MAX];

    for (size_t i = 0; i < count; i++) {
        bool decided = false;

        tell(rows[i].bytes, whole);
        assert_string_equal(whole, rows[i].story);
        for (size_t len = 0; len <= rows[i].bytes.len; len++) {
            tell(bytes_take(rows[i].bytes, len), part);
            if (decided || strcmp(part, "more") != 0)
                assert_string_equal(part, whole);
            decided = strcmp(part, "more") != 0;
        }
    }
}

static void version_1_names_both_ends(void **state)
{
    static const struct row rows[] = {
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 8080 80\r\nGET", "10.0.0.1:8080 10.0.0.2:80 (38)"),
        ROW("PROXY TCP6 ::1 2001:db8::2 65535 0\r\n", "[::1]:65535 [2001:db8::2]:0 (36)"),
        ROW("PROXY UNKNOWN\r\n", "-:0 -:0 (15)"),
        ROW("PROXY UNKNOWN ffff::1 any thing 1 2\r\n", "-:0 -:0 (37)"),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 8080 80\r", "more"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void a_malformed_line_is_refused(void **state)
{
    static const char names[] =
        "a PROXY line that does not name a protocol, two addresses and two ports";
    static const char end[] = "a PROXY line that does not end with CRLF";
    static const struct row rows[] = {
        ROW("GET / HTTP/1.1\r\n", "no PROXY header"),
        ROW("proxy TCP4", "no PROXY header"),
        ROW("\n", "no PROXY header"),
        ROW("PROXY \r\n", names),
        ROW("PROXY TCP4\r\n", names),
        ROW("PROXY TCP5 10.0.0.1 10.0.0.2 8080 80\r\n", names),
        ROW("PROXY UNKNOWNS\r\n", names),
        ROW("PROXY  TCP4 10.0.0.1 10.0.0.2 8080 80\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 8080\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 8080 \r\n", names),
        ROW("PROXY TCP4 10.0.0.1  10.0.0.2 8080 80\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 8080 80 \r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 8080 80 90\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 08080 80\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 65536 80\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 -1 80\r\n", names),
        ROW("PROXY TCP4 ::1 ::1 1 2\r\n", names),
        ROW("PROXY TCP6 ::1 10.0.0.2 1 2\r\n", names),
        ROW("PROXY TCP4 10.0.0.256 10.0.0.2 1 2\r\n", names),
        ROW("PROXY TCP4 10.0.0.1\t10.0.0.2 1 2\r\n", names),
        ROW("PROXY TCP4 10.0.0.1\0 10.0.0.2 1 2\r\n", names),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\n", end),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\r\n", end),
        ROW("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r \n", end),
        ROW("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
            "012345678901234567890\r\n",
            "-:0 -:0 (107)"),
        ROW("PROXY UNKNOWN 0123456789012345678901234567890123456789012345678901234567890123456789"
            "0123456789012345678901\r\n",
            "a PROXY line of more than 107 bytes"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void version_2_names_both_ends(void **state)
{
    static const struct row rows[] = {
        ROW(SIGNATURE "\x21\x11\x00\x0c" FROM_4 "rest", "10.0.0.1:8080 10.0.0.2:80 (28)"),
        ROW(SIGNATURE "\x21\x21\x00\x24"
                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
                      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
                      "\x00\x07\x00\x08",
            "[::1]:7 [::2]:8 (52)"),
        /* TLVs: ALPN, NOOP without value */
        ROW(SIGNATURE "\x21\x11\x00\x14" FROM_4 "\x01\x00\x02h2\x04\x00\x00",
            "10.0.0.1:8080 10.0.0.2:80 (36)"),
        ROW(SIGNATURE "\x20\x00\x00\x00", "-:0 -:0 (16)"),
        ROW(SIGNATURE "\x20\xff\x00\x03xyz", "-:0 -:0 (19)"),
        ROW(SIGNATURE "\x21\x00\x00\x02xy", "-:0 -:0 (18)"),
        ROW(SIGNATURE "\x21\x11\x00\x0c\x0a", "more"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static void a_malformed_header_is_refused(void **state)
{
    static const char version[] = "a PROXY header of another version or with an unknown command";
    static const char protocol[] = "a PROXY header for another protocol than TCP";
    static const char tlv[] = "a PROXY header that ends within a TLV";
    static const char addresses[] = "a PROXY header that ends within its addresses";
    static const struct row rows[] = {
        ROW("\r\n\r\n\0\r\nQUIX", "no PROXY header"),
        ROW(SIGNATURE "\x11\x11\x00\x0c", version),
        ROW(SIGNATURE "\x31\x11\x00\x0c", version),
        ROW(SIGNATURE "\x22\x11\x00\x0c", version),
        ROW(SIGNATURE "\x21\x12\x00\x0c", protocol),
        ROW(SIGNATURE "\x21\x22\x00\x24", protocol),
        ROW(SIGNATURE "\x21\x41\x00\x24", protocol),
        ROW(SIGNATURE "\x21\x10\x00\x0c", protocol),
        ROW(SIGNATURE "\x21\x11\x02\x09", "a PROXY header of more than 536 bytes"),
        ROW(SIGNATURE "\x20\x00\xff\xff", "a PROXY header of more than 536 bytes"),
        ROW(SIGNATURE "\x21\x11\x00\x0b" FROM_4, addresses),
        ROW(SIGNATURE "\x21\x21\x00\x0c" FROM_4, addresses),
        ROW(SIGNATURE "\x21\x31\x00\x0c" FROM_4, addresses),
        ROW(SIGNATURE "\x21\x11\x00\x0d" FROM_4 "\x04", tlv),
        ROW(SIGNATURE "\x21\x11\x00\x0e" FROM_4 "\x04\x00", tlv),
        ROW(SIGNATURE "\x21\x11\x00\x0f" FROM_4 "\x04\x00\x01", tlv),
        ROW(SIGNATURE "\x21\x11\x00\x0f" FROM_4 "\x04\xff\xff", tlv),
        ROW(SIGNATURE "\x21\x11\x00\x12" FROM_4 "\x03\x00\x03xyz",
            "a PROXY header with a malformed checksum"),
        ROW(SIGNATURE "\x21\x11\x00\x13" FROM_4 "\x03\x00\x04wxyz",
            "a PROXY header whose checksum is wrong"),
    };

    (void)state;
    run(rows, ARRAY_LEN(rows));
}

static struct proxy_header header_of(const char *source, const char *destination)
{
    struct proxy_header header = {0};

    assert_true(address_parse(&header.source, bytes_of_string(source)));
    assert_true(address_parse(&header.destination, bytes_of_string(destination)));
    return header;
}

static void expect_same_back(const struct proxy_header *header, struct bytes bytes)
{
    struct proxy_header back;
    const char *why = "more";
    size_t used = 0;

    if (proxy_parse(bytes, &back, &used, &why) != PROXY_DONE)
        fail_msg("%s", why);
    assert_int_equal(used, bytes.len);
    assert_true(address_equal(&back.source, &header->source));
    assert_true(address_equal(&back.destination, &header->destination));
}

static void what_is_written_reads_back(void **state)
{
    struct proxy_header headers[] = {
        header_of("10.0.0.1:8080", "255.255.255.255:65535"),
        header_of("[::1]:1", "[2001:db8:1234:5678:9abc:def0:1234:5678]:65535"),
        header_of("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                  "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535"),
        {.source = {.family = 0}},
    };
    uint8_t storage[PROXY_HEADER_MAX];
    struct buf out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        buf_over(&out, storage, sizeof storage);
        proxy_write_v1(&out, &headers[i]);
        assert_true(out.len <= 107);
        expect_same_back(&headers[i], buf_bytes(&out));

        buf_over(&out, storage, sizeof storage);
        proxy_write_v2(&out, &headers[i]);
        expect_same_back(&headers[i], buf_bytes(&out));
    }
}

static void ends_of_two_families_are_not_named(void **state)
{
    struct proxy_header header = header_of("10.0.0.1:8080", "[::1]:80"), nothing = {0};
    uint8_t storage[PROXY_HEADER_MAX];
    struct buf out;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    proxy_write_v1(&out, &header);
    expect_same_back(&nothing, buf_bytes(&out));
    buf_clear(&out);
    proxy_write_v2(&out, &header);
    expect_same_back(&nothing, buf_bytes(&out));
}

/* The checksum by its definition, bit by bit (RFC 3720 B.4). */
static uint32_t crc32c(struct bytes bytes)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= bytes.at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
    }
    return ~crc;
}

static void every_flipped_bit_breaks_the_checksum(void **state)
{
    struct proxy_header header = header_of("10.0.0.1:8080", "10.0.0.2:80"), back;
    uint8_t storage[PROXY_HEADER_MAX], zeroed[PROXY_HEADER_MAX];
    const char *why;
    struct buf out;
    size_t used, crc_at;

    (void)state;
    buf_over(&out, storage, sizeof storage);
    proxy_write_v2(&out, &header);
    crc_at = out.len - 4;
    memcpy(zeroed, storage, out.len);
    memset(zeroed + crc_at, 0, 4);
    assert_int_equal(crc32c(BYTES("123456789")), 0xe3069283);
    assert_int_equal((uint32_t)storage[crc_at] << 24 | storage[crc_at + 1] << 16 |
                         storage[crc_at + 2] << 8 | storage[crc_at + 3],
                     crc32c(bytes_of(zeroed, out.len)));

    for (size_t bit = 16 * 8; bit < out.len * 8; bit++) {
        storage[bit / 8] ^= (uint8_t)(1 << bit % 8);
        /* A TLV that is no longer a checksum is none: only its type may so pass. */
        if (bit / 8 != crc_at - 3)
            assert_int_equal(proxy_parse(buf_bytes(&out), &back, &used, &why), PROXY_WRONG);
        storage[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_1_names_both_ends),
        cmocka_unit_test(a_malformed_line_is_refused),
        cmocka_unit_test(version_2_names_both_ends),
        cmocka_unit_test(a_malformed_header_is_refused),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(ends_of_two_families_are_not_named),
        cmocka_unit_test(every_flipped_bit_breaks_the_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
