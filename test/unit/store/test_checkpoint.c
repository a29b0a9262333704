/*
 * The checkpoint: what is on the disk is the state at its position, however much was changed meanwhile, and a write that did not end changes nothing.
 */
#include "base/clock.h"
#include "net/net.h"
#include "store/call.h"
#include "store/drive_checkpoint.h"
#include "store/space.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEYS = 2000, HANG_S = 60 };

static char top[32];
static struct loop *loop;
static struct rng rng;

/* ---- one member's state, whose records are changes of a number or a long text ---- */

struct owner {
    struct checkpoint *checkpoint;
    struct space *space;
    struct position at;
    struct ledger_point written;
    uint64_t taken, values[KEYS], then[KEYS]; /* versions, now and when the last cut began */
    bool refuses;
    bool installed, refused;
    size_t took;
    char desk[16];
};

static bool on_point(void *context, struct ledger_point *point, struct buf *owner)
{
    struct owner *o = context;

    if (o->refuses)
        return false;
    point->position.offset = o->at.offset;
    point->hash = o->at.offset * 3;
    buf_print(owner, "%llu", (unsigned long long)o->at.offset);
    memcpy(o->then, o->values, sizeof o->then);
    return true;
}

static void on_written(void *context, struct ledger_point point)
{
    struct owner *o = context;

    o->written = point;
    o->taken++;
}

static void on_said(void *context, const char *sentence)
{
    (void)context;
    fail_msg("%s", sentence);
}

static void on_failed(void *context, const struct err *err)
{
    (void)context;
    fail_msg("%s", err->text);
}

static void on_took(void *context, size_t bytes)
{
    ((struct owner *)context)->took += bytes;
}

static bool on_owner(void *context, struct bytes bytes)
{
    struct owner *o = context;

    bytes_to_string(bytes, o->desk, sizeof o->desk);
    return true;
}

static void on_installed(void *context)
{
    ((struct owner *)context)->installed = true;
}

static void on_refused(void *context, const char *sentence)
{
    (void)sentence;
    ((struct owner *)context)->refused = true;
}

static const struct checkpoint_events events = {
    .point = on_point,
    .written = on_written,
    .said = on_said,
    .failed = on_failed,
    .took = on_took,
    .owner = on_owner,
    .installed = on_installed,
    .refused = on_refused,
};

/* The name of every 16th key is longer than what LMDB takes. */
static struct bytes name_of(uint64_t key, char text[1024])
{
    memset(text, 'n', 1000);
    snprintf(text, 32, "key:%llu", (unsigned long long)key);
    text[strlen(text)] = 'n';
    return bytes_of(text, key % 16 == 0 ? 600 + key % 400 : 30);
}

static struct ledger_point owner_open(struct owner *o, const char *name, uint64_t log_bytes)
{
    char path[64];
    struct ledger_point point;
    struct buf desk;
    struct err err;

    *o = (struct owner){0};
    snprintf(path, sizeof path, "%s/%s", top, name);
    o->space = space_open(&(struct space_options){.seed = rng_next(&rng), .tracked = true});
    if (!checkpoint_open(&o->checkpoint,
                         &(struct checkpoint_options){.loop = loop,
                                                      .directory = path,
                                                      .log_bytes = log_bytes,
                                                      .events = &events,
                                                      .context = o},
                         &err))
        fail_msg("%s", err.text);
    buf_init(&desk, 1024);
    if (!checkpoint_load(o->checkpoint, o->space, &point, &desk, &err))
        fail_msg("%s", err.text);
    bytes_to_string(buf_bytes(&desk), o->desk, sizeof o->desk);
    buf_fini(&desk);
    o->at = point.position;
    return point;
}

static void owner_close(struct owner *o)
{
    checkpoint_close(o->checkpoint);
    space_close(o->space);
}

static void change(struct owner *o, uint64_t key)
{
    char text[1024];
    uint8_t large[3000] = {1};
    struct spot spot = space_spot(o->space, name_of(key, text));
    uint64_t way = rng_below(&rng, 8);

    o->at.offset++;
    o->values[key] = o->at.offset;
    if (way == 0 && spot.entry) {
        space_delete(o->space, &spot);
        o->values[key] = 0;
    } else if (way < 5) {
        space_put_number(o->space, &spot, (int64_t)o->at.offset, 0, o->at.offset);
    } else {
        space_put_text(o->space, &spot, bytes_of(large, sizeof large), 0, o->at.offset);
    }
    checkpoint_executed(o->checkpoint, o->at, 100);
}

static void change_some(struct owner *o, int count)
{
    for (int i = 0; i < count; i++)
        change(o, rng_below(&rng, KEYS));
}

static void assert_holds(struct space *space, const uint64_t versions[KEYS])
{
    char text[1024];
    uint64_t count = 0;

    for (uint64_t key = 0; key < KEYS; key++) {
        struct spot spot = space_spot(space, name_of(key, text));

        assert_int_equal(spot.entry ? spot.entry->version : 0, versions[key]);
        count += versions[key] != 0;
    }
    assert_int_equal(space_count(space), count);
}

