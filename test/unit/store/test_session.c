#include "desk.h"
#include "store/record.h"

struct world {
    struct table a;
    struct session one, two;
};

static int begin(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    table_open(&w->a, 1, true);
    come(&w->a, &w->one);
    come(&w->a, &w->two);
    *state = w;
    return 0;
}

static int end(void **state)
{
    struct world *w = *state;

    session_close(&w->a.desk, &w->one);
    session_close(&w->a.desk, &w->two);
    table_close(&w->a);
    free(w);
    return 0;
}

static void replies_in_the_order_of_the_requests(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SET k v\r\nSET l w\r\nGET k\r\nPING\r\n");
    assert_string_equal(heard(&w->one), "");
    assert_int_equal(w->a.appended, 2);
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK +OK $1 v +PONG ");
}

static void reads_of_others_do_not_wait_and_see_nothing_uncommitted(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SET k v\r\n");
    say(&w->a, &w->two, "GET k\r\n");
    assert_string_equal(heard(&w->two), "$-1 ");
    commit(&w->a);
    say(&w->a, &w->two, "GET k\r\n");
    assert_string_equal(heard(&w->two), "$1 v ");
}

static void takes_requests_byte_by_byte(void **state)
{
    struct world *w = *state;
    const char *text =
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nbc\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";

    for (const char *at = text; *at; at++) {
        session_feed(&w->a.desk, &w->one, bytes_of(at, 1));
        commit(&w->a);
    }
    assert_string_equal(heard(&w->one), "+OK $5 a bc ");
    assert_int_equal(w->one.in.cap, 0);
}

static void takes_a_long_request_in_pieces(void **state)
{
    struct world *w = *state;
    struct buf text;

    buf_init(&text, 1 << 20);
    buf_print(&text, "*%d\r\n$4\r\nMSET\r\n", 1 + 2 * 1000);
    for (int i = 0; i < 1000; i++)
        buf_print(&text, "$6\r\nk%05d\r\n$1\r\nv\r\n", i);
    for (size_t at = 0; at < text.len; at += 77)
        session_feed(&w->a.desk, &w->one, bytes_take(bytes_skip(buf_bytes(&text), at), 77));
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK ");
    assert_int_equal(space_count(w->a.space), 1000);
    assert_null(w->one.reader);
    buf_fini(&text);
}

static void refuses_garbage_as_redis_does_and_closes(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SET k v\r\n*1\r\nfoo\r\n");
    assert_string_equal(heard(&w->one), "");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK -ERR Protocol error: expected '$', got 'f' ");
    assert_true(w->one.closing);
    say(&w->a, &w->two, "*-5\r\n\r\n  \r\nPING\r\n*1\r\n$999999999\r\n");
    assert_string_equal(heard(&w->two), "+PONG -ERR Protocol error: invalid bulk length ");
    assert_true(w->two.closing);
}

static void bounds_what_is_pipelined(void **state)
{
    struct world *w = *state;
    static char text[(SESSION_PIPELINE_COUNT + 10) * 8 + 1];

    for (int i = 0; i < SESSION_PIPELINE_COUNT + 10; i++)
        memcpy(text + i * 8, "INCR n\r\n", 8);
    say(&w->a, &w->one, text);
    assert_int_equal(w->one.pending, SESSION_PIPELINE_COUNT);
    commit(&w->a);
    assert_int_equal(w->one.pending, 10);
    commit(&w->a);
    heard(&w->one);
    say(&w->a, &w->one, "GET n\r\n");
    assert_string_equal(heard(&w->one), "$4 4106 ");
}

