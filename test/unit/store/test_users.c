#include "store/command.h"
#include "store/users.h"
#include "unit.h"

#include <stdio.h>

enum { RULES_MAX = 16 };

static char sentence[USERS_SENTENCE_MAX];

static bool set(struct users *users, const char *name, const char *text)
{
    struct bytes rules[RULES_MAX], left = bytes_of_string(text);
    uint32_t count = 0;

    while (left.len > 0) {
        rules[count] = bytes_take(left, bytes_find(left, ' '));
        left = bytes_skip(left, rules[count].len);
        left = bytes_skip(left, left.len > 0);
        count++;
    }
    return users_set(users, bytes_of_string(name), rules, count, sentence);
}

static struct user *find(struct users *users, const char *name)
{
    return users_find(users, bytes_of_string(name));
}

static bool may(const struct user *user, const char *command)
{
    struct bytes word = bytes_of_string(command);

    return user_may_command(user, command_named(&word, 1));
}

static void assert_rules(const struct user *user, const char *expected)
{
    struct buf out;

    buf_init(&out, 4096);
    user_write_rules(user, &out);
    buf_add_byte(&out, '\0');
    assert_string_equal((const char *)out.at, expected);
    buf_fini(&out);
}

static void lets_anybody_do_all_until_told_otherwise(void **state)
{
    struct users *users = users_open();

    (void)state;
    assert_true(user_may_all(users_default(users)));
    assert_rules(users_default(users), "on nopass ~* &* +@all");
    assert_true(set(users, "default", ">secret"));
    assert_ptr_equal(users_authenticate(users, BYTES("default"), BYTES("secret")),
                     users_default(users));
    assert_null(users_authenticate(users, BYTES("default"), BYTES("Secret")));
    assert_true(set(users, "default", "off"));
    assert_null(users_authenticate(users, BYTES("default"), BYTES("secret")));
    assert_false(users_delete(users, BYTES("default")));
    users_close(users);
}

static void gives_a_new_user_nothing_but_what_the_rules_say(void **state)
{
    struct users *users = users_open();
    struct user *bob;

    (void)state;
    assert_true(set(users, "bob", "on +@read -exists +set ~a:* %R~b:* &news.*"));
    bob = find(users, "bob");
    assert_true(may(bob, "get") && may(bob, "set"));
    assert_false(may(bob, "exists") || may(bob, "del") || may(bob, "ping"));
    assert_true(user_may_key(bob, BYTES("a:1"), false, true));
    assert_true(user_may_key(bob, BYTES("b:1"), true, false));
    assert_false(user_may_key(bob, BYTES("b:1"), false, true));
    assert_false(user_may_key(bob, BYTES("c"), true, false));
    assert_true(user_may_channel(bob, BYTES("news.1"), false));
    assert_false(user_may_channel(bob, BYTES("news.1"), true));
    assert_true(user_may_channel(bob, BYTES("news.*"), true));
    assert_null(users_authenticate(users, BYTES("bob"), BYTES("")));
    assert_rules(bob, "on ~a:* %R~b:* resetchannels &news.* -@all +@read -exists +set");
    assert_true(set(users, "bob", "+exists nopass resetkeys allkeys allchannels"));
    assert_rules(bob, "on nopass ~* &* -@all +@read +set +exists");
    assert_true(set(users, "bob", "+@all -set"));
    assert_false(may(bob, "set"));
    assert_true(may(bob, "del") && !user_may_all(bob));
    assert_true(users_delete(users, BYTES("bob")));
    assert_null(find(users, "bob"));
    users_close(users);
}

static void takes_all_rules_or_none(void **state)
{
    static const char *const bad[] = {"+nothing", "+@nothing", "#abc", "~a\tb",     "%X~a",
                                      "%R",       "<absent",   "what", "allkeys ~a"};
    struct users *users = users_open();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char rules[64];

        snprintf(rules, sizeof rules, "on +get %s", bad[i]);
        assert_false(set(users, "bob", rules));
        assert_null(find(users, "bob"));
        assert_non_null(strstr(sentence, "Error in ACL SETUSER modifier"));
    }
    assert_false(set(users, "a b", "on"));
    assert_true(set(users, "bob", "on +get"));
    assert_false(set(users, "bob", "+set +nothing"));
    assert_false(may(find(users, "bob"), "set"));
    users_close(users);
}

static void has_room_for_the_files_users_whoever_else_there_is(void **state)
{
    struct users *users = users_open();
    char name[32];

    (void)state;
    for (int i = 1; i < USERS_MAX; i++) { /* and `default` */
        snprintf(name, sizeof name, "u%d", i);
        assert_true(set(users, name, "on"));
    }
    assert_false(set(users, "one-more", "on"));
    assert_string_equal(sentence, "ERR there are too many users");
    assert_true(set(users, "u1", "off"));
    for (int i = 0; i < USERS_OF_FILE_MAX; i++) {
        snprintf(name, sizeof name, "f%d", i);
        assert_true(users_set_text(users, bytes_of_string(name), BYTES("on +get"), sentence));
    }
    assert_false(users_set_text(users, BYTES("one-more"), BYTES("on"), sentence));
    users_close(users);
}

static void does_not_tell_a_password_that_is_refused(void **state)
{
    struct users *users = users_open();

    (void)state;
    assert_false(set(users, "bob", "<hunter2"));
    assert_null(strstr(sentence, "hunter2"));
    users_close(users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_anybody_do_all_until_told_otherwise),
        cmocka_unit_test(gives_a_new_user_nothing_but_what_the_rules_say),
        cmocka_unit_test(takes_all_rules_or_none),
        cmocka_unit_test(has_room_for_the_files_users_whoever_else_there_is),
        cmocka_unit_test(does_not_tell_a_password_that_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
