#include "desk.h"

/* Member 1 is the primary, member 2 follows it. */
struct world {
    struct table a, b;
    struct session one, two; /* clients of member 2 */
};

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    table_open(&w->a, 1, true);
    table_open(&w->b, 2, false);
    come(&w->b, &w->one);
    come(&w->b, &w->two);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;

    drop_letters();
    session_close(&w->b.desk, &w->one);
    session_close(&w->b.desk, &w->two);
    table_close(&w->a);
    table_close(&w->b);
    free(w);
    return 0;
}

static void deliver(struct world *w)
{
    struct table *const tables[] = {&w->a, &w->b};

    deliver_letters(tables, 2);
}

/* Until nothing is under way any more. */
static void settle(struct world *w)
{
    do {
        deliver(w);
        commit(&w->a);
        copy_to(&w->a, &w->b);
    } while (letter_count > 0);
}

static void sends_writes_and_strong_reads_on_to_the_primary(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "SET k v\r\nINCR n\r\nGET k\r\nPING\r\n");
    assert_int_equal(w->one.pending, 2);
    settle(w);
    assert_string_equal(heard(&w->one), "+OK :1 $1 v +PONG ");
    assert_int_equal(w->one.in.len, 0);
    assert_int_equal(w->a.desk.counts.served, 3);
    assert_int_equal(w->b.appended, 2);
}

static void speaks_the_clients_version(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "HELLO 3\r\n");
    heard(&w->one);
    say(&w->b, &w->one, "GET k\r\nMULTI\r\nGET k\r\nSET k v\r\nEXEC\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "_ +OK +QUEUED +QUEUED *2 _ +OK ");
}

static void says_unknown_of_writes_whose_primary_is_lost(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "INCR n\r\nINCR n\r\nPING\r\n");
    say(&w->b, &w->two, "GET n\r\n");
    drop_letters();
    w->b.view.primary = 0;
    desk_linked(&w->b.desk, 1, false);
    assert_string_equal(heard(&w->one),
                        "-UNKNOWN the primary was lost before it answered: this may have been "
                        "done, or may still be -UNKNOWN the primary was lost before it answered: "
                        "this may have been done, or may still be +PONG ");
    /* A read changes nothing: it is asked again. */
    assert_string_equal(heard(&w->two), "");
    w->b.view.primary = 1;
    desk_state(&w->b.desk);
    settle(w);
    assert_string_equal(heard(&w->two), "$-1 ");
}

static void waits_no_longer_for_a_former_primary_that_is_silent(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "INCR n\r\n");
    say(&w->b, &w->two, "GET n\r\n");
    drop_letters();
    w->b.view.primary = 3;
    desk_state(&w->b.desk); /* the answers may be on their way */
    assert_string_equal(heard(&w->one), "");
    w->b.desk.now_ms += 150;
    (void)desk_tick(&w->b.desk);
    assert_string_equal(heard(&w->one), "");
    w->b.view.primary = 0; /* nobody is chosen yet: the former one may still answer */
    w->b.desk.now_ms += 100;
    (void)desk_tick(&w->b.desk);
    assert_string_equal(heard(&w->one), "");
    w->b.view.primary = 3;
    desk_state(&w->b.desk);
    assert_string_equal(heard(&w->one), "-UNKNOWN the primary was lost before it answered: this "
                                        "may have been done, or may still be ");
    assert_string_equal(heard(&w->two), "");
    assert_int_equal(w->two.route, 3); /* a read is asked again */
}

static void takes_a_late_answer_for_nobodys(void **state)
{
    struct world *w = *state;
    struct table *const back[] = {&w->b};

    say(&w->b, &w->one, "INCR n\r\n");
    deliver(w);
    commit(&w->a); /* the answer is on its way */
    desk_linked(&w->b.desk, 1, false);
    heard(&w->one);
    say(&w->b, &w->one, "ECHO x\r\nINCR n\r\n");
    deliver_letters(back, 1);
    assert_string_equal(heard(&w->one), "$1 x ");
}

