#include "engine_sim.h"

#include "base/must.h"

#include <stdlib.h>
#include <string.h>

enum { PULL, DATA };
enum { WANT_DATA, WANT_REWIND, WANT_COPY };
enum { PPM = 1000000 };

static void on_message(struct sim_event *event);
static void broken(struct engine_sim *e, const char *sentence);
static void advance(struct engine_sim *e);

static struct sim_world *world_of(const struct engine_sim *e)
{
    return &e->sim->world;
}

/* It does nothing before it wakes. */
static bool asleep(struct engine_sim *e, struct sim_event *event)
{
    if (e->stuck_until <= world_of(e)->now)
        return false;
    sim_schedule(world_of(e), event, e->stuck_until);
    return true;
}

static int64_t latency(const struct engine_sim *e)
{
    struct sim_world *world = world_of(e);
    int64_t ns = rng_between(&world->rng, e->rules.latency_ns / 2, e->rules.latency_ns * 2);

    return e->slow_until > world->now ? ns * e->slowness : ns;
}

static int64_t sync_time(const struct engine_sim *e)
{
    return rng_between(&world_of(e)->rng, e->host->disk.sync_ns / 2, e->host->disk.sync_ns * 3 / 2);
}

static uint64_t last_epoch(const struct engine_sim *e, uint32_t count)
{
    return count ? e->log[count - 1].epoch : 0;
}

/* ---- lies ---- */

static bool lies(const struct engine_sim *e, enum engine_lie lie)
{
    return e->lies_until[lie] > e->sim->world.now;
}

static struct position position_of(const struct engine_sim *e)
{
    return (struct position){last_epoch(e, e->count), e->count};
}

/* The position that it claims to have. */
static struct position claimed(const struct engine_sim *e)
{
    struct position position = position_of(e);

    if (lies(e, LIE_BEHIND) && e->role != ENGINE_PRIMARY &&
        position_compare(e->behind, position) < 0)
        position = e->behind;
    if (lies(e, LIE_AHEAD))
        position.offset += e->ahead;
    return position;
}

static uint32_t confirmed_of(const struct engine_sim *e)
{
    return e->rules.durable && !lies(e, LIE_SYNCED) ? e->synced : e->count;
}

/* It has all that there is, and says no more than that. */
static void believe(struct engine_sim *e)
{
    for (enum engine_lie lie = LIE_AHEAD; lie < ENGINE_LIES; lie++)
        if (!lies(e, lie))
            e->doubts &= ~(1u << lie);
}

void engine_sim_lie(struct engine_sim *e, enum engine_lie lie, uint32_t ahead, int64_t until)
{
    if (lie == LIE_SYNCED && !e->rules.durable)
        return;
    if (lie == LIE_AHEAD)
        e->ahead = ahead;
    else if (lie == LIE_BEHIND)
        e->behind = position_of(e);
    e->lies_until[lie] = until;
    e->doubts |= 1u << lie;
}

static uint32_t host_of(const struct engine_sim *e, uint32_t member)
{
    for (uint32_t i = 0; member && i < SIM_HOSTS_MAX; i++)
        if (e->ids[i] == member)
            return i;
    return SIM_HOSTS_MAX;
}

bool engine_sim_holds(const struct engine_sim *e, uint32_t index, uint32_t value)
{
    return index > 0 && index <= confirmed_of(e) && e->log[index - 1].value == value;
}

/* ---- the log ---- */

static void begin_sync(struct engine_sim *e)
{
    if (e->synced == e->count || e->sync.place)
        return;
    e->syncing = e->count;
    sim_schedule(world_of(e), &e->sync, world_of(e)->now + sync_time(e));
}

static void append(struct engine_sim *e, struct engine_record record)
{
    must(e->count < ENGINE_LOG_MAX);
    e->log[e->count++] = record;
    begin_sync(e);
}

static void cut(struct engine_sim *e, uint32_t left, bool copy)
{
    e->told->dropping(e, left, copy);
    e->count = left;
    e->synced = e->synced < left ? e->synced : left;
    e->trimmed = e->trimmed < left ? e->trimmed : left;
    sim_cancel(world_of(e), &e->sync);
    begin_sync(e);
}

