/*
 * Follows the primaries of groups: at each pick the scoreboard is asked where the primary is and whether it serves. Who has to wait is parked
 * without being read from, so that it costs no buffer, and is let go in order; who has waited too long, or for whom there is no place, is
 * told so. Whatever was begun with a primary that is none any more ends. Who may go, and how many at once, is hold.c's.
 */
#include "balancer/drive.h"

static struct instant now_of(const struct group *group)
{
    return loop_now(group->balancer->loop);
}

/* ---- the record ---- */

/* Where the agent is writing just now, nobody goes anywhere until the next look. */
static void take_view(struct group *group)
{
    const struct group_record *record = group->record;
    struct hold_view view = {
        .phase = counted(&record->phase),
        .epoch = counted(&record->epoch),
        .primary = counted(&record->primary),
    };

    group->here = counted(&record->here) != 0;
    atomic_thread_fence(memory_order_acquire);
    if (counted(&record->changes) != group->changes)
        view = (struct hold_view){.phase = BOARD_GROUP_UNKNOWN};
    group->view = view;
}

/* An agent that froze while it wrote may have left `here` of another primary than the view's: either asks for a lease. */
static bool leased(const struct group *group)
{
    const struct group_record *record = group->record;
    uint64_t lease = counted(&record->lease);

    if (!group->here && !counted(&record->here))
        return true;
    if (lease >= BOARD_LEASES_MAX)
        return false;
    return loop_read_clock(group->balancer->loop, LOOP_BOOT).ns <
           (int64_t)counted(&group->balancer->options.board->leases[lease].until);
}

/* True: it is another than it was. */
static bool look_at(struct group *group)
{
    uint64_t changes = atomic_load_explicit(&group->record->changes, memory_order_acquire);
    bool another = changes != group->changes;

    group->changes = changes;
    if (another || group->view.phase == BOARD_GROUP_UNKNOWN)
        take_view(group);
    group->view.leased = leased(group);
    return another;
}

/* ---- what an exchange is to its group ---- */

static struct queue *queue_of(const struct exchange *x)
{
    return &x->group->queues[x->session->service->config->role];
}

static struct hold_limits limits_of(const struct exchange *x)
{
    const struct balancer_service *config = x->session->service->config;

    return (struct hold_limits){
        .time_ms = config->hold_ms,
        .count = (uint32_t)config->hold_max,
        .bytes = (uint64_t)config->hold_bytes,
    };
}

/* Whole buffers: that is what it keeps others from. The beginning of a body is in one, and may come just after its head. */
static uint64_t bytes_of_exchange(const struct exchange *x)
{
    uint64_t bytes = x->head_bytes.len;

    if (!x->request_done && x->piece_count == 0)
        bytes += exchange_balancer(x)->chunk_cap;

    for (uint32_t i = 0; i < x->piece_count; i++)
        bytes += x->pieces[i].chunk->cap;
    if (x->session->held)
        bytes += x->session->held->cap;
    return bytes;
}

static bool has_room(const struct exchange *x)
{
    const struct hold_limits limits = limits_of(x);

    return hold_room(&limits, &x->session->service->held, bytes_of_exchange(x));
}

/* The agent asks a new primary through this door whether it serves. What a PROXY header says does not count. */
static bool is_probe(const struct exchange *x)
{
    uint64_t port = counted(&x->group->record->probe_port);
    struct address peer, local;

    if (x->group->view.phase != BOARD_GROUP_PROMOTING || port == 0)
        return false;
    peer = stream_peer(&x->session->stream);
    local = stream_local(&x->session->stream);
    local.port = peer.port;
    return peer.port == port && (address_is_loopback(&peer) || address_equal(&peer, &local));
}

static void tick_soon(struct balancer *b, struct instant at)
{
    if (!timer_armed(&b->hold_tick) || at.ns < b->hold_tick.at.ns)
        timer_arm(b->loop, &b->hold_tick, at);
}

/* ---- where to ---- */

uint32_t grouped_readable(const struct exchange *x)
{
    const uint32_t nobody = UINT32_C(1) << 31;
    uint32_t bits =
        hold_readable(&x->group->view, x->group->record->lag_ms, x->pool->backends.count,
                      (uint64_t)x->session->service->config->lag_max_ms);

    return bits ? bits : nobody;
}

