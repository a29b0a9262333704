#include "cluster/drive.h"

#include <stdarg.h>
#include <stdio.h>

enum { NUMBERS_SHIFT = 24 }; /* what is drawn leaves room to count */

const char *cluster_outcome_name(enum cluster_outcome outcome)
{
    static const char *const names[CLUSTER_OUTCOMES] = {"done", "refused", "unknown", "no quorum"};

    return names[outcome];
}

/* ---- what all parts use ---- */

void drive_stir(struct cluster *c)
{
    if (!timer_armed(&c->turn) && c->state != CLUSTER_HALTED)
        timer_arm(c->loop, &c->turn, loop_now(c->loop));
}

void drive_changed(struct cluster *c)
{
    c->dirty = true;
    drive_stir(c);
}

bool drive_living(const struct cluster *c)
{
    return !c->closing && c->state != CLUSTER_HALTED;
}

void drive_say(struct cluster *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(c->sentence, sizeof c->sentence, format, arguments);
    va_end(arguments);
}

void drive_record(struct cluster *c, const struct fact *fact)
{
    c->events.fact(c->context, fact);
}

struct life drive_life(const struct cluster *c)
{
    return (struct life){.member = c->member ? c->self : 0, .incarnation = c->store.incarnation};
}

const char *drive_name_of(const struct cluster *c, uint32_t member)
{
    const struct member *found = c->member && member ? document_member(&c->document, member) : NULL;

    return found ? found->name : "";
}

static void halt(struct cluster *c, enum fact_code code, enum subject_kind subject,
                 const char *name, const struct err *err)
{
    struct fact fact;

    if (c->state == CLUSTER_HALTED)
        return;
    drive_say(c, "%.*s", (int)sizeof c->sentence - 1, err->text);
    lease_drop(c);
    fact_init(&fact, code, subject, name);
    fact_say(&fact, "%s", err->text);
    drive_record(c, &fact);
    c->state = CLUSTER_HALTED;
    timer_cancel(c->loop, &c->turn);
    timer_cancel(c->loop, &c->deadline);
    c->events.failed(c->context, err);
}

void drive_halt(struct cluster *c, const struct err *err)
{
    halt(c, FACT_DISK_FAILED, SUBJECT_DISK, "cluster", err);
}

void drive_halt_too_old(struct cluster *c, const struct err *err)
{
    halt(c, FACT_VERSION_TOO_OLD, SUBJECT_NODE, c->node, err);
}

/* ---- clocks ---- */

static void tell_clock(struct cluster *c, const struct tilt_verdict *verdict)
{
    static const char *const causes[] = {
        [TILT_NONE] = "the clocks are as they should be",
        [TILT_PAUSED] = "this process was stopped",
        [TILT_SUSPENDED] = "this machine slept, or its clock jumped ahead",
        [TILT_JUMPED] = "a clock jumped",
        [TILT_DRIFTED] = "two clocks drifted apart",
        [TILT_WALL_STEPPED] = "the wall clock was set",
    };
    struct fact fact;

    if (!verdict->began && !verdict->ended && verdict->cause != TILT_WALL_STEPPED)
        return;
    fact_init(&fact, verdict->ended ? FACT_CLOCK_STEADY : FACT_CLOCK_TILTED, SUBJECT_CLOCK,
              c->node);
    fact_add(&fact, NUMBER_SKEW_MS, verdict->size_ns / NS_PER_MS);
    if (verdict->ended)
        fact_say(&fact, "the clocks of %s have been steady for a while", c->node);
    else
        fact_say(&fact, "%s: %s", c->node, causes[verdict->cause]);
    drive_record(c, &fact);
    drive_changed(c);
}

