/*
 * One write of a client's, made by nines itself. The connection is closed with a reset: the answer is known by then, and neither side keeps a TIME_WAIT for it.
 */
#include "engine/engine.h"

#include "base/must.h"
#include "base/own.h"
#include "engine/script.h"
#include "net/net.h"

#include <stdio.h>
#include <string.h>

enum { PROBE_BYTES = 1024 };

struct probe {
    struct loop *loop;
    const struct probe_events *events;
    void *context;
    struct stream stream;
    struct timer deadline;
    struct buf send, expect, got;
    uint8_t storage[3][PROBE_BYTES];
    bool over; /* its stream is being closed */
    bool answered;
    bool cancelled;
    char sentence[GROUP_SENTENCE_MAX];
};

static struct probe *of_stream(struct stream *stream)
{
    return container_of(stream, struct probe, stream);
}

static void end(struct probe *probe, bool answered, const char *sentence)
{
    if (probe->over)
        return;
    probe->over = true;
    probe->answered = answered;
    snprintf(probe->sentence, sizeof probe->sentence, "%s", sentence);
    timer_cancel(probe->loop, &probe->deadline);
    stream_close(&probe->stream, true);
}

static void on_deadline(struct timer *timer)
{
    end(container_of(timer, struct probe, deadline), false, "a write was not answered in time");
}

static void on_connected(struct stream *stream)
{
    struct probe *probe = of_stream(stream);

    if (!probe->over && probe->events->bound)
        probe->events->bound(probe->context, stream_local(stream).port);
    if (probe->over) /* or cancelled by the callee */
        return;
    stream_receive(stream, true);
    if (!stream_send(stream, NULL, buf_bytes(&probe->send)))
        end(probe, false, "there was no memory to send a write with");
}

static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct probe *probe = of_stream(stream);
    struct bytes expected = buf_bytes(&probe->expect), got;
    char sentence[GROUP_SENTENCE_MAX], quoted[64];

    (void)chunk;
    if (probe->over)
        return;
    buf_add(&probe->got, bytes_take(bytes, expected.len - probe->got.len));
    got = buf_bytes(&probe->got);
    if (!bytes_equal(got, bytes_take(expected, got.len))) {
        snprintf(sentence, sizeof sentence, "a write was answered with `%s`",
                 script_quote(got, quoted, sizeof quoted));
        end(probe, false, sentence);
    } else if (got.len == expected.len) {
        end(probe, true, "");
    }
}

static void on_ended(struct stream *stream)
{
    end(of_stream(stream), false, "the connection was closed before a write was answered");
}

static void on_failed(struct stream *stream, int error)
{
    char sentence[GROUP_SENTENCE_MAX];

    snprintf(sentence, sizeof sentence, "a write could not be sent: %s", strerror(error));
    end(of_stream(stream), false, sentence);
}

static void on_closed(struct stream *stream)
{
    struct probe *probe = of_stream(stream);
    const struct probe_events *told = probe->cancelled ? NULL : probe->events;
    void *context = probe->context;
    bool answered = probe->answered;
    char sentence[GROUP_SENTENCE_MAX];

    memcpy(sentence, probe->sentence, sizeof sentence);
    free(probe);
    if (told)
        told->done(context, answered, sentence);
}

static bool write_texts(struct probe *probe, const struct probe_options *options)
{
    buf_over(&probe->send, probe->storage[0], PROBE_BYTES);
    buf_over(&probe->expect, probe->storage[1], PROBE_BYTES);
    buf_over(&probe->got, probe->storage[2], PROBE_BYTES);
    return engine_unescape(image_text(options->image, options->what->send), options->epoch,
                           &probe->send) &&
           engine_unescape(image_text(options->image, options->what->expect), options->epoch,
                           &probe->expect);
}

bool probe_begin(struct probe **out, const struct probe_options *options, struct err *err)
{
    static const struct stream_events events = {
        .connected = on_connected,
        .received = on_received,
        .ended = on_ended,
        .failed = on_failed,
        .closed = on_closed,
    };
    autofree struct probe *probe = calloc(1, sizeof *probe);

    if (!probe)
        return err_set(err, ERR_LIMIT, "no memory for a write probe");
    probe->loop = options->loop;
    probe->events = options->events;
    probe->context = options->context;
    if (!write_texts(probe, options))
        return err_set(err, ERR_CONFIG, "the probe of the group is not written as its help says");
    if (!stream_connect(options->loop, &probe->stream, &options->address, NULL, &events, err))
        return false;
    timer_init(&probe->deadline, on_deadline);
    timer_arm(options->loop, &probe->deadline,
              after_ms(loop_now(options->loop), options->what->timeout_ms));
    *out = probe;
    probe = NULL;
    return true;
}

void probe_cancel(struct probe *probe)
{
    if (!probe)
        return;
    probe->cancelled = true;
    end(probe, false, "");
}