/* A member that was started again numbers its clients' requests as it did before. */
static void gives_no_client_the_answer_of_another_life(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "SET k old\r\n");
    deliver(w);
    session_close(&w->b.desk, &w->one);
    session_close(&w->b.desk, &w->two);
    table_close(&w->b);
    desk_linked(&w->a.desk, 2, false);
    table_open(&w->b, 2, false);
    desk_linked(&w->a.desk, 2, true);
    come(&w->b, &w->one);
    come(&w->b, &w->two);
    say(&w->b, &w->one, "INCR n\r\n");
    commit(&w->a); /* of what was sent on before, alone */
    settle(w);
    assert_string_equal(heard(&w->one), ":1 ");
}

static void asks_again_for_what_was_not_taken(void **state)
{
    struct world *w = *state;

    w->a.view.writable = w->a.view.established = false;
    say(&w->b, &w->one, "DEL q\r\nSET k v\r\nSET k w\r\nGET k\r\n");
    say(&w->b, &w->two, "MULTI\r\nSET l v\r\nEXEC\r\n");
    deliver(w);
    deliver(w);
    assert_int_equal(w->one.stall, STALL_PRIMARY);
    w->a.view.writable = w->a.view.established = true;
    pass_ms(&w->b, 100);
    settle(w);
    assert_string_equal(heard(&w->one), ":0 +OK +OK $1 w ");
    assert_string_equal(heard(&w->two), "+OK +QUEUED *1 +OK ");
}

/* What was read of the request behind it began elsewhere. */
static void reads_again_what_follows_what_was_not_taken(void **state)
{
    struct world *w = *state;

    w->a.view.writable = w->a.view.established = false;
    say(&w->b, &w->one, "SET k v\r\n*101\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n");
    for (int i = 0; i < 98; i++)
        say(&w->b, &w->one, "$1\r\nx\r\n");
    assert_non_null(w->one.reader);
    deliver(w);
    deliver(w);
    assert_int_equal(w->one.stall, STALL_PRIMARY);
    w->a.view.writable = w->a.view.established = true;
    pass_ms(&w->b, 100);
    say(&w->b, &w->one, "$4\r\nlast\r\nLINDEX l 0\r\nLINDEX l -1\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "+OK :99 $1 x $4 last ");
}

static void repeats_nothing_that_was_overtaken(void **state)
{
    struct world *w = *state;
    struct table *const there[] = {&w->a};

    say(&w->b, &w->one, "SET k first\r\n");
    w->a.refuses = LEDGER_FULL;
    deliver_letters(there, 1);
    /* The refusal has not come back yet when the second is taken. */
    say(&w->b, &w->one, "SET k second\r\n");
    w->a.refuses = LEDGER_TAKEN;
    settle(w);
    assert_string_equal(heard(&w->one),
                        "-TRYAGAIN this was not taken, and what came after it was +OK ");
}

static void says_of_a_write_that_it_was_done_whatever_its_reply(void **state)
{
    struct world *w = *state;
    enum { ITEM = 7 << 20 };
    char *text = malloc(ITEM + 64);
    int head = snprintf(text, 64, "*3\r\n$5\r\nRPUSH\r\n$1\r\nl\r\n$%d\r\n", ITEM);

    memset(text + head, 'x', ITEM);
    memcpy(text + head + ITEM, "\r\n", 3);
    for (int i = 0; i < 2; i++) {
        say(&w->b, &w->one, text);
        settle(w);
    }
    heard(&w->one);
    say(&w->b, &w->one, "LPOP l 2\r\nEXISTS l\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "-ERR this was done, and its reply is longer than what one "
                                        "member sends to another :0 ");
    free(text);
}

static void gives_up_what_is_never_answered(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "INCR n\r\n");
    say(&w->b, &w->two, "GET n\r\n");
    drop_letters();
    pass_ms(&w->b, 14000);
    assert_string_equal(heard(&w->one), "");
    pass_ms(&w->b, 2000);
    assert_non_null(strstr(heard(&w->one), "-UNKNOWN"));
    assert_non_null(strstr(heard(&w->two), "-TRYAGAIN"));
}

