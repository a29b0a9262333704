#include "base/clock.h"
#include "base/must.h"
#include "health/health.h"
#include "peer.h"

#include <sys/mman.h>

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

enum { SLOT = 17, PATIENCE_S = 30, TURN_NS = 20 * 1000 * 1000 };

/* Texts of an image: "/healthz" at 8. */
static const char image_bytes[] = "\0\0\0\0\0\0\0\0/healthz";

struct world {
    struct loop *loop;
    struct scoreboard *board;
    struct health *health;
    struct health_check check;
    char name[ADDRESS_TEXT_MAX];
    struct health_target target;
    struct verdict_record *record;
    uint32_t told; /* changes of verdict that were told */
};

static enum loop_kind kind;

static void on_changed(void *context, const struct health_target *target, enum verdict_state state,
                       const char *why)
{
    struct world *world = context;

    assert_int_equal(target->slot, SLOT);
    assert_int_equal(state, counted(&world->record->state));
    assert_non_null(why);
    world->told++;
}

static void open_health(struct world *world)
{
    struct health_options options = {.loop = world->loop,
                                     .board = world->board,
                                     .seed = 1,
                                     .changed = on_changed,
                                     .context = world};
    struct err err;

    assert_true(health_open(&world->health, &options, &err));
}

static void begin(struct world *world, struct address to)
{
    struct loop_options options = {.kind = kind, .chunks_max = 64, .chunk_bytes = 16384};
    struct err err = {0};

    *world = (struct world){
        .check = {.kind = CHECK_HTTP,
                  .path = {8, 8},
                  .interval_ms = 20,
                  .timeout_ms = 5000,
                  .unhealthy_threshold = 2,
                  .healthy_threshold = 2,
                  .expect_low = 200,
                  .expect_high = 399},
    };
    assert_true(loop_open(&world->loop, &options, &err));
    world->board = mmap(NULL, sizeof *world->board, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(world->board != MAP_FAILED);
    world->record = &world->board->verdicts[SLOT];
    address_print(&to, world->name);
    world->target = (struct health_target){
        .slot = SLOT,
        .name = world->name,
        .address = to,
        .check = &world->check,
        .image = {(const uint8_t *)image_bytes, sizeof image_bytes},
    };
    open_health(world);
}

static void watch_it(struct world *world)
{
    health_configure(world->health, &world->target, 1);
}

static void end(struct world *world)
{
    health_close(world->health);
    loop_close(world->loop);
    munmap(world->board, sizeof *world->board);
}

/* Turns until so many checks have ended. */
static void await_checks(struct world *world, uint64_t checks)
{
    struct instant limit = after_ms(clock_now(), PATIENCE_S * 1000);

    while (counted(&world->record->checks) < checks) {
        loop_turn(world->loop, TURN_NS);
        assert_false(passed(limit, clock_now()));
    }
}

static void await_state(struct world *world, enum verdict_state state)
{
    struct instant limit = after_ms(clock_now(), PATIENCE_S * 1000);

    while (counted(&world->record->state) != state) {
        loop_turn(world->loop, TURN_NS);
        assert_false(passed(limit, clock_now()));
    }
}

/* ---- outcomes ---- */

static void each_manner_of_a_server_has_its_outcome(void **state)
{
    static const struct {
        enum health_check_kind check;
        enum peer_manner manner;
        const char *answer;
        enum health_outcome outcome;
        uint64_t code;
    } rows[] = {
        {CHECK_HTTP, PEER_ANSWERS, GOOD, HEALTH_OK, 200},
        {CHECK_HTTP, PEER_CRAWLS, GOOD, HEALTH_OK, 200},
        {CHECK_HTTP, PEER_HANGS_UP, "HTTP/1.0 200 OK\r\n\r\nok", HEALTH_OK, 200},
        {CHECK_HTTP, PEER_ANSWERS, "HTTP/1.1 503 No\r\n\r\n", HEALTH_BAD_STATUS, 503},
        {CHECK_HTTP, PEER_ANSWERS, "220 mail.example ESMTP\r\n", HEALTH_GARBAGE, 0},
        {CHECK_HTTP, PEER_HANGS_UP, "HTTP/1.1 200 OK\r\nContent-Le", HEALTH_CUT_SHORT, 0},
        {CHECK_HTTP, PEER_HANGS_UP, "", HEALTH_CUT_SHORT, 0},
        {CHECK_HTTP, PEER_RESETS, "", HEALTH_RESET, 0},
        {CHECK_HTTP, PEER_RESETS_AT_ONCE, "", HEALTH_RESET, 0},
        {CHECK_TCP, PEER_IS_SILENT, "", HEALTH_OK, 0},
        {CHECK_TCP, PEER_RESETS_AT_ONCE, "", HEALTH_RESET, 0},
        {CHECK_TCP, PEER_LEAVES_AT_ONCE, "", HEALTH_CUT_SHORT, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct peer peer = {0};
        struct world world;

        peer_start(&peer, rows[i].manner, rows[i].answer);
        begin(&world, peer.address);
        world.check.kind = (int32_t)rows[i].check;
        watch_it(&world);
        await_checks(&world, 1);
        if (counted(&world.record->outcome) != rows[i].outcome)
            fail_msg("row %zu: %s", i,
                     health_outcome_name((enum health_outcome)counted(&world.record->outcome)));
        assert_int_equal(counted(&world.record->code), rows[i].code);
        assert_int_equal(counted(&world.record->failures), rows[i].outcome != HEALTH_OK);
        assert_int_equal(counted(&world.record->state),
                         rows[i].outcome == HEALTH_OK ? VERDICT_UP : VERDICT_UNKNOWN);
        assert_true(counted(&world.record->at) > 0);
        end(&world);
        peer_stop(&peer);
    }
}

static void a_server_that_hangs_times_out(void **state)
{
    struct peer peer = {0};
    struct world world;

    (void)state;
    peer_start(&peer, PEER_IS_SILENT, "");
    begin(&world, peer.address);
    world.check.timeout_ms = 10;
    watch_it(&world);
    await_checks(&world, 1);
    assert_int_equal(counted(&world.record->outcome), HEALTH_TIMEOUT);
    end(&world);
    peer_stop(&peer);
}

static void a_port_without_a_server_refuses_both_kinds(void **state)
{
    (void)state;
    for (int32_t check = CHECK_TCP; check <= CHECK_HTTP; check++) {
        struct world world;

        begin(&world, peer_nobody());
        world.check.kind = check;
        watch_it(&world);
        await_checks(&world, 1);
        assert_int_equal(counted(&world.record->outcome), HEALTH_REFUSED);
        end(&world);
    }
}

static void a_check_may_go_to_another_port(void **state)
{
    struct address nobody = peer_nobody();
    struct peer peer = {0};
    struct world world;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&world, nobody);
    world.check.port = peer.address.port;
    watch_it(&world);
    await_state(&world, VERDICT_UP);
    end(&world);
    peer_stop(&peer);
}

/* ---- verdicts ---- */

static void a_backend_goes_down_and_comes_back(void **state)
{
    struct peer peer = {0};
    struct world world;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&world, peer.address);
    watch_it(&world);
    await_state(&world, VERDICT_UP);
    peer_stop(&peer);
    await_state(&world, VERDICT_DOWN);
    assert_int_equal(counted(&world.record->outcome), HEALTH_REFUSED);
    peer_start(&peer, PEER_ANSWERS, GOOD);
    await_state(&world, VERDICT_UP);
    assert_int_equal(counted(&world.record->changes), 3);
    assert_int_equal(world.told, 3);
    end(&world);
    peer_stop(&peer);
}

