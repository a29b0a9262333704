/*
 * From one generation of the configuration to the next: what stays lives on, what is new begins, what is gone finishes its work. No
 * connection is cut by a reload.
 */
#include "balancer/drive.h"

/* ---- generations ---- */

void generation_use(struct generation *generation)
{
    generation->uses++;
}

void generation_release(struct balancer *balancer, struct generation *generation)
{
    must(generation->uses > 0);
    if (--generation->uses == 0)
        balancer->options.generation_done(balancer->options.context, generation->config.generation);
}

static struct generation *oldest(struct balancer *b)
{
    struct generation *found = NULL;

    for (uint32_t i = 0; i < GENERATIONS_MAX; i++) {
        struct generation *generation = &b->generations[i];

        if (generation != b->current &&
            (!found || generation->config.generation < found->config.generation))
            found = generation;
    }
    return found;
}

static struct generation *free_generation(struct balancer *b)
{
    for (uint32_t i = 0; i < GENERATIONS_MAX; i++) {
        if (b->generations[i].uses == 0)
            return &b->generations[i];
    }
    return NULL;
}

/* ---- services ---- */

void service_release(struct service *service)
{
    struct generation *generation = service->generation;

    must(service->uses > 0);
    if (--service->uses > 0 || service->present)
        return;
    service->config = NULL;
    service->generation = NULL;
    generation_release(service->balancer, generation);
}

/* The slot went to a service of another name while clients of the former are still there: they are not the new one's. */
static void orphan_clients(struct balancer *b, const struct service *service)
{
    for (uint32_t i = 0; i < b->sessions.touched; i++) {
        struct session *s = session_at(b, i);

        if (s->state != SESSION_FREE && s->service == service)
            s->orphaned = true;
    }
}

static bool same_name(const struct service *service, const struct generation *next,
                      const struct balancer_service *config)
{
    return bytes_equal(image_text(service->generation->config.image, service->config->item.name),
                       image_text(next->config.image, config->item.name));
}

static void set_service(struct balancer *b, const struct balancer_service *config)
{
    struct service *service;
    struct generation *former;

    must(config->slot < SERVICES_MAX);
    service = &b->services[config->slot];
    former = service->generation;
    if (former && !same_name(service, b->current, config))
        orphan_clients(b, service);
    service->balancer = b;
    service->counters = &b->record->services[config->slot];
    service->config = config;
    service->generation = b->current;
    service->present = true;
    generation_use(b->current);
    if (former)
        generation_release(b, former);
}

/* A service that is gone keeps what it was configured as until its last client and door are gone. */
static void drop_services(struct balancer *b)
{
    for (uint32_t i = 0; i < SERVICES_MAX; i++) {
        struct service *service = &b->services[i];

        if (!service->config || service->generation == b->current)
            continue;
        service->present = false;
        service->uses++;
        service_release(service);
    }
}

