/*
 * Writes the access log's lines. It never writes a byte from outside unescaped.
 */
#include "balancer/access.h"

#include "base/json.h"

#include <time.h>

_Static_assert(6 * (2 * ACCESS_NAME_MAX + ACCESS_METHOD_MAX + ACCESS_HOST_MAX + ACCESS_PATH_MAX +
                    ACCESS_ID_MAX) +
                       640 <
                   ACCESS_LINE_MAX,
               "a line fits even when each byte is escaped");

static size_t keep(uint8_t *into, struct bytes text, size_t max)
{
    text = bytes_take(text, max);
    if (text.len)
        memcpy(into, text.at, text.len);
    return text.len;
}

void access_note(struct access_request *request, struct bytes method, struct bytes host,
                 struct bytes path, struct bytes id)
{
    request->method_len = (uint8_t)keep(request->method, method, ACCESS_METHOD_MAX);
    request->host_len = (uint8_t)keep(request->host, host, ACCESS_HOST_MAX);
    request->path_len = (uint16_t)keep(request->path, path, ACCESS_PATH_MAX);
    request->id_len = (uint8_t)keep(request->id, id, ACCESS_ID_MAX);
}

static void add_text(struct json *json, const char *key, const uint8_t *at, size_t len)
{
    json_key(json, key);
    json_add_text(json, bytes_of(at, len));
}

static void add_name(struct json *json, const char *key, const char *name)
{
    json_key(json, key);
    json_add_text(json, bytes_take(bytes_of_string(name), ACCESS_NAME_MAX));
}

static void add_address(struct json *json, const char *key, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];

    json_key(json, key);
    json_add_string(json, address && address->family != 0 ? address_print(address, text) : NULL);
}

static void add_time(struct json *json, int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / 1000);
    char text[64];
    struct buf out;
    struct tm when;

    gmtime_r(&seconds, &when);
    buf_over(&out, text, sizeof text);
    buf_print(&out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", when.tm_year + 1900, when.tm_mon + 1,
              when.tm_mday, when.tm_hour, when.tm_min, when.tm_sec, (int)(wall_ms % 1000));
    json_key(json, "time");
    json_add_text(json, buf_bytes(&out));
}

static void add_request(struct json *json, const struct access_request *request)
{
    add_text(json, "method", request->method, request->method_len);
    add_text(json, "host", request->host, request->host_len);
    add_text(json, "path", request->path, request->path_len);
}

void access_write(struct buf *out, const struct access_entry *entry)
{
    struct json json;

    json_init(&json, out);
    json_begin_object(&json);
    add_time(&json, entry->wall_ms);
    add_name(&json, "node", entry->node);
    add_name(&json, "service", entry->service);
    add_address(&json, "client", entry->client);
    if (entry->request) {
        add_request(&json, entry->request);
        json_key(&json, "status");
        json_add_unsigned(&json, entry->status);
    }
    json_key(&json, "bytes_in");
    json_add_unsigned(&json, entry->bytes_in);
    json_key(&json, "bytes_out");
    json_add_unsigned(&json, entry->bytes_out);
    json_key(&json, "duration_us");
    json_add_number(&json, entry->duration_ns / NS_PER_US);
    if (entry->held_ns) {
        json_key(&json, "held_us");
        json_add_number(&json, entry->held_ns / NS_PER_US);
    }
    add_address(&json, "backend", entry->backend);
    json_key(&json, "tries");
    json_add_unsigned(&json, entry->tries);
    if (entry->request)
        add_text(&json, "request_id", entry->request->id, entry->request->id_len);
    if (entry->reason) {
        json_key(&json, "reason");
        json_add_string(&json, entry->reason);
    }
    json_end(&json);
    buf_add_byte(out, '\n');
}
