/*
 * Two batches of rows go back and forth between the loop and the thread. What fills them is a source: a cut, or a copy. A run is one source's time; the first batch of a run abandons
 * what the run before left unfinished, so nothing of one can get into another one's transaction.
 */
#include "store/drive_checkpoint.h"

#include "net/net.h"

#include <stdlib.h>

enum { BATCHES = 2, LOOK_EVERY = 8, POSTPONED_MS = 1000, BATCH_KEPT_BYTES = 4 << 20 };

enum source { SOURCE_NONE, SOURCE_CUT, SOURCE_COPY };

struct batch {
    struct job job;
    struct checkpoint *owner;
    uint64_t run;
    enum source source;
    bool busy, first, last, ok;
    struct buf rows;
    size_t took; /* bytes of a copy */
    struct ledger_point point;
    struct err err;
};

struct checkpoint {
    struct loop *loop;
    struct state *state;
    struct jobs *jobs;
    struct timer timer;
    struct space *space;
    uint64_t log_bytes;
    const struct checkpoint_events *events;
    void *context;

    struct ledger_point last;
    struct position executed;
    uint64_t bytes;         /* executed since the last cut began */
    struct instant last_at; /* when the last one ended */
    struct instant retry_at;
    bool asked;

    enum source source;
    uint64_t run;
    bool begun, ending; /* its first and its last batch are with the thread */
    struct ledger_point point;
    struct buf owner;
    struct batch batches[BATCHES];
    struct batch *filling; /* has rows of this run, and is not full */
    struct job drop;
    bool dropping, drop_again;

    struct buf stream; /* of a copy: what is not in a batch yet, and before it what is */
    size_t used;       /* bytes of it that are */
    size_t told;       /* bytes behind those that were told as taken */
    bool whole;        /* nothing more comes */
};

/* ---- on the thread ---- */

static void work(struct job *job)
{
    struct batch *batch = container_of(job, struct batch, job);
    struct state *state = batch->owner->state;

    if (batch->first)
        state_abandon(state);
    batch->ok = state_apply(state, buf_bytes(&batch->rows), &batch->err) &&
                (!batch->last || state_commit(state, batch->point, &batch->err));
}

static void drop_work(struct job *job)
{
    state_abandon(container_of(job, struct checkpoint, drop)->state);
}

/* ---- batches ---- */

static struct batch *free_batch(struct checkpoint *c)
{
    for (int i = 0; i < BATCHES && !c->filling; i++)
        if (!c->batches[i].busy)
            c->filling = &c->batches[i];
    return c->filling;
}

static void send(struct checkpoint *c, struct batch *batch)
{
    must(!batch->rows.full);
    batch->busy = true;
    batch->run = c->run;
    batch->source = c->source;
    batch->first = !c->begun;
    batch->last = c->ending;
    batch->point = c->point;
    c->begun = true;
    c->filling = NULL;
    jobs_add(c->jobs, &batch->job);
}

static void reset(struct batch *batch)
{
    batch->busy = false;
    batch->took = 0;
    if (batch->rows.cap > BATCH_KEPT_BYTES)
        buf_fini(&batch->rows);
    if (batch->rows.cap == 0)
        buf_init(&batch->rows, SIZE_MAX);
    buf_clear(&batch->rows);
}

static void begin_run(struct checkpoint *c, enum source source)
{
    c->run++;
    c->source = source;
    c->begun = c->ending = false;
    c->filling = NULL;
    for (int i = 0; i < BATCHES; i++)
        if (!c->batches[i].busy)
            reset(&c->batches[i]);
}

/* What the thread still holds of the run is of no use. */
static void end_run(struct checkpoint *c)
{
    c->source = SOURCE_NONE;
    c->run++;
    buf_fini(&c->stream);
    buf_init(&c->stream, SIZE_MAX);
    c->used = c->told = 0;
    c->whole = false;
}

static void drop_write(struct checkpoint *c)
{
    c->drop_again = c->dropping;
    if (c->dropping)
        return;
    c->dropping = true;
    jobs_add(c->jobs, &c->drop);
}

