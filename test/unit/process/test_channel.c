#include "base/own.h"
#include "process/process.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct frame sent, got;

static void open_pair(int *a, int *b)
{
    struct err err;

    assert_true(channel_pair(a, b, &err));
}

static bool same_file(int a, int b)
{
    struct stat one, other;

    assert_int_equal(fstat(a, &one), 0);
    assert_int_equal(fstat(b, &other), 0);
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static uint32_t count_open_fds(void)
{
    uint32_t count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void a_frame_arrives_whole_with_its_descriptors(void **state)
{
    struct err err;
    autoclose int a = -1, b = -1;

    (void)state;
    open_pair(&a, &b);
    sent = (struct frame){.type = 7, .len = CHANNEL_BODY_MAX, .number = UINT64_MAX};
    memset(sent.body, 'x', sizeof sent.body);
    sent.fd_count = 2;
    sent.fds[0] = a;
    sent.fds[1] = b;
    assert_true(channel_send(a, &sent, &err));
    assert_int_equal(channel_receive(b, &got), CHANNEL_FRAME);
    assert_int_equal(got.type, 7);
    assert_int_equal(got.len, CHANNEL_BODY_MAX);
    assert_true(got.number == UINT64_MAX);
    assert_memory_equal(got.body, sent.body, CHANNEL_BODY_MAX);
    assert_int_equal(got.fd_count, 2);
    assert_true(same_file(got.fds[0], a) && same_file(got.fds[1], b));
    assert_true(fcntl(got.fds[0], F_GETFD) & FD_CLOEXEC);
    frame_close_fds(&got);
    assert_int_equal(channel_receive(b, &got), CHANNEL_NOTHING);
}

static void a_descriptor_that_is_taken_is_not_closed_with_the_frame(void **state)
{
    struct frame frame = {.fd_count = 1, .fds = {dup(0)}};
    autoclose int taken = frame_take_fd(&frame, 0);

    (void)state;
    frame_close_fds(&frame);
    assert_true(fcntl(taken, F_GETFD) >= 0);
    assert_int_equal(frame_take_fd(&frame, 0), -1);
}

static void the_peers_end_closes_the_channel(void **state)
{
    struct err err;
    int a, b;

    (void)state;
    open_pair(&a, &b);
    close(b);
    assert_int_equal(channel_receive(a, &got), CHANNEL_CLOSED);
    sent = (struct frame){.type = 1};
    assert_false(channel_send(a, &sent, &err));
    assert_int_equal(err.number, EPIPE);
    close(a);
}

static void a_full_channel_is_an_error_and_not_a_wait(void **state)
{
    struct err err;
    int a, b;
    int frames = 0;

    (void)state;
    open_pair(&a, &b);
    sent = (struct frame){.type = 1, .len = CHANNEL_BODY_MAX};
    while (channel_send(a, &sent, &err))
        frames++;
    assert_int_equal(err.number, EAGAIN);
    assert_true(frames > 8);
    close(a);
    close(b);
}

/* Sends what no channel_send would: `size` bytes that say they have a body of `len`, and `fds` descriptors. */
static void send_raw(int fd, size_t size, uint32_t len, uint32_t fds)
{
    uint8_t bytes[CHANNEL_BODY_MAX + 64] = {0};
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(int) * 250)];
    } control = {0};
    struct iovec part = {bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    memcpy(bytes + 4, &len, sizeof len);
    if (fds) {
        struct cmsghdr *head;

        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * fds);
        for (uint32_t i = 0; i < fds; i++)
            memcpy(CMSG_DATA(head) + i * sizeof(int), &fd, sizeof fd);
    }
    assert_int_equal(sendmsg(fd, &message, 0), size);
}

static void a_bad_frame_is_refused_and_what_came_with_it_is_closed(void **state)
{
    static const struct {
        size_t size;
        uint32_t len, fds;
    } bad[] = {
        {4, 0, 1},                                        /* shorter than a header */
        {16, 1, 1},                                       /* says more than it has */
        {32, 8, 1},                                       /* says less than it has */
        {16 + CHANNEL_BODY_MAX + 1, CHANNEL_BODY_MAX, 1}, /* does not fit */
        {16, 0, CHANNEL_FDS_MAX + 1},                     /* too many descriptors */
        {16, 0, 250},
    };
    int a, b;
    uint32_t before;

    (void)state;
    open_pair(&a, &b);
    before = count_open_fds();
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        send_raw(a, bad[i].size, bad[i].len, bad[i].fds);
        assert_int_equal(channel_receive(b, &got), CHANNEL_BAD);
        assert_int_equal(got.fd_count, 0);
        assert_int_equal(count_open_fds(), before);
    }
    close(a);
    close(b);
}

/* A packet of no bytes reads like the end; nothing that came with it may stay open. */
static void descriptors_that_come_with_an_empty_packet_are_closed(void **state)
{
    int a, b;
    uint32_t before;

    (void)state;
    open_pair(&a, &b);
    before = count_open_fds();
    send_raw(a, 0, 0, 3);
    assert_int_equal(channel_receive(b, &got), CHANNEL_CLOSED);
    assert_int_equal(got.fd_count, 0);
    assert_int_equal(count_open_fds(), before);
    close(a);
    close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_arrives_whole_with_its_descriptors),
        cmocka_unit_test(a_descriptor_that_is_taken_is_not_closed_with_the_frame),
        cmocka_unit_test(the_peers_end_closes_the_channel),
        cmocka_unit_test(a_full_channel_is_an_error_and_not_a_wait),
        cmocka_unit_test(a_bad_frame_is_refused_and_what_came_with_it_is_closed),
        cmocka_unit_test(descriptors_that_come_with_an_empty_packet_are_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
