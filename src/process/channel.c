/*
 * Sends and receives frames with descriptors over a SOCK_SEQPACKET pair: one frame is one packet, whole or not at all.
 * Never blocks. A frame that does not agree with its own header is never handed on, and its descriptors are closed.
 */
#include "process/process.h"

#include "base/own.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What goes before the body; both ends are the same binary. */
struct header {
    uint32_t type, len;
    uint64_t number;
};

_Static_assert(sizeof(struct header) == 16, "no padding");

union control {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int) * CHANNEL_FDS_MAX)];
};

bool channel_pair(int *ours, int *theirs, struct err *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return err_system(err, "open a channel");
    *ours = pair[0];
    *theirs = pair[1];
    return true;
}

static void attach_fds(struct msghdr *message, union control *control, const struct frame *frame)
{
    size_t size = sizeof(int) * frame->fd_count;
    struct cmsghdr *head;

    *control = (union control){0};
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(size);
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(head), frame->fds, size);
}

bool channel_send(int fd, const struct frame *frame, struct err *err)
{
    struct header header = {frame->type, frame->len, frame->number};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)frame->body, frame->len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    union control control;
    ssize_t sent;

    must(frame->len <= CHANNEL_BODY_MAX);
    must(frame->fd_count <= CHANNEL_FDS_MAX);
    if (frame->fd_count)
        attach_fds(&message, &control, frame);
    do
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return err_system(err, "send a frame of type %u with %u descriptors", frame->type,
                          frame->fd_count);
    must((size_t)sent == sizeof header + frame->len);
    return true;
}

/* Collects every descriptor that came, so that none leaks whatever is wrong with the frame. */
static void take_fds(struct msghdr *message, struct frame *frame)
{
    frame->fd_count = 0;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        size_t count;

        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        must(frame->fd_count + count <= CHANNEL_FDS_MAX);
        memcpy(frame->fds + frame->fd_count, CMSG_DATA(head), count * sizeof(int));
        frame->fd_count += (uint32_t)count;
    }
}

void frame_close_fds(struct frame *frame)
{
    for (uint32_t i = 0; i < frame->fd_count; i++)
        if (frame->fds[i] >= 0)
            close(frame->fds[i]);
    frame->fd_count = 0;
}

enum channel_outcome channel_receive(int fd, struct frame *frame)
{
    struct header header = {0};
    struct iovec parts[] = {{&header, sizeof header}, {frame->body, CHANNEL_BODY_MAX}};
    union control control;
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got;

    frame->fd_count = 0;
    do
        got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN ? CHANNEL_NOTHING : CHANNEL_CLOSED;
    take_fds(&message, frame);
    if (got == 0) { /* a packet of no bytes looks the same as the end, but may bring descriptors */
        frame_close_fds(frame);
        return CHANNEL_CLOSED;
    }
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)got < sizeof header ||
        header.len != (size_t)got - sizeof header) {
        frame_close_fds(frame);
        return CHANNEL_BAD;
    }
    frame->type = header.type;
    frame->len = header.len;
    frame->number = header.number;
    return CHANNEL_FRAME;
}

int frame_take_fd(struct frame *frame, uint32_t index)
{
    return index < frame->fd_count ? take_fd(&frame->fds[index]) : -1;
}