static void look_at_clocks(struct cluster *c, int64_t late_ns)
{
    struct instant now = loop_now(c->loop);
    struct tilt_verdict verdict;
    struct tilt_look look = {.boot = loop_read_clock(c->loop, LOOP_BOOT),
                             .mono = loop_read_clock(c->loop, LOOP_MONOTONIC),
                             .wall_ns = loop_read_clock(c->loop, LOOP_WALL).ns,
                             .late_ns = late_ns};

    tilt_step(&c->tilt, &look, &verdict);
    if (verdict.drop) {
        lease_drop(c);
        detector_pardon(&c->detector, now);
    }
    if (verdict.began || verdict.ended)
        lease_grantor_tilt(&c->grantor, c->tilt.tilted, tilt_slow(&c->tilt));
    if (c->member && (verdict.drop || verdict.ended))
        raft_tilt(&c->raft, c->tilt.tilted, now);
    tell_clock(c, &verdict);
}

void drive_look(struct cluster *c)
{
    struct instant now = loop_now(c->loop);

    if (c->looked.ns == now.ns)
        return;
    c->looked = now;
    /* The next beat is the only thing that has to happen by itself. */
    look_at_clocks(c, passed(c->beat_due, now) ? ns_between(c->beat_due, now) : 0);
}

void drive_look_again(struct cluster *c)
{
    look_at_clocks(c, 0);
}

/* ---- the turn ---- */

static void arm_deadline(struct cluster *c)
{
    struct instant next = NEVER, until;

    if (c->member && !c->founding)
        next = earlier(lease_next_burial(c),
                       earlier(raft_next_deadline(&c->raft), detector_next_deadline(&c->detector)));
    if (c->transfer.on)
        next = earlier(next, c->transfer.until);
    until = tilt_next_deadline(&c->tilt);
    /* By the boot clock; and a look at every beat is enough. */
    if (until.ns != NEVER.ns)
        next = earlier(next, after_ms(loop_now(c->loop), c->timing.heartbeat_ms));
    if (next.ns == NEVER.ns)
        timer_cancel(c->loop, &c->deadline);
    else if (!timer_armed(&c->deadline) || c->deadline.at.ns != next.ns)
        timer_arm(c->loop, &c->deadline, next);
}

static void on_turn(struct timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, turn);

    drive_look(c);
    if (c->state == CLUSTER_HALTED)
        return;
    ask_turn(c);
    if (c->member && !c->founding && c->state != CLUSTER_HALTED) {
        lease_bury(c);
        lease_ask_now(c);
        propose_confirm_leases(c);
        log_turn(c);
        if (c->state == CLUSTER_HALTED)
            return;
        propose_step(c);
        beat_step(c);
    }
    arm_deadline(c);
    if (c->dirty && !c->view_told) {
        c->view_told = true;
        c->events.changed(c->context);
    }
}

static void on_deadline(struct timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, deadline);

    drive_look(c);
    drive_stir(c);
}

/* ---- beginning ---- */

static int by_name(const void *a, const void *b)
{
    const struct member *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static bool copy_name(char *to, const char *name, const char *what, struct err *err)
{
    if (!member_name_good(name))
        return err_set(err, ERR_CONFIG,
                       "%s '%s': expected 1 to %d letters, digits, '-', '_' or '.'", what, name,
                       CLUSTER_NAME_MAX - 1);
    (void)snprintf(to, CLUSTER_NAME_MAX, "%s", name);
    return true;
}

static bool copy_nodes(struct cluster *c, const struct cluster_node *nodes, uint32_t count,
                       struct err *err)
{
    struct member made[CLUSTER_NODES_MAX] = {0};
    bool here = false;

    if (count == 0 || count > CLUSTER_NODES_MAX)
        return err_set(err, ERR_CONFIG, "%u nodes: a cluster has 1 to %d", count,
                       CLUSTER_NODES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!copy_name(made[i].name, nodes[i].name, "node", err))
            return false;
        (void)snprintf(made[i].zone, sizeof made[i].zone, "%s", nodes[i].zone ? nodes[i].zone : "");
        made[i].role = nodes[i].learner   ? MEMBER_LEARNER
                       : nodes[i].witness ? MEMBER_WITNESS
                                          : MEMBER_VOTER;
        made[i].address_count =
            (uint8_t)(nodes[i].count < CLUSTER_PATHS_MAX ? nodes[i].count : CLUSTER_PATHS_MAX);
        for (uint32_t k = 0; k < made[i].address_count; k++)
            made[i].addresses[k] = nodes[i].addresses[k];
        here |= strcmp(made[i].name, c->node) == 0;
    }
    if (!here)
        return err_set(err, ERR_CONFIG, "this node, '%s', is not among the nodes", c->node);
    qsort(made, count, sizeof made[0], by_name);
    memcpy(c->nodes, made, sizeof c->nodes);
    c->node_count = count;
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(made[i].name, c->node) == 0)
            c->self_node = i;
    return true;
}

