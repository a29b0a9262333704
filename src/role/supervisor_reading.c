/*
 * The reader as a process: asked with a descriptor of the file, answers with a sealed image or with findings. Whatever it does, or
 * does not do, comes to a generation or to a sentence.
 */
#include "role/supervisor.h"

#include "base/own.h"
#include "role/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void reading_init(struct supervisor *supervisor)
{
    supervisor->reading =
        (struct reading){.child = {.pid = -1, .pidfd = -1, .channel = -1}, .image_fd = -1};
}

static bool ask(struct supervisor *supervisor, int file, struct err *err)
{
    static struct frame frame;
    const char *node = supervisor->node ? supervisor->node : "";
    size_t name_len = strlen(supervisor->file) + 1, node_len = strlen(node) + 1;

    if (name_len + node_len > CHANNEL_BODY_MAX)
        return err_set(err, ERR_CONFIG, "the file's name is longer than %d bytes",
                       CHANNEL_BODY_MAX);
    frame = (struct frame){.type = MESSAGE_READ,
                           .number = isatty(STDERR_FILENO) == 1,
                           .len = (uint32_t)(name_len + node_len),
                           .fd_count = 1,
                           .fds = {file}};
    memcpy(frame.body, supervisor->file, name_len);
    memcpy(frame.body + name_len, node, node_len);
    if (supervisor->current.number > 0) {
        frame.fds[frame.fd_count++] = supervisor->current.image_fd;
        frame.fds[frame.fd_count++] = supervisor->started_image_fd;
    }
    return channel_send(supervisor->reading.child.channel, &frame, err);
}

static bool is_foreign(int file)
{
    struct stat stat;

    return fstat(file, &stat) < 0 || stat.st_uid != 0 || (stat.st_mode & S_IWOTH) ||
           ((stat.st_mode & S_IWGRP) && stat.st_gid != 0);
}

static bool execute(struct supervisor *supervisor, struct err *err)
{
    static const char *const arguments[] = {"role", "reader", NULL};
    struct child *child = &supervisor->reading.child;
    /* Non-blocking: a pipe that nobody writes to is read as empty, not waited for. */
    autoclose int file = open(supervisor->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    autoclose int ours = -1, theirs = -1;
    struct spawn spawn = {.role = "reader", .arguments = arguments, .scoreboard = -1, .extra = -1};

    if (file < 0)
        return err_system(err, "read '%s'", supervisor->file);
    supervisor->reading.foreign = is_foreign(file);
    if (!channel_pair(&ours, &theirs, err))
        return false;
    spawn.channel = theirs;
    if (!process_spawn(&spawn, &child->pid, &child->pidfd, err))
        return false;
    child->channel = take_fd(&ours);
    return ask(supervisor, file, err);
}

static void forget(struct supervisor *supervisor)
{
    struct reading *reading = &supervisor->reading;

    child_close(&reading->child);
    own_close(&reading->image_fd);
    buf_fini(&reading->findings);
    reading_init(supervisor);
}

/* At the start and at a terminal the findings stand as they are; later each is a line of the log. */
static void report(const struct supervisor *supervisor, enum log_level level, const char *message)
{
    struct bytes rest = buf_bytes(&supervisor->reading.findings);
    char text[2048];

    if (supervisor->core.phase == SUPERVISE_BEGINNING || isatty(STDERR_FILENO) == 1) {
        (void)!write(STDERR_FILENO, rest.at, rest.len); /* there is nobody else to tell */
        return;
    }
    while (rest.len > 0) {
        const uint8_t *gap = memmem(rest.at, rest.len, "\n\n", 2);
        size_t len = gap ? (size_t)(gap - rest.at) : rest.len - (rest.at[rest.len - 1] == '\n');
        const struct log_field finding =
            log_text("error.message", bytes_to_string(bytes_take(rest, len), text, sizeof text));

        log_write(level, message, &finding, 1);
        rest = bytes_skip(rest, gap ? len + 2 : rest.len);
    }
}

static void refuse(struct supervisor *supervisor)
{
    report(supervisor, LOG_ERROR, "the configuration was refused");
    bytes_to_string(buf_bytes(&supervisor->reading.findings), supervisor->refusal,
                    sizeof supervisor->refusal);
    forget(supervisor);
    supervisor_event(supervisor, EVENT_REFUSED, 0, 0);
}

void reading_begin(struct supervisor *supervisor)
{
    struct err err;

    must(supervisor->reading.child.pid < 0);
    buf_init(&supervisor->reading.findings, SUPERVISOR_FINDINGS_MAX);
    if (execute(supervisor, &err))
        return;
    buf_print(&supervisor->reading.findings, "error: %s\n", err.text);
    if (supervisor->reading.child.pid < 0)
        refuse(supervisor);
    else
        reading_kill(supervisor); /* it was not asked: refused when it has ended */
}

void reading_kill(struct supervisor *supervisor)
{
    supervisor->reading.killed = true;
    if (supervisor->reading.child.pid > 0)
        kill(supervisor->reading.child.pid, SIGKILL);
}

static void on_frame(struct reading *reading, struct frame *frame)
{
    if (frame->type == MESSAGE_FINDINGS) {
        buf_add(&reading->findings, bytes_of(frame->body, frame->len));
    } else if (frame->type == MESSAGE_IMAGE) {
        own_close(&reading->image_fd);
        reading->image_fd = frame_take_fd(frame, 0);
    } else if (frame->type == MESSAGE_REFUSED) {
        reading->refused = true;
    }
    frame_close_fds(frame);
}

/* False: there is no more of it for now, or for good. */
static bool take_frame(struct reading *reading)
{
    static struct frame frame;

    if (reading->child.channel < 0)
        return false;
    switch (channel_receive(reading->child.channel, &frame)) {
    case CHANNEL_FRAME:
        on_frame(reading, &frame);
        return true;
    case CHANNEL_NOTHING:
        return false;
    case CHANNEL_CLOSED:
    case CHANNEL_BAD:
        break;
    }
    own_close(&reading->child.channel);
    reading->child.channel = -1;
    return false;
}

/* A share: one that never stops talking must not be all that is listened to. */
void reading_listen(struct supervisor *supervisor)
{
    for (int i = 0; i < FRAMES_A_TURN && take_frame(&supervisor->reading); i++)
        ;
}

static void conclude(struct supervisor *supervisor, int status)
{
    struct reading *reading = &supervisor->reading;
    char ending[128];

    if (reading->refused && reading->findings.len > 0) {
        refuse(supervisor);
    } else if (reading->image_fd >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        if (!generation_prepare(supervisor, take_fd(&reading->image_fd), &reading->findings)) {
            refuse(supervisor);
            return;
        }
        report(supervisor, LOG_WARNING, "the configuration is good, but");
        forget(supervisor);
        supervisor_event(supervisor, EVENT_READ, 0, supervisor->next.number);
        generation_commit(supervisor);
        addresses_follow(supervisor);
    } else {
        if (reading->killed && reading->findings.len == 0)
            buf_print(&reading->findings,
                      "error: reading '%s' was ended: it took too long, or nines stops\n",
                      supervisor->file);
        else
            buf_print(&reading->findings, "error: the process that read '%s' failed: %s\n",
                      supervisor->file, supervisor_ending(status, ending, sizeof ending));
        refuse(supervisor);
    }
}

void reading_reap(struct supervisor *supervisor)
{
    struct child *child = &supervisor->reading.child;
    int status;

    if (waitpid(child->pid, &status, WNOHANG) != child->pid)
        return;
    while (take_frame(&supervisor->reading)) /* its last words, which have an end */
        ;
    conclude(supervisor, status);
}
