/*
 * The store's ledger: the real one, over real links, on a simulated network and disk. In the place of the cluster there is a controller that never errs: it
 * changes the primary when that is gone or by a whim, keeps the in-sync set as replication/in_sync.h does, and is the lease. What is executed
 * anywhere has to be executed everywhere alike, and what was acknowledged has to be among it. Besides records that say nothing there are those of clients (store_owner.h).
 */
#include "cluster_node.h"
#include "loop_sim.h"
#include "network.h"
#include "sim.h"
#include "store_owner.h"

#include "base/hash.h"
#include "base/must.h"
#include "store/ledger.h"

#include <errno.h>
#include <stdlib.h>

enum {
    PORT = 7500,
    POSITIONS_MAX = 1 << 17,
    SEGMENT_BYTES = 32 << 10,
    RETAIN_BYTES = 64 << 10,
    CONTROL_MS = 25,
    PATIENCE_MS = 1500, /* with a primary, or a follower, that comes to nothing */
    ORDER_MS = 4000,
    DEAF_MS = 6000,
    SNAPSHOT_PIECE = 1000,
    IMAGE_MAX = 16 << 20,
    CLOSING_TURNS = 1000,
};

/* Of a record that says nothing; sessions' have other bits (session_forward.c). */
#define COOKIE_PLAIN (1ULL << 62)

struct group_sim;

struct store_host {
    struct group_sim *group;
    uint32_t index;
    struct sim_node node; /* its disk; no cluster runs in it */
    struct ledger *ledger;
    struct owner *owner;
    int listener;
    bool closed;
    struct ledger_point point, saved, copy;
    struct buf image;            /* of `saved` */
    struct buf outgoing, coming; /* of copies */
    size_t sent;                 /* of `outgoing` */
    uint64_t reached;            /* the greatest position that its disk ever had */
    bool asked, answered;
    struct engine_answer answer;
    int64_t deaf_until; /* no order reaches it: it goes on as it was, but for the lease */
    uint32_t transfer;
    int64_t whole_at; /* as a follower: when it was last attached, as the primary sees it */
};

struct group_sim {
    struct sim *sim;
    struct store_host host[SIM_HOSTS_MAX];
    struct sim_event tick;
    /* the cluster's document */
    uint8_t mode;
    uint8_t acks; /* other members without which nothing is acknowledged */
    uint64_t epoch;
    int primary;
    bool promoted;
    bool in_sync[SIM_HOSTS_MAX], needed[SIM_HOSTS_MAX], told[SIM_HOSTS_MAX];
    bool promised[SIM_HOSTS_MAX];
    uint64_t barrier[SIM_HOSTS_MAX];
    uint64_t seen; /* committed, when something last was */
    int64_t seen_at;
    /* what happened */
    uint64_t executed[POSITIONS_MAX], hashes[POSITIONS_MAX], last;
    uint64_t appended, acknowledged, calm_acknowledged, epochs;
    struct owner_book book;
};

static struct group_sim *group_of(const struct sim *sim)
{
    return sim->state;
}

static bool answers(const struct store_host *host)
{
    return host->ledger && sim_host_answers(host->node.host) && !host->node.host->failed;
}

/* ---- the owner ---- */

static void look_at_disk(struct store_host *host)
{
    struct engine_status status;

    if (!host->ledger)
        return;
    ledger_status(host->ledger, &status);
    if (status.position.offset > host->reached)
        host->reached = status.position.offset;
}

static void check_holders(struct group_sim *g, const struct store_host *primary, uint64_t position)
{
    uint32_t holders = 0;

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        look_at_disk(&g->host[i]);
        holders += i != primary->index && g->host[i].reached >= position;
    }
    if (holders < g->acks)
        sim_violated(g->sim, "as many have it as have to", "%llu is acknowledged with %u others",
                     (unsigned long long)position, holders);
}