static void on_dropped(struct job *job)
{
    struct checkpoint *c = container_of(job, struct checkpoint, drop);

    c->dropping = false;
    if (c->drop_again && c->source == SOURCE_NONE)
        drop_write(c);
}

/* ---- a cut ---- */

static void add_row(struct batch *batch, enum space_cut kind, struct bytes name, struct bytes value)
{
    static const uint8_t kinds[] = {[SPACE_CUT_END] = ROW_OWNER,
                                    [SPACE_CUT_CLEAR] = ROW_CLEAR,
                                    [SPACE_CUT_DELETE] = ROW_DELETE,
                                    [SPACE_CUT_PUT] = ROW_PUT};
    struct row row = {.kind = kinds[kind]};

    if (kind == SPACE_CUT_END || kind == SPACE_CUT_PUT)
        row.value = value;
    if (kind == SPACE_CUT_DELETE || kind == SPACE_CUT_PUT)
        row.name = name;
    row_put(&batch->rows, &row);
}

static void slice(struct checkpoint *c)
{
    struct instant until = after_ns(loop_read_clock(c->loop, LOOP_MONOTONIC), CHECKPOINT_SLICE_NS);
    struct batch *batch = free_batch(c);
    enum space_cut kind = SPACE_CUT_CLEAR;
    struct bytes name, value;

    for (uint32_t rows = 0; batch && batch->rows.len < CHECKPOINT_BATCH_BYTES; rows++) {
        if (rows % LOOK_EVERY == LOOK_EVERY - 1 &&
            passed(until, loop_read_clock(c->loop, LOOP_MONOTONIC)))
            break;
        kind = space_cut_next(c->space, &name, &value);
        if (kind != SPACE_CUT_NOTHING)
            add_row(batch, kind, name, kind == SPACE_CUT_END ? buf_bytes(&c->owner) : value);
        if (kind == SPACE_CUT_END)
            break;
    }
    c->ending = kind == SPACE_CUT_END;
    if (batch && (c->ending || batch->rows.len >= CHECKPOINT_BATCH_BYTES))
        send(c, batch);
    if (!c->ending && free_batch(c)) /* else the end of a batch comes back here */
        timer_arm(c->loop, &c->timer, after_ms(loop_now(c->loop), 1));
}

static bool begin_cut(struct checkpoint *c)
{
    buf_clear(&c->owner);
    if (!c->events->point(c->context, &c->point, &c->owner) ||
        c->point.position.offset != c->executed.offset)
        return false;
    must(!c->owner.full);
    begin_run(c, SOURCE_CUT);
    timer_cancel(c->loop, &c->timer);
    c->point.position = c->executed;
    c->asked = false;
    c->bytes = 0;
    space_cut_begin(c->space, c->point.position.offset);
    slice(c);
    return true;
}

static void fail_cut(struct checkpoint *c, const struct err *err)
{
    space_cut_fail(c->space);
    end_run(c);
    drop_write(c);
    c->retry_at = after_ms(loop_now(c->loop), CHECKPOINT_RETRY_MS);
    c->asked = true;
    c->events->said(c->context, err->text);
    checkpoint_consider(c);
}

/* ---- a copy ---- */

static void refuse(struct checkpoint *c, const char *sentence)
{
    end_run(c);
    drop_write(c);
    c->events->refused(c->context, sentence);
}

static bool use_row(struct checkpoint *c, const struct row *row)
{
    switch ((enum row_kind)row->kind) {
    case ROW_PUT:
        return value_read(c->space, row->name, row->value);
    case ROW_OWNER:
        return c->events->owner(c->context, row->value);
    case ROW_CLEAR:
    case ROW_DELETE:
        break;
    }
    return false; /* of nothing there is nothing to delete */
}

static struct bytes unused(const struct checkpoint *c)
{
    return bytes_skip(buf_bytes(&c->stream), c->used);
}