static void a_restarted_asker_goes_on_from_the_scoreboard(void **state)
{
    struct peer peer = {0};
    struct world world;
    uint64_t checks;

    (void)state;
    begin(&world, peer_nobody());
    watch_it(&world);
    await_state(&world, VERDICT_DOWN);
    health_close(world.health);
    checks = counted(&world.record->checks);
    peer.address = world.target.address;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    open_health(&world);
    watch_it(&world);
    assert_int_equal(counted(&world.record->state), VERDICT_DOWN);
    await_checks(&world, checks + 1);
    assert_int_equal(counted(&world.record->state), VERDICT_DOWN); /* one is not two */
    await_state(&world, VERDICT_UP);
    assert_int_equal(counted(&world.record->changes), 2);
    end(&world);
    peer_stop(&peer);
}

static void what_is_no_target_any_more_is_forgotten(void **state)
{
    struct world world;

    (void)state;
    begin(&world, peer_nobody());
    watch_it(&world);
    await_state(&world, VERDICT_DOWN);
    health_configure(world.health, NULL, 0);
    assert_int_equal(counted(&world.record->state), VERDICT_UNKNOWN);
    assert_int_equal(counted(&world.record->at), 0);
    end(&world);
}

static void what_another_process_left_of_no_target_is_forgotten(void **state)
{
    struct world world;

    (void)state;
    begin(&world, peer_nobody());
    atomic_store(&world.record->state, VERDICT_DOWN);
    atomic_store(&world.record->at, 1);
    health_configure(world.health, NULL, 0);
    assert_int_equal(counted(&world.record->state), VERDICT_UNKNOWN);
    end(&world);
}