static uint64_t do_execute(void *context, struct position position, struct bytes record,
                           uint64_t cookie)
{
    struct store_host *host = context;
    struct group_sim *g = host->group;
    uint64_t id = hash_bytes(0, record);

    must(position.offset < POSITIONS_MAX);
    if (host->node.host->ending)
        return 0;
    if (position.offset != host->point.position.offset + 1)
        sim_violated(g->sim, "each record once, in order", "host %u executed %llu after %llu",
                     host->index + 1, (unsigned long long)position.offset,
                     (unsigned long long)host->point.position.offset);
    if (position.offset > g->last) {
        g->last = position.offset;
        g->executed[position.offset] = id;
    }
    if (g->executed[position.offset] != id)
        sim_violated(g->sim, "one record at a position", "host %u executed another one at %llu",
                     host->index + 1, (unsigned long long)position.offset);
    host->point.position = position;
    if (cookie != 0) {
        g->acknowledged++;
        g->calm_acknowledged++;
        check_holders(g, host, position.offset);
    }
    return owner_execute(host->owner, position, record, cookie & COOKIE_PLAIN ? 0 : cookie);
}

static void do_executed(void *context)
{
    struct store_host *host = context;
    struct group_sim *g = host->group;
    uint64_t at = host->point.position.offset;

    if (host->node.host->ending)
        return;
    host->point.hash = ledger_view(host->ledger)->hash;
    if (g->hashes[at] == 0)
        g->hashes[at] = host->point.hash;
    if (g->hashes[at] != host->point.hash)
        sim_violated(g->sim, "equal positions, equal hashes", "host %u differs at %llu",
                     host->index + 1, (unsigned long long)at);
    if (rng_chance(&g->sim->load, 0.02)) {
        host->saved = host->point;
        owner_save(host->owner, &host->image);
        ledger_checkpointed(host->ledger, host->saved.position);
    }
    owner_executed(host->owner);
}

static void do_unknown(void *context, uint64_t cookie)
{
    struct store_host *host = context;

    if (!host->node.host->ending && !(cookie & COOKIE_PLAIN))
        owner_unknown(host->owner, cookie);
}

static void do_state(void *context)
{
    struct store_host *host = context;

    if (!host->node.host->ending)
        owner_state(host->owner);
}

static void do_roomy(void *context)
{
    struct store_host *host = context;

    if (!host->node.host->ending)
        owner_roomy(host->owner);
}

static void do_nothing(void *context)
{
    (void)context;
}

static void do_answered(void *context, const struct engine_answer *answer)
{
    struct store_host *host = context;

    if (host->node.host->ending)
        return;
    host->asked = false;
    host->answered = true;
    host->answer = *answer;
    SIM_TELL(&host->group->sim->world, (int)host->index, "%s in %llu: %s %s",
             engine_verb_name(answer->verb), (unsigned long long)answer->epoch,
             engine_outcome_name(answer->outcome), answer->sentence);
}

static void do_epoch_record(void *context, struct position position, struct buf *out)
{
    struct store_host *host = context;

    host->group->epochs++;
    buf_print(out, "epoch %llu at %llu by %u, %llu", (unsigned long long)position.epoch,
              (unsigned long long)position.offset, host->index,
              (unsigned long long)rng_next(&host->group->sim->load));
}

static bool do_may_act(void *context)
{
    struct store_host *host = context;
    const struct group_sim *g = host->group;

    return g->primary == (int)host->index && ledger_view(host->ledger)->epoch == g->epoch;
}

static void do_linked(void *context, uint32_t member, bool up)
{
    struct store_host *host = context;

    if (!host->node.host->ending)
        owner_linked(host->owner, member, up);
}

static void do_message(void *context, uint32_t member, struct bytes bytes)
{
    struct store_host *host = context;

    if (!host->node.host->ending)
        owner_message(host->owner, member, bytes);
}

static void send_pieces(struct store_host *host)
{
    while (host->sent < host->outgoing.len) {
        struct bytes piece =
            bytes_take(bytes_skip(buf_bytes(&host->outgoing), host->sent), SNAPSHOT_PIECE);

        if (!ledger_snapshot_piece(host->ledger, host->transfer, piece))
            return;
        host->sent += piece.len;
    }
    ledger_snapshot_end(host->ledger, host->transfer);
}