/* What MULTI queues, and the words of a request that is not whole, are bounded with the rest. */
static void counts_all_that_a_client_makes_it_hold(void **state)
{
    struct world *w = *state;
    static char text[(1 << 20) + 16];
    uint64_t before;

    memset(text, 'x', 1 << 20);
    memcpy(text, "SET k ", 6);
    for (size_t at = 60000; at < 1 << 20; at += 60000)
        memcpy(text + at, "\r\nSET k ", 8);
    memcpy(text + (1 << 20), "\r\n", 3);
    say(&w->a, &w->one, "MULTI\r\n");
    say(&w->a, &w->one, text);
    assert_true(w->a.desk.bytes >= 1 << 20);
    say(&w->a, &w->one, "DISCARD\r\n");
    before = w->a.desk.bytes;
    assert_true(before < 1 << 20);
    say(&w->a, &w->two, "*1000000\r\n");
    for (int i = 0; i < 1000; i++)
        say(&w->a, &w->two, "$0\r\n\r\n");
    assert_true(w->a.desk.bytes - before > w->two.in.cap + 1000 * sizeof(struct bytes));
}

static void stops_parsing_for_a_client_that_does_not_read(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SET k ");
    for (int i = 0; i < 1000; i++)
        say(&w->a, &w->one, "0123456789");
    say(&w->a, &w->one, "\r\n");
    commit(&w->a);
    for (int i = 0; i < 1000; i++)
        say(&w->a, &w->one, "GET k\r\n");
    assert_int_equal(w->one.stall, STALL_OUTPUT);
    assert_true(w->one.out.len < SESSION_OUT_PAUSE + 20000);
    buf_clear(&w->one.out);
    session_drained(&w->a.desk, &w->one, 0);
    assert_true(w->one.out.len > SESSION_OUT_PAUSE);
    assert_false(w->one.closing);
}

static void cuts_a_listener_that_does_not_read(void **state)
{
    struct world *w = *state;
    static char text[(1 << 20) + 64];

    say(&w->a, &w->two, "SUBSCRIBE c\r\n");
    heard(&w->two);
    w->a.desk.settings.out_max = 64 << 10;
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < 3; i++) {
        session_feed(&w->a.desk, &w->one, BYTES("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$50000\r\n"));
        session_feed(&w->a.desk, &w->one, bytes_of(text, 50000));
        say(&w->a, &w->one, "\r\n");
        commit(&w->a);
    }
    assert_true(w->two.cut);
    assert_int_equal(w->two.out.cap, 0);
    assert_int_equal(w->a.desk.counts.cut_output, 1);
    assert_string_equal(heard(&w->one), ":1 :1 :1 ");
}

static void answers_an_unknown_command_as_redis_does(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "nothing a 'b c'\r\nGET\r\nCLIENT nothing\r\n");
    assert_string_equal(heard(&w->one),
                        "-ERR unknown command 'nothing', with args beginning with: 'a' 'b c'  "
                        "-ERR wrong number of arguments for 'get' command "
                        "-ERR unknown subcommand 'nothing'. Try CLIENT HELP. ");
}

static void holds_what_needs_a_primary_and_then_says_so(void **state)
{
    struct world *w = *state;

    w->a.view.role = ENGINE_NEITHER;
    w->a.view.writable = w->a.view.established = false;
    say(&w->a, &w->one, "SET k v\r\n");
    say(&w->a, &w->two, "GET k\r\n");
    assert_int_equal(w->one.stall, STALL_PRIMARY);
    pass_ms(&w->a, 9900);
    assert_string_equal(heard(&w->one), "");
    w->a.view.role = ENGINE_PRIMARY;
    w->a.view.writable = w->a.view.established = true;
    w->a.lease = false;
    w->a.refuses = LEDGER_NO_LEASE;
    desk_state(&w->a.desk);
    assert_string_equal(heard(&w->two), "");
    pass_ms(&w->a, 200);
    assert_string_equal(heard(&w->one),
                        "-TRYAGAIN there is no primary that can be reached: nothing was done ");
    assert_string_equal(heard(&w->two),
                        "-TRYAGAIN there is no primary that can be reached: nothing was done ");
    say(&w->a, &w->one, "SET k w\r\n");
    w->a.refuses = LEDGER_TAKEN;
    w->a.lease = true;
    pass_ms(&w->a, 100);
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK ");
}