static void set_timing(struct cluster *c, const struct cluster_timing *timing)
{
    struct cluster_timing *t = &c->timing;

    *t = *timing;
    must(t->heartbeat_ms > 0 && t->lease_ms > 0);
    if (t->detection_beats == 0)
        t->detection_beats = 5;
    if (t->election_ms == 0)
        t->election_ms = t->heartbeat_ms * t->detection_beats / 2;
    if (t->election_ms < 2 * t->heartbeat_ms)
        t->election_ms = 2 * t->heartbeat_ms;
    if (t->pause_ms == 0)
        t->pause_ms = t->lease_ms / 4;
}

static void begin_cores(struct cluster *c)
{
    struct tilt_rules tilt = {.drift_ppm = c->timing.drift_ppm,
                              .slack_ns = 2 * NS_PER_MS,
                              .pause_ns = c->timing.pause_ms * NS_PER_MS,
                              .wall_ns = NS_PER_S,
                              .steady_ns = c->timing.lease_ms * NS_PER_MS};
    struct detector_rules detector = {.heartbeat_ns = c->timing.heartbeat_ms * NS_PER_MS,
                                      .beats = c->timing.detection_beats};

    tilt_init(&c->tilt, &tilt);
    detector_init(&c->detector, &detector);
    proof_init(&c->proof, 10 * c->timing.heartbeat_ms * NS_PER_MS + NS_PER_S);
    lease_open(c);
}

void drive_begin(struct cluster *c, const struct raft_restored *restored)
{
    struct instant now = loop_now(c->loop);
    struct raft_options options = {.self = c->self,
                                   .seed = rng_next(&c->rng),
                                   .heartbeat_ns = c->timing.heartbeat_ms * NS_PER_MS,
                                   .election_ns = c->timing.election_ms * NS_PER_MS};

    if (!c->entries.at)
        entries_init(&c->entries, restored->last + 1);
    else if (restored->last == restored->snapshot_index)
        entries_reset(&c->entries, restored->last + 1);
    lease_begin(c);
    lease_grantor_tilt(&c->grantor, c->tilt.tilted, tilt_slow(&c->tilt));
    memset(c->lease_epoch, 0, sizeof c->lease_epoch);
    memset(c->confirms, 0, sizeof c->confirms);
    memset(c->proposals, 0, DRIVE_PROPOSALS * sizeof *c->proposals);
    c->established = c->was_leader = false;
    c->member_change = 0;
    c->transfer.on = false;
    raft_init(&c->raft, &options, restored, now);
    c->applying = restored->snapshot_index;
    c->replayed = restored->last;
    c->member = true;
    links_init(&c->links, c->self, 3 * c->timing.heartbeat_ms * NS_PER_MS);
    raft_tilt(&c->raft, c->tilt.tilted, now);
    raft_applied(&c->raft, c->applying);
    if (c->applying > 0)
        log_document_changed(c);
    drive_stir(c);
}

/* Longer than one way there and back, which elections must be as well. */
static int64_t link_patience_ms(const struct cluster *c)
{
    const int64_t least = 100;

    return c->timing.election_ms > least ? c->timing.election_ms : least;
}