static void set_services(struct balancer *b)
{
    const struct balancer_config *config = &b->current->config;
    const struct balancer_service *services =
        image_items(config->image, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        set_service(b, &services[i]);
}

/* So many reloads came while requests were waiting that the oldest ones lose their choice of another backend. Sessions of a
 * service that went with that generation are closed. */
static void retire(struct balancer *b, struct generation *generation)
{
    while (generation->uses > 0 && !list_empty(&generation->exchanges))
        exchange_unbind(container_of(generation->exchanges.next, struct exchange, in_generation));
    for (uint32_t i = 0; i < b->sessions.touched && generation->uses > 0; i++) {
        struct session *s = session_at(b, i);

        if (s->state == SESSION_FREE || s->state == SESSION_CLOSED ||
            s->service->generation != generation)
            continue;
        if (s->exchange)
            exchange_abandon(s->exchange, "its service is gone");
        else
            session_cut(s);
    }
}

/* ---- targets ---- */

/* What the agent and the operator say of it. */
void target_look(struct target *target)
{
    struct balancer *b = target->balancer;
    struct scoreboard *board = b->options.board;
    const struct verdict_record *verdict = &board->verdicts[target->slot];
    bool was_down = target->state->down;
    struct address address;

    target->state->draining = counted(&board->overrides[target->slot].draining) != 0;
    target->state->down = counted(&verdict->state) == VERDICT_DOWN;
    if (target->named && verdict_read_address(verdict, &address) &&
        !address_equal(&address, &target->address)) {
        target->address = address;
        target->state->unresolved = address.family == 0;
        upstream_close_idle(target);
    }
    if (!target->state->down || was_down)
        return;
    upstream_close_idle(target);
    list_each_safe (node, &target->exchanges) {
        struct exchange *x = container_of(node, struct exchange, in_target);
        struct session *s = x->session;

        exchange_move(x);
        session_resume(s);
    }
}

static void target_init(struct balancer *b, struct target *target, uint32_t slot)
{
    *target = (struct target){
        .balancer = b,
        .counters = &b->record->backends[slot],
        .state = &b->states[slot],
        .slot = slot,
    };
    list_init(&target->idle);
    list_init(&target->exchanges);
    timer_init(&target->sweep, upstream_sweep);
}

static void set_target(struct balancer *b, const struct balancer_pool *pool,
                       const struct balancer_backend *backend)
{
    struct image image = b->current->config.image;
    struct target *target;
    bool moved;

    must(backend->slot < BACKENDS_MAX);
    target = &b->targets[backend->slot];
    while (b->targets_used <= backend->slot) {
        target_init(b, &b->targets[b->targets_used], b->targets_used);
        b->targets_used++;
    }
    moved = !address_equal(&target->address, &backend->address) && !target->named;
    if (moved || target->named != backend->named || !target->was_present) {
        target->address = backend->address;
        upstream_close_idle(target);
    }
    target->named = backend->named;
    target->idle_ms = pool->timeout_idle_ms;
    target->idle_max = (uint32_t)pool->reuse_max;
    target->present = true;
    target->state->key = pick_key(image_text(image, backend->endpoint));
    target->state->unresolved = target->address.family == 0;
    target_look(target);
}

/* So that workers, which all count from the same place, do not march in step. */
static void shift_phase(struct balancer *b, const struct balancer_pool *pool,
                        const struct balancer_backend *backends)
{
    const struct pick pick = {
        .algorithm = ALGORITHM_ROUND_ROBIN,
        .backends = backends,
        .count = pool->backends.count,
        .states = b->states,
        .now = loop_now(b->loop),
    };

    for (uint32_t i = 0; i < b->options.worker; i++)
        (void)pick_backend(&pick);
}

static void set_pool(struct balancer *b, const struct balancer_pool *pool)
{
    const struct balancer_backend *backends =
        image_items(b->current->config.image, pool->backends, sizeof *backends);
    bool fresh = false;

    for (uint32_t i = 0; i < pool->backends.count; i++) {
        set_target(b, pool, &backends[i]);
        fresh |= !b->targets[backends[i].slot].was_present;
    }
    if (fresh)
        shift_phase(b, pool, backends);
}

static void set_targets(struct balancer *b)
{
    const struct balancer_config *config = &b->current->config;

    must(config->pools.count <= POOLS_MAX);
    for (uint32_t i = 0; i < b->targets_used; i++) {
        b->targets[i].was_present = b->targets[i].present;
        b->targets[i].present = false;
    }
    for (uint32_t i = 0; i < config->pools.count; i++)
        set_pool(b, generation_pool(b->current, i));
    for (uint32_t i = 0; i < b->targets_used; i++) {
        if (!b->targets[i].present)
            upstream_close_idle(&b->targets[i]);
    }
}

/* ---- groups: one that nobody names any more is watched for those who still have to do with it ---- */

static void set_groups(struct balancer *b)
{
    const struct balancer_config *config = &b->current->config;
    const struct balancer_service *services =
        image_items(config->image, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++) {
        if (services[i].grouped)
            grouped_set(b, &services[i]);
    }
}

/* ---- doors ---- */

static void close_door(struct door *door)
{
    listener_stop(&door->listener, true);
    door->state = DOOR_CLOSING;
    door->ticks = 0;
}

static void assign_door(struct door *door, struct service *service)
{
    struct service *former = door->service;

    service->uses++;
    door->service = service;
    if (former)
        service_release(former);
}

static struct door *find_door(struct balancer *b, int fd)
{
    for (uint32_t i = 0; i < b->doors_used; i++) {
        struct door *door = &b->doors[i];

        if (door->fd == fd && (door->state == DOOR_OPEN || door->state == DOOR_PAUSED))
            return door;
    }
    return NULL;
}

static struct door *free_door(struct balancer *b)
{
    for (uint32_t i = 0; i < b->doors_used; i++) {
        if (b->doors[i].state == DOOR_FREE)
            return &b->doors[i];
    }
    must(b->doors_used < DOORS_MAX);
    return &b->doors[b->doors_used++];
}

static void start_listening(struct balancer *b, struct door *door)
{
    door->listener.accepted = session_accepted;
    door->listener.starved = session_starved;
    door->listener.shared = true;
    listener_start(b->loop, &door->listener, door->fd);
    door->state = DOOR_OPEN;
}

static void open_door(struct balancer *b, int fd, struct service *service)
{
    struct door *door = find_door(b, fd);

    if (door) {
        door->wanted = true;
        assign_door(door, service);
        return;
    }
    door = free_door(b);
    *door = (struct door){.fd = fd, .state = DOOR_PAUSED, .wanted = true};
    assign_door(door, service);
    if (!b->draining && !b->paused)
        start_listening(b, door);
}

static void set_doors(struct balancer *b, const int *fds)
{
    const struct balancer_config *config = &b->current->config;
    const struct balancer_service *services =
        image_items(config->image, config->services, sizeof *services);

    for (uint32_t i = 0; i < b->doors_used; i++)
        b->doors[i].wanted = false;
    for (uint32_t i = 0; i < config->services.count; i++) {
        const struct balancer_listen *listens =
            image_items(config->image, services[i].listen, sizeof *listens);

        for (uint32_t j = 0; j < services[i].listen.count; j++)
            open_door(b, fds[listens[j].listener], &b->services[services[i].slot]);
    }
    for (uint32_t i = 0; i < b->doors_used; i++) {
        struct door *door = &b->doors[i];

        if (!door->wanted && (door->state == DOOR_OPEN || door->state == DOOR_PAUSED))
            close_door(door);
    }
}

void doors_stop(struct balancer *b)
{
    for (uint32_t i = 0; i < b->doors_used; i++) {
        if (b->doors[i].state == DOOR_OPEN)
            close_door(&b->doors[i]);
    }
}

/* All sessions are in use: who comes now waits in the kernel's queue, or goes to another worker. */
void doors_pause(struct balancer *b)
{
    b->paused = true;
    for (uint32_t i = 0; i < b->doors_used; i++) {
        if (b->doors[i].state != DOOR_OPEN)
            continue;
        listener_stop(&b->doors[i].listener, false);
        b->doors[i].state = DOOR_PAUSED;
    }
}

void doors_resume(struct balancer *b)
{
    if (!b->paused || b->draining || b->sessions.used > b->sessions.count - b->sessions.count / 16)
        return;
    b->paused = false;
    for (uint32_t i = 0; i < b->doors_used; i++) {
        if (b->doors[i].state == DOOR_PAUSED)
            start_listening(b, &b->doors[i]);
    }
}

/* The loop lets go of a listener's storage in the turn after it was stopped. */
void doors_tick(struct balancer *b)
{
    for (uint32_t i = 0; i < b->doors_used; i++) {
        struct door *door = &b->doors[i];

        if (door->state != DOOR_CLOSING || ++door->ticks < 2)
            continue;
        door->state = DOOR_FREE;
        service_release(door->service);
        door->service = NULL;
    }
}

/* ---- all together ---- */

void balancer_configure(struct balancer *b, const struct balancer_config *config,
                        const int *listener_fds)
{
    struct generation *former = b->current;
    struct generation *next = free_generation(b);

    if (!next) {
        next = oldest(b);
        retire(b, next);
        must(next->uses == 0);
    }
    *next = (struct generation){.config = *config, .uses = 1};
    list_init(&next->exchanges);
    b->current = next;
    set_services(b);
    set_targets(b);
    set_groups(b);
    set_doors(b, listener_fds);
    drop_services(b);
    if (former)
        generation_release(b, former);
}
