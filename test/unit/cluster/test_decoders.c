#include "cluster/fields.h"
#include "reread.h"
#include "samples.h"

#include <stdlib.h>

/* Every decoder, with something for it to read. */
static const struct decoder {
    const char *name;
    struct bytes (*sample)(uint8_t *into, struct rng *rng);
    bool (*reread)(struct bytes bytes);
    bool optional_end; /* fields at its end may be missing */
} decoders[] = {
    {"command", sample_command, reread_command, false},
    {"snapshot", sample_snapshot, reread_snapshot, false},
    {"charter", sample_charter, reread_charter, false},
    {"beat", sample_beat, reread_beat, true},
    {"ask", sample_ask, reread_ask, false},
    {"reply", sample_reply, reread_reply, false},
};

/* A buffer of exactly this size, so that reading past it is seen by the sanitizer. */
static bool reread_exactly(const struct decoder *decoder, struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    bool read;

    assert_non_null(copy);
    if (bytes.len)
        memcpy(copy, bytes.at, bytes.len);
    read = decoder->reread(bytes_of(copy, bytes.len));
    free(copy);
    return read;
}

static void what_was_written_is_read(void **state)
{
    static uint8_t bytes[SAMPLE_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++)
        for (int round = 0; round < 100; round++)
            assert_true(reread_exactly(&decoders[i], decoders[i].sample(bytes, &rng)));
}

static void what_is_cut_off_anywhere_is_refused(void **state)
{
    static uint8_t bytes[SAMPLE_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++)
        for (int round = 0; round < 5; round++) {
            struct bytes whole = decoders[i].sample(bytes, &rng);
            uint32_t read = 0;

            for (size_t len = 0; len < whole.len; len++)
                read += reread_exactly(&decoders[i], bytes_take(whole, len));
            assert_true(read <= (decoders[i].optional_end ? 4 : 0));
        }
}

static void flipped_bits_are_refused_or_read_as_something_well_formed(void **state)
{
    static uint8_t bytes[SAMPLE_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++)
        for (int round = 0; round < 2000; round++) {
            struct bytes whole = decoders[i].sample(bytes, &rng);
            uint64_t flips = 1 + rng_below(&rng, 4);

            while (flips--)
                bytes[rng_below(&rng, whole.len)] ^= (uint8_t)(1u << rng_below(&rng, 8));
            (void)reread_exactly(&decoders[i], whole);
        }
}

static void what_follows_a_message_that_should_end_is_refused(void **state)
{
    static uint8_t bytes[SAMPLE_MAX];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 4);
    for (size_t i = 0; i < 3; i++) {
        struct bytes whole = decoders[i].sample(bytes, &rng);

        bytes[whole.len] = 0;
        assert_false(reread_exactly(&decoders[i], bytes_of(bytes, whole.len + 1)));
    }
}

static void a_field_of_a_newer_minor_is_skipped(void **state)
{
    static uint8_t bytes[SAMPLE_MAX];
    struct document_command plain, with;
    struct beat beat;
    struct rng rng;
    struct buf out;
    struct bytes whole;

    (void)state;
    rng_seed(&rng, 5);
    whole = sample_command(bytes, &rng);
    assert_int_equal(command_decode(whole, &plain), COMMAND_READ);
    buf_over(&out, bytes, sizeof bytes);
    out.len = whole.len;
    pack_close(&out, fields_open(&out, 250));
    assert_int_equal(command_decode(buf_bytes(&out), &with), COMMAND_READ);
    assert_memory_equal(&plain, &with, sizeof plain);

    whole = sample_beat(bytes, &rng);
    out.len = whole.len;
    buf_add(&out, BYTES("\xfa\x03\x00new"));
    assert_true(beat_decode(buf_bytes(&out), &beat));
}

static void fields_out_of_order_or_twice_are_refused(void **state)
{
    static uint8_t bytes[SAMPLE_MAX];
    struct beat beat;
    struct rng rng;
    struct buf out;
    struct bytes whole;

    (void)state;
    rng_seed(&rng, 6);
    whole = sample_beat(bytes, &rng);
    buf_over(&out, bytes, sizeof bytes);
    out.len = whole.len;
    buf_add(&out, BYTES("\xfa\x00\x00\xfa\x00\x00"));
    assert_false(beat_decode(buf_bytes(&out), &beat));
    out.len = whole.len;
    buf_add(&out, BYTES("\x00\x00\x00"));
    assert_false(beat_decode(buf_bytes(&out), &beat));
}

static void names_that_could_fool_somebody_are_no_names(void **state)
{
    static const char *const good[] = {"a", "db-1", "rack_2.east", "0"};
    static const char *const bad[] = {"", "-a", ".", "a b", "a/b", "a\n", "\xc3\xa4", "a'"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(member_name_good(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(member_name_good(bad[i]));
    assert_true(member_path_good("pool/api/[::1]:80"));
    assert_false(member_path_good("/pool"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(what_is_cut_off_anywhere_is_refused),
        cmocka_unit_test(flipped_bits_are_refused_or_read_as_something_well_formed),
        cmocka_unit_test(what_follows_a_message_that_should_end_is_refused),
        cmocka_unit_test(a_field_of_a_newer_minor_is_skipped),
        cmocka_unit_test(fields_out_of_order_or_twice_are_refused),
        cmocka_unit_test(names_that_could_fool_somebody_are_no_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