static bool open_peers(struct cluster *c, const struct cluster_options *options, struct err *err)
{
    struct peers_options peers = {
        .loop = c->loop,
        .cluster = c->name,
        .node = c->node,
        .tls = options->tls,
        .seed = rng_next(&c->rng),
        .handshake_ms = 5000,
        /* The kernel repeats what a healed link lost after a second, then after two: an election cannot wait for that. */
        .connect_ms = link_patience_ms(c),
        .silence_ms = c->timing.heartbeat_ms * (c->timing.detection_beats + 1),
        .retry_ms = c->timing.heartbeat_ms / 2 + 1,
        .retry_max_ms = link_patience_ms(c),
        .version_low = options->version_low ? options->version_low : DRIVE_VERSION_LOW,
        .version_high = options->version_high ? options->version_high : DRIVE_VERSION,
        .events = &drive_peers_events,
        .context = c,
    };

    if (!peers_open(&c->peers, &peers, err))
        return false;
    c->ending++;
    return true;
}

static void begin(struct cluster *c, const struct store_found *found,
                  const struct cluster_options *options)
{
    members_open(c, found->member ? &found->charter : NULL);
    beat_hello(c);
    peers_follow(c);
    peers_listen(c->peers, options->listeners, options->listener_count);
    c->state = CLUSTER_BLANK;
    if (found->member) {
        c->charter = found->charter;
        c->self = charter_find_disk(&c->charter, c->store.disk_id)->id;
        c->state = CLUSTER_MEMBER;
        drive_begin(c, &found->restored);
        beat_hello(c);
    }
    /* Nodes that start together need not beat together. */
    c->beat_due =
        after_ns(loop_now(c->loop),
                 (int64_t)rng_below(&c->rng, (uint64_t)c->timing.heartbeat_ms) * NS_PER_MS);
    timer_arm(c->loop, &c->beat, c->beat_due);
    drive_changed(c);
}

static void release(struct cluster *c)
{
    fetch_fini(c);
    jobs_close(c->jobs);
    store_close(c);
    entries_fini(&c->entries);
    buf_fini(&c->frame);
    free(c->asks);
    free(c->proposals);
    free(c);
}

static void on_farewell(struct timer *timer);

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value ? value : otherwise;
}

static void prepare(struct cluster *c, const struct cluster_options *options)
{
    c->loop = options->loop;
    c->events = *options->events;
    c->context = options->context;
    c->config_hash = options->config_hash;
    c->store.disk.disk = options->disk;
    c->log.segment_bytes = or_default(options->log.segment_bytes, DRIVE_SEGMENT_BYTES);
    c->log.snapshot_entries = or_default(options->log.snapshot_entries, DRIVE_SNAPSHOT_ENTRIES);
    c->log.keep_entries = or_default(options->log.keep_entries, DRIVE_KEEP_ENTRIES);
    rng_seed(&c->rng, options->seed);
    /* What was asked by an earlier run of this node may still be answered. */
    c->ask_numbers = rng_next(&c->rng) >> NUMBERS_SHIFT;
    c->request_numbers = rng_next(&c->rng) >> NUMBERS_SHIFT;
    set_timing(c, &options->timing);
    timer_init(&c->turn, on_turn);
    timer_init(&c->beat, beat_fire);
    timer_init(&c->deadline, on_deadline);
    timer_init(&c->farewell, on_farewell);
    c->beat_due = NEVER;
    c->looked = (struct instant){-1};
    fetch_init(c);
    request_open(c);
    buf_init(&c->frame, PEER_BODY_MAX);
    begin_cores(c);
}