/* What was used goes when it is more than what stays: each byte is moved once at most. */
static void use(struct checkpoint *c, size_t bytes)
{
    c->used += bytes;
    if (2 * c->used < c->stream.len)
        return;
    buf_drop(&c->stream, c->used);
    c->used = 0;
}

static bool fill(struct checkpoint *c, struct batch *batch)
{
    struct bytes left = unused(c), row_bytes;
    enum row_taken taken = ROW_CUT_OFF;
    struct row row = {.kind = ROW_CLEAR};
    size_t used;

    if (!c->begun)
        row_put(&batch->rows, &row);
    while (batch->rows.len < CHECKPOINT_BATCH_BYTES) {
        row_bytes = left;
        taken = row_take(&left, &row);
        if (taken != ROW_WHOLE)
            break;
        if (!use_row(c, &row))
            return false;
        buf_add(&batch->rows, bytes_take(row_bytes, row_bytes.len - left.len));
    }
    used = unused(c).len - left.len;
    batch->took = used - (used < c->told ? used : c->told);
    c->told -= used < c->told ? used : c->told;
    use(c, used);
    return taken != ROW_BROKEN && !batch->rows.full;
}

/* A row that is longer than what may be on the way is waited for as a whole: its beginning counts as taken. */
static void take_partial(struct checkpoint *c)
{
    size_t ahead = unused(c).len - c->told;

    c->told = unused(c).len;
    if (ahead > 0)
        c->events->took(c->context, ahead);
}

static void pump(struct checkpoint *c)
{
    struct batch *batch = free_batch(c);

    if (c->source != SOURCE_COPY || c->ending || !batch || (unused(c).len == c->told && !c->whole))
        return;
    if (!fill(c, batch)) {
        refuse(c, "the copy holds what is no state");
        return;
    }
    if (batch->rows.len < CHECKPOINT_BATCH_BYTES) {
        take_partial(c);
        c->ending = c->whole;
    }
    if (c->ending && unused(c).len > 0)
        refuse(c, "the copy ends in the middle of a key");
    else if (c->ending || batch->rows.len > 0)
        send(c, batch);
}

void checkpoint_copy_begin(struct checkpoint *c, struct space *space)
{
    if (c->source == SOURCE_CUT)
        space_cut_fail(c->space);
    end_run(c);
    timer_cancel(c->loop, &c->timer);
    c->space = space;
    begin_run(c, SOURCE_COPY);
}

void checkpoint_copy_piece(struct checkpoint *c, struct bytes piece)
{
    if (c->source != SOURCE_COPY)
        return;
    buf_add(&c->stream, piece);
    if (c->stream.full)
        refuse(c, "no memory for a key of the copy");
    else
        pump(c);
}

void checkpoint_copy_end(struct checkpoint *c, struct ledger_point point)
{
    if (c->source != SOURCE_COPY)
        return;
    c->point = point;
    c->whole = true;
    pump(c);
}

void checkpoint_copy_drop(struct checkpoint *c)
{
    if (c->source != SOURCE_COPY)
        return;
    end_run(c);
    drop_write(c);
}

/* ---- what has come of a batch ---- */

static void use_last(struct checkpoint *c, struct batch *batch)
{
    c->last = batch->point;
    c->last_at = loop_now(c->loop);
}

static void end_cut(struct checkpoint *c)
{
    end_run(c);
    c->events->written(c->context, c->last);
    checkpoint_consider(c);
}

static void end_copy(struct checkpoint *c)
{
    struct bytes name, value;

    end_run(c);
    c->executed = c->last.position;
    c->bytes = 0;
    c->asked = false;
    space_cut_begin(c->space, c->executed.offset);
    must(space_cut_next(c->space, &name, &value) == SPACE_CUT_END);
    c->events->installed(c->context);
}

static void went_wrong(struct checkpoint *c, const struct batch *batch)
{
    struct err err = batch->err;

    if (!state_lacked_room(&err))
        c->events->failed(c->context, &err);
    else if (batch->run != c->run)
        return;
    else if (c->source == SOURCE_CUT)
        fail_cut(c, &err);
    else
        refuse(c, err.text);
}