static void do_snapshot_wanted(void *context, uint32_t transfer, uint32_t member)
{
    struct store_host *host = context;

    (void)member;
    if (host->node.host->ending)
        return;
    if (host->transfer != 0)
        ledger_snapshot_abort(host->ledger, host->transfer, "another one comes first");
    host->transfer = transfer;
    host->sent = 0;
    owner_save(host->owner, &host->outgoing);
    if (ledger_snapshot_begin(host->ledger, transfer, host->point, host->outgoing.len))
        send_pieces(host);
    else
        host->transfer = 0;
}

static void do_snapshot_roomy(void *context, uint32_t transfer)
{
    struct store_host *host = context;

    if (transfer == host->transfer)
        send_pieces(host);
}

static void do_snapshot_ended(void *context, uint32_t transfer, bool installed)
{
    struct store_host *host = context;

    (void)installed;
    if (transfer == host->transfer)
        host->transfer = 0;
}

static void do_copy_begun(void *context, struct ledger_point point, uint64_t bytes)
{
    struct store_host *host = context;

    (void)bytes;
    if (host->node.host->ending)
        return;
    host->copy = point;
    buf_clear(&host->coming);
    owner_empty(host->owner);
}

static void do_copy_piece(void *context, struct bytes piece)
{
    struct store_host *host = context;

    buf_add(&host->coming, piece);
    ledger_copy_took(host->ledger, piece.len);
}

static void do_copy_complete(void *context)
{
    struct store_host *host = context;

    if (host->node.host->ending)
        return;
    host->point = host->saved = host->copy;
    buf_clear(&host->image);
    buf_add(&host->image, buf_bytes(&host->coming));
    must(!host->image.full);
    owner_load(host->owner, buf_bytes(&host->image), host->copy.position.offset);
    ledger_copy_installed(host->ledger);
}

static void do_failed(void *context, const struct err *err)
{
    struct store_host *host = context;

    SIM_TELL(&host->group->sim->world, (int)host->index, "fails: %s", err->text);
    host->node.host->failed = true;
}

static void do_stranger(void *context, const char *sentence)
{
    (void)context;
    (void)sentence;
}

static void do_closed(void *context)
{
    ((struct store_host *)context)->closed = true;
}

static const struct ledger_events events = {
    .execute = do_execute,
    .executed = do_executed,
    .unknown = do_unknown,
    .state = do_state,
    .roomy = do_roomy,
    .answered = do_answered,
    .epoch_record = do_epoch_record,
    .may_act = do_may_act,
    .linked = do_linked,
    .message = do_message,
    .snapshot_wanted = do_snapshot_wanted,
    .snapshot_roomy = do_snapshot_roomy,
    .snapshot_ended = do_snapshot_ended,
    .copy_begun = do_copy_begun,
    .copy_piece = do_copy_piece,
    .copy_complete = do_copy_complete,
    .copy_aborted = do_nothing,
    .failed = do_failed,
    .stranger = do_stranger,
    .closed = do_closed,
};

/* ---- what the owner asks ---- */

static uint64_t log_append(void *context, struct bytes record, uint64_t cookie,
                           enum ledger_refusal *why)
{
    must(!(cookie & COOKIE_PLAIN));
    return ledger_append(((struct store_host *)context)->ledger, record, cookie, why);
}

static bool log_send(void *context, uint32_t member, struct bytes bytes)
{
    return ledger_send(((struct store_host *)context)->ledger, member, bytes);
}

static const struct ledger_view *log_view(void *context)
{
    return ledger_view(((struct store_host *)context)->ledger);
}

static void log_status(void *context, struct engine_status *status)
{
    ledger_status(((struct store_host *)context)->ledger, status);
}

static void open_owner(struct store_host *host)
{
    struct owner_options options = {
        .book = &host->group->book,
        .host = host->node.host,
        .index = host->index,
        .log = {host, log_append, log_send, log_view, do_may_act, log_status},
    };

    host->owner = owner_open(&options);
    owner_load(host->owner, buf_bytes(&host->image), host->saved.position.offset);
}

static void begin_election(struct group_sim *g);

/* ---- a host's life ---- */