/* ---- what goes over the links ---- */

void engine_post_init(struct engine_post *post, uint32_t messages)
{
    post->all = calloc(messages, sizeof *post->all);
    must(post->all != NULL);
    for (uint32_t i = 0; i < messages; i++) {
        post->all[i].event.happen = on_message;
        post->all[i].next = post->free;
        post->free = &post->all[i];
    }
}

void engine_post_fini(struct engine_post *post)
{
    free(post->all);
}

static void post(struct engine_sim *e, uint32_t host, const struct engine_message *message)
{
    struct engine_sim *to = e->peers[host];
    int64_t at = sim_packet(world_of(e), e->index, host);
    struct engine_message *slot = e->post->free;
    struct engine_message *next;
    struct sim_event event;

    if (at < 0 || !slot || !to || !to->running)
        return;
    next = slot->next;
    event = slot->event;
    e->post->free = next;
    memcpy(slot, message,
           offsetof(struct engine_message, record) + message->records * sizeof *message->record);
    slot->event = event;
    slot->to = to;
    slot->run = to->run;
    slot->from = e->index;
    sim_schedule(world_of(e), &slot->event, at);
}

static void pull(struct engine_sim *e)
{
    struct engine_message message = {.kind = PULL};

    message.epoch = e->epoch;
    message.session = e->session;
    message.count = e->count;
    message.synced = confirmed_of(e);
    message.last_epoch = last_epoch(e, e->count);
    message.last_value = e->count ? e->log[e->count - 1].value : 0;
    message.first = e->ordered && e->order.verb == ENGINE_REWIND ? WANT_REWIND : WANT_DATA;
    if (e->ordered && e->order.verb == ENGINE_COPY)
        message.first = WANT_COPY;
    post(e, e->primary, &message);
}

static void fill(const struct engine_sim *e, struct engine_message *message, uint32_t from)
{
    message->count = from;
    message->end = e->count;
    message->records = e->count - from < ENGINE_BATCH ? e->count - from : ENGINE_BATCH;
    memcpy(message->record, &e->log[from], message->records * sizeof *message->record);
}

static void send_data(struct engine_sim *e, uint32_t host)
{
    struct engine_peer *peer = &e->peer[host];
    struct engine_message message = {
        .kind = DATA, .epoch = e->epoch, .session = peer->session, .outcome = ENGINE_DONE};

    fill(e, &message, peer->sent);
    peer->sent += message.records;
    post(e, host, &message);
}

/* What was just appended, to those who follow. */
static void spread(struct engine_sim *e)
{
    for (uint32_t i = 0; i < e->sim->world.hosts; i++)
        if (e->peer[i].heard && e->peer[i].sent < e->count)
            send_data(e, i);
}

static bool attached(const struct engine_sim *e, uint32_t host)
{
    return e->peer[host].heard && world_of(e)->now - e->peer[host].heard < 4 * e->rules.pull_ns;
}

static void answer_pull(struct engine_sim *e, const struct engine_message *m,
                        enum engine_outcome outcome, uint32_t common)
{
    struct engine_message message = {.kind = DATA,
                                     .epoch = e->epoch,
                                     .session = m->session,
                                     .outcome = outcome,
                                     .first = common,
                                     .end = e->count};

    post(e, m->from, &message);
}

static uint32_t common_with(const struct engine_sim *e, const struct engine_sim *other)
{
    uint32_t most = e->count < other->count ? e->count : other->count, common = 0;

    while (common < most && e->log[common].epoch == other->log[common].epoch &&
           e->log[common].value == other->log[common].value)
        common++;
    return common;
}

static void on_pull(struct engine_sim *e, const struct engine_message *m)
{
    struct engine_peer *peer = &e->peer[m->from];
    bool same = m->count <= e->count && last_epoch(e, m->count) == m->last_epoch &&
                (m->count == 0 || e->log[m->count - 1].value == m->last_value);

    if (e->role != ENGINE_PRIMARY || m->epoch != e->epoch || m->session < peer->session)
        return;
    if (m->session > peer->session)
        *peer = (struct engine_peer){.session = m->session};
    if (m->first == WANT_REWIND) {
        uint32_t common = common_with(e, e->peers[m->from]);

        answer_pull(e, m, common < e->trimmed ? ENGINE_BEHIND : ENGINE_DONE, common);
        return;
    }
    if (!same || (m->count < e->trimmed && m->first != WANT_COPY)) {
        peer->heard = 0;
        answer_pull(e, m, same ? ENGINE_BEHIND : ENGINE_DIVERGED, 0);
        return;
    }
    peer->heard = world_of(e)->now;
    peer->confirmed = m->first == WANT_COPY ? 0 : m->synced;
    peer->sent = m->count;
    send_data(e, m->from);
    advance(e);
}