/* What it means for the others is found out outside of this exchange's event. */
void grouped_look(struct exchange *x)
{
    struct group *group = x->group;

    if (look_at(group))
        tick_soon(group->balancer, now_of(group));
}

/* Who comes while others wait goes after them, where there is room to wait. */
uint32_t grouped_primary(struct exchange *x)
{
    const struct group *group = x->group;
    uint32_t place = hold_primary(&group->view, x->pool->backends.count, is_probe(x));

    if (place == 0)
        return PICK_NONE;
    if (group->view.phase == BOARD_GROUP_SERVING && !x->released &&
        !list_empty(&queue_of(x)->waiting) && has_room(x))
        return PICK_NONE;
    return place - 1;
}

void grouped_bind(struct exchange *x)
{
    struct group *group = x->group;

    if (x->backend + 1 != group->view.primary)
        return;
    x->bound_epoch = group->view.epoch;
    x->bound_primary = group->view.primary;
    list_push_back(&group->bound, &x->in_group);
}

void grouped_succeeded(struct exchange *x)
{
    if (x->group)
        hold_succeeded(&queue_of(x)->slope);
}

/* ---- to wait, and to wait no longer ---- */

static void park(struct exchange *x)
{
    struct service *service = x->session->service;
    struct list *waiting = &queue_of(x)->waiting;
    bool again = x->hold_until.ns != 0;

    x->parked_at = now_of(x->group);
    if (!again) {
        x->hold_until = after_ms(x->parked_at, service->config->hold_ms);
        count(&x->group->counters->held, 1);
    }
    x->phase = PHASE_HOLD;
    x->released = false;
    x->hold_bytes = bytes_of_exchange(x);
    service->held.count++;
    service->held.bytes += x->hold_bytes;
    if (again) /* it has waited longest */
        list_push_front(waiting, &x->in_group);
    else
        list_push_back(waiting, &x->in_group);
    count(&x->group->counters->waiting, 1);
    x->group->balancer->held++;
    stream_receive(&x->session->stream, false);
    exchange_deadline(x);
    tick_soon(x->group->balancer, after_ms(x->parked_at, HOLD_TICK_MS));
}

/* The rest of what came together with its head. */
void grouped_recount(struct exchange *x)
{
    struct hold_load *held = &x->session->service->held;

    held->bytes -= x->hold_bytes;
    x->hold_bytes = bytes_of_exchange(x);
    held->bytes += x->hold_bytes;
}

static void unpark(struct exchange *x)
{
    struct session *s = x->session;
    struct service *service = s->service;

    must(x->phase == PHASE_HOLD);
    x->phase = PHASE_PICK;
    must(service->held.count > 0 && service->held.bytes >= x->hold_bytes);
    service->held.count--;
    service->held.bytes -= x->hold_bytes;
    list_remove(&x->in_group);
    uncount(&x->group->counters->waiting, 1);
    x->group->balancer->held--;
    x->held_ns += ns_between(x->parked_at, now_of(x->group));
    if (!s->tcp && !s->backlog && !x->request_paused)
        stream_receive(&s->stream, true);
}

void grouped_leave(struct exchange *x)
{
    if (x->phase == PHASE_HOLD)
        unpark(x);
    list_remove(&x->in_group);
}

static void refuse(struct exchange *x, counter *why, const char *reason)
{
    count(why, 1);
    count(&x->session->service->counters->unavailable, 1);
    exchange_fail(x, 503, reason);
}

void grouped_expire(struct exchange *x)
{
    struct group *group = x->group;

    unpark(x);
    refuse(x, &group->counters->expired, "no primary came in the time that it may wait");
}

/* Whether another primary, or the same a little later, would do it: nothing was tried, or what was tried can be repeated. */
static bool may_wait(const struct exchange *x)
{
    if (!x->generation)
        return false;
    if (!x->failed)
        return true;
    switch (x->failure) {
    case FAILURE_CONNECT:
    case FAILURE_STALE:
    case FAILURE_RESET:
    case FAILURE_DOWN:
        return retry_safe(&x->retry);
    case FAILURE_TIMEOUT:
    case FAILURE_STATUS:
    case FAILURE_GARBAGE:
        return false;
    }
    never("a failure without a name");
}