static void reads_here_what_is_fresh_enough(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "SET k v\r\n");
    settle(w);
    say(&w->b, &w->one, "CLIENT CONSISTENCY eventual\r\nGET k\r\n");
    assert_string_equal(heard(&w->one), "+OK +OK $1 v ");
    say(&w->b, &w->one, "CLIENT CONSISTENCY bounded 100\r\n");
    w->b.view.heard.ns = w->b.desk.now_ms * NS_PER_MS;
    w->b.view.heard_committed = w->b.view.executed;
    say(&w->b, &w->one, "GET k\r\n");
    assert_string_equal(heard(&w->one), "+OK $1 v ");
    pass_ms(&w->b, 101);
    say(&w->b, &w->one, "GET k\r\n");
    assert_int_equal(w->one.stall, STALL_ANSWER);
    settle(w);
    assert_string_equal(heard(&w->one), "$1 v ");
}

static void reads_no_less_than_the_session_has_seen(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "CLIENT CONSISTENCY session\r\nSET k v\r\n");
    deliver(w);
    commit(&w->a);
    deliver(w);
    assert_string_equal(heard(&w->one), "+OK +OK ");
    say(&w->b, &w->one, "GET k\r\n");
    say(&w->b, &w->two, "CLIENT CONSISTENCY session\r\nGET k\r\n");
    assert_string_equal(heard(&w->one), "");
    assert_string_equal(heard(&w->two), "+OK $-1 ");
    copy_to(&w->a, &w->b);
    assert_string_equal(heard(&w->one), "$1 v ");
}

