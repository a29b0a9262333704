/*
 * Opens, drains and closes a worker's balancer, and looks at the scoreboard from time to time.
 */
#include "balancer/drive.h"

#include <sys/mman.h>
#include <sys/random.h>

static void tell_scoreboard(struct balancer *b)
{
    struct worker_record *record = b->record;

    atomic_store_explicit(&record->chunks_free, loop_chunks_free(b->loop), memory_order_relaxed);
    atomic_store_explicit(&record->sessions, b->sessions.used, memory_order_relaxed);
}

static void see_drained(struct balancer *b)
{
    const uint32_t enough = 2; /* what was queued at the doors has come in by then */

    if (!b->draining || b->drained)
        return;
    if (++b->drain_ticks <= enough || b->sessions.used > 0)
        return;
    b->drained = true;
    if (b->options.drained)
        b->options.drained(b->options.context);
}

static void tick(struct timer *timer)
{
    struct balancer *b = container_of(timer, struct balancer, tick);

    timer_arm(b->loop, timer, after_ms(loop_now(b->loop), TICK_MS));
    for (uint32_t i = 0; i < b->targets_used; i++) {
        if (b->targets[i].present)
            target_look(&b->targets[i]);
    }
    grouped_look_all(b);
    doors_tick(b);
    tell_scoreboard(b);
    see_drained(b);
}

/* ---- every session there is ---- */

static bool is_open(const struct session *s)
{
    return s->state != SESSION_FREE && s->state != SESSION_CLOSED;
}

static void cut_rest(struct balancer *b)
{
    for (uint32_t i = 0; i < b->sessions.touched; i++) {
        struct session *s = session_at(b, i);

        if (!is_open(s))
            continue;
        if (s->exchange)
            exchange_abandon(s->exchange, "cut at the end of the drain");
        else
            session_cut(s);
    }
}

static void time_to_cut(struct timer *timer)
{
    cut_rest(container_of(timer, struct balancer, cut));
}

/* Silent keep-alive clients get a last while: who asks in it is answered, and told to close. */
static void hasten_silent(struct balancer *b)
{
    for (uint32_t i = 0; i < b->sessions.touched; i++) {
        struct session *s = session_at(b, i);

        if (s->state == SESSION_HEAD && !s->held)
            session_deadline(s, after_ms(loop_now(b->loop), DRAIN_IDLE_MS));
    }
}

void balancer_drain(struct balancer *b, struct instant deadline)
{
    if (b->draining)
        return;
    doors_stop(b);
    b->draining = true;
    hasten_silent(b);
    for (uint32_t i = 0; i < b->targets_used; i++)
        upstream_close_idle(&b->targets[i]);
    timer_arm(b->loop, &b->cut, deadline);
}

/* ---- the beginning and the end ---- */

static bool open_pools(struct balancer *b, struct err *err)
{
    uint32_t sessions = b->options.sessions_max;

    return slab_open(&b->sessions, sizeof(struct session), sessions, err) &&
           slab_open(&b->exchanges, sizeof(struct exchange), sessions, err) &&
           slab_open(&b->upstreams, sizeof(struct upstream), 2 * sessions + 2 * IDLE_UPSTREAMS_MAX,
                     err);
}

static bool learn_chunk_size(struct balancer *b, struct err *err)
{
    struct chunk *chunk = chunk_take(b->loop);
    const uint32_t rewriting = 1024; /* what a head may grow by */

    if (!chunk)
        return err_set(err, ERR_LIMIT, "the loop has no buffer");
    b->head_max = chunk->cap - rewriting < HTTP1_HEAD_MAX ? chunk->cap - rewriting : HTTP1_HEAD_MAX;
    b->queue_max = 2 * chunk->cap;
    b->chunk_cap = chunk->cap;
    chunk_release(b->loop, chunk);
    return true;
}

static struct balancer *map_balancer(struct err *err)
{
    void *at = mmap(NULL, sizeof(struct balancer), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED) {
        (void)err_system(err, "map the balancer");
        return NULL;
    }
    return at;
}

bool balancer_open(struct balancer **balancer, const struct balancer_options *options,
                   struct err *err)
{
    struct balancer *b = map_balancer(err);
    uint64_t seed = 0;

    if (!b)
        return false;
    must(options->worker < WORKERS_MAX && options->sessions_max > 0);
    b->options = *options;
    b->loop = options->loop;
    b->record = &options->board->worker[options->worker];
    bytes_to_string(bytes_of_string(options->node), b->node, sizeof b->node);
    b->options.node = b->node;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)loop_now(b->loop).ns; /* ids are for people: nothing hangs on them */
    rng_seed(&b->rng, seed ^ options->worker);
    if (!open_pools(b, err) || !learn_chunk_size(b, err)) {
        balancer_close(b);
        return false;
    }
    timer_init(&b->tick, tick);
    timer_init(&b->cut, time_to_cut);
    timer_init(&b->access_flush, access_flush);
    timer_init(&b->hold_tick, grouped_tick);
    atomic_store_explicit(&b->record->sessions_max, options->sessions_max, memory_order_relaxed);
    atomic_store_explicit(&b->record->chunks_max, loop_chunks_free(b->loop), memory_order_relaxed);
    timer_arm(b->loop, &b->tick, after_ms(loop_now(b->loop), TICK_MS));
    *balancer = b;
    return true;
}

/* The loop needs a turn to let go of a listener, and calls back once more for each connection: it is turned until all have gone. */
static void let_go(struct balancer *b)
{
    const int turns_min = 3, turns_max = 100;

    doors_stop(b);
    for (int i = 0; i < turns_min || (i < turns_max && b->sessions.used + b->upstreams.used > 0);
         i++) {
        cut_rest(b);
        for (uint32_t j = 0; j < b->targets_used; j++)
            upstream_close_idle(&b->targets[j]);
        loop_turn(b->loop, NS_PER_MS);
    }
    for (uint32_t i = 0; i < b->targets_used; i++)
        timer_cancel(b->loop, &b->targets[i].sweep);
}

void balancer_close(struct balancer *b)
{
    if (!b)
        return;
    if (b->tick.fire) {
        b->draining = true;
        let_go(b);
        timer_cancel(b->loop, &b->tick);
        timer_cancel(b->loop, &b->cut);
        timer_cancel(b->loop, &b->access_flush);
        timer_cancel(b->loop, &b->hold_tick);
        access_flush(&b->access_flush);
    }
    chunk_release(b->loop, b->scratch);
    slab_close(&b->sessions);
    slab_close(&b->exchanges);
    slab_close(&b->upstreams);
    munmap(b, sizeof *b);
}