bool grouped_turn(struct exchange *x)
{
    if (x->reads) {
        x->reads = false;
        return may_wait(x);
    }
    if (!hold_deposed(&x->group->view, x->bound_epoch, x->bound_primary))
        hold_failed(&queue_of(x)->slope, now_of(x->group));
    return false;
}

bool grouped_hold(struct exchange *x)
{
    struct group *group = x->group;

    if (!may_wait(x) || limits_of(x).time_ms == 0)
        return false;
    if (x->hold_until.ns != 0 && passed(x->hold_until, now_of(group)))
        refuse(x, &group->counters->expired, "no primary came in the time that it may wait");
    else if (has_room(x))
        park(x);
    else
        refuse(x, &group->counters->refused, "too many wait for a primary");
    return true;
}

/* ---- letting go ---- */

static bool still_of(const struct exchange *x)
{
    const struct session *s = x->session;
    const struct balancer_service *config = s->service->config;

    return !s->orphaned && config->grouped &&
           &x->group->balancer->groups[config->group_slot] == x->group;
}

/* By the configuration of now: where members stand in it is what the scoreboard's places mean. */
static void release(struct exchange *x)
{
    struct session *s = x->session;
    bool stays = still_of(x);

    unpark(x);
    if (stream_gone(&s->stream)) {
        exchange_abandon(x, "the client went away while it waited");
    } else if (!stays) {
        exchange_fail(x, 503, "its service is no longer of that group");
    } else {
        exchange_unbind(x);
        exchange_bind(x, s->service->config->pool_index);
        x->failed = false;
        x->tried = (struct pick_tried){0};
        x->released = true;
        count(&x->group->counters->released, 1);
        exchange_try(x);
    }
    session_resume(s);
}

static bool may_go(const struct group *group, const struct exchange *x)
{
    const struct balancer_service *config = x->session->service->config;

    if (hold_primary(&group->view, group->members, false))
        return true;
    return config->role == SERVICE_SECONDARY &&
           hold_readable(&group->view, group->record->lag_ms, group->members,
                         (uint64_t)config->lag_max_ms);
}

static struct exchange *first_waiting(const struct queue *queue)
{
    struct list *first = list_first(&queue->waiting);

    return first ? container_of(first, struct exchange, in_group) : NULL;
}

static void work_off(struct group *group, struct queue *queue)
{
    struct exchange *x = first_waiting(queue);
    uint32_t due;

    if (!x)
        return;
    if (!may_go(group, x)) {
        hold_begin(&queue->slope);
        return;
    }
    due = hold_due(&queue->slope, now_of(group));
    for (; due > 0 && x; due--, x = first_waiting(queue))
        release(x);
}

/* Its port may be told a moment after it came, and then it waits for itself. */
static void release_probe(const struct group *group, struct queue *queue)
{
    if (group->view.phase != BOARD_GROUP_PROMOTING || counted(&group->record->probe_port) == 0)
        return;
    list_each_safe (node, &queue->waiting) {
        struct exchange *x = container_of(node, struct exchange, in_group);

        if (is_probe(x) && hold_primary(&group->view, group->members, true)) {
            release(x);
            return;
        }
    }
}

/* Nothing is read from who waits, so that only the kernel knows of its end. */
static void notice_gone(struct group *group, struct queue *queue)
{
    uint32_t at = group->looks;

    list_each_safe (node, &queue->waiting) {
        struct exchange *x = container_of(node, struct exchange, in_group);

        if (at++ % GONE_TURNS == 0 && stream_gone(&x->session->stream))
            exchange_abandon(x, "the client went away while it waited");
    }
}

/* ---- a primary that is none any more ---- */

/* What may have been executed there stays: its answer may still come, and be true. */
static void depose(struct exchange *x)
{
    struct session *s = x->session;

    if (x->phase == PHASE_TUNNEL) {
        count(&x->group->counters->cut, 1);
        exchange_abandon(x, "what it was connected to is no longer the primary");
    } else if (x->phase != PHASE_ANSWER && retry_safe(&x->retry)) {
        count(&x->target->counters->moved, 1);
        exchange_try_failed(x, FAILURE_DOWN);
    } else {
        x->upstream->private = true; /* its connection serves nobody else */
        list_remove(&x->in_group);
    }
    session_resume(s);
}