static bool lease_once(void *context)
{
    struct table *t = context;
    bool lease = t->lease;

    t->lease = false;
    return lease;
}

static void believes_no_read_whose_lease_ended_meanwhile(void **state)
{
    struct world *w = *state;

    w->a.desk.log.may_act = lease_once;
    say(&w->a, &w->one, "GET k\r\n");
    assert_string_equal(heard(&w->one), "");
    assert_int_equal(w->one.stall, STALL_PRIMARY);
}

static void says_unknown_of_what_may_have_been_done(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "INCR n\r\nGET n\r\n");
    desk_unknown(&w->a.desk, w->a.entries[0].cookie);
    assert_string_equal(heard(&w->one),
                        "-UNKNOWN this member is the primary no more: this may have been done, or "
                        "may still be $-1 ");
}

static void replies_nothing_to_whoever_has_gone(void **state)
{
    struct world *w = *state;
    struct session three;

    come(&w->a, &three);
    say(&w->a, &three, "SET k v\r\n");
    session_close(&w->a.desk, &three);
    come(&w->a, &three);
    commit(&w->a);
    assert_string_equal(heard(&three), "");
    session_close(&w->a.desk, &three);
}

static void executes_a_transaction_as_one_record(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "MULTI\r\nSET k v\r\nGET k\r\nnothing\r\n");
    heard(&w->one);
    say(&w->a, &w->one, "EXEC\r\n");
    assert_string_equal(heard(&w->one),
                        "-EXECABORT Transaction discarded because of previous errors. ");
    say(&w->a, &w->one, "MULTI\r\nSET k v\r\nGET k\r\nPUBLISH c m\r\nINCR k\r\nEXEC\r\nPING\r\n");
    assert_int_equal(w->a.appended, 1);
    commit(&w->a);
    assert_string_equal(heard(&w->one),
                        "+OK +QUEUED +QUEUED +QUEUED +QUEUED *4 +OK $1 v :0 -ERR value is not an "
                        "integer or out of range +PONG ");
    say(&w->a, &w->one, "MULTI\r\nGET k\r\nPING\r\nEXEC\r\nEXEC\r\n");
    assert_string_equal(heard(&w->one),
                        "+OK +QUEUED +QUEUED *2 $1 v +PONG -ERR EXEC without MULTI ");
    assert_int_equal(w->a.appended, 1);
    say(&w->a, &w->one, "MULTI\r\nCLIENT LIST\r\nEXEC\r\n");
    assert_string_equal(heard(&w->one),
                        "+OK -ERR Command not allowed inside a transaction -EXECABORT Transaction "
                        "discarded because of previous errors. ");
}