static bool open_ledger(struct store_host *host, struct err *err)
{
    struct sim *sim = host->group->sim;
    struct ledger_member others[SIM_HOSTS_MAX] = {0};
    char names[SIM_HOSTS_MAX][NODE_NAME];
    struct ledger_options options = {
        .loop = host->node.host->loop,
        .disk = &host->node.disk.disk,
        .group = "sim/store",
        .self = host->index + 1,
        .name = names[host->index],
        .seed = rng_next(&sim->world.rng),
        .listeners = &host->listener,
        .listener_count = 1,
        .members = others,
        .segment_bytes = SEGMENT_BYTES,
        .retain_bytes = RETAIN_BYTES,
        .state = host->saved,
        .events = &events,
        .context = host,
    };

    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        struct ledger_member *other = &others[options.member_count];

        node_name(i, names[i]);
        if (i == host->index)
            continue;
        other->id = i + 1;
        other->place.name = names[i];
        other->place.addresses[0] = sim->world.host[i].address;
        other->place.addresses[0].port = PORT;
        other->place.count = 1;
        options.member_count++;
    }
    return ledger_open(&host->ledger, &options, err);
}

static void bury(struct store_host *host, bool power)
{
    struct sim_host *machine = host->node.host;
    struct sim_clock clock = machine->clock;

    look_at_disk(host);
    machine->ending = true;
    sim_network_forget(machine, power);
    host->closed = host->ledger == NULL;
    ledger_close(host->ledger);
    for (int turns = 0; !host->closed; turns++) {
        must(turns < CLOSING_TURNS);
        loop_turn(machine->loop, 0);
        if (turns > CLOSING_TURNS / 2)
            machine->clock.monotonic += NS_PER_S;
    }
    machine->clock = clock;
    host->ledger = NULL;
    owner_close(host->owner);
    host->owner = NULL;
    sim_loop_close(machine);
    machine->ending = false;
    host->asked = host->answered = false;
    host->transfer = 0;
}

static bool start(struct sim *sim, uint32_t index)
{
    struct store_host *host = &group_of(sim)->host[index];
    struct err err = {0};

    sim_loop_open(host->node.host);
    host->listener = sim_listen(host->node.host, PORT);
    host->point = host->saved;
    if (open_ledger(host, &err)) {
        open_owner(host);
        return true;
    }
    SIM_TELL(&sim->world, (int)index, "does not start: %s", err.text);
    if (err.number != EIO && err.number != ENOSPC)
        sim_violated(sim, "a member starts on its own disk", "%.200s", err.text);
    host->node.host->failed = true;
    return true;
}

static void stop(struct sim *sim, uint32_t index, bool power)
{
    struct store_host *host = &group_of(sim)->host[index];

    bury(host, power);
    if (power)
        disk_sim_crash(&host->node.disk);
    else
        disk_sim_kill(&host->node.disk);
    host->node.host->stepped = true;
}

static bool is_last(const struct group_sim *g, uint32_t index)
{
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (i != index && g->in_sync[i])
            return false;
    return true;
}

/* The last one that has everything keeps its disk: no protocol helps against the loss of all copies. */
static void wipe(struct sim *sim, uint32_t index)
{
    struct group_sim *g = group_of(sim);
    struct store_host *host = &g->host[index];

    if (g->mode != GROUP_SYNC || is_last(g, index))
        return;
    node_wipe(&host->node);
    host->saved = host->point = (struct ledger_point){0};
    buf_clear(&host->image);
    g->in_sync[index] = g->needed[index] = g->told[index] = false;
    /* Nor is it the primary still: a member without its data is chosen by nobody. */
    if (g->primary == (int)index)
        begin_election(g);
}

/* Damage to the last batch looks like one that was torn (wal/wal.h), which nothing here would notice. */
static bool rot(struct sim *sim, uint32_t index)
{
    (void)sim;
    (void)index;
    return false;
}

static void reset(struct sim *sim, uint32_t a, uint32_t b)
{
    sim_network_reset(&sim->world, a, b);
}

/* ---- the controller ---- */

static void give(struct store_host *host, struct engine_order order)
{
    if (!answers(host) || host->asked || host->group->sim->world.now < host->deaf_until)
        return;
    look_at_disk(host);
    order.epoch = host->group->epoch;
    order.timeout_ms = ORDER_MS;
    host->asked = true;
    host->answered = false;
    ledger_order(host->ledger, &order);
}

