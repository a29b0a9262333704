/*
 * The script engine: one order at a time over a stream to a program that runs elsewhere. It breaks off what hangs or talks nonsense, and asks for another program
 * after a growing wait. It never waits itself, and it reads nothing that it did not ask for.
 *
 * An order that finds no program waits for one, until its own time is over.
 */
#include "engine/script.h"

#include "base/must.h"
#include "base/own.h"
#include "net/net.h"
#include "process/process.h"

#include <stdio.h>
#include <string.h>

enum { BACKLOG_MAX = SCRIPT_LINE_MAX + 1 };

/* One program's stream. Its storage outlives the engine's use of it: a stream is closed in a later turn. */
struct program {
    struct engine *engine; /* NULL: it was let go */
    struct stream stream;
    struct buf in, out; /* `out` does not change while it is being sent */
};

struct member_name {
    char text[GROUP_NAME_MAX];
};

struct engine {
    struct loop *loop;
    const struct engine_events *events;
    void *context;
    char group[GROUP_NAME_MAX], self[GROUP_NAME_MAX];
    struct engine_member members[GROUP_MEMBERS_MAX];
    struct member_name names[GROUP_MEMBERS_MAX];
    uint32_t count;
    struct program *program; /* NULL: there is none */
    struct restart restart;
    struct timer wanted;   /* when another program is asked for */
    struct timer deadline; /* of the order, or at once when `broken` */
    bool asking, sent;
    bool broken; /* the order has ended, and is answered in the next turn */
    uint64_t id; /* of the last order */
    struct engine_order order;
    struct engine_answer answer; /* while `broken` */
};

static struct script_scene scene_of(const struct engine *engine)
{
    return (struct script_scene){engine->group, engine->self, engine->members, engine->count};
}

/* ---- answering ---- */

static void answered(struct engine *engine, const struct engine_answer *answer)
{
    struct engine_answer copy = *answer; /* the callee may ask again */

    engine->asking = engine->sent = engine->broken = false;
    timer_cancel(engine->loop, &engine->deadline);
    engine->events->answered(engine->context, &copy);
}

/* Later, for an owner is never called from inside its own calls. */
static void answer_soon(struct engine *engine, const char *sentence)
{
    if (!engine->asking || engine->broken)
        return;
    script_break(&engine->order, &engine->answer, "%s", sentence);
    engine->broken = true;
    timer_arm(engine->loop, &engine->deadline, loop_now(engine->loop));
}

/* ---- the program ---- */

static void let_go(struct engine *engine)
{
    struct program *program = engine->program;

    engine->program = NULL;
    if (!program)
        return;
    program->engine = NULL;
    stream_close(&program->stream, true);
}

/* The program is gone, or no longer believed: the order is answered, and another program asked for. */
static void lose(struct engine *engine, bool kill, const char *sentence)
{
    struct instant now = loop_now(engine->loop);

    let_go(engine);
    if (!timer_armed(&engine->wanted))
        timer_arm(engine->loop, &engine->wanted,
                  after_ms(now, restart_delay_ms(&engine->restart, now)));
    answer_soon(engine, sentence);
    if (kill)
        engine->events->kill_program(engine->context);
}

static void on_wanted(struct timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, wanted);

    engine->events->wants_program(engine->context);
}

static void send_order(struct engine *engine)
{
    struct program *program = engine->program;
    struct script_scene scene = scene_of(engine);

    if (!program || !engine->asking || engine->sent || engine->broken)
        return;
    if (stream_queued(&program->stream) > 0) {
        lose(engine, true, "the program answered an order that it has not read");
        return;
    }
    buf_clear(&program->out);
    script_write(&engine->order, engine->id, &scene, &program->out);
    must(!program->out.full);
    engine->sent = stream_send(&program->stream, NULL, buf_bytes(&program->out));
    if (!engine->sent)
        lose(engine, true, "there is no memory to send an order with");
}

static void on_deadline(struct timer *timer)
{
    struct engine *engine = container_of(timer, struct engine, deadline);
    char sentence[GROUP_SENTENCE_MAX];

    must(engine->asking);
    if (!engine->broken) {
        snprintf(sentence, sizeof sentence,
                 engine->sent ? "the program did not answer %s within %lld ms"
                              : "there was no program for %s within %lld ms",
                 engine_verb_name(engine->order.verb), (long long)engine->order.timeout_ms);
        script_break(&engine->order, &engine->answer, "%s", sentence);
        engine->broken = true;
        if (engine->program)
            lose(engine, true, sentence);
    }
    answered(engine, &engine->answer);
}

/* ---- what it says ---- */

static void take_line(struct engine *engine, struct bytes line)
{
    struct script_scene scene = scene_of(engine);
    struct engine_answer answer;
    char sentence[GROUP_SENTENCE_MAX], quoted[64];

    if (!engine->asking || !engine->sent || engine->broken) {
        snprintf(sentence, sizeof sentence, "the program spoke unasked: `%s`",
                 script_quote(line, quoted, sizeof quoted));
        lose(engine, true, sentence);
        return;
    }
    script_read(line, &engine->order, engine->id, &scene, &answer);
    if (answer.outcome == ENGINE_BROKEN)
        lose(engine, true, answer.sentence);
    else
        answered(engine, &answer);
}

