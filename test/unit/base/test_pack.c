#include "base/hash.h"
#include "base/pack.h"
#include "base/rng.h"
#include "unit.h"

static void numbers_are_little_endian_and_read_back(void **state)
{
    static const uint8_t wanted[] = {0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f,
                                     0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08};
    uint8_t bytes[32];
    struct unpack in;
    struct buf out;

    (void)state;
    buf_over(&out, bytes, sizeof bytes);
    pack_u8(&out, 0x01);
    pack_u16(&out, 0x0203);
    pack_u32(&out, 0x04050607);
    pack_u64(&out, 0x08090a0b0c0d0e0f);
    assert_int_equal(out.len, sizeof wanted);
    assert_memory_equal(bytes, wanted, sizeof wanted);
    in = unpack_of(buf_bytes(&out));
    assert_int_equal(unpack_u8(&in), 0x01);
    assert_int_equal(unpack_u16(&in), 0x0203);
    assert_int_equal(unpack_u32(&in), 0x04050607);
    assert_int_equal(unpack_u64(&in), 0x08090a0b0c0d0e0f);
    assert_true(unpack_ended(&in));
}

static void records_carry_their_length(void **state)
{
    uint8_t bytes[600];
    struct unpack in;
    struct buf out;
    size_t opened;

    (void)state;
    buf_over(&out, bytes, sizeof bytes);
    opened = pack_open(&out);
    for (int i = 0; i < 300; i++)
        pack_u8(&out, (uint8_t)i);
    pack_close(&out, opened);
    pack_bytes8(&out, BYTES("short"));
    in = unpack_of(buf_bytes(&out));
    assert_int_equal(unpack_bytes16(&in).len, 300);
    assert_true(bytes_equal(unpack_bytes8(&in), BYTES("short")));
    assert_true(unpack_ended(&in));
}

static void what_does_not_fit_marks_the_buffer_and_nothing_else(void **state)
{
    uint8_t bytes[4] = {0}, large[300] = {0};
    struct buf out;
    size_t opened;

    (void)state;
    buf_over(&out, bytes, sizeof bytes);
    opened = pack_open(&out);
    pack_u64(&out, 1);
    pack_close(&out, opened);
    assert_true(out.full);
    buf_clear(&out);
    pack_bytes8(&out, bytes_of(large, sizeof large));
    assert_true(out.full);
    assert_int_equal(out.len, 0);
}

static void after_something_was_missing_all_that_is_read_is_nothing(void **state)
{
    struct unpack in = unpack_of(BYTES("\x05"
                                       "abc\x01"));
    uint8_t copy[4] = {9, 9, 9, 9};

    (void)state;
    assert_int_equal(unpack_bytes8(&in).len, 0);
    assert_true(in.bad);
    assert_int_equal(unpack_u8(&in), 0);
    assert_int_equal(unpack_u64(&in), 0);
    unpack_copy(&in, copy, sizeof copy);
    assert_int_equal(copy[0] | copy[1] | copy[2] | copy[3], 0);
    assert_false(unpack_ended(&in));
}

static void a_hash_is_the_same_in_every_version(void **state)
{
    (void)state;
    assert_int_equal(hash_number(0, 0), 0xe220a8397b1dcdaf);
    assert_int_equal(hash_bytes(0, BYTES("")), hash_number(0, 0));
    assert_int_equal(hash_bytes(1, BYTES("12345678")),
                     hash_number(hash_number(1, 8), 0x3837363534333231));
    assert_int_equal(hash_bytes(1, BYTES("123456789")),
                     hash_number(hash_number(hash_number(1, 9), 0x3837363534333231), 0x39));
}

static void a_bit_or_a_boundary_makes_another_hash(void **state)
{
    uint8_t bytes[40];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int round = 0; round < 1000; round++) {
        size_t len = 1 + rng_below(&rng, sizeof bytes - 1);
        uint64_t before;

        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        before = hash_bytes(7, bytes_of(bytes, len));
        assert_true(before != hash_bytes(7, bytes_of(bytes, len - 1)));
        bytes[rng_below(&rng, len)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        assert_true(before != hash_bytes(7, bytes_of(bytes, len)));
    }
    assert_true(hash_bytes(hash_bytes(0, BYTES("a")), BYTES("bc")) !=
                hash_bytes(hash_bytes(0, BYTES("ab")), BYTES("c")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian_and_read_back),
        cmocka_unit_test(records_carry_their_length),
        cmocka_unit_test(what_does_not_fit_marks_the_buffer_and_nothing_else),
        cmocka_unit_test(after_something_was_missing_all_that_is_read_is_nothing),
        cmocka_unit_test(a_hash_is_the_same_in_every_version),
        cmocka_unit_test(a_bit_or_a_boundary_makes_another_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
