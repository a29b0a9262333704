#include "base/sha256.h"
#include "unit.h"

static void assert_digest(struct bytes bytes, const char *expected)
{
    uint8_t digest[SHA256_BYTES];
    char text[SHA256_TEXT_MAX];

    sha256(bytes, digest);
    assert_string_equal(sha256_print(digest, text), expected);
}

/* The examples of FIPS 180-4, and lengths around a block's end (by sha256sum). */
static void gives_the_standards_digests(void **state)
{
    uint8_t as[128];

    (void)state;
    memset(as, 'a', sizeof as);
    assert_digest(BYTES(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_digest(BYTES("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_digest(BYTES("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_digest(bytes_of(as, 55),
                  "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    assert_digest(bytes_of(as, 64),
                  "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    assert_digest(bytes_of(as, 128),
                  "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e");
}

static void compares_whole_digests(void **state)
{
    uint8_t a[SHA256_BYTES], b[SHA256_BYTES];

    (void)state;
    sha256(BYTES("a"), a);
    memcpy(b, a, sizeof b);
    assert_true(sha256_equal(a, b));
    b[31] ^= 1;
    assert_false(sha256_equal(a, b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_standards_digests),
        cmocka_unit_test(compares_whole_digests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
