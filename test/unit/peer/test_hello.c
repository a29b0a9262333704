#include "unit.h"

#include "peer/hello.h"

#include <stdio.h>

static struct hello hello_of(const char *cluster, const char *node, const char *to, uint16_t low,
                             uint16_t high)
{
    struct hello hello = {.low = low, .high = high, .owner = BYTES("the owner's")};

    snprintf(hello.cluster, sizeof hello.cluster, "%s", cluster);
    snprintf(hello.node, sizeof hello.node, "%s", node);
    snprintf(hello.to, sizeof hello.to, "%s", to);
    return hello;
}

static void what_is_written_is_read(void **state)
{
    struct hello written = hello_of("shop", "a", "b", 3, 5), read;
    uint8_t text[HELLO_BYTES_MAX];
    const char *why;
    struct buf out;

    (void)state;
    written.flags = HELLO_CONTINUES;
    buf_over(&out, text, sizeof text);
    hello_write(&out, &written);
    assert_true(hello_read(buf_bytes(&out), &read, &why));
    assert_int_equal(read.low, 3);
    assert_int_equal(read.high, 5);
    assert_int_equal(read.flags, HELLO_CONTINUES);
    assert_string_equal(read.cluster, "shop");
    assert_string_equal(read.node, "a");
    assert_string_equal(read.to, "b");
    assert_true(bytes_equal(read.owner, BYTES("the owner's")));
}

static void the_longest_fits(void **state)
{
    struct hello written = {.low = 1, .high = 1}, read;
    static uint8_t owner[PEER_HELLO_MAX];
    uint8_t text[HELLO_BYTES_MAX];
    const char *why;
    struct buf out;

    (void)state;
    memset(written.cluster, 'c', PEER_NAME_MAX - 1);
    memset(written.node, 'n', PEER_NAME_MAX - 1);
    memset(written.to, 't', PEER_NAME_MAX - 1);
    written.owner = bytes_of(owner, sizeof owner);
    buf_over(&out, text, sizeof text);
    hello_write(&out, &written);
    assert_false(out.full);
    assert_true(hello_read(buf_bytes(&out), &read, &why));
}

static void what_is_malformed_is_refused(void **state)
{
    const struct bytes cases[] = {
        BYTES(""),
        BYTES("\1\0\1\0\0"),
        BYTES("\1\0\1\0\0\0\4shop\1a\1"),   /* cut short */
        BYTES("\1\0\1\0\0\0\4shop\1a\0b"),  /* a name without letters */
        BYTES("\1\0\1\0\0\0\4sh\np\1a\1b"), /* a name with a control character */
        BYTES("\1\0\1\0\0\0\4sh\0p\1a\1b"),
        BYTES("\1\0\1\0\0\0\xffshop\1a\1b"), /* a name that is too long */
        BYTES("\0\0\1\0\0\0\4shop\1a\1b"),   /* version 0 */
        BYTES("\2\0\1\0\0\0\4shop\1a\1b"),   /* none between low and high */
    };
    struct hello read;
    const char *why;

    (void)state;
    assert_true(hello_read(BYTES("\1\0\1\0\0\0\4shop\1a\1b"), &read, &why));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_false(hello_read(cases[i], &read, &why));
}

static void two_agree_on_the_highest_that_both_know(void **state)
{
    const struct hello ours = hello_of("shop", "b", "a", 2, 4);
    struct hello theirs = hello_of("shop", "a", "b", 1, 3);
    char sentence[PEER_SENTENCE_MAX];

    (void)state;
    assert_int_equal(hello_agree(&ours, &theirs, "a", sentence), 3);
    assert_int_equal(hello_agree(&ours, &theirs, "", sentence), 3);
    theirs.low = theirs.high = 4;
    assert_int_equal(hello_agree(&ours, &theirs, "a", sentence), 4);
    assert_string_equal(sentence, "");
}

static void two_that_do_not_agree_have_a_sentence(void **state)
{
    const struct hello ours = hello_of("shop", "b", "a", 2, 4);
    static const struct {
        const char *cluster, *node, *to, *proved;
        uint16_t low, high;
        const char *sentence;
    } cases[] = {
        {"bank", "a", "b", "a", 2, 4, "node 'a' is of cluster 'bank', node 'b' of 'shop'"},
        {"shop", "a", "c", "a", 2, 4, "node 'a' looks for node 'c', and this is 'b'"},
        {"shop", "a", "b", "c", 2, 4, "calls itself 'a' with the certificate of 'c'"},
        {"shop", "a", "b", "a", 5, 6,
         "node 'a' speaks protocol versions 5 to 6, node 'b' 2 to 4: none in common"},
        {"shop", "a", "b", "a", 1, 1,
         "node 'a' speaks protocol versions 1 to 1, node 'b' 2 to 4: none in common"},
    };
    char sentence[PEER_SENTENCE_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct hello theirs =
            hello_of(cases[i].cluster, cases[i].node, cases[i].to, cases[i].low, cases[i].high);

        assert_int_equal(hello_agree(&ours, &theirs, cases[i].proved, sentence), 0);
        assert_string_equal(sentence, cases[i].sentence);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(the_longest_fits),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(two_agree_on_the_highest_that_both_know),
        cmocka_unit_test(two_that_do_not_agree_have_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