static void executes_nothing_when_a_watched_key_was_changed(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "WATCH k\r\nMULTI\r\nSET k one\r\n");
    heard(&w->one);
    say(&w->a, &w->two, "SET k two\r\n");
    say(&w->a, &w->one, "EXEC\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "*-1 ");
    say(&w->a, &w->one, "WATCH k\r\nMULTI\r\nSET k one\r\nEXEC\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK +OK +QUEUED *1 +OK ");
    say(&w->a, &w->one, "WATCH k\r\nUNWATCH\r\nMULTI\r\n");
    say(&w->a, &w->two, "SET k two\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "SET k three\r\nEXEC\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK +OK +OK +QUEUED *1 +OK ");
}

static void executes_nothing_when_a_watched_key_came_and_went(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "WATCH k\r\n");
    say(&w->a, &w->two, "SET k v\r\nDEL k\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "MULTI\r\nSET k mine\r\nEXEC\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK +OK +QUEUED *-1 ");
    say(&w->a, &w->two, "SET e v PX 10\r\n");
    commit(&w->a);
    heard(&w->two);
    w->a.desk.wall_ms += 11;
    say(&w->a, &w->one, "WATCH e\r\n"); /* by the clock it has expired, and by the log it has not */
    say(&w->a, &w->two, "DEL e\r\nSET e v PX 10\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "MULTI\r\nSET k mine\r\nEXEC\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK +OK +QUEUED *-1 ");
    w->a.desk.wall_ms += 11;
    say(&w->a, &w->two, "SET later v\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "WATCH k e\r\n"); /* it has expired, and is still there */
    say(&w->a, &w->two, "DEL e\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "MULTI\r\nSET k mine\r\nEXEC\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "WATCH l\r\nMULTI\r\nSET l v\r\n");
    say(&w->a, &w->two, "FLUSHALL\r\n");
    say(&w->a, &w->one, "EXEC\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK +OK +QUEUED *1 +OK +OK +OK +QUEUED *-1 ");
}

static void queues_unwatch(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "WATCH k\r\nMULTI\r\nUNWATCH\r\nSET k v\r\nEXEC\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "MULTI\r\nUNWATCH\r\nEXEC\r\n");
    assert_string_equal(heard(&w->one), "+OK +OK +QUEUED +QUEUED *2 +OK +OK +OK +QUEUED *1 +OK ");
}

static void sends_no_reply_that_is_not_wanted(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "CLIENT REPLY SKIP\r\nSET k v\r\nGET k\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "$1 v ");
    say(&w->a, &w->one, "CLIENT REPLY SKIP\r\nPING\r\nPING\r\n");
    assert_string_equal(heard(&w->one), "+PONG ");
    say(&w->a, &w->one, "CLIENT REPLY OFF\r\nPING\r\nSET k w\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "CLIENT REPLY ON\r\nGET k\r\n");
    assert_string_equal(heard(&w->one), "+OK $1 w ");
}

/* As many times as a client says would be for ever. */
static void repeats_nothing_that_nobody_hears(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SADD s a\r\nHSET h f v\r\nZADD z 1 m\r\nCLIENT REPLY OFF\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "SRANDMEMBER s -9000000000000000000\r\n");
    say(&w->a, &w->one, "HRANDFIELD h -9000000000000000000\r\n");
    say(&w->a, &w->one, "ZRANDMEMBER z -9000000000000000000\r\n");
    say(&w->a, &w->one, "CLIENT REPLY ON\r\nPING\r\n");
    assert_string_equal(heard(&w->one), ":1 :1 :1 +OK +PONG ");
}

static void lets_nobody_read_by_writing(void **state)
{
    struct world *w = *state;
    static const char no[] =
        "-NOPERM this user has no permissions to access one of the keys used as arguments ";

    say(&w->a, &w->two, "ACL SETUSER bob on nopass +@all %W~w* %R~r* &*\r\nSADD r 1 2\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "AUTH bob x\r\n");
    heard(&w->one);
    for (const char *const *at =
             (const char *const[]){"SET w v GET\r\n", "GETDEL w\r\n", "LPOP w\r\n",
                                   "RENAME w w2\r\n", "COPY w w2\r\n", "INCR w\r\n",
                                   "SUNIONSTORE w w2\r\n", "GET w\r\n", NULL};
         *at; at++) {
        say(&w->a, &w->one, *at);
        assert_string_equal(heard(&w->one), no);
    }
    say(&w->a, &w->one, "SET w v\r\nCOPY r w2\r\nSUNIONSTORE w3 r\r\nZUNIONSTORE w4 1 r\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one), "+OK :1 :2 :2 ");
}

static void speaks_version_three_when_asked(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "HELLO 3 SETNAME me\r\n");
    assert_non_null(strstr(heard(&w->one), "%7 $6 server $5 redis"));
    say(&w->a, &w->one, "GET k\r\nCLIENT GETNAME\r\nHELLO 4\r\n");
    assert_string_equal(heard(&w->one), "_ $2 me -NOPROTO unsupported protocol version ");
    say(&w->a, &w->one, "RESET\r\nGET k\r\n");
    assert_string_equal(heard(&w->one), "+RESET $-1 ");
}

static void lets_clients_wait_while_paused(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "CLIENT PAUSE 1000 WRITE\r\n");
    say(&w->a, &w->two, "GET k\r\nSET k v\r\n");
    assert_string_equal(heard(&w->two), "$-1 ");
    assert_int_equal(w->two.stall, STALL_PAUSED);
    pass_ms(&w->a, 1001);
    commit(&w->a);
    assert_string_equal(heard(&w->two), "+OK ");
    assert_string_equal(heard(&w->one), "+OK ");
}

static void closes_idle_clients_and_those_that_are_killed(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "CONFIG SET timeout 5\r\n");
    pass_ms(&w->a, 4000);
    say(&w->a, &w->two, "PING\r\n");
    pass_ms(&w->a, 2000);
    assert_true(w->one.closing);
    assert_false(w->two.closing);
    say(&w->a, &w->two, "CLIENT KILL ID 2 SKIPME no\r\n");
    assert_string_equal(heard(&w->two), "+PONG :1 ");
    assert_true(w->two.closing);
}

static void refuses_more_clients_than_may_be(void **state)
{
    struct world *w = *state;
    struct session more[128];
    uint32_t opened = 0;

    while (session_open(&w->a.desk, &more[opened], "x", "y"))
        opened++;
    assert_int_equal(opened, 98);
    assert_int_equal(w->a.desk.counts.rejected, 1);
    while (opened > 0)
        session_close(&w->a.desk, &more[--opened]);
    assert_int_equal(w->a.desk.session_count, 2);
}

static void refuses_writes_that_grow_when_memory_is_full(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SET k v\r\nCONFIG SET maxmemory 1\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "SET l w\r\nDEL k\r\n");
    commit(&w->a);
    assert_string_equal(heard(&w->one),
                        "+OK +OK -OOM command not allowed when used memory > 'maxmemory'. :1 ");
}

static void writes_about_expired_and_unused_keys_by_itself(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->one, "SET k v PX 50\r\nSET l w\r\n");
    commit(&w->a);
    pass_ms(&w->a, 1000);
    assert_int_equal(w->a.appended, 3);
    commit(&w->a);
    assert_int_equal(space_count(w->a.space), 1);
    say(&w->a, &w->one, "CONFIG SET maxmemory 1 maxmemory-policy allkeys-lru\r\n");
    pass_ms(&w->a, 100);
    commit(&w->a);
    assert_int_equal(space_count(w->a.space), 0);
    assert_true(w->a.desk.counts.expired > 0 && w->a.desk.counts.evicted > 0);
}