/* Of some elections the primary before hears late. */
static void begin_election(struct group_sim *g)
{
    struct rng *rng = &g->sim->load;

    if (g->primary >= 0 && !g->sim->calm && rng_chance(rng, 0.5))
        g->host[g->primary].deaf_until =
            g->sim->world.now + rng_between(rng, 1, DEAF_MS) * NS_PER_MS;
    g->epoch++;
    g->primary = -1;
    g->promoted = false;
    SIM_TELL(&g->sim->world, -1, "an election of epoch %llu", (unsigned long long)g->epoch);
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        g->host[i].asked = g->promised[i] = false;
}

static bool has_promised(const struct group_sim *g, const struct store_host *host)
{
    return host->answered && host->answer.verb == ENGINE_PROMISE &&
           host->answer.epoch == g->epoch && host->answer.outcome == ENGINE_DONE &&
           !host->answer.status.loading;
}

/* Of a sync group anyone of the set; of a semi-sync one the longest of enough to meet every acknowledgement. */
static int choose(struct group_sim *g)
{
    uint32_t count = 0;
    int best = -1;

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        const struct store_host *host = &g->host[i];
        struct position position = host->answer.status.position;

        if (!has_promised(g, host) || (g->mode == GROUP_SYNC && !g->in_sync[i]))
            continue;
        count++;
        if (best < 0 || position_compare(position, g->host[best].answer.status.position) > 0 ||
            (g->mode == GROUP_SYNC && rng_chance(&g->sim->load, 0.5)))
            best = (int)i;
    }
    return g->mode == GROUP_SEMI_SYNC && count < g->sim->plan.hosts - 1 ? -1 : best;
}

static void elect(struct group_sim *g)
{
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (!has_promised(g, &g->host[i]))
            give(&g->host[i], (struct engine_order){.verb = ENGINE_PROMISE});
    if (rng_chance(&g->sim->load, 0.5))
        return;
    g->primary = choose(g);
    if (g->primary < 0)
        return;
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        g->needed[i] = g->told[i] = g->mode == GROUP_SEMI_SYNC || g->in_sync[i];
        g->host[i].whole_at = g->sim->world.now;
    }
    g->seen_at = g->sim->world.now;
}

static void tell_needs(struct group_sim *g)
{
    struct engine_order order = {.verb = ENGINE_PROMOTE};

    order.needs.mode = g->mode;
    order.needs.acks = g->acks;
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if ((int)i != g->primary && g->needed[i])
            order.needs.members.lives[order.needs.members.count++] = (struct life){i + 1, 1};
    give(&g->host[g->primary], order);
}

static void on_promoted(struct group_sim *g, struct store_host *primary)
{
    primary->answered = false;
    if (primary->answer.outcome != ENGINE_DONE) {
        begin_election(g);
        return;
    }
    g->promoted = true;
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (g->needed[i] && !g->told[i]) {
            g->told[i] = true;
            g->barrier[i] = ledger_view(primary->ledger)->end;
        }
}

/* Who joins is needed first; who leaves, leaves the set first. */
static void keep_book(struct group_sim *g, const struct engine_status *status, uint32_t index)
{
    struct store_host *host = &g->host[index];
    int64_t patience = PATIENCE_MS * NS_PER_MS;
    bool attached = false;
    uint64_t position = 0;

    for (uint32_t i = 0; i < status->follower_count; i++)
        if (status->followers[i].member == index + 1) {
            attached = status->followers[i].attached;
            position = status->followers[i].position.offset;
        }
    /* What the primary says may still be of the run before: it lost its disk with that. */
    attached = attached && host->ledger && ledger_view(host->ledger)->linked;
    if (attached)
        host->whole_at = g->sim->world.now;
    if (g->in_sync[index] && g->sim->world.now - host->whole_at > patience) {
        g->in_sync[index] = g->needed[index] = g->told[index] = false;
        tell_needs(g);
    } else if (!g->needed[index] && attached) {
        g->needed[index] = true;
        tell_needs(g);
    } else if (g->told[index] && !g->in_sync[index] && attached && position >= g->barrier[index]) {
        g->in_sync[index] = true;
    }
}