static void on_data(struct engine_sim *e, const struct engine_message *m)
{
    uint32_t before = e->count;

    if (e->role != ENGINE_SECONDARY || m->epoch != e->epoch || m->session != e->session ||
        m->epoch < e->floor || m->from != e->primary || e->deaf_until > world_of(e)->now)
        return;
    e->met_it = true;
    e->met = m->outcome;
    e->common = m->first;
    if (m->outcome != ENGINE_DONE || (e->ordered && e->order.verb == ENGINE_REWIND)) {
        e->linked = false;
        return;
    }
    e->linked = !e->loading;
    e->end = m->end;
    for (uint32_t i = 0; i < m->records && m->count <= e->count; i++)
        if (m->count + i == e->count)
            append(e, m->record[i]);
    if (e->linked && e->count >= e->end && e->synced == e->count)
        believe(e);
    if (e->count != before &&
        (!e->rules.durable || (e->count < m->end && m->records == ENGINE_BATCH)))
        pull(e);
}

static void on_message(struct sim_event *event)
{
    struct engine_message *m = container_of(event, struct engine_message, event);
    struct engine_sim *e = m->to;

    if (e->running && e->run == m->run) {
        if (asleep(e, event))
            return;
        if (m->kind == PULL)
            on_pull(e, m);
        else
            on_data(e, m);
    }
    m->next = e->post->free;
    e->post->free = m;
}

static void on_pull_due(struct sim_event *event)
{
    struct engine_sim *e = container_of(event, struct engine_sim, pull);

    if (e->role != ENGINE_SECONDARY || asleep(e, event))
        return;
    pull(e);
    sim_schedule(world_of(e), event, world_of(e)->now + e->rules.pull_ns);
}

/* ---- acknowledgements ---- */

/* So many records are where the needs want them. */
static uint32_t covered(const struct engine_sim *e)
{
    uint32_t reached[SIM_HOSTS_MAX] = {0}, count = 0;
    const struct engine_needs *needs = &e->needs;

    if (needs->mode == GROUP_ASYNC)
        return confirmed_of(e);
    for (uint32_t i = 0; i < needs->members.count; i++) {
        uint32_t host = host_of(e, needs->members.lives[i].member);
        uint32_t value = host < SIM_HOSTS_MAX ? e->peer[host].confirmed : 0, at = count++;

        for (; at > 0 && reached[at - 1] < value; at--)
            reached[at] = reached[at - 1];
        reached[at] = value;
    }
    if (count < needs->acks)
        return 0;
    if (needs->mode == GROUP_SYNC)
        return count ? reached[count - 1] : UINT32_MAX;
    return needs->acks ? reached[needs->acks - 1] : UINT32_MAX;
}

static void advance(struct engine_sim *e)
{
    uint32_t upto;

    if (!e->writable)
        return;
    upto = covered(e);
    upto = upto < confirmed_of(e) ? upto : confirmed_of(e);
    while (e->acked < upto && e->running && e->writable) {
        e->acked++;
        if (e->log[e->acked - 1].value)
            e->told->acked(e, e->acked);
    }
}

static void on_sync(struct sim_event *event)
{
    struct engine_sim *e = container_of(event, struct engine_sim, sync);

    if (asleep(e, event))
        return;
    e->synced = e->syncing;
    if (e->role == ENGINE_PRIMARY && e->synced == e->count)
        believe(e);
    begin_sync(e);
    if (e->role == ENGINE_SECONDARY && e->linked)
        pull(e);
    advance(e);
}