static void a_slot_with_another_name_begins_anew(void **state)
{
    struct peer peer = {0};
    struct world world;

    (void)state;
    peer_start(&peer, PEER_IS_SILENT, GOOD);
    begin(&world, peer_nobody());
    watch_it(&world);
    await_state(&world, VERDICT_DOWN);
    address_print(&peer.address, world.name);
    world.target.address = peer.address;
    watch_it(&world);
    assert_int_equal(counted(&world.record->state), VERDICT_UNKNOWN);
    assert_int_equal(counted(&world.record->checks), 0);
    peer.script->manner = PEER_ANSWERS;
    await_state(&world, VERDICT_UP);
    end(&world);
    peer_stop(&peer);
}

static void a_backend_without_a_check_any_more_is_unknown(void **state)
{
    struct world world;

    (void)state;
    begin(&world, peer_nobody());
    watch_it(&world);
    await_state(&world, VERDICT_DOWN);
    world.target.check = NULL;
    watch_it(&world);
    assert_int_equal(counted(&world.record->state), VERDICT_UNKNOWN);
    end(&world);
}

static void a_target_that_stays_keeps_its_verdict_under_new_rules(void **state)
{
    struct world world;
    uint64_t checks;

    (void)state;
    begin(&world, peer_nobody());
    watch_it(&world);
    await_state(&world, VERDICT_DOWN);
    checks = counted(&world.record->checks);
    world.check.unhealthy_threshold = 50;
    watch_it(&world);
    await_checks(&world, checks + 2);
    assert_int_equal(counted(&world.record->state), VERDICT_DOWN);
    assert_int_equal(counted(&world.record->changes), 1);
    end(&world);
}

static void a_failure_that_a_worker_met_brings_the_check_forward(void **state)
{
    struct world world;

    (void)state;
    begin(&world, peer_nobody());
    world.check.interval_ms = 3600000;
    /* Half an hour ago a process before this one found it well; the next check would be in half an hour. */
    atomic_store(&world.record->state, VERDICT_UP);
    atomic_store(&world.record->at, (uint64_t)(clock_now().ns - 1800 * NS_PER_S));
    atomic_store(&world.board->workers, 2);
    watch_it(&world);
    atomic_store(&world.board->worker[1].backends[SLOT].last_failure_at, (uint64_t)clock_now().ns);
    await_checks(&world, 1);
    assert_int_equal(counted(&world.record->outcome), HEALTH_REFUSED);
    end(&world);
}

static void closing_does_not_wait_for_a_server_that_hangs(void **state)
{
    struct peer peer = {0};
    struct world world;

    (void)state;
    peer_start(&peer, PEER_IS_SILENT, "");
    begin(&world, peer.address);
    world.check.timeout_ms = 3600000;
    watch_it(&world);
    while (peer.script->requests == 0)
        loop_turn(world.loop, TURN_NS);
    end(&world);
    peer_stop(&peer);
}

/* ---- names ---- */

static void a_name_is_resolved_and_its_address_published(void **state)
{
    struct peer peer = {0};
    struct world world;
    struct address found;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&world, peer.address);
    snprintf(world.name, sizeof world.name, "127.0.0.1:%u", peer.address.port);
    world.target.named = true;
    world.target.address = (struct address){0};
    assert_false(verdict_read_address(world.record, &found));
    watch_it(&world);
    await_state(&world, VERDICT_UP);
    assert_true(verdict_read_address(world.record, &found));
    assert_true(address_equal(&found, &peer.address));
    end(&world);
    peer_stop(&peer);
}