#define TURN_UNTIL(claim)                                                                          \
    do {                                                                                           \
        struct instant hang = after_ms(clock_now(), HANG_S * 1000);                                \
        while (!(claim)) {                                                                         \
            loop_turn(loop, 10 * NS_PER_MS);                                                       \
            if (passed(hang, clock_now()))                                                         \
                fail_msg("hangs: %s", #claim);                                                     \
        }                                                                                          \
    } while (0)

static int init(void **state)
{
    struct err err;

    (void)state;
    rng_seed(&rng, 5);
    snprintf(top, sizeof top, "/tmp/nines-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_true(
        loop_open(&loop, &(struct loop_options){.chunks_max = 16, .chunk_bytes = 4096}, &err));
    return 0;
}

static int fini(void **state)
{
    char command[64];

    (void)state;
    loop_close(loop);
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

/* ---- stories ---- */

static void a_start_begins_at_the_checkpoint_however_much_was_changed_meanwhile(void **state)
{
    static struct owner o;
    static uint64_t then[KEYS];
    bool sliced = false;

    (void)state;
    assert_int_equal(owner_open(&o, "state", 20000).position.offset, 0);
    o.at.epoch = 3;
    for (uint64_t round = 1; round <= 20; round++) {
        struct ledger_point point;
        uint64_t begun;

        change_some(&o, 4000);
        checkpoint_consider(o.checkpoint);
        sliced |= space_cutting(o.space);
        begun = o.at.offset;
        memcpy(then, o.then, sizeof then);
        while (o.taken == 0) { /* less than would begin the next one */
            if (o.at.offset < begun + 150)
                change_some(&o, 1);
            loop_turn(loop, NS_PER_MS);
        }
        assert_int_equal(o.written.position.offset, begun);
        owner_close(&o);
        point = owner_open(&o, "state", 20000);
        assert_int_equal(point.position.offset, begun);
        assert_int_equal(point.position.epoch, 3);
        assert_int_equal(point.hash, begun * 3);
        assert_int_equal(strtoull(o.desk, NULL, 10), begun);
        assert_holds(o.space, then);
        memcpy(o.values, then, sizeof then);
    }
    assert_true(sliced);
    owner_close(&o);
}

static void a_crash_before_the_commit_leaves_what_was_there(void **state)
{
    static struct owner o;
    static uint64_t then[KEYS];
    int status;
    pid_t child;

    (void)state;
    (void)owner_open(&o, "state", UINT64_MAX);
    o.at.epoch = 1;
    change_some(&o, 500);
    checkpoint_ask(o.checkpoint);
    TURN_UNTIL(o.taken == 1);
    memcpy(then, o.then, sizeof then);
    owner_close(&o);
    child = fork();
    if (child == 0) {
        char path[64];
        struct state *disk;
        struct err err;
        struct buf rows;
        char text[1024];

        snprintf(path, sizeof path, "%s/state", top);
        buf_init(&rows, SIZE_MAX);
        row_put(&rows, &(struct row){.kind = ROW_CLEAR});
        for (uint64_t i = 0; i < KEYS; i++)
            row_put(&rows, &(struct row){ROW_PUT, name_of(i, text), BYTES("no value at all")});
        _exit(state_open(&disk, path, &err) && state_apply(disk, buf_bytes(&rows), &err) ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(owner_open(&o, "state", UINT64_MAX).position.offset, 500);
    assert_holds(o.space, then);
    owner_close(&o);
}

static void many_epochs_make_a_checkpoint_due(void **state)
{
    static struct owner o;

    (void)state;
    (void)owner_open(&o, "state", UINT64_MAX);
    o.at.epoch = CHECKPOINT_EPOCHS - 1;
    change(&o, 1);
    checkpoint_consider(o.checkpoint);
    for (int i = 0; i < 20; i++)
        loop_turn(loop, NS_PER_MS);
    assert_int_equal(o.taken, 0);
    o.at.epoch = CHECKPOINT_EPOCHS;
    change(&o, 1);
    checkpoint_consider(o.checkpoint);
    TURN_UNTIL(o.taken == 1);
    assert_int_equal(o.written.position.epoch, CHECKPOINT_EPOCHS);
    owner_close(&o);
}

static void what_should_not_be_kept_is_asked_for_again(void **state)
{
    static struct owner o;

    (void)state;
    (void)owner_open(&o, "state", 1);
    o.at.epoch = 1;
    o.refuses = true;
    change(&o, 1);
    checkpoint_consider(o.checkpoint);
    assert_false(space_cutting(o.space));
    o.refuses = false;
    TURN_UNTIL(o.taken == 1);
    owner_close(&o);
}

/* ---- copies ---- */

/* The snapshot's rows, as another member gets them. */
static void read_all(struct owner *from, struct buf *out, struct ledger_point *point)
{
    struct state_reader *reader;
    struct err err;
    uint64_t bytes;
    bool ended = false;

    assert_true(state_read(checkpoint_state(from->checkpoint), &reader, point, &bytes, &err));
    for (size_t want = 0; !ended; want += 1000)
        assert_true(state_read_rows(reader, out, want, &ended, &err));
    state_read_end(reader);
}

static void feed(struct owner *to, struct bytes rows)
{
    while (rows.len > 0) {
        struct bytes piece = bytes_take(rows, 1 + rng_below(&rng, 20000));

        checkpoint_copy_piece(to->checkpoint, piece);
        rows = bytes_skip(rows, piece.len);
        loop_turn(loop, 0);
    }
}

static void begin_copy(struct owner *to)
{
    struct space *fresh = space_open(&(struct space_options){.seed = 9, .tracked = true});

    checkpoint_copy_begin(to->checkpoint, fresh);
    space_close(to->space);
    to->space = fresh;
}

static void a_copy_replaces_everything_and_goes_on_from_there(void **state)
{
    static struct owner from, to;
    struct ledger_point point;
    struct buf rows;

    (void)state;
    (void)owner_open(&from, "from", UINT64_MAX);
    (void)owner_open(&to, "to", UINT64_MAX);
    from.at.epoch = to.at.epoch = 4;
    change_some(&from, 3000);
    change_some(&to, 500);
    checkpoint_ask(to.checkpoint); /* in the middle of which the copy comes */
    checkpoint_ask(from.checkpoint);
    buf_init(&rows, SIZE_MAX);
    begin_copy(&to);
    TURN_UNTIL(from.taken == 1);
    read_all(&from, &rows, &point);
    feed(&to, buf_bytes(&rows));
    checkpoint_copy_end(to.checkpoint, point);
    TURN_UNTIL(to.installed);
    assert_int_equal(to.took, rows.len);
    assert_string_equal(to.desk, "3000");
    assert_holds(to.space, from.then);
    to.at = point.position;
    memcpy(to.values, from.then, sizeof to.values);
    change_some(&to, 300);
    to.taken = 0;
    checkpoint_ask(to.checkpoint);
    TURN_UNTIL(to.taken == 1);
    owner_close(&to);
    memcpy(from.values, to.then, sizeof from.values);
    assert_int_equal(owner_open(&to, "to", UINT64_MAX).position.offset, 3300);
    assert_holds(to.space, from.values);
    buf_fini(&rows);
    owner_close(&to);
    owner_close(&from);
}

static void a_copy_that_is_cut_off_or_none_leaves_what_was_there(void **state)
{
    static struct owner from, to;
    static uint64_t then[KEYS];
    struct ledger_point point;
    struct buf rows;

    (void)state;
    (void)owner_open(&from, "from", UINT64_MAX);
    (void)owner_open(&to, "to", UINT64_MAX);
    from.at.epoch = to.at.epoch = 1;
    change_some(&from, 3000);
    change_some(&to, 500);
    checkpoint_ask(to.checkpoint);
    checkpoint_ask(from.checkpoint);
    TURN_UNTIL(from.taken == 1 && to.taken == 1);
    memcpy(then, to.then, sizeof then);
    buf_init(&rows, SIZE_MAX);
    read_all(&from, &rows, &point);

    begin_copy(&to);
    feed(&to, bytes_take(buf_bytes(&rows), rows.len / 2));
    checkpoint_copy_drop(to.checkpoint);

    begin_copy(&to);
    feed(&to, bytes_take(buf_bytes(&rows), rows.len - 1));
    checkpoint_copy_end(to.checkpoint, point);
    TURN_UNTIL(to.refused);

    to.refused = false;
    begin_copy(&to);
    checkpoint_copy_piece(to.checkpoint, BYTES("\377 no row"));
    assert_true(to.refused);
    owner_close(&to);

    assert_int_equal(owner_open(&to, "to", UINT64_MAX).position.offset, 500);
    assert_holds(to.space, then);
    buf_fini(&rows);
    owner_close(&to);
    owner_close(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_start_begins_at_the_checkpoint_however_much_was_changed_meanwhile, init, fini),
        cmocka_unit_test_setup_teardown(a_crash_before_the_commit_leaves_what_was_there, init,
                                        fini),
        cmocka_unit_test_setup_teardown(many_epochs_make_a_checkpoint_due, init, fini),
        cmocka_unit_test_setup_teardown(what_should_not_be_kept_is_asked_for_again, init, fini),
        cmocka_unit_test_setup_teardown(a_copy_replaces_everything_and_goes_on_from_there, init,
                                        fini),
        cmocka_unit_test_setup_teardown(a_copy_that_is_cut_off_or_none_leaves_what_was_there, init,
                                        fini),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
