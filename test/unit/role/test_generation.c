/*
 * What a role does with the descriptors and images that its supervisor lends it.
 */
#include "base/own.h"
#include "role/role_parts.h"
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct role role;
static struct role_held held[ROLE_HELD_MAX];
static struct frame frame;
static int listeners[3];

static void begins(void)
{
    const struct loop_options options = {.kind = LOOP_EPOLL, .chunks_max = 16, .chunk_bytes = 4096};
    struct err err;

    role = (struct role){.kind = ROLE_WORKER, .held = held};
    list_init(&role.generations);
    assert_true(loop_open(&role.loop, &options, &err));
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
        listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void ends(void)
{
    role_drop_everything(&role);
    loop_close(role.loop);
    for (size_t i = 0; i < ARRAY_LEN(listeners); i++)
        close(listeners[i]);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void lends(uint64_t generation, int32_t index, int fd)
{
    struct err err;

    frame = (struct frame){.type = MESSAGE_LISTENERS,
                           .number = generation,
                           .len = sizeof index,
                           .fd_count = 1,
                           .fds = {fcntl(fd, F_DUPFD_CLOEXEC, 0)}};
    memcpy(frame.body, &index, sizeof index);
    assert_true(role_take_listeners(&role, &frame, &err));
    frame_close_fds(&frame);
}

static bool sends_image(uint64_t generation, size_t size, struct err *err)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    bool taken;

    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    frame = (struct frame){
        .type = MESSAGE_GENERATION, .number = generation, .fd_count = 1, .fds = {fd}};
    taken = role_take_generation(&role, &frame, err);
    frame_close_fds(&frame);
    return taken;
}

static void comes_into_force(uint64_t generation)
{
    struct err err;

    assert_true(sends_image(generation, sizeof(struct config), &err));
    role_promote_generation(&role);
    assert_true(role.current->number == generation);
}

/* Turns the loop until lingering descriptors may be closed: the longest that a turn waits is theirs. */
static void lingers(void)
{
    struct instant until = after_ms(loop_now(role.loop), ROLE_LINGER_MS);

    while (!passed(until, loop_now(role.loop)))
        loop_turn(role.loop, ns_between(loop_now(role.loop), until));
    role_close_lingering(&role);
}

static void a_listener_that_stays_keeps_its_number_whatever_its_index(void **state)
{
    int first, second;

    (void)state;
    begins();
    lends(1, 0, listeners[0]);
    lends(1, 1, listeners[1]);
    comes_into_force(1);
    first = role.current->listeners[0];
    second = role.current->listeners[1];
    assert_true(is_open(first) && is_open(second));
    lends(2, 0, listeners[2]);
    lends(2, 1, listeners[0]);
    lends(2, 7, listeners[1]);
    comes_into_force(2);
    assert_int_equal(role.current->listeners[1], first);
    assert_int_equal(role.current->listeners[7], second);
    assert_int_equal(role.held_count, 3);
    ends();
}

static void a_listener_that_went_is_closed_only_after_it_could_be_drained(void **state)
{
    int stays, goes;

    (void)state;
    begins();
    lends(1, 0, listeners[0]);
    lends(1, 1, listeners[1]);
    comes_into_force(1);
    stays = role.current->listeners[0];
    goes = role.current->listeners[1];
    lends(2, 0, listeners[0]);
    comes_into_force(2);
    role_close_lingering(&role);
    assert_true(is_open(goes));
    lingers();
    assert_false(is_open(goes));
    assert_true(is_open(stays));
    assert_int_equal(role.current->listeners[1], -1);
    ends();
}

static void a_listener_that_comes_back_while_it_lingers_stays(void **state)
{
    int fd;

    (void)state;
    begins();
    lends(1, 0, listeners[0]);
    comes_into_force(1);
    fd = role.current->listeners[0];
    comes_into_force(2);
    lends(3, 0, listeners[0]);
    comes_into_force(3);
    lingers();
    assert_true(is_open(fd));
    assert_int_equal(role.current->listeners[0], fd);
    ends();
}

static void a_generation_is_mapped_until_it_is_forgotten(void **state)
{
    (void)state;
    begins();
    comes_into_force(1);
    comes_into_force(2);
    role_forget(&role, 2); /* the current one stays */
    role_forget(&role, 9);
    assert_true(role.generations.next != role.generations.prev);
    role_forget(&role, 1);
    assert_ptr_equal(role.generations.next, role.generations.prev);
    assert_int_equal(role.current->number, 2);
    ends();
}

static void what_makes_no_sense_is_refused_and_leaks_nothing(void **state)
{
    struct err err;
    int32_t index = LISTENERS_MAX;

    (void)state;
    begins();
    frame = (struct frame){.number = 1, .len = sizeof index, .fd_count = 1, .fds = {dup(0)}};
    memcpy(frame.body, &index, sizeof index);
    assert_false(role_take_listeners(&role, &frame, &err));
    frame.len = 0;
    assert_false(role_take_listeners(&role, &frame, &err));
    frame.len = sizeof index;
    assert_false(role_take_logs(&role, &frame, &err));
    frame_close_fds(&frame);
    assert_false(sends_image(1, sizeof(struct config) - 1, &err));
    frame = (struct frame){.number = 1};
    assert_false(role_take_generation(&role, &frame, &err));
    assert_int_equal(role.held_count, 0);
    ends();
}

static void the_agents_listeners_are_known_by_this_nodes_paths(void **state)
{
    struct err err;

    (void)state;
    begins();
    lends(1, LISTENER_PEER, listeners[0]);
    lends(1, LISTENER_PEER - 1, listeners[1]);
    comes_into_force(1);
    assert_true(is_open(role.current->peer_fds[0]) && is_open(role.current->peer_fds[1]));
    assert_int_equal(role.current->peer_fds[2], -1);
    lends(2, LISTENER_PEER, listeners[1]);
    comes_into_force(2);
    assert_int_equal(role.current->peer_fds[1], -1);
    frame = (struct frame){.type = MESSAGE_LISTENERS,
                           .number = 3,
                           .len = sizeof(int32_t),
                           .fd_count = 1,
                           .fds = {fcntl(listeners[0], F_DUPFD_CLOEXEC, 0)}};
    memcpy(frame.body, &(int32_t){LISTENER_PEER - CONFIG_PATHS_MAX}, sizeof(int32_t));
    assert_false(role_take_listeners(&role, &frame, &err));
    frame_close_fds(&frame);
    ends();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_that_stays_keeps_its_number_whatever_its_index),
        cmocka_unit_test(a_listener_that_went_is_closed_only_after_it_could_be_drained),
        cmocka_unit_test(a_listener_that_comes_back_while_it_lingers_stays),
        cmocka_unit_test(a_generation_is_mapped_until_it_is_forgotten),
        cmocka_unit_test(the_agents_listeners_are_known_by_this_nodes_paths),
        cmocka_unit_test(what_makes_no_sense_is_refused_and_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
