#include "store/drive_snapshot.h"

#include "net/net.h"

#include <stdlib.h>

enum { READ_BYTES = 1 << 20 }; /* at once; or one longer row */

struct transfer {
    struct snapshots *owner;
    uint32_t number;  /* of the ledger; 0: it has ended */
    bool used, reads; /* in use, and with the thread */
    bool begun, ended, ok;
    struct state_reader *reader;
    struct ledger_point point;
    uint64_t bytes;
    struct buf rows;
    size_t sent; /* of `rows` */
    struct err err;
    struct job job;
};

struct snapshots {
    struct snapshots_options options;
    struct ledger *ledger;
    struct jobs *jobs;
    struct transfer transfers[GROUP_MEMBERS_MAX];
};

/* ---- on the thread ---- */

static void work(struct job *job)
{
    struct transfer *t = container_of(job, struct transfer, job);
    struct state *state = checkpoint_state(t->owner->options.checkpoint);

    t->ok = (t->reader || state_read(state, &t->reader, &t->point, &t->bytes, &t->err)) &&
            state_read_rows(t->reader, &t->rows, READ_BYTES, &t->ended, &t->err);
}

/* ---- on the loop ---- */

static void finish(struct transfer *t)
{
    t->number = 0;
    if (t->reads)
        return;
    state_read_end(t->reader);
    t->reader = NULL;
    buf_fini(&t->rows);
    t->used = false;
}

static void read_on(struct transfer *t)
{
    buf_clear(&t->rows);
    t->sent = 0;
    t->reads = true;
    jobs_add(t->owner->jobs, &t->job);
}

static void send(struct transfer *t)
{
    struct ledger *ledger = t->owner->ledger;

    while (t->sent < t->rows.len) {
        struct bytes piece =
            bytes_take(bytes_skip(buf_bytes(&t->rows), t->sent), LEDGER_SNAPSHOT_PIECE);

        if (!ledger_snapshot_piece(ledger, t->number, piece))
            return;
        t->sent += piece.len;
    }
    if (!t->ended) {
        read_on(t);
        return;
    }
    ledger_snapshot_end(ledger, t->number);
    /* Its place is free for another one: what follows of this one concerns nobody. */
    finish(t);
}

static void begin(struct transfer *t)
{
    struct snapshots *s = t->owner;

    t->begun = true;
    if (ledger_snapshot_begin(s->ledger, t->number, t->point, t->bytes)) {
        send(t);
        return;
    }
    finish(t);
    checkpoint_ask(s->options.checkpoint); /* whoever asks again gets a newer one */
}

static void on_read(struct job *job)
{
    struct transfer *t = container_of(job, struct transfer, job);
    struct snapshots *s = t->owner;

    t->reads = false;
    if (t->number == 0 || !s->ledger) {
        finish(t);
    } else if (!t->ok) {
        ledger_snapshot_abort(s->ledger, t->number, t->err.text);
        finish(t);
        if (!state_lacked_room(&t->err))
            s->options.failed(s->options.context, &t->err);
    } else if (t->begun) {
        send(t);
    } else {
        begin(t);
    }
}

static struct transfer *transfer_of(struct snapshots *s, uint32_t number)
{
    for (int i = 0; i < GROUP_MEMBERS_MAX; i++)
        if (s->transfers[i].used && s->transfers[i].number == number)
            return &s->transfers[i];
    return NULL;
}

static void start(struct transfer *t)
{
    if (checkpoint_last(t->owner->options.checkpoint).position.offset > 0)
        read_on(t);
    else
        checkpoint_ask(t->owner->options.checkpoint);
}

void snapshots_wanted(struct snapshots *s, uint32_t number)
{
    for (int i = 0; i < GROUP_MEMBERS_MAX; i++) {
        struct transfer *t = &s->transfers[i];

        if (t->used)
            continue;
        *t = (struct transfer){
            .owner = s, .number = number, .used = true, .job = {.work = work, .done = on_read}};
        buf_init(&t->rows, SIZE_MAX);
        start(t);
        return;
    }
    ledger_snapshot_abort(s->ledger, number, "too many copies are under way: ask again");
}

void snapshots_written(struct snapshots *s)
{
    for (int i = 0; i < GROUP_MEMBERS_MAX; i++) {
        struct transfer *t = &s->transfers[i];

        if (t->used && !t->reads && !t->reader)
            start(t);
    }
}

void snapshots_roomy(struct snapshots *s, uint32_t number)
{
    struct transfer *t = transfer_of(s, number);

    if (t && !t->reads && t->begun)
        send(t);
}

void snapshots_ended(struct snapshots *s, uint32_t number)
{
    struct transfer *t = transfer_of(s, number);

    if (t)
        finish(t);
}

void snapshots_use_ledger(struct snapshots *s, struct ledger *ledger)
{
    s->ledger = ledger;
}

bool snapshots_open(struct snapshots **out, const struct snapshots_options *options,
                    struct err *err)
{
    struct snapshots *s = calloc(1, sizeof *s);

    must(s);
    s->options = *options;
    if (!jobs_open(&s->jobs, options->loop, "snapshot", err)) {
        free(s);
        return false;
    }
    *out = s;
    return true;
}

void snapshots_close(struct snapshots *s)
{
    if (!s)
        return;
    jobs_close(s->jobs);
    for (int i = 0; i < GROUP_MEMBERS_MAX; i++) {
        s->transfers[i].reads = false;
        finish(&s->transfers[i]);
    }
    free(s);
}