static struct program *of_stream(struct stream *stream)
{
    return container_of(stream, struct program, stream);
}

/* More than one line at once is an answer and something unasked: the first is not believed either, for who answers twice may mean the second. */
static void on_received(struct stream *stream, struct chunk *chunk, struct bytes bytes)
{
    struct program *program = of_stream(stream);
    struct engine *engine = program->engine;
    struct bytes line;

    (void)chunk;
    if (!engine)
        return;
    if (program->in.len + bytes.len > BACKLOG_MAX) {
        lose(engine, true, "the program wrote a line of more than 64 KiB");
        return;
    }
    buf_add(&program->in, bytes);
    line = bytes_take(buf_bytes(&program->in), bytes_find(buf_bytes(&program->in), '\n'));
    if (line.len == program->in.len)
        return;
    if (line.len + 1 < program->in.len) {
        lose(engine, true, "the program wrote more than one line for one order");
        return;
    }
    take_line(engine, line);
    if (program->engine)
        buf_clear(&program->in);
}

/* If it lives all the same, the start of another kills it. */
static void on_ended(struct stream *stream)
{
    if (of_stream(stream)->engine)
        lose(of_stream(stream)->engine, false, "the program closed its output, or ended");
}

static void on_failed(struct stream *stream, int error)
{
    (void)error;
    on_ended(stream);
}

static void on_closed(struct stream *stream)
{
    struct program *program = of_stream(stream);

    must(!program->engine);
    buf_fini(&program->in);
    buf_fini(&program->out);
    free(program);
}

/* ---- the owner's calls ---- */

bool engine_open(struct engine **out, const struct engine_options *options, struct err *err)
{
    struct engine *engine = calloc(1, sizeof *engine);

    if (!engine)
        return err_set(err, ERR_LIMIT, "no memory for the engine of group '%s'", options->group);
    engine->loop = options->loop;
    engine->events = options->events;
    engine->context = options->context;
    snprintf(engine->group, sizeof engine->group, "%s", options->group);
    snprintf(engine->self, sizeof engine->self, "%s", options->self);
    timer_init(&engine->wanted, on_wanted);
    timer_init(&engine->deadline, on_deadline);
    timer_arm(engine->loop, &engine->wanted, loop_now(engine->loop));
    *out = engine;
    return true;
}

void engine_members(struct engine *engine, const struct engine_member *members, uint32_t count)
{
    must(count <= GROUP_MEMBERS_MAX);
    engine->count = count;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(engine->names[i].text, sizeof engine->names[i].text, "%s", members[i].name);
        engine->members[i] = members[i];
        engine->members[i].name = engine->names[i].text;
    }
}

void engine_connect(struct engine *engine, int fd)
{
    static const struct stream_events events = {
        .received = on_received, .ended = on_ended, .failed = on_failed, .closed = on_closed};
    struct program *program = calloc(1, sizeof *program);

    let_go(engine);
    timer_cancel(engine->loop, &engine->wanted);
    if (engine->sent)
        answer_soon(engine, "another program was started meanwhile");
    if (!program) {
        loop_close_fd(engine->loop, fd);
        lose(engine, true, "no memory for another program");
        return;
    }
    restart_started(&engine->restart, loop_now(engine->loop));
    program->engine = engine;
    buf_init(&program->in, BACKLOG_MAX);
    buf_init(&program->out, BACKLOG_MAX);
    stream_adopt(engine->loop, &program->stream, fd, &events);
    stream_receive(&program->stream, true);
    engine->program = program;
    send_order(engine);
}

void engine_lost(struct engine *engine, const char *sentence)
{
    char text[GROUP_SENTENCE_MAX];

    snprintf(text, sizeof text, "the program is not there: %.120s", sentence);
    lose(engine, false, text);
}

void engine_ask(struct engine *engine, const struct engine_order *order)
{
    must(!engine->asking);
    engine->asking = true;
    engine->sent = engine->broken = false;
    engine->order = *order;
    engine->id++;
    timer_arm(engine->loop, &engine->deadline, after_ms(loop_now(engine->loop), order->timeout_ms));
    send_order(engine);
}

/* What it has done of it nobody knows: the program has to go, or its late answer would come to another order. */
void engine_cancel(struct engine *engine)
{
    if (!engine->asking || engine->broken)
        return;
    if (engine->program && engine->sent)
        lose(engine, true, "the order was broken off");
    else
        answer_soon(engine, "the order was broken off");
}

void engine_close(struct engine *engine)
{
    if (!engine)
        return;
    let_go(engine);
    timer_cancel(engine->loop, &engine->wanted);
    timer_cancel(engine->loop, &engine->deadline);
    free(engine);
}
