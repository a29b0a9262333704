/*
 * From a file to a generation's image: read, check, number, resolve.
 *
 * Runs in a short-lived process of its own. It keeps nothing, and changes nothing outside the two buffers it is given.
 */
#include "role/config.h"

#include "base/own.h"
#include "role/config_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 1 << 20, FINDING_TEXT_MAX = 512, WARNINGS_MAX = 16 << 10 };

void config_find(struct config_work *work, const struct item *item, const char *key,
                 const char *fix, const char *format, ...)
{
    uint32_t line, column, length;
    char text[FINDING_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!key || !findings_place(work->findings, item, key, &line, &column, &length)) {
        line = item->line;
        column = item->column;
        length = 1;
    }
    findings_add(work->findings, line, column, length, fix, "%s", text);
}

void config_tell_json(struct json *json, const char *severity, const char *sentence)
{
    json_begin_object(json);
    json_key(json, "severity");
    json_add_string(json, severity);
    json_key(json, "sentence");
    json_add_string(json, sentence);
    json_end(json);
}

void config_warn(struct config_work *work, const char *format, ...)
{
    char text[FINDING_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (work->request->json) {
        config_tell_json(work->request->json, "warning", text);
        return;
    }
    buf_print(&work->warnings, "%swarning: %s\n", work->warnings.len ? "\n" : "", text);
}

static bool read_all(int fd, const char *path, struct buf *text, struct err *err)
{
    struct stat stat;
    uint8_t *space;
    ssize_t got;

    if (fstat(fd, &stat) < 0)
        return err_system(err, "read '%s'", path);
    if (!S_ISREG(stat.st_mode) && !S_ISFIFO(stat.st_mode))
        return err_set(err, ERR_CONFIG, "read '%s': it is not a file", path);
    do {
        space = buf_space(text, 4096);
        if (!space)
            return err_set(err, ERR_CONFIG, "read '%s': it is larger than %d bytes", path,
                           FILE_BYTES_MAX);
        got = read(fd, space, 4096);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_system(err, "read '%s'", path);
        buf_grew(text, (size_t)got);
    } while (got != 0);
    return true;
}

static bool read_file(const struct config_request *request, struct buf *text, struct err *err)
{
    autoclose int opened = -1;

    if (request->fd >= 0)
        return read_all(request->fd, request->file, text, err);
    opened = open(request->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (opened < 0)
        return err_system(err, "read '%s'", request->file);
    return read_all(opened, request->file, text, err);
}

static bool compile(struct config_work *work)
{
    if (!schema_read(config_options, sizeof(struct config), work->findings, work->image))
        return false;
    config_settle_nodes(work);
    config_settle_groups(work);
    config_settle_users(work);
    config_settle_pools(work);
    config_choose_node(work);
    config_sense(work);
    config_settle_addresses(work);
    if (findings_count(work->findings) == 0)
        config_number(work);
    if (findings_count(work->findings) == 0)
        config_resolve(work);
    return findings_count(work->findings) == 0;
}

bool config_compile(const struct config_request *request, struct buf *image, struct buf *findings)
{
    struct config_work work = {.request = request, .image = image};
    struct buf text;
    struct err err = {0};
    bool good;

    buf_init(&text, FILE_BYTES_MAX + 4096);
    if (!read_file(request, &text, &err)) {
        if (request->json)
            config_tell_json(request->json, "error", err.text);
        else
            buf_print(findings, "error: %s\n", err.text);
        buf_fini(&text);
        return false;
    }
    work.findings = findings_new(request->file, buf_bytes(&text));
    buf_init(&work.warnings, WARNINGS_MAX);
    good = compile(&work);
    if (request->json)
        findings_json(work.findings, request->json);
    else if (good)
        buf_add(findings, buf_bytes(&work.warnings));
    else
        findings_print(work.findings, findings, request->colour);
    buf_fini(&work.warnings);
    findings_free(work.findings);
    buf_fini(&text);
    return good;
}

bool config_survey(const char *file, bool colour, struct buf *image, struct buf *out)
{
    const struct config_request request = {.file = file, .fd = -1, .colour = colour};
    struct config_work work = {.request = &request, .image = image};
    struct err err = {0};
    struct buf text;
    bool good;

    buf_init(&text, FILE_BYTES_MAX + 4096);
    if (!read_file(&request, &text, &err)) {
        buf_print(out, "error: %s\n", err.text);
        buf_fini(&text);
        return false;
    }
    work.findings = findings_new(file, buf_bytes(&text));
    buf_init(&work.warnings, WARNINGS_MAX);
    good = schema_read(config_options, sizeof(struct config), work.findings, image);
    if (good)
        config_settle_nodes(&work);
    good = good && findings_count(work.findings) == 0;
    if (!good)
        findings_print(work.findings, out, colour);
    buf_fini(&work.warnings);
    findings_free(work.findings);
    buf_fini(&text);
    return good;
}

bool config_socket(const char *file, char *path, size_t cap, struct err *err)
{
    const struct config_request request = {.file = file, .fd = -1};
    struct findings *findings;
    struct buf text, image;
    int len = -1;

    buf_init(&text, FILE_BYTES_MAX + 4096);
    if (!read_file(&request, &text, err)) {
        buf_fini(&text);
        return false;
    }
    findings = findings_new(file, buf_bytes(&text));
    (void)!schema_read(config_options, sizeof(struct config), findings, &image);
    if (image.len >= sizeof(struct config)) {
        const struct image read = {image.at, image.len};

        len = snprintf(path, cap, "%s/nines.sock",
                       image_string(read, config_of(read)->runtime_directory));
    }
    findings_free(findings);
    buf_fini(&image);
    buf_fini(&text);
    return (len >= 0 && (size_t)len < cap) ||
           err_set(err, ERR_CONFIG, "'%s' does not say a runtime_directory that can be used", file);
}