/* Who wrote and was not answered yet, is not. */
static void fail_pending(struct engine_sim *e)
{
    e->writable = false;
    for (; e->acked < e->count; e->acked++)
        if (e->log[e->acked].value)
            e->told->failed(e, e->log[e->acked].value);
}

bool engine_sim_write(struct engine_sim *e, uint32_t value)
{
    if (!e->running || !e->writable || e->stuck_until > world_of(e)->now || e->host->disk.full ||
        e->lame_until > world_of(e)->now || e->count + 64 >= ENGINE_LOG_MAX)
        return false;
    append(e, (struct engine_record){e->epoch, value});
    spread(e);
    if (!e->rules.durable)
        advance(e);
    return true;
}

/* ---- orders ---- */

static void status(const struct engine_sim *e, struct engine_status *s)
{
    *s = (struct engine_status){.state = ENGINE_STOPPED, .lag_bytes = UINT64_MAX};
    if (!e->running)
        return;
    s->state = world_of(e)->now < e->ready_at ? ENGINE_STARTING : ENGINE_RUNNING;
    s->role = (uint8_t)e->role;
    s->writable = e->writable;
    s->linked = e->linked;
    s->loading = e->loading;
    s->epoch = e->role == ENGINE_NEITHER ? 0 : e->epoch;
    s->promised = e->promised;
    s->position = claimed(e);
    if (e->role == ENGINE_SECONDARY && e->primary < SIM_HOSTS_MAX) {
        s->primary = e->ids[e->primary];
        s->lag_bytes = e->linked && e->end >= e->count ? e->end - e->count : UINT64_MAX;
    }
    for (uint32_t i = 0; e->role == ENGINE_PRIMARY && i < e->sim->world.hosts; i++)
        if (e->ids[i] && i != e->index && e->peer[i].session)
            s->followers[s->follower_count++] = (struct engine_follower){
                .member = e->ids[i],
                .attached = attached(e, i),
                .position = {last_epoch(e, e->peer[i].confirmed), e->peer[i].confirmed}};
}

static void answer(struct engine_sim *e, enum engine_outcome outcome, const char *sentence)
{
    struct engine_answer out = {.verb = e->order.verb, .epoch = e->order.epoch, .outcome = outcome};

    e->ordered = false;
    if (e->ghost)
        return;
    sim_cancel(world_of(e), &e->timeout);
    sim_cancel(world_of(e), &e->step);
    status(e, &out.status);
    (void)snprintf(out.sentence, sizeof out.sentence, "%s", sentence);
    e->told->answered(e, &out);
}

static void again(struct engine_sim *e, int64_t in_ns)
{
    sim_schedule(world_of(e), &e->step, world_of(e)->now + in_ns);
}

static void neither(struct engine_sim *e)
{
    if (e->role == ENGINE_PRIMARY)
        fail_pending(e);
    e->role = ENGINE_NEITHER;
    e->writable = e->linked = false;
    e->primary = SIM_HOSTS_MAX;
    memset(e->peer, 0, sizeof e->peer);
    sim_cancel(world_of(e), &e->pull);
}

/* Stage 0 of what promises: then its disk has to take it. */
static bool promises(struct engine_sim *e)
{
    if (e->order.epoch < e->floor) {
        answer(e, ENGINE_REFUSED, "it has promised a newer epoch");
        return false;
    }
    e->floor = e->order.epoch;
    e->stage = 1;
    again(e, e->promised == e->floor && e->synced == e->count ? 0 : sync_time(e));
    return true;
}

static void promised(struct engine_sim *e)
{
    if (e->promised < e->order.epoch)
        e->promised = e->order.epoch;
}

static void do_promise(struct engine_sim *e)
{
    if (e->stage == 0) {
        if (promises(e))
            neither(e);
        return;
    }
    promised(e);
    e->synced = e->count;
    answer(e, ENGINE_DONE, "");
}

static void become_primary(struct engine_sim *e)
{
    bool on = e->role == ENGINE_PRIMARY;

    if (!on)
        neither(e);
    e->needs = e->order.needs;
    if (on && e->epoch == e->order.epoch && e->writable)
        return;
    if (!on)
        e->acked = e->count;
    e->role = ENGINE_PRIMARY;
    if (e->epoch != e->order.epoch || !on) {
        e->epoch = e->order.epoch;
        append(e, (struct engine_record){e->epoch, 0});
        memset(e->peer, 0, sizeof e->peer);
    }
    e->writable = true;
    e->told->promoted(e);
    believe(e); /* what it has is what there is */
}