static void on_done(struct job *job)
{
    struct batch *batch = container_of(job, struct batch, job);
    struct checkpoint *c = batch->owner;
    bool current = batch->run == c->run, last = batch->last, ok = batch->ok;
    size_t took = batch->took;

    batch->busy = false;
    if (!ok)
        went_wrong(c, batch);
    if (ok && last)
        use_last(c, batch);
    reset(batch);
    if (ok && current && took > 0)
        c->events->took(c->context, took);
    if (ok && current && last && batch->source == SOURCE_COPY)
        end_copy(c);
    else if (ok && current && last)
        end_cut(c);
    else if (c->source == SOURCE_COPY)
        pump(c);
    else if (c->source == SOURCE_CUT && !timer_armed(&c->timer) && !c->ending)
        slice(c);
}

/* ---- when ---- */

void checkpoint_consider(struct checkpoint *c)
{
    struct instant now = loop_now(c->loop), at = after_ms(c->last_at, CHECKPOINT_AFTER_MS);

    if (c->source != SOURCE_NONE || !c->space || c->executed.offset == c->last.position.offset)
        return;
    if (c->asked || c->bytes >= c->log_bytes ||
        c->executed.epoch >= c->last.position.epoch + CHECKPOINT_EPOCHS)
        at = now;
    if (c->retry_at.ns > at.ns)
        at = c->retry_at;
    if (passed(at, now)) {
        if (begin_cut(c))
            return;
        at = after_ms(now, POSTPONED_MS);
    }
    if (!timer_armed(&c->timer) || at.ns < c->timer.at.ns)
        timer_arm(c->loop, &c->timer, at);
}

static void on_timer(struct timer *timer)
{
    struct checkpoint *c = container_of(timer, struct checkpoint, timer);

    if (c->source == SOURCE_CUT)
        slice(c);
    else
        checkpoint_consider(c);
}

void checkpoint_executed(struct checkpoint *c, struct position position, size_t record_bytes)
{
    c->executed = position;
    c->bytes += record_bytes;
}

void checkpoint_ask(struct checkpoint *c)
{
    c->asked = true;
    checkpoint_consider(c);
}

struct ledger_point checkpoint_last(const struct checkpoint *c)
{
    return c->last;
}

struct state *checkpoint_state(struct checkpoint *c)
{
    return c->state;
}

/* ---- the beginning and the end ---- */

bool checkpoint_open(struct checkpoint **out, const struct checkpoint_options *options,
                     struct err *err)
{
    struct checkpoint *c = calloc(1, sizeof *c);

    must(c);
    c->loop = options->loop;
    c->log_bytes = options->log_bytes;
    c->events = options->events;
    c->context = options->context;
    c->last_at = loop_now(c->loop);
    c->drop.work = drop_work;
    c->drop.done = on_dropped;
    timer_init(&c->timer, on_timer);
    buf_init(&c->owner, UINT32_MAX);
    buf_init(&c->stream, SIZE_MAX);
    for (int i = 0; i < BATCHES; i++) {
        c->batches[i].owner = c;
        c->batches[i].job.work = work;
        c->batches[i].job.done = on_done;
        buf_init(&c->batches[i].rows, SIZE_MAX);
    }
    if (!state_open(&c->state, options->directory, err) ||
        !jobs_open(&c->jobs, c->loop, "checkpoint", err)) {
        checkpoint_close(c);
        return false;
    }
    *out = c;
    return true;
}

bool checkpoint_load(struct checkpoint *c, struct space *space, struct ledger_point *point,
                     struct buf *owner, struct err *err)
{
    if (!state_load(c->state, space, point, owner, err))
        return false;
    c->space = space;
    c->last = *point;
    c->executed = point->position;
    return true;
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    timer_cancel(c->loop, &c->timer);
    jobs_close(c->jobs);
    state_close(c->state);
    for (int i = 0; i < BATCHES; i++)
        buf_fini(&c->batches[i].rows);
    buf_fini(&c->owner);
    buf_fini(&c->stream);
    free(c);
}
