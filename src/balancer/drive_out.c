/*
 * Memory of the balancer: pools of equal things, and text on its way out. Nothing here allocates after the balancer was opened; what does
 * not fit is an ordinary answer.
 */
#include "balancer/drive.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- pools ---- */

bool slab_open(struct slab *slab, size_t size, uint32_t count, struct err *err)
{
    size = (size + 63) & ~(size_t)63;
    void *at = mmap(NULL, size * count, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED)
        return err_system(err, "map %u things of %zu bytes", count, size);
    *slab = (struct slab){.at = at, .size = size, .count = count};
    return true;
}

void slab_close(struct slab *slab)
{
    if (slab->at)
        munmap(slab->at, slab->size * slab->count);
    *slab = (struct slab){0};
}

void *slab_take(struct slab *slab)
{
    void *thing = slab->free;

    if (thing)
        memcpy(&slab->free, thing, sizeof slab->free);
    else if (slab->touched < slab->count)
        thing = slab->at + slab->size * slab->touched++;
    if (thing)
        slab->used++;
    return thing;
}

void slab_give(struct slab *slab, void *thing)
{
    must(slab->used > 0);
    memcpy(thing, &slab->free, sizeof slab->free);
    slab->free = thing;
    slab->used--;
}

/* ---- text on its way ---- */

static void aim(struct outgoing *out)
{
    struct balancer *b = out->balancer;

    if (b->scratch)
        buf_over(&out->text, b->scratch->at + b->scratch_used, b->scratch->cap - b->scratch_used);
    else
        buf_over(&out->text, NULL, 0);
}

/* Space nobody refers to any more is written again from its start, so that a worker's heads stay in a few hot lines. */
static void find_space(struct balancer *b, size_t len)
{
    if (b->scratch && b->scratch->refs == 1)
        b->scratch_used = 0;
    if (b->scratch && b->scratch->cap - b->scratch_used >= len)
        return;
    chunk_release(b->loop, b->scratch);
    b->scratch = chunk_take(b->loop);
    b->scratch_used = 0;
}

void out_begin(struct outgoing *out, struct balancer *balancer, struct stream *to, size_t text_max)
{
    find_space(balancer, text_max);
    *out = (struct outgoing){.balancer = balancer, .to = to};
    aim(out);
}

static void send_text(struct outgoing *out)
{
    struct balancer *b = out->balancer;

    if (out->text.full)
        out->failed = true;
    if (out->failed || out->text.len == 0)
        return;
    if (!stream_send(out->to, b->scratch, buf_bytes(&out->text)))
        out->failed = true;
    out->bytes += out->text.len;
    b->scratch_used += (uint32_t)out->text.len;
    aim(out);
}

void out_content(struct outgoing *out, struct chunk *chunk, struct bytes content, bool chunked)
{
    if (content.len == 0)
        return;
    if (chunked)
        http1_write_chunk_head(&out->text, content.len);
    if (content.len <= SMALL_CONTENT_MAX) {
        buf_add(&out->text, content);
    } else {
        send_text(out);
        if (!out->failed && !stream_send(out->to, chunk, content))
            out->failed = true;
        out->bytes += content.len;
    }
    if (chunked)
        buf_add(&out->text, HTTP1_CHUNK_TAIL);
}

void out_last(struct outgoing *out)
{
    buf_add(&out->text, HTTP1_LAST_CHUNK);
}

bool out_end(struct outgoing *out)
{
    send_text(out);
    return !out->failed;
}

struct chunk *out_keep(struct outgoing *out, struct bytes *text)
{
    struct balancer *b = out->balancer;

    if (out->text.full || !b->scratch)
        return NULL;
    *text = buf_bytes(&out->text);
    b->scratch_used += (uint32_t)out->text.len;
    chunk_hold(b->scratch);
    return b->scratch;
}

enum http1_verdict body_take(struct http1_body *body, struct bytes bytes, size_t *used,
                             struct bytes *content, struct http1_fault *fault)
{
    struct bytes part;
    size_t step;
    enum http1_verdict verdict = http1_body_next(body, bytes, used, content, fault);

    while (verdict == HTTP1_MORE && *used < bytes.len) {
        verdict = http1_body_next(body, bytes_skip(bytes, *used), &step, &part, fault);
        if (verdict == HTTP1_WRONG)
            return verdict;
        if (content->len == 0) {
            *content = part;
        } else if (part.len) { /* the chunk's memory is ours to write: const is the view's */
            memmove((uint8_t *)(uintptr_t)content->at + content->len, part.at, part.len);
            content->len += part.len;
        }
        *used += step;
    }
    return verdict;
}

/* ---- the access log ---- */

/* A pipe takes up to PIPE_BUF bytes whole or not at all, so a line is never torn. Lines that do not fit are counted and gone. */
static void flush(struct balancer *b)
{
    uint64_t lines = 0;

    if (b->log_len == 0)
        return;
    if (write(b->options.log_fd, b->log, b->log_len) < 0) {
        for (uint32_t i = 0; i < b->log_len; i++)
            lines += b->log[i] == '\n';
        count(&b->record->log_dropped, lines);
    }
    b->log_len = 0;
}

void access_flush(struct timer *timer)
{
    flush(container_of(timer, struct balancer, access_flush));
}

static void write_line(struct balancer *b, const struct access_entry *entry)
{
    const int64_t patience_ms = 10; /* lines are gathered for so long */
    struct buf line;

    buf_over(&line, b->log_line, sizeof b->log_line);
    access_write(&line, entry);
    must(!line.full);
    if (b->log_len + line.len > sizeof b->log)
        flush(b);
    memcpy(b->log + b->log_len, line.at, line.len);
    b->log_len += (uint32_t)line.len;
    if (!timer_armed(&b->access_flush))
        timer_arm(b->loop, &b->access_flush, after_ms(loop_now(b->loop), patience_ms));
}

static bool wanted(const struct session *s)
{
    return s->service->config->access_log && session_balancer(s)->options.log_fd >= 0;
}

static const char *service_name(const struct session *s)
{
    const struct service *service = s->service;

    return image_string(service->generation->config.image, service->config->item.name);
}

void access_exchange(struct exchange *x, const char *reason)
{
    struct session *s = x->session;
    struct balancer *b = session_balancer(s);

    if (!wanted(s))
        return;
    write_line(b, &(struct access_entry){
                      .wall_ms = clock_wall_ms(),
                      .node = b->node,
                      .service = service_name(s),
                      .client = &s->client,
                      .request = s->tcp ? NULL : &x->log,
                      .backend = x->target ? &x->backend_address : NULL,
                      .status = x->status,
                      .tries = x->retry.tries,
                      .bytes_in = x->bytes_in,
                      .bytes_out = x->bytes_out,
                      .duration_ns = ns_between(s->started, loop_now(b->loop)),
                      .held_ns = x->held_ns,
                      .reason = reason,
                  });
}

void access_refused(struct session *s, uint16_t status, const char *reason)
{
    static const struct access_request nothing;
    struct balancer *b = session_balancer(s);

    if (!wanted(s))
        return;
    write_line(b, &(struct access_entry){
                      .wall_ms = clock_wall_ms(),
                      .node = b->node,
                      .service = service_name(s),
                      .client = &s->client,
                      .request = &nothing,
                      .status = status,
                      .duration_ns = ns_between(s->started, loop_now(b->loop)),
                      .reason = reason,
                  });
}