/* Who is the primary does not become it. */
static bool stumbles(struct engine_sim *e, enum engine_stumble where)
{
    if (e->stumbles != where || e->role == ENGINE_PRIMARY)
        return false;
    e->stumbles = STUMBLE_NOT;
    if (where == FAILS_PROMISED)
        answer(e, ENGINE_REFUSED, "it could not");
    else
        engine_sim_kill(e);
    return true;
}

static void do_promote(struct engine_sim *e)
{
    int64_t now = world_of(e)->now;
    bool after;

    if (e->stage == 0 && e->order.epoch >= e->floor) {
        if (e->loading || e->refuses_until > now || e->count + 128 >= ENGINE_LOG_MAX) {
            answer(e, ENGINE_REFUSED, e->loading ? "it has no whole copy" : "it does not want to");
            return;
        }
        if (stumbles(e, DIES_BEFORE))
            return;
    }
    if (e->stage == 0) {
        (void)promises(e);
        return;
    }
    promised(e);
    if (stumbles(e, DIES_PROMISED) || stumbles(e, FAILS_PROMISED))
        return;
    after = e->role != ENGINE_PRIMARY && e->stumbles == DIES_AFTER;
    become_primary(e);
    begin_sync(e);
    if (after) {
        e->stumbles = STUMBLE_NOT;
        engine_sim_kill(e);
        return;
    }
    answer(e, ENGINE_DONE, "");
    advance(e);
}

static void do_demote(struct engine_sim *e)
{
    uint32_t host = host_of(e, e->order.target);

    if (e->order.epoch < e->floor) {
        answer(e, ENGINE_REFUSED, "it has promised a newer epoch");
        return;
    }
    if (e->role == ENGINE_PRIMARY)
        fail_pending(e);
    if (e->order.target && e->role == ENGINE_PRIMARY) {
        if (host == SIM_HOSTS_MAX) {
            answer(e, ENGINE_REFUSED, "it knows no such member");
            return;
        }
        if (!attached(e, host) || e->peer[host].confirmed < e->count) {
            again(e, e->rules.pull_ns / 4);
            return;
        }
    }
    neither(e);
    answer(e, ENGINE_DONE, "");
}

/* Stages of what follows: 0 it is asked, 1 its promise is on disk, then it waits for a word from the primary. */
static bool reaches(struct engine_sim *e)
{
    uint32_t host = host_of(e, e->order.primary);

    if (e->stage == 0) {
        if (host == SIM_HOSTS_MAX || host == e->index)
            answer(e, ENGINE_REFUSED, "it knows no such member");
        else if (promises(e) &&
                 (e->role != ENGINE_SECONDARY || e->epoch != e->order.epoch || e->primary != host))
            neither(e);
        return false;
    }
    if (e->stage == 1) {
        promised(e);
        e->role = ENGINE_SECONDARY;
        e->epoch = e->order.epoch;
        e->primary = host;
        e->session++;
        e->linked = e->met_it = false;
        e->stage = 2;
        pull(e);
        sim_schedule(world_of(e), &e->pull, world_of(e)->now + e->rules.pull_ns);
        again(e, e->rules.pull_ns / 8);
        return false;
    }
    return true;
}

static void do_follow(struct engine_sim *e)
{
    if (e->loading) {
        answer(e, ENGINE_BEHIND, "it has no whole copy");
        return;
    }
    if (!reaches(e))
        return;
    if (!e->met_it && ++e->stage < 40) {
        again(e, e->rules.pull_ns / 8);
        return;
    }
    if (!e->met_it || e->met == ENGINE_DONE)
        answer(e, ENGINE_DONE, "");
    else
        answer(e, e->met,
               e->met == ENGINE_BEHIND ? "what it lacks is gone" : "it went its own way");
}

