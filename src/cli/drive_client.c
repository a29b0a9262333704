#include "cli/client.h"

#include "base/clock.h"
#include "base/own.h"
#include "wire/http1.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ANSWER_MAX = 64 << 20, READ_MAX = 64 << 10, HEAD_MAX = 8192 };

/* One exchange. */
struct talk {
    int fd;
    const char *socket;
    struct instant deadline;
    struct buf in; /* as it came: head and content */
};

static bool await(const struct talk *talk, short events, struct err *err)
{
    struct pollfd fd = {.fd = talk->fd, .events = events};
    int64_t left_ms = ns_between(clock_now(), talk->deadline) / NS_PER_MS;

    if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) == 0)
        return err_set(err, ERR_TIMEOUT, "nines did not answer in time on '%s'", talk->socket);
    return true;
}

static bool is_absent(int error)
{
    return error == ENOENT || error == ECONNREFUSED || error == ENOTDIR;
}

static bool join(struct talk *talk, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(talk->socket) >= sizeof address.sun_path)
        return err_set(err, ERR_USAGE, "the path of the socket is too long: '%s'", talk->socket);
    bytes_to_string(bytes_of_string(talk->socket), address.sun_path, sizeof address.sun_path);
    talk->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (talk->fd < 0)
        return err_system(err, "open a socket");
    while (connect(talk->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (is_absent(errno))
            return err_set(err, ERR_PEER,
                           "nines is not running here: nobody listens on '%s' (start it with "
                           "`nines run -c FILE`; -c FILE or --socket PATH finds another one)",
                           talk->socket);
        if (errno == EACCES || errno == EPERM)
            return err_set(err, ERR_PEER, "you may not open '%s': ask as root, or as its owner",
                           talk->socket);
        if (errno != EINTR && errno != EAGAIN)
            return err_system(err, "connect to '%s'", talk->socket);
        if (!await(talk, POLLOUT, err))
            return false;
    }
    return true;
}

static bool say(const struct talk *talk, struct bytes bytes, struct err *err)
{
    while (bytes.len) {
        ssize_t len;

        if (!await(talk, POLLOUT, err))
            return false;
        len = send(talk->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
        if (len < 0 && errno != EAGAIN && errno != EINTR)
            return err_system(err, "send to '%s'", talk->socket);
        bytes = bytes_skip(bytes, len > 0 ? (size_t)len : 0);
    }
    return true;
}

/* More of the answer. False with ERR_PEER: there is no more. */
static bool hear(struct talk *talk, struct err *err)
{
    uint8_t *space = buf_space(&talk->in, READ_MAX);
    ssize_t len;

    if (!space)
        return err_set(err, ERR_LIMIT, "the answer is longer than %d bytes", ANSWER_MAX);
    if (!await(talk, POLLIN, err))
        return false;
    len = recv(talk->fd, space, READ_MAX, 0);
    if (len < 0 && errno != EAGAIN && errno != EINTR)
        return err_system(err, "read from '%s'", talk->socket);
    if (len == 0)
        return err_set(err, ERR_PEER, "nines ended the connection within its answer");
    buf_grew(&talk->in, len > 0 ? (size_t)len : 0);
    return true;
}

static bool misunderstood(struct err *err, const struct http1_fault *fault)
{
    return err_set(err, ERR_PEER, "the answer is not HTTP: %s", fault->why);
}

static bool hear_head(struct talk *talk, enum http1_method method, struct http1_head *head,
                      struct err *err)
{
    struct http1_scan scan = {0};
    struct http1_fault fault;
    uint32_t used = 0;

    while (hear(talk, err)) {
        switch (
            http1_response(&scan, buf_bytes(&talk->in), HEAD_MAX, method, head, &used, &fault)) {
        case HTTP1_DONE:
            buf_drop(&talk->in, used);
            return true;
        case HTTP1_WRONG:
            return misunderstood(err, &fault);
        case HTTP1_MORE:
            break;
        }
    }
    return false;
}

static bool hear_content(struct talk *talk, const struct http1_head *head, struct buf *content,
                         struct err *err)
{
    struct http1_body body;
    struct http1_fault fault;

    http1_body_begin(&body, head);
    for (;;) {
        struct bytes piece;
        size_t used;
        enum http1_verdict verdict =
            http1_body_next(&body, buf_bytes(&talk->in), &used, &piece, &fault);

        buf_add(content, piece);
        buf_drop(&talk->in, used);
        if (verdict == HTTP1_WRONG)
            return misunderstood(err, &fault);
        if (verdict == HTTP1_DONE)
            return !content->full || err_set(err, ERR_LIMIT, "no memory for the answer");
        if (talk->in.len == 0 && !hear(talk, err))
            return false;
    }
}

static bool exchange(struct talk *talk, const char *method, const char *target,
                     struct client_answer *answer, struct err *err)
{
    struct http1_head head;
    char request[6144];
    int len = snprintf(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nX-Nines: 1\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n",
                       method, target);

    if (len < 0 || (size_t)len >= sizeof request)
        return err_set(err, ERR_USAGE, "the names are too long");
    if (!join(talk, err) || !say(talk, bytes_of(request, (size_t)len), err) ||
        !hear_head(talk, strcmp(method, "GET") == 0 ? METHOD_GET : METHOD_POST, &head, err) ||
        !hear_content(talk, &head, &answer->body, err))
        return false;
    answer->status = head.status;
    return true;
}

bool client_ask(const char *socket, const char *method, const char *target, int64_t timeout_ms,
                struct client_answer *answer, struct err *err)
{
    struct talk talk = {.fd = -1, .socket = socket, .deadline = after_ms(clock_now(), timeout_ms)};
    struct client_answer heard = {0};
    bool done;

    buf_init(&talk.in, ANSWER_MAX);
    buf_init(&heard.body, ANSWER_MAX);
    done = exchange(&talk, method, target, &heard, err);
    own_close(&talk.fd);
    buf_fini(&talk.in);
    if (done)
        *answer = heard;
    else
        buf_fini(&heard.body);
    return done;
}

bool client_ask_json(const char *socket, const char *method, const char *target, int64_t timeout_ms,
                     struct client_reply *reply, struct err *err)
{
    struct client_answer answer;
    json_error_t error;

    if (!client_ask(socket, method, target, timeout_ms, &answer, err))
        return false;
    reply->status = answer.status;
    reply->json = json_loadb((const char *)answer.body.at, answer.body.len, 0, &error);
    buf_fini(&answer.body);
    if (!reply->json)
        return err_set(err, ERR_PEER, "the answer (%u) is not JSON: %s", answer.status, error.text);
    return true;
}

bool client_was_granted(struct client_reply *reply, struct err *err)
{
    const char *sentence = json_string_value(json_object_get(reply->json, "error"));

    if (reply->status == 200)
        return true;
    err_record(err, ERR_PEER, 0, "%s (%u)", sentence ? sentence : "nines refused", reply->status);
    json_decref(reply->json);
    reply->json = NULL;
    return false;
}

int client_fail(const char *command, const struct err *err)
{
    fprintf(stderr, "nines %s: %s\n", command, err->text);
    if (err->kind == ERR_USAGE)
        return EXIT_USAGE;
    if (err->kind == ERR_TIMEOUT)
        return EXIT_TIMEOUT;
    return err->kind == ERR_CONFIG ? EXIT_CONFIGURATION : EXIT_FAILED;
}