static void set_many(struct world *w, int count, const char *options)
{
    char text[256];

    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "SET k%d %0100d %s\r\n", i, i, options);
        say(&w->a, &w->one, text);
    }
    commit(&w->a);
    heard(&w->one);
}

/* How often something had to be committed until nothing more was. */
static int rounds(struct world *w)
{
    int rounds = 0;

    for (; w->a.executed < w->a.appended; rounds++)
        commit(&w->a);
    return rounds;
}

static void deletes_what_expires_as_fast_as_it_is_committed(void **state)
{
    struct world *w = *state;

    pass_ms(&w->a, 100);
    set_many(w, 2000, "PX 50");
    pass_ms(&w->a, 1000);
    assert_in_range(rounds(w), 1, 6);
    assert_int_equal(space_count(w->a.space), 0);
}

static void evicts_as_much_as_is_too_much(void **state)
{
    struct world *w = *state;

    set_many(w, 2000, "");
    w->a.desk.settings.policy = POLICY_ALL_RANDOM;
    w->a.desk.settings.memory_max = (int64_t)space_bytes(w->a.space) / 2;
    pass_ms(&w->a, 100);
    assert_in_range(rounds(w), 1, 12);
    assert_true(space_bytes(w->a.space) <= (uint64_t)w->a.desk.settings.memory_max);
}