static void cut_deposed(struct group *group)
{
    list_each_safe (node, &group->bound) {
        struct exchange *x = container_of(node, struct exchange, in_group);

        if (hold_deposed(&group->view, x->bound_epoch, x->bound_primary))
            depose(x);
    }
}

static void follow(struct group *group)
{
    const struct hold_view *view = &group->view;
    bool same = view->epoch == group->followed.epoch && view->primary == group->followed.primary;
    uint64_t former = group->followed.primary;

    if (view->phase != BOARD_GROUP_UNKNOWN && !same) {
        group->followed = *view;
        for (int role = 0; role < QUEUE_ROLES; role++)
            hold_begin(&group->queues[role].slope);
        if (former > 0 && former <= group->members)
            upstream_close_idle(&group->balancer->targets[group->slots[former - 1]]);
        cut_deposed(group);
    } else if (!view->leased) {
        cut_deposed(group);
    }
}

/* ---- looking ---- */

/* A session that runs is cut at the end of the lease, though nobody says anything. */
static void tick_at_lease_end(const struct group *group)
{
    struct balancer *b = group->balancer;
    uint64_t lease = counted(&group->record->lease);
    int64_t left;

    if (list_empty(&group->bound) || !group->here || !group->view.leased ||
        lease >= BOARD_LEASES_MAX)
        return;
    left = (int64_t)counted(&b->options.board->leases[lease].until) -
           loop_read_clock(b->loop, LOOP_BOOT).ns;
    tick_soon(b, after_ns(loop_now(b->loop), left > 0 ? left + NS_PER_MS : NS_PER_MS));
}

static void look(struct group *group)
{
    (void)look_at(group);
    follow(group);
    for (int role = 0; role < QUEUE_ROLES; role++) {
        notice_gone(group, &group->queues[role]);
        release_probe(group, &group->queues[role]);
        work_off(group, &group->queues[role]);
    }
    group->looks++;
    tick_at_lease_end(group);
}

void grouped_look_all(struct balancer *b)
{
    for (uint32_t i = 0; i < b->groups_used; i++) {
        if (b->groups[i].balancer)
            look(&b->groups[i]);
    }
    if (b->held)
        tick_soon(b, after_ms(loop_now(b->loop), HOLD_TICK_MS));
}

void grouped_tick(struct timer *timer)
{
    grouped_look_all(container_of(timer, struct balancer, hold_tick));
}

/* ---- the configuration ---- */

/* Its place is another group's from here on: what is left of it cannot be watched any more. */
static void dismiss(struct group *group)
{
    struct exchange *x;

    for (int role = 0; role < QUEUE_ROLES; role++) {
        while ((x = first_waiting(&group->queues[role]))) {
            unpark(x);
            exchange_fail(x, 503, "its group is gone");
        }
    }
    list_each_safe (node, &group->bound) {
        count(&group->counters->cut, 1);
        exchange_abandon(container_of(node, struct exchange, in_group), "its group is gone");
    }
}

static void group_init(struct balancer *b, uint32_t slot)
{
    struct group *group = &b->groups[slot];

    *group = (struct group){
        .balancer = b,
        .record = &b->options.board->groups[slot],
        .counters = &b->record->groups[slot],
        .changes = UINT64_MAX,
    };
    list_init(&group->bound);
    for (int role = 0; role < QUEUE_ROLES; role++)
        list_init(&group->queues[role].waiting);
    if (slot >= b->groups_used)
        b->groups_used = slot + 1;
}

void grouped_set(struct balancer *b, const struct balancer_service *service)
{
    struct image image = b->current->config.image;
    const struct balancer_pool *pool = generation_pool(b->current, service->pool_index);
    const struct balancer_backend *backends = image_items(image, pool->backends, sizeof *backends);
    struct group *group = &b->groups[service->group_slot];
    uint64_t key = pick_key(image_text(image, service->group));

    must(service->group_slot < GROUPS_MAX && pool->backends.count <= GROUP_BACKENDS_MAX);
    if (!group->balancer)
        group_init(b, service->group_slot);
    else if (group->key != key)
        dismiss(group);
    group->key = key;
    group->members = pool->backends.count;
    for (uint32_t i = 0; i < group->members; i++)
        group->slots[i] = backends[i].slot;
}
