#include "store/glob.h"
#include "unit.h"

static bool matches(const char *pattern, const char *text)
{
    return glob_matches(bytes_of_string(pattern), bytes_of_string(text));
}

static void matches_as_redis_does(void **state)
{
    (void)state;
    assert_true(matches("*", ""));
    assert_true(matches("h?llo", "hello"));
    assert_false(matches("h?llo", "hllo"));
    assert_true(matches("h*llo", "heeeello"));
    assert_true(matches("h[ae]llo", "hallo"));
    assert_false(matches("h[ae]llo", "hillo"));
    assert_true(matches("h[^e]llo", "hbllo"));
    assert_false(matches("h[^e]llo", "hello"));
    assert_true(matches("h[a-b]llo", "hbllo"));
    assert_true(matches("h[b-a]llo", "hallo"));
    assert_true(matches("a\\*b", "a*b"));
    assert_false(matches("a\\*b", "axb"));
    assert_true(matches("[\\]]", "]"));
    assert_true(matches("user:*:name", "user:1:2:name"));
    assert_false(matches("abc", "abcd"));
    assert_false(matches("abcd", "abc"));
    assert_false(matches("", "a"));
    assert_true(matches("[ab", "b"));
}

/* What takes exponential time with a naive matcher. */
static void ends_soon(void **state)
{
    char text[1001];

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(matches("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_as_redis_does),
        cmocka_unit_test(ends_soon),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