static void a_name_that_moved_is_followed(void **state)
{
    struct peer peer = {0};
    struct world world;
    struct address found;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&world, peer.address);
    snprintf(world.name, sizeof world.name, "127.0.0.1:%u", peer.address.port);
    world.target.named = true;
    world.target.address.ip[3] = 99; /* where the configuration found it; nobody is there */
    watch_it(&world);
    await_state(&world, VERDICT_UP);
    assert_true(verdict_read_address(world.record, &found));
    assert_true(address_equal(&found, &peer.address));
    end(&world);
    peer_stop(&peer);
}

static void a_name_that_does_not_resolve_fails_its_checks(void **state)
{
    struct world world;

    (void)state;
    begin(&world, peer_nobody());
    strcpy(world.name, "nowhere.invalid:80");
    world.target.named = true;
    world.target.address = (struct address){0};
    watch_it(&world);
    await_state(&world, VERDICT_DOWN);
    assert_int_equal(counted(&world.record->outcome), HEALTH_UNRESOLVED);
    end(&world);
}

static void a_name_that_stops_resolving_keeps_its_last_address(void **state)
{
    struct peer peer = {0};
    struct world world;

    (void)state;
    peer_start(&peer, PEER_ANSWERS, GOOD);
    begin(&world, peer.address);
    strcpy(world.name, "nowhere.invalid:80");
    world.target.named = true;
    watch_it(&world); /* with the address that the configuration found */
    await_checks(&world, 5);
    assert_int_equal(counted(&world.record->state), VERDICT_UP);
    assert_int_equal(counted(&world.record->failures), 0);
    end(&world);
    peer_stop(&peer);
}

static void an_address_is_never_read_torn(void **state)
{
    struct verdict_record *record =
        mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct address address;
    uint32_t read = 0;
    pid_t writer;

    (void)state;
    assert_true(record != MAP_FAILED);
    writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        for (uint16_t port = 0;; port++) {
            memset(&address, port & 0xff, sizeof address);
            verdict_publish_address(record, &address);
        }
    }
    while (read < 100000) {
        uint8_t all[sizeof address];

        if (!verdict_read_address(record, &address))
            continue;
        memset(all, address.ip[0], sizeof all);
        assert_memory_equal(&address, all, sizeof all);
        read++;
    }
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    munmap(record, sizeof *record);
}

static int with_each_loop(const struct CMUnitTest *tests, size_t count)
{
    static const enum loop_kind kinds[] = {LOOP_EPOLL, LOOP_URING};
    struct loop_options options = {.chunks_max = 16, .chunk_bytes = 4096};
    int failed = 0;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct loop *loop;
        struct err err;

        kind = options.kind = kinds[i];
        if (!loop_open(&loop, &options, &err)) {
            print_message("skipped: %s\n", err.text);
            continue;
        }
        loop_close(loop);
        failed += _cmocka_run_group_tests(i ? "io_uring" : "epoll", tests, count, NULL, NULL);
    }
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_manner_of_a_server_has_its_outcome),
        cmocka_unit_test(a_server_that_hangs_times_out),
        cmocka_unit_test(a_port_without_a_server_refuses_both_kinds),
        cmocka_unit_test(a_check_may_go_to_another_port),
        cmocka_unit_test(a_backend_goes_down_and_comes_back),
        cmocka_unit_test(a_restarted_asker_goes_on_from_the_scoreboard),
        cmocka_unit_test(what_is_no_target_any_more_is_forgotten),
        cmocka_unit_test(what_another_process_left_of_no_target_is_forgotten),
        cmocka_unit_test(a_slot_with_another_name_begins_anew),
        cmocka_unit_test(a_backend_without_a_check_any_more_is_unknown),
        cmocka_unit_test(a_target_that_stays_keeps_its_verdict_under_new_rules),
        cmocka_unit_test(a_failure_that_a_worker_met_brings_the_check_forward),
        cmocka_unit_test(closing_does_not_wait_for_a_server_that_hangs),
        cmocka_unit_test(a_name_is_resolved_and_its_address_published),
        cmocka_unit_test(a_name_that_moved_is_followed),
        cmocka_unit_test(a_name_that_does_not_resolve_fails_its_checks),
        cmocka_unit_test(a_name_that_stops_resolving_keeps_its_last_address),
        cmocka_unit_test(an_address_is_never_read_torn),
    };
    return with_each_loop(tests, ARRAY_LEN(tests));
}
