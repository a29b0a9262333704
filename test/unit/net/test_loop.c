/*
 * Timers as the loop fires them, listeners and watches.
 */
#include "world.h"

#include "net/uring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>

/* ---- timers ---- */

struct alarm {
    struct timer timer;
    struct world *world;
    struct alarm *other;
    char name;
    char *story;
    unsigned fired;
};

static struct alarm *alarm_of(struct timer *timer)
{
    return container_of(timer, struct alarm, timer);
}

static void note(struct alarm *alarm)
{
    alarm->fired++;
    alarm->story[strlen(alarm->story)] = alarm->name;
}

static void notes(struct timer *timer)
{
    struct alarm *alarm = alarm_of(timer);

    assert_false(timer_armed(timer));
    assert_true(passed(timer->at, loop_now(alarm->world->loop)));
    note(alarm);
}

static void cancels_the_other(struct timer *timer)
{
    struct alarm *alarm = alarm_of(timer);

    note(alarm);
    timer_cancel(alarm->world->loop, &alarm->other->timer);
}

static void arms_itself_again(struct timer *timer)
{
    struct alarm *alarm = alarm_of(timer);

    note(alarm);
    if (alarm->fired < 3)
        timer_arm(alarm->world->loop, timer, loop_now(alarm->world->loop));
}

static void soon(struct world *world, struct alarm *alarm, int64_t ms)
{
    timer_arm(world->loop, &alarm->timer, after_ms(loop_now(world->loop), ms));
}

static void timers_fire_in_order_and_never_early(void **state)
{
    struct world *world = world_of(state);
    char story[16] = "";
    struct alarm a = {.world = world, .name = 'a', .story = story}, b = a, c = a, d = a;

    b.name = 'b';
    c.name = 'c';
    d.name = 'd';
    timer_init(&a.timer, notes);
    timer_init(&b.timer, notes);
    timer_init(&c.timer, notes);
    timer_init(&d.timer, notes);
    soon(world, &a, 9);
    soon(world, &b, 3);
    soon(world, &c, 1);
    soon(world, &d, 2);
    soon(world, &c, 6);
    timer_cancel(world->loop, &d.timer);
    assert_false(timer_armed(&d.timer));
    TURN_UNTIL(world, a.fired);
    assert_string_equal(story, "bca");
}

static void a_timer_may_cancel_another_that_is_due_as_well(void **state)
{
    struct world *world = world_of(state);
    char story[16] = "";
    struct alarm a = {.world = world, .name = 'a', .story = story}, b = a, c = a;

    b.name = 'b';
    c.name = 'c';
    a.other = &b;
    timer_init(&a.timer, cancels_the_other);
    timer_init(&b.timer, notes);
    timer_init(&c.timer, notes);
    soon(world, &a, 0);
    soon(world, &b, 0);
    soon(world, &c, 0);
    TURN_UNTIL(world, c.fired);
    assert_string_equal(story, "ac");
}

static void a_timer_armed_for_now_fires_in_the_next_turn(void **state)
{
    struct world *world = world_of(state);
    char story[16] = "";
    struct alarm a = {.world = world, .name = 'a', .story = story};

    timer_init(&a.timer, arms_itself_again);
    soon(world, &a, 0);
    for (unsigned turn = 1; turn <= 3; turn++) {
        loop_turn(world->loop, 0);
        assert_int_equal(a.fired, turn);
    }
}

static void stops_the_loop(struct timer *timer)
{
    loop_stop(alarm_of(timer)->world->loop);
}

static void running_lasts_until_it_is_stopped(void **state)
{
    struct world *world = world_of(state);
    struct alarm a = {.world = world};

    timer_init(&a.timer, stops_the_loop);
    for (int i = 0; i < 2; i++) {
        soon(world, &a, 1);
        loop_run(world->loop);
    }
    assert_int_equal(loop_kind(world->loop), world->options.kind);
}

/* ---- listeners ---- */

struct door {
    struct world *world;
    struct listener listener;
    int fds[64];
    unsigned accepted, starved;
    int error;
    bool stops, keeps; /* the listener at the first connection; what it accepts */
};

static void lets_in(struct listener *listener, int fd, const struct address *peer)
{
    struct door *door = container_of(listener, struct door, listener);

    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(peer->family, 4);
    assert_true(peer->port != 0);
    if (door->keeps)
        door->fds[door->accepted] = fd;
    else
        close(fd);
    door->accepted++;
    if (door->stops)
        listener_stop(listener, false);
}

static void starves(struct listener *listener, int error)
{
    struct door *door = container_of(listener, struct door, listener);

    door->starved++;
    door->error = error;
}

static void open_door(struct world *world, struct door *door)
{
    door->world = world;
    door->listener.accepted = lets_in;
    door->listener.starved = starves;
    listener_start(world->loop, &door->listener, open_listener());
}

static void close_door(struct door *door)
{
    listener_stop(&door->listener, false);
    settle(door->world);
    close(door->listener.fd);
}