static void do_rewind(struct engine_sim *e)
{
    if (!reaches(e))
        return;
    if (!e->met_it && ++e->stage < 40) {
        if (e->stage % 8 == 0)
            pull(e);
        again(e, e->rules.pull_ns / 8);
        return;
    }
    if (!e->met_it) {
        answer(e, ENGINE_REFUSED, "its primary says nothing");
        return;
    }
    if (e->met != ENGINE_DONE) {
        answer(e, ENGINE_BEHIND, "what it lacks is gone");
        return;
    }
    if (e->common < e->count)
        cut(e, e->common, false);
    answer(e, ENGINE_DONE, "");
}

static void do_copy(struct engine_sim *e)
{
    if (e->stage == 1) {
        e->loading = true;
        e->whole = 0;
        cut(e, 0, true);
    }
    if (!reaches(e))
        return;
    /* What is written meanwhile comes by following. */
    if (e->met_it && e->whole == 0)
        e->whole = e->end;
    if (!e->met_it || e->synced < e->whole || e->stage < e->rules.copy_rounds) {
        if (++e->stage > 4000) {
            answer(e, ENGINE_REFUSED, "its primary says nothing");
            return;
        }
        if (e->stage % 8 == 0)
            pull(e);
        again(e, e->rules.pull_ns / 2);
        return;
    }
    e->loading = false;
    answer(e, ENGINE_DONE, "");
}

static void do_order(struct engine_sim *e)
{
    switch (e->order.verb) {
    case ENGINE_STATUS:
        answer(e, ENGINE_DONE, "");
        return;
    case ENGINE_PROMISE:
        do_promise(e);
        return;
    case ENGINE_PROMOTE:
        do_promote(e);
        return;
    case ENGINE_DEMOTE:
        do_demote(e);
        return;
    case ENGINE_FOLLOW:
        do_follow(e);
        return;
    case ENGINE_REWIND:
        do_rewind(e);
        return;
    case ENGINE_COPY:
        do_copy(e);
        return;
    case ENGINE_VERBS:
        break;
    }
    never("a verb that engine.h does not know");
}

/* What nobody waits for any more is done before what comes after it. */
static void do_late(struct engine_sim *e)
{
    struct engine_order order = e->order;
    bool ordered = e->ordered;

    e->is_late = false;
    e->order = e->late;
    e->ghost = e->ordered = true;
    for (e->stage = 0; e->ordered && e->running && e->stage < 2;) {
        uint32_t before = e->stage;

        do_order(e);
        if (e->stage == before)
            break;
    }
    sim_cancel(world_of(e), &e->step);
    e->ghost = false;
    e->order = order;
    e->ordered = ordered;
    e->stage = 0;
    if (ordered && !e->running)
        broken(e, "its process has ended");
}

static void on_step(struct sim_event *event)
{
    struct engine_sim *e = container_of(event, struct engine_sim, step);

    if (!e->ordered && !e->is_late)
        return;
    if (e->running && asleep(e, event))
        return;
    if (!e->running) {
        if (e->ordered)
            answer(e, e->order.verb == ENGINE_STATUS ? ENGINE_DONE : ENGINE_BROKEN,
                   "it does not run");
        return;
    }
    if (world_of(e)->now < e->ready_at && e->order.verb != ENGINE_STATUS) {
        answer(e, ENGINE_REFUSED, "it is starting");
        return;
    }
    if (e->is_late && e->stage == 0)
        do_late(e);
    if (e->ordered)
        do_order(e);
}

/* The program is ended. What it had asked may be done or not. */
static void give_up(struct engine_sim *e)
{
    bool untouched = e->running && e->ordered && e->stage == 0 && e->step.place;

    sim_cancel(world_of(e), &e->timeout);
    if (untouched && e->order.verb != ENGINE_STATUS && rng_below(&world_of(e)->rng, 2)) {
        e->late = e->order;
        e->is_late = true;
    }
    e->ordered = false;
    if (!e->is_late)
        sim_cancel(world_of(e), &e->step);
}

static void broken(struct engine_sim *e, const char *sentence)
{
    struct engine_answer out = {
        .verb = e->order.verb, .epoch = e->order.epoch, .outcome = ENGINE_BROKEN};

    give_up(e);
    (void)snprintf(out.sentence, sizeof out.sentence, "%s", sentence);
    e->told->answered(e, &out);
}

