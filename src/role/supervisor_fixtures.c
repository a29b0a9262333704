/*
 * What nines opens once and keeps: the API's listener, the command line's socket, the access log and the pipes to it. Says what cannot
 * be had and what to do about it.
 */
#include "role/supervisor.h"

#include "base/own.h"
#include "net/net.h"
#include "role/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOG_PIPE_BYTES = 1 << 20, CLI_BACKLOG = 16, DESCRIPTORS_BESIDES = 256 };

void fixtures_init(struct fixtures *fixtures)
{
    *fixtures = (struct fixtures){.admin_fd = -1, .cli_fd = -1, .access_log_fd = -1};
    memset(fixtures->log_pipes, 0xff, sizeof fixtures->log_pipes);
}

void fixtures_explain_port(struct buf *findings, const char *who, const struct address *address,
                           int error)
{
    char text[ADDRESS_TEXT_MAX];

    address_print(address, text);
    if (error == EADDRINUSE)
        buf_print(findings,
                  "error: %s cannot listen on %s: another process does already (`ss -ltnp` names "
                  "it)\n",
                  who, text);
    else if (error == EACCES || error == EPERM)
        buf_print(findings,
                  "error: %s cannot listen on %s: ports below 1024 are for root; start nines as "
                  "root, or give it CAP_NET_BIND_SERVICE (in a systemd unit: "
                  "AmbientCapabilities=CAP_NET_BIND_SERVICE)\n",
                  who, text);
    else if (error == EADDRNOTAVAIL)
        buf_print(findings, "error: %s cannot listen on %s: this machine has no such address\n",
                  who, text);
    else
        buf_print(findings, "error: %s cannot listen on %s: %s\n", who, text, strerror(error));
}

/* ---- the command line's socket ---- */

bool fixtures_make_directories(const char *path, const char *key, struct err *err)
{
    char part[CONFIG_PATH_MAX];
    struct stat stat_buf;

    for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        size_t len = slash ? (size_t)(slash - path) : strlen(path);

        if (len >= sizeof part)
            return err_set(err, ERR_CONFIG, "%s '%s' is too long", key, path);
        bytes_to_string(bytes_of(path, len), part, sizeof part);
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return err_system(err, "create the directory '%s' (%s in the file)", part, key);
        if (!slash)
            break;
    }
    if (stat(path, &stat_buf) < 0 || !S_ISDIR(stat_buf.st_mode))
        return err_set(err, ERR_CONFIG, "%s '%s' is not a directory", key, path);
    return true;
}

/* Whether somebody answers there; a socket that nobody listens on was left behind. */
static bool is_answered(const struct sockaddr_un *address)
{
    autoclose int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return probe >= 0 && (connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 ||
                          errno == EAGAIN);
}

/* Born for its owner alone, so that there is no moment in which others may connect. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0177);
    int result = bind(fd, (const struct sockaddr *)address, sizeof *address);

    umask(before);
    return result;
}

static bool open_cli_socket(struct fixtures *fixtures, const char *directory, struct err *err)
{
    autoclose int fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!fixtures_make_directories(directory, "runtime_directory", err))
        return false;
    if (snprintf(address.sun_path, sizeof address.sun_path, "%s/nines.sock", directory) >=
        (int)sizeof address.sun_path)
        return err_set(err, ERR_CONFIG, "runtime_directory '%s' is too long", directory);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_system(err, "open the command line's socket");
    if (bind_private(fd, &address) < 0) {
        if (errno != EADDRINUSE)
            return err_system(err, "open the socket '%s'", address.sun_path);
        if (is_answered(&address))
            return err_set(err, ERR_CONFIG,
                           "another nines runs here: it answers on '%s'; each needs a "
                           "runtime_directory of its own",
                           address.sun_path);
        if (unlink(address.sun_path) < 0 || bind_private(fd, &address) < 0)
            return err_system(err, "replace the socket '%s' that was left behind",
                              address.sun_path);
    }
    if (listen(fd, CLI_BACKLOG) < 0)
        return err_system(err, "listen on '%s'", address.sun_path);
    fixtures->cli_fd = take_fd(&fd);
    memcpy(fixtures->cli_path, address.sun_path, sizeof fixtures->cli_path);
    return true;
}

/* ---- the access log ---- */