/* What has expired by a clock that is ahead is read at the primary all the same. */
static void watches_by_the_logs_time(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->two, "SET k v PX 100\r\n");
    settle(w);
    w->b.desk.wall_ms += 1000;
    say(&w->b, &w->one, "WATCH k\r\nGET k\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "+OK $1 v ");
    for (int i = 0; i < 3; i++) {
        pass_ms(&w->a, 101);
        settle(w);
    }
    assert_null(space_spot(w->a.space, BYTES("k")).entry);
    say(&w->b, &w->one, "MULTI\r\nSET k mine\r\nEXEC\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "+OK +QUEUED *-1 ");
}

static void watches_nothing_in_the_middle_of_a_copy(void **state)
{
    struct world *w = *state;

    w->b.view.loading = true;
    say(&w->b, &w->one, "WATCH k\r\n");
    assert_string_equal(heard(&w->one), "");
    w->b.view.loading = false;
    say(&w->b, &w->two, "SET k v\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "+OK ");
    w->b.view.loading = true;
    say(&w->b, &w->one, "WATCH k\r\n");
    pass_ms(&w->b, 10001);
    assert_string_equal(heard(&w->one), "-TRYAGAIN this member is being copied ");
}

/* How much chance a read takes is each member's own: where nobody hears it takes none. */
static void pops_the_same_behind_what_only_reads(void **state)
{
    struct world *w = *state;
    struct buf here, there;

    buf_init(&here, 4096);
    buf_init(&there, 4096);
    say(&w->b, &w->one, "SADD s 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\r\nMULTI\r\n");
    say(&w->b, &w->one, "SRANDMEMBER s -3\r\nSPOP s 8\r\nEXEC\r\n");
    settle(w);
    value_write(&there, space_spot(w->a.space, BYTES("s")).entry);
    value_write(&here, space_spot(w->b.space, BYTES("s")).entry);
    assert_true(bytes_equal(buf_bytes(&here), buf_bytes(&there)));
    buf_fini(&here);
    buf_fini(&there);
}

static void finds_another_one_at_random_each_time(void **state)
{
    struct world *w = *state;
    uint32_t found[4] = {0}, different = 0;

    say(&w->b, &w->one, "SADD s 0 1 2 3\r\n");
    settle(w);
    heard(&w->one);
    for (int i = 0; i < 64; i++) {
        say(&w->b, &w->one, "SRANDMEMBER s\r\n");
        settle(w);
        found[heard(&w->one)[3] - '0']++;
    }
    for (int i = 0; i < 4; i++)
        different += found[i] > 0;
    assert_int_equal(different, 4);
}

static void tells_listeners_of_all_members(void **state)
{
    struct world *w = *state;
    struct session there;

    come(&w->a, &there);
    say(&w->a, &there, "SUBSCRIBE c\r\nCONFIG SET notify-keyspace-events KEA\r\n");
    heard(&there);
    say(&w->b, &w->one, "SUBSCRIBE c\r\n");
    heard(&w->one);
    say(&w->b, &w->two, "PUBLISH c hello\r\n");
    settle(w);
    assert_string_equal(heard(&there), "*3 $7 message $1 c $5 hello ");
    assert_string_equal(heard(&w->one), "*3 $7 message $1 c $5 hello ");
    assert_string_equal(heard(&w->two), ":1 ");
    session_close(&w->a.desk, &there);
}

static void has_the_same_users_on_all_members(void **state)
{
    struct world *w = *state;
    struct session there;

    come(&w->a, &there);
    say(&w->b, &w->one, "ACL SETUSER bob on >secret ~k:* +get +set\r\n");
    settle(w);
    assert_string_equal(heard(&w->one), "+OK ");
    /* No password is in the log. */
    assert_null(memmem(w->a.entries[0].at, w->a.entries[0].len, "secret", 6));
    say(&w->a, &there, "AUTH bob secret\r\nGET k:1\r\nGET l\r\nDEL k:1\r\n");
    assert_string_equal(
        heard(&there),
        "+OK $-1 -NOPERM this user has no permissions to access one of the keys used as arguments "
        "-NOPERM this user has no permissions to run the 'del' command ");
    say(&w->b, &w->one, "ACL DELUSER bob\r\n");
    settle(w);
    assert_true(there.closing);
    session_close(&w->a.desk, &there);
}

/* What the file of these members says from now on: `name rules` a line. */
static void file_says(struct world *w, const char *name, const char *rules)
{
    const struct desk_user user = {bytes_of_string(name), bytes_of_string(rules)};

    desk_use_users(&w->a.desk, &user, name[0] ? 1 : 0);
    desk_use_users(&w->b.desk, &user, name[0] ? 1 : 0);
    pass_ms(&w->a, 100);
    pass_ms(&w->b, 100);
    settle(w);
}

/* SHA-256 of `secret`. */
#define SECRET "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"

static void has_the_files_users_on_all_members(void **state)
{
    struct world *w = *state;
    struct session there;

    file_says(w, "bob", "on " SECRET " ~k:* +get");
    assert_int_equal(w->a.appended, 1);
    assert_int_equal(w->b.executed, 1); /* of the primary's log */
    file_says(w, "bob", "on " SECRET " ~k:* +get");
    assert_int_equal(w->a.appended, 1);
    come(&w->a, &there);
    say(&w->a, &there, "AUTH bob secret\r\nGET k:1\r\nDEL k:1\r\n");
    assert_string_equal(heard(&there),
                        "+OK $-1 -NOPERM this user has no permissions to run the 'del' command ");
    say(&w->b, &w->one, "ACL SETUSER bob +del\r\nACL DELUSER bob\r\nACL SETUSER eve on\r\n");
    settle(w);
    assert_string_equal(heard(&w->one),
                        "-ERR user 'bob' is the configuration file's, and is changed there "
                        "-ERR user 'bob' is the configuration file's, and is changed there +OK ");
    assert_false(there.closing);
    file_says(w, "", "");
    assert_true(there.closing);
    assert_null(users_find(w->b.desk.users, BYTES("bob")));
    assert_non_null(users_find(w->b.desk.users, BYTES("eve"))); /* whom ACL made */
    session_close(&w->a.desk, &there);
}

static void goes_by_the_file_before_the_log_does(void **state)
{
    const struct desk_user user = {BYTES("default"), BYTES("on " SECRET " ~* &* +@all")};
    struct session early, late;
    struct table c;

    (void)state;
    table_open(&c, 1, true);
    desk_use_users(&c.desk, &user, 1);
    desk_found_users(&c.desk);
    come(&c, &early);
    say(&c, &early, "GET k\r\nAUTH wrong\r\nAUTH secret\r\nGET k\r\n");
    assert_string_equal(heard(&early), "-NOAUTH Authentication required. "
                                       "-WRONGPASS invalid username-password pair or user is "
                                       "disabled. +OK $-1 ");
    assert_int_equal(c.appended, 0);
    desk_state(&c.desk);
    say(&c, &early, "SET k v\r\n");
    assert_int_equal(c.appended, 2); /* the users are before it */
    commit(&c);
    assert_string_equal(heard(&early), "+OK ");
    desk_use_users(&c.desk, NULL, 0);
    desk_state(&c.desk);
    commit(&c);
    come(&c, &late);
    say(&c, &late, "GET k\r\n"); /* as if it had never been in the file */
    assert_string_equal(heard(&late), "$1 v ");
    session_close(&c.desk, &early);
    session_close(&c.desk, &late);
    table_close(&c);
}

static void keeps_users_and_time_in_the_checkpoint(void **state)
{
    struct world *w = *state;
    struct buf saved, again;
    struct table c;

    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    say(&w->b, &w->one, "SET k v\r\nDEL k\r\n");
    say(&w->b, &w->one, "ACL SETUSER bob on >pw ~k:* %R~r:* &c +@read -keys +client|id\r\n");
    settle(w);
    file_says(w, "eve", "on " SECRET " +get");
    desk_save(&w->a.desk, &saved);
    table_open(&c, 3, false);
    assert_true(desk_load(&c.desk, buf_bytes(&saved)));
    desk_save(&c.desk, &again);
    assert_true(bytes_equal(buf_bytes(&saved), buf_bytes(&again)));
    assert_int_equal(c.desk.execution.time_ms, w->a.desk.execution.time_ms);
    assert_int_equal(c.desk.users_digest, w->a.desk.file_digest);
    assert_true(user_is_of_file(users_find(c.desk.users, BYTES("eve"))));
    assert_false(user_is_of_file(users_find(c.desk.users, BYTES("bob"))));
    assert_true(space_version(c.space, BYTES("k"), 1) == space_version(w->a.space, BYTES("k"), 1));
    assert_false(space_version(c.space, BYTES("k"), 1) == space_version(c.space, BYTES("l"), 1));
    assert_false(desk_load(&c.desk, bytes_take(buf_bytes(&saved), saved.len - 1)));
    table_close(&c);
    buf_fini(&saved);
    buf_fini(&again);
}

/* The sender has looked at its own memory, which may have room. */
static void refuses_what_grows_for_others_too(void **state)
{
    struct world *w = *state;

    say(&w->b, &w->one, "SET x y\r\n");
    settle(w);
    heard(&w->one);
    w->a.desk.settings.memory_max = 1;
    say(&w->b, &w->one, "SET k v\r\nDEL k\r\nMULTI\r\nGET k\r\nSET k v\r\nEXEC\r\n");
    settle(w);
    assert_string_equal(
        heard(&w->one),
        "-OOM command not allowed when used memory > 'maxmemory'. :0 +OK +QUEUED +QUEUED "
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory "
        "> 'maxmemory'. ");
    assert_int_equal(w->a.desk.counts.oom, 2);
    assert_int_equal(space_count(w->a.space), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(sends_writes_and_strong_reads_on_to_the_primary),
        TEST(speaks_the_clients_version),
        TEST(says_unknown_of_writes_whose_primary_is_lost),
        TEST(waits_no_longer_for_a_former_primary_that_is_silent),
        TEST(takes_a_late_answer_for_nobodys),
        TEST(gives_no_client_the_answer_of_another_life),
        TEST(asks_again_for_what_was_not_taken),
        TEST(reads_again_what_follows_what_was_not_taken),
        TEST(repeats_nothing_that_was_overtaken),
        TEST(says_of_a_write_that_it_was_done_whatever_its_reply),
        TEST(gives_up_what_is_never_answered),
        TEST(reads_here_what_is_fresh_enough),
        TEST(reads_no_less_than_the_session_has_seen),
        TEST(watches_by_the_logs_time),
        TEST(watches_nothing_in_the_middle_of_a_copy),
        TEST(pops_the_same_behind_what_only_reads),
        TEST(finds_another_one_at_random_each_time),
        TEST(tells_listeners_of_all_members),
        TEST(has_the_same_users_on_all_members),
        TEST(has_the_files_users_on_all_members),
        TEST(goes_by_the_file_before_the_log_does),
        TEST(keeps_users_and_time_in_the_checkpoint),
        TEST(refuses_what_grows_for_others_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