static void on_timeout(struct sim_event *event)
{
    broken(container_of(event, struct engine_sim, timeout), "no answer in time");
}

void engine_sim_ask(struct engine_sim *e, const struct engine_order *order)
{
    must(!e->ordered);
    e->order = *order;
    e->ordered = true;
    e->stage = 0;
    again(e, latency(e));
    sim_schedule(world_of(e), &e->timeout, world_of(e)->now + order->timeout_ms * NS_PER_MS);
}

void engine_sim_cancel(struct engine_sim *e)
{
    if (e->ordered)
        broken(e, "it was called off");
}

void engine_sim_orphan(struct engine_sim *e)
{
    if (e->ordered)
        give_up(e);
}

/* ---- the process ---- */

void engine_sim_start(struct engine_sim *e)
{
    struct sim_world *world = world_of(e);

    if (e->running)
        return;
    e->running = true;
    e->run++;
    e->session++;
    e->role = ENGINE_NEITHER;
    e->epoch = 0;
    e->floor = e->promised;
    e->primary = SIM_HOSTS_MAX;
    e->ready_at = world->now + rng_between(&world->rng, e->rules.start_ns / 8, e->rules.start_ns);
    e->stuck_until = 0;
    begin_sync(e);
    SIM_TELL(world, (int)e->index, "group %u: its engine starts", e->slot);
    e->told->process(e, true);
    engine_sim_clock(e);
}

static void end_process(struct engine_sim *e)
{
    struct sim_world *world = world_of(e);

    neither(e);
    e->running = false;
    e->is_late = false;
    e->syncing = e->synced;
    sim_cancel(world, &e->sync);
    sim_cancel(world, &e->fencing);
}

void engine_sim_kill(struct engine_sim *e)
{
    if (!e->running)
        return;
    SIM_TELL(world_of(e), (int)e->index, "group %u: its engine ends", e->slot);
    end_process(e);
    if (e->ordered && !e->ghost)
        broken(e, "its process has ended");
    e->told->process(e, false);
}

void engine_sim_power(struct engine_sim *e, bool flushed)
{
    uint32_t kept =
        flushed ? e->count : (uint32_t)rng_between(&world_of(e)->rng, e->synced, e->count);

    if (e->running)
        end_process(e);
    engine_sim_orphan(e);
    e->is_late = false;
    sim_cancel(world_of(e), &e->step);
    e->count = e->synced = kept;
    e->trimmed = e->trimmed < kept ? e->trimmed : kept;
    e->fence = INT64_MAX;
}

void engine_sim_wipe(struct engine_sim *e)
{
    e->count = e->synced = e->trimmed = 0;
    e->promised = 0;
    e->loading = false;
}

/* ---- the fence ---- */

static void on_fence(struct sim_event *event)
{
    engine_sim_clock(container_of(event, struct engine_sim, fencing));
}

void engine_sim_clock(struct engine_sim *e)
{
    int64_t left = e->fence - sim_clock_read(e->host, LOOP_BOOT);

    sim_cancel(world_of(e), &e->fencing);
    if (!e->running || e->fence == INT64_MAX)
        return;
    if (left <= 0) {
        SIM_TELL(world_of(e), (int)e->index, "group %u: its engine is fenced", e->slot);
        engine_sim_kill(e);
        return;
    }
    left = (int64_t)((double)left / (1.0 + (double)e->host->clock.drift_ppm / PPM));
    sim_schedule(world_of(e), &e->fencing, world_of(e)->now + (left > 1 ? left : 1));
}

void engine_sim_fence(struct engine_sim *e, int64_t until)
{
    e->fence = until;
    engine_sim_clock(e);
}

void engine_sim_init(struct engine_sim *e)
{
    e->log = calloc(ENGINE_LOG_MAX, sizeof *e->log);
    must(e->log != NULL);
    e->primary = SIM_HOSTS_MAX;
    e->fence = INT64_MAX;
    e->sync.happen = on_sync;
    e->pull.happen = on_pull_due;
    e->step.happen = on_step;
    e->timeout.happen = on_timeout;
    e->fencing.happen = on_fence;
}

void engine_sim_fini(struct engine_sim *e)
{
    free(e->log);
}