static bool open_access_log(const char *path, int *opened, struct err *err)
{
    int fd = strcmp(path, "stdout") == 0
                 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    if (fd < 0)
        return err_system(err, "open the access log '%s'", path);
    *opened = fd;
    return true;
}

/* The supervisor keeps both ends, so that neither a worker's nor the monitor's death loses what is in the pipe. */
static bool open_log_pipes(struct fixtures *fixtures, uint32_t workers, struct err *err)
{
    for (uint32_t i = 0; i < workers; i++) {
        if (pipe2(fixtures->log_pipes[i], O_CLOEXEC | O_NONBLOCK) < 0)
            return err_system(err, "open a pipe for the access log");
        /* A larger pipe bridges a longer stall; a refusal leaves the usual 64 KiB. */
        (void)!fcntl(fixtures->log_pipes[i][1], F_SETPIPE_SZ, LOG_PIPE_BYTES);
    }
    return true;
}

static bool open_logs(struct fixtures *fixtures, const struct generation *generation,
                      struct err *err)
{
    const char *path = image_string(generation->image, generation->config->access_log);

    if (!path[0])
        return true;
    snprintf(fixtures->access_log, sizeof fixtures->access_log, "%s", path);
    return open_access_log(path, &fixtures->access_log_fd, err) &&
           open_log_pipes(fixtures, generation_workers(generation->config), err);
}

bool fixtures_reopen_access_log(struct fixtures *fixtures, struct err *err)
{
    int fd;

    if (fixtures->access_log_fd < 0 || !open_access_log(fixtures->access_log, &fd, err))
        return fixtures->access_log_fd < 0 &&
               err_set(err, ERR_CONFIG, "there is no access log to open again");
    close(fixtures->access_log_fd);
    fixtures->access_log_fd = fd;
    return true;
}

/* ---- all together ---- */

static bool open_admin(struct fixtures *fixtures, const struct config *config, struct buf *findings)
{
    struct err err;

    if (config->admin_address.family == 0 ||
        listener_open_fd(&fixtures->admin_fd, &config->admin_address, &err))
        return true;
    fixtures_explain_port(findings, "the API (admin.listen)", &config->admin_address, err.number);
    return false;
}

static bool or_finding(bool good, const struct err *err, struct buf *findings)
{
    if (!good)
        buf_print(findings, "error: %s\n", err->text);
    return good;
}

bool fixtures_open(struct fixtures *fixtures, const struct generation *generation,
                   struct buf *findings)
{
    const char *directory = image_string(generation->image, generation->config->runtime_directory);
    struct err err;

    return or_finding(open_cli_socket(fixtures, directory, &err), &err, findings) &&
           open_admin(fixtures, generation->config, findings) &&
           or_finding(open_logs(fixtures, generation, &err), &err, findings);
}

void fixtures_close(struct fixtures *fixtures)
{
    if (fixtures->cli_path[0])
        unlink(fixtures->cli_path);
    own_close(&fixtures->admin_fd);
    own_close(&fixtures->cli_fd);
    own_close(&fixtures->access_log_fd);
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        own_close(&fixtures->log_pipes[i][0]);
        own_close(&fixtures->log_pipes[i][1]);
    }
    fixtures_init(fixtures);
}

/* A worker has two descriptors per session, two per pipe, and its listeners. The limit is inherited by every role. */
void fixtures_raise_limit(const struct config *config)
{
    rlim_t need = (rlim_t)(2 * config->limits.sessions + 2 * config->limits.pipes + LISTENERS_MAX +
                           DESCRIPTORS_BESIDES);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_max < need) {
        struct rlimit more = {need, need};

        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            return;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < need)
        log_warning("fewer descriptors may be open than limits.sessions can need",
                    log_number("nines.descriptors.allowed", (int64_t)limit.rlim_cur),
                    log_number("nines.descriptors.needed", (int64_t)need));
}
