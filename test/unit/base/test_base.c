#include "base/address.h"
#include "base/buf.h"
#include "base/err.h"
#include "unit.h"

#include <errno.h>

static void an_error_is_false_and_carries_its_context(void **state)
{
    struct err err = {0};

    (void)state;
    errno = ENOENT;
    assert_false(err_system(&err, "open '%s'", "x"));
    assert_false(err_during(&err, "start"));
    assert_string_equal(err.text, "start: open 'x': No such file or directory");
    assert_int_equal(err.number, ENOENT);
}

static void a_write_past_the_limit_changes_nothing_and_marks_the_buffer(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 8);
    buf_add_string(&buf, "12345");
    buf_add_string(&buf, "6789");
    assert_true(buf.full);
    buf_add_string(&buf, "6");
    assert_true(bytes_equal(buf_bytes(&buf), BYTES("12345")));
    buf_fini(&buf);
}

/* Without storage there is nothing that fwrite may be given, not even with a length of 0. */
static void a_buffer_is_written_whole_and_an_empty_one_not_at_all(void **state)
{
    char text[16] = "";
    FILE *file = fmemopen(text, sizeof text, "w");
    struct buf buf;

    (void)state;
    assert_non_null(file);
    buf_init(&buf, 8);
    assert_true(buf_write(&buf, file));
    assert_int_equal(ftell(file), 0);
    buf_add_string(&buf, "12345");
    assert_true(buf_write(&buf, file));
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, "12345");
    file = fopen("/dev/full", "w");
    assert_non_null(file);
    assert_int_equal(setvbuf(file, NULL, _IONBF, 0), 0);
    assert_false(buf_write(&buf, file));
    (void)fclose(file);
    buf_fini(&buf);
}

static void an_address_prints_as_it_was_written(void **state)
{
    static const char *const good[] = {"127.0.0.1:80", "[::1]:8080", "[2001:db8::1]:1"};
    static const char *const bad[] = {"127.0.0.1", "::1:80", "[::1]",    "127.0.0.1:65536",
                                      "a:1",       ":80",    "1.2.3.4:", "[]:1"};
    struct address address;
    char text[ADDRESS_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_true(address_parse(&address, bytes_of_string(good[i])));
        assert_string_equal(address_print(&address, text), good[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(address_parse(&address, bytes_of_string(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_false_and_carries_its_context),
        cmocka_unit_test(a_write_past_the_limit_changes_nothing_and_marks_the_buffer),
        cmocka_unit_test(a_buffer_is_written_whole_and_an_empty_one_not_at_all),
        cmocka_unit_test(an_address_prints_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