static void a_listener_accepts_all_who_come(void **state)
{
    enum { CLIENTS = 50 };
    struct world *world = world_of(state);
    struct door door = {0};
    int clients[CLIENTS];

    open_door(world, &door);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = dial(port_of(door.listener.fd));
    TURN_UNTIL(world, door.accepted == CLIENTS);
    assert_int_equal(door.starved, 0);
    close_door(&door);
    for (size_t i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

static void a_stopped_listener_leaves_the_rest_to_others(void **state)
{
    struct world *world = world_of(state);
    struct door first = {.stops = true}, second = {0};
    int clients[3];

    open_door(world, &first);
    for (size_t i = 0; i < 3; i++)
        clients[i] = dial(port_of(first.listener.fd));
    settle(world);
    assert_int_equal(first.accepted, 1);
    second.world = world;
    second.listener = (struct listener){.accepted = lets_in, .starved = starves};
    listener_start(world->loop, &second.listener, first.listener.fd);
    TURN_UNTIL(world, second.accepted == 2);
    assert_int_equal(first.accepted, 1);
    close_door(&second);
    for (size_t i = 0; i < 3; i++)
        close(clients[i]);
}

static void a_draining_listener_takes_what_is_queued_and_no_more(void **state)
{
    enum { CLIENTS = 40 };
    struct world *world = world_of(state);
    struct door door = {0};
    int clients[CLIENTS], late;

    open_door(world, &door);
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = dial(port_of(door.listener.fd));
    listener_stop(&door.listener, true);
    assert_int_equal(door.accepted, 0);
    loop_turn(world->loop, INT64_MAX);
    assert_int_equal(door.accepted, CLIENTS);
    late = dial(port_of(door.listener.fd));
    settle(world);
    assert_int_equal(door.accepted, CLIENTS);
    close_door(&door);
    close(late);
    for (size_t i = 0; i < CLIENTS; i++)
        close(clients[i]);
}

/* Another process of those that share a listener, as far as the kernel sees it: it is woken and accepts nothing. */
struct thief {
    int epoll, events;
    _Atomic pid_t tid; /* set: from here on it sleeps in epoll_wait alone */
    pthread_t thread;
};

static void *takes_the_wake_up(void *argument)
{
    struct thief *thief = argument;
    struct epoll_event event;

    atomic_store(&thief->tid, gettid());
    thief->events = epoll_wait(thief->epoll, &event, 1, HANG_S * 1000);
    return NULL;
}

static bool sleeps(pid_t tid)
{
    char path[64], text[512] = "";
    const char *end;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    end = strrchr(text, ')');
    return end && end[1] == ' ' && end[2] == 'S';
}

/* It stands before the loop in the socket's queue of those who wait. */
static void let_a_thief_wait(struct thief *thief, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE};

    thief->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_true(thief->epoll >= 0);
    assert_int_equal(epoll_ctl(thief->epoll, EPOLL_CTL_ADD, fd, &event), 0);
    assert_int_equal(pthread_create(&thief->thread, NULL, takes_the_wake_up, thief), 0);
    while (atomic_load(&thief->tid) == 0 || !sleeps(atomic_load(&thief->tid)))
        sched_yield();
}

static void a_connection_whose_wake_up_another_process_took_is_accepted(void **state)
{
    struct world *world = world_of(state);
    struct thief thief = {.epoll = -1};
    struct door door = {.world = world};
    int fd = open_listener(), client;

    let_a_thief_wait(&thief, fd);
    door.listener = (struct listener){.accepted = lets_in, .starved = starves, .shared = true};
    listener_start(world->loop, &door.listener, fd);
    client = dial(port_of(fd));
    assert_int_equal(pthread_join(thief.thread, NULL), 0);
    assert_int_equal(thief.events, 1);
    TURN_UNTIL(world, door.accepted == 1);
    assert_int_equal(door.starved, 0);
    close_door(&door);
    close(client);
    close(thief.epoll);
}

static void out_of_descriptors_it_pauses_says_so_and_goes_on(void **state)
{
    struct world *world = world_of(state);
    struct door door = {.keeps = true};
    struct rlimit before, tight;
    int clients[3];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    open_door(world, &door);
    for (size_t i = 0; i < 3; i++)
        clients[i] = dial(port_of(door.listener.fd));
    tight = before;
    tight.rlim_cur = (rlim_t)clients[2] + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    TURN_UNTIL(world, door.starved == 2);
    assert_int_equal(door.error, EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    TURN_UNTIL(world, door.accepted == 3);
    close_door(&door);
    for (size_t i = 0; i < 3; i++) {
        close(clients[i]);
        close(door.fds[i]);
    }
}

static void a_port_in_use_is_a_sentence(void **state)
{
    int fd = open_listener(), other = -1;
    struct address taken = loopback(port_of(fd));
    struct err err = {0};

    (void)world_of(state);
    assert_false(listener_open_fd(&other, &taken, &err));
    assert_int_equal(other, -1);
    assert_int_equal(err.number, EADDRINUSE);
    assert_non_null(strstr(err.text, "listen on 127.0.0.1:"));
    close(fd);
}

/* ---- watches ---- */

struct guard {
    struct watch watch;
    unsigned readable, writable;
    bool stops, takes;
};

static void looks(struct watch *watch, bool readable, bool writable)
{
    struct guard *guard = container_of(watch, struct guard, watch);
    char byte;

    guard->readable += readable;
    guard->writable += writable;
    if (guard->takes)
        assert_int_equal(read(watch->fd, &byte, 1), 1);
    if (guard->stops)
        watch_stop(watch);
}

static void a_watch_is_told_as_long_as_its_descriptor_is_ready(void **state)
{
    struct world *world = world_of(state);
    struct guard guard = {.watch.ready = looks};
    unsigned before;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    watch_start(world->loop, &guard.watch, ends[0], true, false);
    settle(world);
    assert_int_equal(guard.readable, 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    TURN_UNTIL(world, guard.readable >= 3);
    guard.takes = true;
    before = guard.readable;
    TURN_UNTIL(world, guard.readable == before + 3);
    settle(world);
    assert_int_equal(guard.readable, before + 3);
    assert_int_equal(guard.writable, 0);
    watch_stop(&guard.watch);
    close(ends[0]);
    close(ends[1]);
}

static void a_watch_may_change_its_mind(void **state)
{
    struct world *world = world_of(state);
    struct guard guard = {.watch.ready = looks};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    watch_start(world->loop, &guard.watch, pair[0], false, true);
    TURN_UNTIL(world, guard.writable);
    assert_int_equal(guard.readable, 0);
    watch_change(&guard.watch, true, false);
    guard.writable = 0;
    TURN_UNTIL(world, guard.readable);
    assert_int_equal(guard.writable, 0);
    watch_change(&guard.watch, false, false);
    settle(world);
    guard.readable = 0;
    close(pair[1]);
    settle(world);
    assert_int_equal(guard.readable, 0);
    watch_change(&guard.watch, true, true);
    TURN_UNTIL(world, guard.readable && guard.writable);
    watch_stop(&guard.watch);
    close(pair[0]);
}

static void a_watch_may_be_stopped_and_freed_at_any_time(void **state)
{
    struct world *world = world_of(state);
    struct guard *guard = calloc(1, sizeof *guard);
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    guard->watch.ready = looks;
    guard->stops = true;
    watch_start(world->loop, &guard->watch, ends[0], true, false);
    TURN_UNTIL(world, guard->readable);
    settle(world);
    assert_int_equal(guard->readable, 1);
    watch_start(world->loop, &guard->watch, ends[0], true, false);
    watch_stop(&guard->watch);
    watch_stop(&guard->watch);
    free(guard);
    settle(world);
    close(ends[0]);
    close(ends[1]);
}

/* ---- opening ---- */

static void more_memory_than_there_is_is_a_sentence(void **state)
{
    struct loop_options options = {
        .kind = LOOP_EPOLL, .chunks_max = UINT32_MAX, .chunk_bytes = 1 << 20};
    struct loop *loop = NULL;
    struct err err = {0};

    (void)world_of(state);
    assert_false(loop_open(&loop, &options, &err));
    assert_null(loop);
    assert_non_null(strstr(err.text, "4294967295 buffers"));
}

/* As injected code would: past the loop, into its ring. */
static void a_ring_does_only_what_the_loop_uses(void **state)
{
    struct uring *uring = world_of(state)->loop->state;
    struct io_uring_cqe *cqe;

    io_uring_prep_openat(next_sqe(uring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
    assert_int_equal(io_uring_submit_and_wait(&uring->ring, 1), 1);
    assert_int_equal(io_uring_wait_cqe(&uring->ring, &cqe), 0);
    assert_int_equal(cqe->res, -EACCES);
    io_uring_cqe_seen(&uring->ring, cqe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(timers_fire_in_order_and_never_early),
        BOTH(a_timer_may_cancel_another_that_is_due_as_well),
        BOTH(a_timer_armed_for_now_fires_in_the_next_turn),
        BOTH(running_lasts_until_it_is_stopped),
        BOTH(a_listener_accepts_all_who_come),
        BOTH(a_stopped_listener_leaves_the_rest_to_others),
        BOTH(a_draining_listener_takes_what_is_queued_and_no_more),
        BOTH(a_connection_whose_wake_up_another_process_took_is_accepted),
        BOTH(out_of_descriptors_it_pauses_says_so_and_goes_on),
        BOTH(a_port_in_use_is_a_sentence),
        BOTH(a_watch_is_told_as_long_as_its_descriptor_is_ready),
        BOTH(a_watch_may_change_its_mind),
        BOTH(a_watch_may_be_stopped_and_freed_at_any_time),
        BOTH(more_memory_than_there_is_is_a_sentence),
        cmocka_unit_test_prestate_setup_teardown(a_ring_does_only_what_the_loop_uses, world_begin,
                                                 world_end, &kinds[1]),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