bool cluster_open(struct cluster **out, const struct cluster_options *options, struct err *err)
{
    struct cluster *c = calloc(1, sizeof *c);
    struct store_found found = {0};

    must(c);
    prepare(c, options);
    if (!copy_name(c->name, options->cluster, "cluster", err) ||
        !copy_name(c->node, options->node, "node", err) ||
        !copy_nodes(c, options->nodes, options->node_count, err))
        goto fail;
    if (!ask_open(c)) {
        (void)err_system(err, "open the cluster");
        goto fail;
    }
    if (!store_open(c, options->kept, &found, err) ||
        !jobs_open(&c->jobs, c->loop, "cluster-disk", err) || !open_peers(c, options, err))
        goto fail;
    drive_look(c);
    begin(c, &found, options);
    free(found.entries);
    *out = c;
    return true;
fail:
    free(found.entries);
    release(c);
    return false;
}

/* ---- changing ---- */

void cluster_configure(struct cluster *c, const struct cluster_node *nodes, uint32_t count,
                       uint64_t config_hash)
{
    struct err err;

    c->config_hash = config_hash;
    /* A file that was checked has good nodes; one that does not name this node changes none. */
    if (c->state == CLUSTER_HALTED || !copy_nodes(c, nodes, count, &err))
        return;
    peers_follow(c);
    if (!c->founding)
        members_open(c, c->member ? &c->charter : NULL);
    drive_changed(c);
}

void cluster_use_tls(struct cluster *c, struct tls_context *tls)
{
    if (c->peers)
        peers_use_tls(c->peers, tls);
}

void cluster_listen(struct cluster *c, const int *listeners, uint32_t count)
{
    if (c->peers)
        peers_listen(c->peers, listeners, count);
}

/* ---- the end ---- */

static bool unfinished(const struct cluster *c)
{
    return c->member && c->state == CLUSTER_MEMBER &&
           (c->ask_count > 0 || (c->raft.role == RAFT_LEADER && c->raft.config.count > 1));
}

static void stop(struct cluster *c, bool reset)
{
    struct err err;

    c->closing = true;
    timer_cancel(c->loop, &c->turn);
    timer_cancel(c->loop, &c->beat);
    timer_cancel(c->loop, &c->deadline);
    meta_close(c);
    fetch_fini(c);
    ask_close(c);
    request_close(c);
    jobs_close(c->jobs);
    c->jobs = NULL;
    /* Not being able to say that the end was orderly only makes it a disorderly one. */
    if (!reset && c->state != CLUSTER_HALTED)
        (void)!store_mark_clean(c, &err);
    c->stopped = true;
    peers_close(c->peers, reset);
}

static void on_farewell(struct timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, farewell);

    if (!c->stopped) {
        if (unfinished(c) && !passed(c->farewell_until, loop_now(c->loop)))
            timer_arm(c->loop, &c->farewell,
                      after_ms(loop_now(c->loop), c->timing.heartbeat_ms / 8 + 1));
        else
            stop(c, false);
        return;
    }
    if (c->ending == 0) {
        void (*closed)(void *) = c->events.closed;
        void *context = c->context;

        /* What was asked since it stopped, and a timer would have told. */
        ask_close(c);
        request_close(c);
        ask_close(c);
        release(c);
        closed(context);
    }
}

void cluster_close(struct cluster *c, bool orderly)
{
    if (!c || c->stopped)
        return;
    if (!orderly || c->state == CLUSTER_HALTED) {
        timer_cancel(c->loop, &c->farewell);
        stop(c, true);
        return;
    }
    if (c->leaving)
        return;
    c->leaving = true;
    drive_look(c);
    lease_release_all(c);
    if (c->member && c->raft.role == RAFT_LEADER)
        (void)raft_transfer(&c->raft, 0, loop_now(c->loop));
    c->farewell_until = after_ms(loop_now(c->loop), 2 * c->timing.heartbeat_ms);
    drive_stir(c);
    timer_arm(c->loop, &c->farewell, loop_now(c->loop));
}

/* ---- read only ---- */

const struct document *cluster_document(const struct cluster *c)
{
    return &c->document;
}

const struct raft *cluster_raft(const struct cluster *c)
{
    return c->member && !c->stopped ? &c->raft : NULL;
}
