/*
 * The reader: a short-lived process that turns one file into one image, and knows nothing else. It is where the YAML library and name
 * resolution run, as nobody and in a sandbox; whatever happens to it, the supervisor refuses one configuration.
 */
#include "base/own.h"
#include "process/process.h"
#include "role/config.h"
#include "role/log.h"
#include "role/role.h"
#include "role/user.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    CHANNEL_FD = 3,
    IMAGE_BYTES_MAX = 64 << 20,
    FINDINGS_BYTES_MAX = 256 << 10,
    MISSING_MAX = 512
};

/* What the name services and the resolver read. /etc/resolv.conf may be a link to any of those in /run. */
static const char *const readable[] = {
    "/etc",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    NULL,
};

static bool await_question(struct frame *frame, struct err *err)
{
    struct pollfd channel = {.fd = CHANNEL_FD, .events = POLLIN};
    enum channel_outcome outcome;

    while ((outcome = channel_receive(CHANNEL_FD, frame)) == CHANNEL_NOTHING)
        poll(&channel, 1, -1);
    if (outcome == CHANNEL_FRAME && frame->type == MESSAGE_READ && frame->fd_count >= 1 &&
        frame->len >= 2 && frame->body[frame->len - 1] == '\0' &&
        memchr(frame->body, '\0', frame->len - 1))
        return true;
    return err_set(err, ERR_PEER, "the supervisor asked for nothing that a reader can do");
}

/* The channel never blocks, so a full one is waited for. */
static bool send_patiently(const struct frame *frame, struct err *err)
{
    struct pollfd channel = {.fd = CHANNEL_FD, .events = POLLOUT};

    while (!channel_send(CHANNEL_FD, frame, err)) {
        if (err->number != EAGAIN)
            return false;
        poll(&channel, 1, -1);
    }
    return true;
}

static bool send_findings(struct bytes text, struct frame *frame, struct err *err)
{
    for (struct bytes part; text.len > 0; text = bytes_skip(text, part.len)) {
        part = bytes_take(text, CHANNEL_BODY_MAX);
        *frame = (struct frame){.type = MESSAGE_FINDINGS, .len = (uint32_t)part.len};
        memcpy(frame->body, part.at, part.len);
        if (!send_patiently(frame, err))
            return false;
    }
    return true;
}

static bool write_all(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.at, bytes.len);

        if (written <= 0)
            return false;
        bytes = bytes_skip(bytes, (size_t)written);
    }
    return true;
}

/* Sealed, so that nobody who maps it later, not even this process, can change what was checked. */
static bool send_image(struct bytes image, struct frame *frame, struct err *err)
{
    autoclose int fd = memfd_create("nines-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || !write_all(fd, image))
        return err_system(err, "write the image");
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return err_system(err, "seal the image");
    *frame = (struct frame){.type = MESSAGE_IMAGE, .fd_count = 1, .fds = {fd}};
    return send_patiently(frame, err);
}

/* Of a generation that was in force before; {0} when there was none. */
static bool map_image(const struct frame *frame, uint32_t index, struct image *image,
                      struct err *err)
{
    struct stat stat;
    void *at;

    *image = (struct image){0};
    if (index >= frame->fd_count)
        return true;
    if (fstat(frame->fds[index], &stat) < 0)
        return err_system(err, "look at an image");
    at = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_SHARED, frame->fds[index], 0);
    if (at == MAP_FAILED)
        return err_system(err, "map an image");
    *image = (struct image){at, (size_t)stat.st_size};
    return true;
}

static bool tell(bool good, struct bytes image, struct bytes findings, struct frame *frame,
                 struct err *err)
{
    if (!send_findings(findings, frame, err))
        return false;
    if (good)
        return send_image(image, frame, err);
    *frame = (struct frame){.type = MESSAGE_REFUSED};
    return send_patiently(frame, err);
}

static bool answer(struct frame *frame, struct err *err)
{
    static char names[CHANNEL_BODY_MAX];
    struct config_request request = {
        .file = names, .fd = frame->fds[0], .colour = frame->number == 1, .resolve = true};
    struct buf image, findings;
    struct image started;
    bool good, told;

    memcpy(names, frame->body, frame->len);
    request.node = names + strlen(names) + 1;
    if (!request.node[0])
        request.node = NULL;
    if (!map_image(frame, 1, &request.previous, err) || !map_image(frame, 2, &started, err))
        return false;
    buf_init(&image, IMAGE_BYTES_MAX);
    buf_init(&findings, FINDINGS_BYTES_MAX);
    good = config_compile(&request, &image, &findings);
    if (good && started.len > 0)
        config_compare_at_start(started, (struct image){image.at, image.len}, &findings);
    told = tell(good, buf_bytes(&image), buf_bytes(&findings), frame, err);
    buf_fini(&image);
    buf_fini(&findings);
    return told;
}

static bool confine(struct err *err)
{
    const struct sandbox sandbox = {
        .profile = SANDBOX_READER, .user = role_user(""), .readable = readable};
    char missing[MISSING_MAX];

    /* What is missing is the same for every role, and the long-lived ones say it. */
    return sandbox_enter(&sandbox, missing, sizeof missing, err);
}

int role_reader(void)
{
    static struct frame frame;
    struct err err;

    log_begin("reader", NULL);
    if (process_die_with_parent(CHANNEL_FD, &err) && await_question(&frame, &err) &&
        confine(&err) && answer(&frame, &err))
        return 0;
    log_error("cannot read the configuration", log_text("error.message", err.text));
    return 1;
}
