#include "role/access_log.h"

#include "base/must.h"
#include "role/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIPE_TEXT_MAX = 64 << 10,
    WRITE_MAX = 4096, /* to what may block: a pipe that is writable takes this much at once */
    RETRY_MS = 50,
};

struct log_pipe {
    struct access_log *log;
    struct watch watch;
    int fd; /* -1: none */
    uint32_t len;
    uint8_t text[PIPE_TEXT_MAX];
};

struct access_log {
    struct loop *loop;
    struct scoreboard *board;
    int fd;       /* -1: lines are thrown away */
    bool regular; /* a file: writing does not wait for a reader */
    bool torn;    /* what was written last is the beginning of a line */
    bool failing;
    uint64_t lost;      /* since it fails */
    struct timer retry; /* armed: the log takes nothing now, and the pipes wait */
    struct log_pipe pipes[WORKERS_MAX];
};

static uint64_t lines_in(struct bytes text)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.at[i] == '\n';
    return lines;
}

static uint32_t whole_lines(const uint8_t *text, uint32_t len)
{
    const uint8_t *last = len ? memrchr(text, '\n', len) : NULL;

    return last ? (uint32_t)(last - text) + 1 : 0;
}

/* ---- writing ---- */

static void lose(struct access_log *log, uint64_t lines, int error)
{
    count(&log->board->log_lost, lines);
    log->lost += lines;
    if (!log->failing)
        log_error("the access log cannot be written; its lines are lost",
                  log_text("error.message", strerror(error)));
    log->failing = true;
}

static void recover(struct access_log *log)
{
    if (log->failing)
        log_info("the access log is written again", log_number("lines_lost", (int64_t)log->lost));
    log->failing = false;
    log->lost = 0;
}

static bool takes_now(const struct access_log *log)
{
    struct pollfd out = {.fd = log->fd, .events = POLLOUT};

    return log->regular || poll(&out, 1, 0) != 0;
}

/* One write; -1 with errno, EAGAIN when the log takes nothing now. */
static ssize_t write_some(struct access_log *log, struct bytes text)
{
    ssize_t len;

    if (!takes_now(log)) {
        errno = EAGAIN;
        return -1;
    }
    if (log->torn && write(log->fd, "\n", 1) != 1)
        return -1;
    log->torn = false;
    if (!log->regular && text.len > WRITE_MAX) {
        uint32_t whole = whole_lines(text.at, WRITE_MAX);

        text.len = whole ? whole : WRITE_MAX;
    }
    len = write(log->fd, text.at, text.len);
    return len < 0 && errno == EINTR ? 0 : len;
}

/* How much of these lines is done with, written or lost; the rest is for later. */
static size_t write_lines(struct access_log *log, struct bytes text)
{
    size_t done = 0;

    while (done < text.len) {
        struct bytes rest = bytes_skip(text, done);
        ssize_t len = write_some(log, rest);

        if (len < 0 && errno == EAGAIN)
            break;
        if (len < 0) {
            lose(log, lines_in(rest), errno);
            if (done > 0)
                log->torn = text.at[done - 1] != '\n';
            return text.len;
        }
        if (len > 0)
            recover(log);
        count(&log->board->log_lines, lines_in(bytes_take(rest, (size_t)len)));
        done += (size_t)len;
    }
    return done;
}

/* ---- pipes ---- */

static void watch_pipes(struct access_log *log, bool on)
{
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        if (log->pipes[i].fd >= 0)
            watch_change(&log->pipes[i].watch, on, false);
}

static void flush(struct access_log *log, struct log_pipe *pipe)
{
    uint32_t whole = whole_lines(pipe->text, pipe->len);
    size_t done = whole;

    if (log->fd >= 0)
        done = write_lines(log, bytes_of(pipe->text, whole));
    memmove(pipe->text, pipe->text + done, pipe->len - done);
    pipe->len -= (uint32_t)done;
    if (done == whole && pipe->len == PIPE_TEXT_MAX) { /* no worker writes such a line */
        lose(log, 1, EMSGSIZE);
        pipe->len = 0;
    }
    if (done < whole && !timer_armed(&log->retry)) {
        watch_pipes(log, false);
        timer_arm(log->loop, &log->retry, after_ms(loop_now(log->loop), RETRY_MS));
    }
}

/* False: nothing more comes now. */
static bool take(struct log_pipe *pipe)
{
    ssize_t len = read(pipe->fd, pipe->text + pipe->len, PIPE_TEXT_MAX - pipe->len);

    if (len <= 0)
        return false;
    pipe->len += (uint32_t)len;
    return true;
}

static void drop(struct log_pipe *pipe)
{
    if (pipe->fd < 0)
        return;
    watch_stop(&pipe->watch);
    pipe->fd = -1;
}

static void on_ready(struct watch *watch, bool readable, bool writable)
{
    struct log_pipe *pipe = container_of(watch, struct log_pipe, watch);

    (void)readable;
    (void)writable;
    if (timer_armed(&pipe->log->retry))
        return;
    errno = 0;
    if (take(pipe))
        flush(pipe->log, pipe);
    else if (errno != EAGAIN && errno != EINTR)
        drop(pipe);
}

static void on_retry(struct timer *timer)
{
    struct access_log *log = container_of(timer, struct access_log, retry);

    for (uint32_t i = 0; i < WORKERS_MAX && !timer_armed(timer); i++)
        flush(log, &log->pipes[i]);
    if (!timer_armed(timer))
        watch_pipes(log, true);
}

/* ---- life ---- */

bool access_log_open(struct access_log **opened, struct loop *loop, struct scoreboard *board,
                     struct err *err)
{
    struct access_log *log = calloc(1, sizeof *log);

    if (!log)
        return err_set(err, ERR_LIMIT, "no memory for the access log");
    log->loop = loop;
    log->board = board;
    log->fd = -1;
    timer_init(&log->retry, on_retry);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        log->pipes[i].log = log;
        log->pipes[i].fd = -1;
        log->pipes[i].watch.ready = on_ready;
    }
    *opened = log;
    return true;
}

void access_log_reopen(struct access_log *log, int fd)
{
    struct stat stat;

    log->fd = fd;
    log->torn = false;
    log->regular = fd >= 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode);
}

void access_log_configure(struct access_log *log, int fd, const int *pipes)
{
    if (fd != log->fd)
        access_log_reopen(log, fd);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        struct log_pipe *pipe = &log->pipes[i];

        if (pipe->fd == pipes[i])
            continue;
        drop(pipe);
        pipe->fd = pipes[i];
        pipe->len = 0;
        if (pipe->fd >= 0)
            watch_start(log->loop, &pipe->watch, pipe->fd, !timer_armed(&log->retry), false);
    }
}

void access_log_close(struct access_log *log)
{
    timer_cancel(log->loop, &log->retry);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        struct log_pipe *pipe = &log->pipes[i];

        while (pipe->fd >= 0 && !timer_armed(&log->retry) && take(pipe))
            flush(log, pipe);
        drop(pipe);
    }
    timer_cancel(log->loop, &log->retry);
    free(log);
}