static void lead(struct group_sim *g)
{
    struct store_host *primary = &g->host[g->primary];
    struct engine_status status;

    if (primary->answered && primary->answer.verb == ENGINE_PROMOTE &&
        primary->answer.epoch == g->epoch)
        on_promoted(g, primary);
    if (g->primary < 0 || !answers(primary))
        return;
    ledger_status(primary->ledger, &status);
    if (!primary->asked && (!g->promoted || status.role != ENGINE_PRIMARY))
        tell_needs(g);
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if ((int)i != g->primary && g->promoted && !primary->asked &&
            status.role == ENGINE_PRIMARY && status.epoch == g->epoch && g->mode == GROUP_SYNC)
            keep_book(g, &status, i);
}

static void lead_other(struct group_sim *g, struct store_host *host)
{
    const struct engine_answer *answer = &host->answer;
    enum engine_verb verb = ENGINE_FOLLOW;
    const struct ledger_view *view;

    if ((int)host->index == g->primary || !answers(host) || host->asked)
        return;
    view = ledger_view(host->ledger);
    if (view->linked && view->epoch == g->epoch) {
        host->answered = false;
        return;
    }
    if (host->answered && answer->epoch == g->epoch) {
        if (answer->outcome == ENGINE_DIVERGED)
            verb = ENGINE_REWIND;
        if (answer->outcome == ENGINE_BEHIND ||
            (answer->verb == ENGINE_COPY && answer->outcome != ENGINE_DONE))
            verb = ENGINE_COPY;
    }
    if (view->loading)
        verb = ENGINE_COPY;
    if (verb == ENGINE_COPY && g->mode == GROUP_SYNC && g->in_sync[host->index])
        sim_violated(g->sim, "who is in the set has everything", "host %u: %s", host->index + 1,
                     answer->sentence);
    give(host, (struct engine_order){.verb = verb, .primary = (uint32_t)g->primary + 1});
}

/* It is gone, comes to nothing, or is changed by a whim. */
static bool wants_election(struct group_sim *g)
{
    const struct store_host *primary = &g->host[g->primary];

    if (g->last > g->seen) {
        g->seen = g->last;
        g->seen_at = g->sim->world.now;
    }
    if (!primary->ledger)
        return rng_chance(&g->sim->load, 0.2);
    return g->sim->world.now - g->seen_at > 2 * PATIENCE_MS * NS_PER_MS ||
           (!g->sim->calm && rng_chance(&g->sim->load, 0.01));
}

static void control(struct sim_event *event)
{
    struct group_sim *g = container_of(event, struct group_sim, tick);

    sim_schedule(&g->sim->world, event, g->sim->world.now + CONTROL_MS * NS_PER_MS);
    if (g->epoch == 0 || (g->primary >= 0 && wants_election(g)))
        begin_election(g);
    if (g->primary < 0) {
        elect(g);
        return;
    }
    lead(g);
    for (uint32_t i = 0; i < g->sim->plan.hosts && g->primary >= 0; i++)
        lead_other(g, &g->host[i]);
}

/* ---- the run ---- */

static void append_to(struct group_sim *g, uint32_t index)
{
    static uint8_t record[8192];
    struct store_host *host = &g->host[index];
    enum ledger_refusal why;
    size_t len = sizeof g->appended + rng_below(&g->sim->load, 200);

    if (!answers(host) || g->last > POSITIONS_MAX - 4096)
        return;
    if (rng_chance(&g->sim->load, 0.05))
        len = sizeof record;
    g->appended++;
    memcpy(record, &g->appended, sizeof g->appended);
    (void)ledger_append(host->ledger, bytes_of(record, len), COOKIE_PLAIN | g->appended, &why);
}

static void ask(struct group_sim *g, uint32_t index)
{
    if (answers(&g->host[index]))
        owner_ask(g->host[index].owner);
}