static void lets_what_grows_wait_while_others_are_evicted(void **state)
{
    struct world *w = *state;

    set_many(w, 100, "");
    w->a.desk.settings.policy = POLICY_ALL_LRU;
    w->a.desk.settings.memory_max = (int64_t)space_bytes(w->a.space) / 2;
    say(&w->a, &w->one, "SET l w\r\nMULTI\r\nSET m w\r\nEXEC\r\n");
    say(&w->a, &w->two, "GET k1\r\n");
    assert_int_equal(w->one.stall, STALL_MEMORY);
    assert_int_not_equal(w->two.out.len, 0);
    pass_ms(&w->a, 100);
    rounds(w);
    assert_string_equal(heard(&w->one), "+OK +OK +QUEUED *1 +OK ");
}

static void refuses_what_grows_when_nothing_may_be_evicted(void **state)
{
    struct world *w = *state;

    set_many(w, 100, "");
    w->a.desk.settings.policy = POLICY_TIMED_TTL;
    w->a.desk.settings.memory_max = (int64_t)space_bytes(w->a.space) / 2;
    pass_ms(&w->a, 100);
    say(&w->a, &w->one, "SET l w\r\n");
    assert_string_equal(heard(&w->one),
                        "-OOM command not allowed when used memory > 'maxmemory'. ");
}

static void waits_for_copies(void **state)
{
    struct world *w = *state;

    w->a.status =
        (struct engine_status){.epoch = 1,
                               .follower_count = 2,
                               .followers = {{.member = 2, .attached = true, .position = {1, 0}},
                                             {.member = 3, .attached = true, .position = {1, 0}}}};
    say(&w->a, &w->one, "SET k v\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "WAIT 1 1000\r\n");
    assert_string_equal(heard(&w->one), "+OK ");
    w->a.status.followers[0].position.offset = 1;
    pass_ms(&w->a, 10);
    assert_string_equal(heard(&w->one), ":1 ");
    say(&w->a, &w->one, "WAIT 2 1000\r\n");
    pass_ms(&w->a, 999);
    assert_string_equal(heard(&w->one), "");
    pass_ms(&w->a, 1);
    assert_string_equal(heard(&w->one), ":1 ");
}

static void cuts_whoever_asks_for_more_keys_than_it_may_be_sent(void **state)
{
    struct world *w = *state;
    char text[64];

    for (int i = 0; i < 4000; i++) {
        snprintf(text, sizeof text, "RPUSH list-of-a-long-name-%d x\r\n", i);
        say(&w->a, &w->two, text);
        say(&w->a, &w->two, "RPUSH places x x x x\r\n");
        commit(&w->a);
        heard(&w->two);
    }
    w->one.out.limit = 64 << 10;
    say(&w->a, &w->one, "LPOS places x\r\nLPOS places x COUNT 3\r\nSCAN 0 COUNT 1\r\n");
    assert_false(w->one.out.full);
    heard(&w->one);
    say(&w->a, &w->one, "LPOS places x COUNT 0\r\n");
    assert_true(w->one.closing);
    w->two.out.limit = 64 << 10;
    say(&w->a, &w->two, "KEYS *\r\n");
    assert_true(w->two.closing);
}

static void lists_clients_by_their_ids(void **state)
{
    struct world *w = *state;
    char text[128];
    const char *list;

    snprintf(text, sizeof text, "CLIENT LIST ID 99999 %llu %llu\r\n", (unsigned long long)w->two.id,
             (unsigned long long)w->two.id);
    say(&w->a, &w->one, text);
    list = heard(&w->one);
    snprintf(text, sizeof text, "id=%llu ", (unsigned long long)w->two.id);
    assert_non_null(strstr(list, text));
    assert_null(strstr(strstr(list, text) + 1, "id="));
}

static void looks_at_rights_again_when_what_was_queued_is_executed(void **state)
{
    struct world *w = *state;

    say(&w->a, &w->two, "ACL SETUSER bob on nopass +@all ~*\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "AUTH bob x\r\nMULTI\r\nSET k v\r\nGET k\r\n");
    say(&w->a, &w->two, "ACL SETUSER bob -set\r\n");
    commit(&w->a);
    say(&w->a, &w->one, "EXEC\r\nMULTI\r\nGET k\r\nEXEC\r\n");
    commit(&w->a);
    assert_string_equal(
        heard(&w->one),
        "+OK +OK +QUEUED +QUEUED -EXECABORT Transaction discarded because of: NOPERM this user's "
        "permissions have changed since +OK +QUEUED *1 $-1 ");
}

/* What the ledger mixes into the hash that members compare. */
static void another_value_under_the_same_key_is_another_digest(void **state)
{
    static const struct bytes words[] = {
        {(const uint8_t *)"SET", 3}, {(const uint8_t *)"k", 1}, {(const uint8_t *)"v", 1}};
    struct world *w = *state;
    struct table *other = calloc(1, sizeof *other);
    struct spot spot;
    struct buf record;
    uint64_t digest;

    table_open(other, 2, false);
    buf_init(&record, RECORD_BYTES_MAX);
    assert_true(record_write(&record, RECORD_COMMAND, 1, words, 3));
    digest = desk_execute(&w->a.desk, (struct position){1, 1}, buf_bytes(&record), 0);
    assert_int_equal(desk_execute(&other->desk, (struct position){1, 1}, buf_bytes(&record), 0),
                     digest);
    spot = space_spot(other->space, BYTES("k"));
    space_put_text(other->space, &spot, BYTES("w"), 0, 1);
    buf_clear(&record);
    assert_true(record_write(&record, RECORD_EPOCH, 1, NULL, 0));
    digest = desk_execute(&w->a.desk, (struct position){1, 2}, buf_bytes(&record), 0);
    assert_int_not_equal(desk_execute(&other->desk, (struct position){1, 2}, buf_bytes(&record), 0),
                         digest);
    buf_fini(&record);
    table_close(other);
    free(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(replies_in_the_order_of_the_requests),
        TEST(reads_of_others_do_not_wait_and_see_nothing_uncommitted),
        TEST(takes_requests_byte_by_byte),
        TEST(takes_a_long_request_in_pieces),
        TEST(refuses_garbage_as_redis_does_and_closes),
        TEST(bounds_what_is_pipelined),
        TEST(counts_all_that_a_client_makes_it_hold),
        TEST(stops_parsing_for_a_client_that_does_not_read),
        TEST(cuts_a_listener_that_does_not_read),
        TEST(answers_an_unknown_command_as_redis_does),
        TEST(holds_what_needs_a_primary_and_then_says_so),
        TEST(believes_no_read_whose_lease_ended_meanwhile),
        TEST(says_unknown_of_what_may_have_been_done),
        TEST(replies_nothing_to_whoever_has_gone),
        TEST(executes_a_transaction_as_one_record),
        TEST(executes_nothing_when_a_watched_key_was_changed),
        TEST(executes_nothing_when_a_watched_key_came_and_went),
        TEST(queues_unwatch),
        TEST(sends_no_reply_that_is_not_wanted),
        TEST(repeats_nothing_that_nobody_hears),
        TEST(lets_nobody_read_by_writing),
        TEST(speaks_version_three_when_asked),
        TEST(lets_clients_wait_while_paused),
        TEST(closes_idle_clients_and_those_that_are_killed),
        TEST(refuses_more_clients_than_may_be),
        TEST(refuses_writes_that_grow_when_memory_is_full),
        TEST(writes_about_expired_and_unused_keys_by_itself),
        TEST(deletes_what_expires_as_fast_as_it_is_committed),
        TEST(evicts_as_much_as_is_too_much),
        TEST(lets_what_grows_wait_while_others_are_evicted),
        TEST(refuses_what_grows_when_nothing_may_be_evicted),
        TEST(waits_for_copies),
        TEST(another_value_under_the_same_key_is_another_digest),
        TEST(cuts_whoever_asks_for_more_keys_than_it_may_be_sent),
        TEST(lists_clients_by_their_ids),
        TEST(looks_at_rights_again_when_what_was_queued_is_executed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