static void load(struct sim *sim)
{
    for (int64_t left = rng_between(&sim->load, 1, 5); left > 0; left--)
        append_to(group_of(sim), (uint32_t)rng_below(&sim->load, sim->plan.hosts));
    for (int64_t left = rng_between(&sim->load, 1, 5); left > 0; left--)
        ask(group_of(sim), (uint32_t)rng_below(&sim->load, sim->plan.hosts));
}

static void open_all(struct sim *sim)
{
    struct group_sim *g = calloc(1, sizeof *g);

    must(g);
    sim->state = g;
    g->sim = sim;
    g->primary = -1;
    g->mode = sim->plan.hosts == 3 && rng_chance(&sim->load, 0.3) ? GROUP_SEMI_SYNC : GROUP_SYNC;
    g->book.sim = sim;
    g->acks = g->mode == GROUP_SEMI_SYNC || rng_chance(&sim->load, 0.3);
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        buf_init(&g->host[i].image, IMAGE_MAX);
        buf_init(&g->host[i].outgoing, IMAGE_MAX);
        buf_init(&g->host[i].coming, IMAGE_MAX);
        g->host[i].group = g;
        g->host[i].index = i;
        g->in_sync[i] = true;
        node_open(&g->host[i].node, sim, i, NULL);
    }
    g->tick.happen = control;
    sim_schedule(&sim->world, &g->tick, CONTROL_MS * NS_PER_MS);
}

static void close_all(struct sim *sim)
{
    struct group_sim *g = group_of(sim);

    sim_cancel(&sim->world, &g->tick);
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        node_close(&g->host[i].node);
        buf_fini(&g->host[i].image);
        buf_fini(&g->host[i].outgoing);
        buf_fini(&g->host[i].coming);
    }
    free(g);
}

static void calm(struct sim *sim)
{
    struct group_sim *g = group_of(sim);

    g->calm_acknowledged = 0;
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        sim_jobs_hurry(&sim->world.host[i]);
        if (g->host[i].owner)
            owner_calm(g->host[i].owner);
    }
}

static bool recovered(struct sim *sim, char sentence[SIM_SENTENCE])
{
    struct group_sim *g = group_of(sim);

    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        const struct ledger_view *view;

        if (!g->host[i].ledger) {
            (void)snprintf(sentence, SIM_SENTENCE, "host %u does not run", i + 1);
            return false;
        }
        view = ledger_view(g->host[i].ledger);
        if (view->loading || view->executed < g->seen || view->epoch != g->epoch) {
            (void)snprintf(sentence, SIM_SENTENCE,
                           "host %u has executed %llu of %llu, in epoch %llu of %llu%s", i + 1,
                           (unsigned long long)view->executed, (unsigned long long)g->last,
                           (unsigned long long)view->epoch, (unsigned long long)g->epoch,
                           view->loading ? ", loading" : "");
            for (uint32_t j = 0; j < 3; j++)
                append_to(g, g->primary < 0 ? 0 : (uint32_t)g->primary);
            return false;
        }
    }
    for (uint32_t j = 0; j < 3; j++)
        append_to(g, g->primary < 0 ? 0 : (uint32_t)g->primary);
    for (uint32_t i = 0; i < sim->plan.hosts; i++) {
        ask(g, i);
        if (owner_has_answered(g->host[i].owner))
            continue;
        (void)snprintf(sentence, SIM_SENTENCE, "a client of host %u has no answer", i + 1);
        return false;
    }
    (void)snprintf(sentence, SIM_SENTENCE, "nothing was acknowledged");
    return g->calm_acknowledged >= 2;
}

static const struct raft *raft_of(struct sim *sim, uint32_t host)
{
    (void)sim;
    (void)host;
    return NULL;
}

static uint64_t hash_of(struct sim *sim, uint32_t host)
{
    (void)sim;
    (void)host;
    return 0;
}

const struct sim_subject sim_store = {
    .name = "store",
    .calm_ms = 30000,
    .open = open_all,
    .close = close_all,
    .start = start,
    .kill = stop,
    .wipe = wipe,
    .rot = rot,
    .reset = reset,
    .load = load,
    .calm = calm,
    .recovered = recovered,
    .raft = raft_of,
    .hash = hash_of,
};
