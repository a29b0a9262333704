#include "role/agent_groups.h"

#include "base/must.h"
#include "role/log.h"

#include <stdio.h>
#include <string.h>

static struct agent_group *place_at(struct agent_groups *part, uint32_t slot)
{
    struct agent_group *place;

    must(slot < GROUPS_MAX);
    place = &part->places[slot];
    return place->present ? place : NULL;
}

static struct group_record *record_of(const struct agent_group *place)
{
    return &place->owner->agent->role->board->groups[place->slot];
}

static struct image image_now(const struct agent_groups *part)
{
    return part->agent->generation->image;
}

/* A channel that cannot take it is a supervisor that is gone or stuck: this process ends, and what it held runs out. */
static void order(struct agent_groups *part, enum message what, uint32_t slot)
{
    struct err err;

    if (role_order(part->agent->role, what, slot, &err))
        return;
    log_error("the supervisor cannot be told", log_text("error.message", err.text));
    role_fail(part->agent->role);
}

/* ---- the engine ---- */

static const char *group_name(const struct agent_group *place)
{
    return image_string(image_now(place->owner), place->config->replication.item.name);
}

/* What a program did wrong is for whoever wrote it: once, however often it does the same. */
static void say_broken(struct agent_group *place, const struct engine_answer *answer)
{
    if (answer->outcome != ENGINE_BROKEN) {
        place->broken[0] = '\0';
        return;
    }
    if (strcmp(place->broken, answer->sentence) == 0)
        return;
    memcpy(place->broken, answer->sentence, sizeof place->broken);
    log_warning("a group's program did not do as it was told",
                log_text("nines.group", group_name(place)),
                log_text("error.message", answer->sentence));
}

static void on_answered(void *context, const struct engine_answer *answer)
{
    struct agent_group *place = context;

    say_broken(place, answer);
    if (place->owner->groups)
        groups_answered(place->owner->groups, place->slot, answer);
}

static void on_wants_program(void *context)
{
    struct agent_group *place = context;

    order(place->owner, MESSAGE_PROGRAM_START, place->slot);
}

static void on_kill_program(void *context)
{
    struct agent_group *place = context;

    order(place->owner, MESSAGE_PROGRAM_KILL, place->slot);
}

static void open_engine(struct agent_group *place)
{
    static const struct engine_events events = {.answered = on_answered,
                                                .wants_program = on_wants_program,
                                                .kill_program = on_kill_program};
    struct agent_groups *part = place->owner;
    struct engine_options options = {.loop = part->agent->role->loop,
                                     .group = group_name(place),
                                     .self = part->agent->role->node,
                                     .config = &place->config->engine,
                                     .image = image_now(part),
                                     .events = &events,
                                     .context = place};
    struct err err;

    if (place->engine || place->self == GROUP_MEMBERS_MAX)
        return;
    if (!engine_open(&place->engine, &options, &err))
        log_error("a group's engine cannot be used", log_text("nines.group", options.group),
                  log_text("error.message", err.text));
}

static void ask(void *context, uint32_t slot, const struct engine_order *order)
{
    struct agent_group *place = place_at(context, slot);

    if (place && place->engine)
        engine_ask(place->engine, order);
}

static void cancel(void *context, uint32_t slot)
{
    struct agent_group *place = place_at(context, slot);

    if (place && place->engine)
        engine_cancel(place->engine);
}

static void members(void *context, uint32_t slot, const uint32_t ids[GROUP_MEMBERS_MAX])
{
    struct agent_group *place = place_at(context, slot);
    struct engine_member list[GROUP_MEMBERS_MAX];
    const struct config_node *nodes;
    uint32_t count;

    if (!place || !place->engine)
        return;
    nodes = image_items(image_now(context), config_of(image_now(context))->nodes, sizeof *nodes);
    count = place->config->member_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct config_group_member *member = &place->config->members[i];

        list[i] = (struct engine_member){
            .member = ids[i],
            .name = image_string(image_now(context), nodes[member->node].item.name),
            .address = member->address};
    }
    engine_members(place->engine, list, count);
}

/* ---- its process ---- */

static void process(void *context, uint32_t slot, bool start)
{
    order(context, start ? MESSAGE_PROCESS_START : MESSAGE_PROCESS_KILL, slot);
}

/* Later than before needs no word: the supervisor looks again before it kills. But for the first time: until then it may doubt what it found running. */
static void fence(void *context, uint32_t slot, struct instant until)
{
    struct agent_groups *part = context;
    counter *at = &part->agent->role->board->groups[slot].fence;
    uint64_t now = until.ns == NEVER.ns ? UINT64_MAX : (uint64_t)until.ns;
    uint64_t before = counted(at);

    atomic_store_explicit(at, now, memory_order_release);
    if (now < before || !part->places[slot].fenced)
        order(part, MESSAGE_FENCE, slot);
    part->places[slot].fenced = true;
}

void agent_groups_process(struct agent_groups *part, enum message what, uint32_t slot,
                          const struct process_word *word, int fd)
{
    struct agent_group *place = place_at(part, slot);

    if (what == MESSAGE_PROGRAM_STARTED && place && place->engine) {
        engine_connect(place->engine, fd);
        return;
    }
    if (fd >= 0)
        loop_close_fd(part->agent->role->loop, fd);
    if (!place || !part->groups)
        return;
    if (what == MESSAGE_PROGRAM_ENDED) {
        if (place->engine && !word->started)
            engine_lost(place->engine, word->sentence);
        return; /* of the end of one that ran the stream tells */
    }
    groups_process(part->groups, slot, what == MESSAGE_PROCESS_STARTED,
                   what == MESSAGE_PROCESS_STARTED ? "" : word->sentence);
}

/* ---- probes ---- */

static void on_probed(void *context, bool answered, const char *sentence)
{
    struct agent_group *place = context;

    place->probe = NULL;
    atomic_store_explicit(&record_of(place)->probe_port, 0, memory_order_relaxed);
    if (!answered)
        log_warning("a group's write was not answered", log_text("nines.group", group_name(place)),
                    log_text("reason", sentence));
    if (place->owner->groups)
        groups_probed(place->owner->groups, place->slot, answered);
}

static void on_bound(void *context, uint16_t port)
{
    struct agent_group *place = context;

    atomic_store_explicit(&record_of(place)->probe_port, port, memory_order_release);
}

static bool is_virtual(struct image image, const struct address *address)
{
    struct ref ref = config_of(image)->addresses;
    const struct config_address *addresses = image_items(image, ref, sizeof *addresses);
    struct address without_port = *address;

    without_port.port = 0;
    for (uint32_t i = 0; i < ref.count; i++)
        if (address_equal(&addresses[i].address, &without_port))
            return true;
    return false;
}

/* A virtual address leads to the node that has it, where the clients of a primary that does not serve yet wait. */
static bool own_door(struct image image, struct ref ref, struct address *address)
{
    const struct balancer_listen *listens = image_items(image, ref, sizeof *listens);

    for (uint32_t i = 0; i < ref.count; i++)
        if (!is_virtual(image, &listens[i].address)) {
            *address = listens[i].address;
            return true;
        }
    return false;
}

/* Where clients of the group come in on this node, and say what they want at once. False: nothing here listens for them but on virtual addresses. */
static bool door_of(const struct agent_group *place, struct address *address)
{
    struct image image = image_now(place->owner);
    const struct config *config = config_of(image);
    const struct balancer_service *services =
        image_items(image, config->services, sizeof *services);

    for (uint32_t i = 0; i < config->services.count; i++)
        if (services[i].grouped && services[i].group_slot == place->slot &&
            services[i].role == SERVICE_PRIMARY && !services[i].accept_proxy &&
            own_door(image, services[i].listen, address))
            return true;
    return false;
}

static void probe(void *context, uint32_t slot, bool through_balancer, uint64_t epoch)
{
    struct agent_group *place = place_at(context, slot);
    struct agent_groups *part = context;
    static const struct probe_events events = {.bound = on_bound, .done = on_probed};
    struct probe_options options = {
        .loop = part->agent->role->loop, .epoch = epoch, .events = &events, .context = place};
    struct err err;

    if (!place || place->self == GROUP_MEMBERS_MAX)
        return;
    must(!place->probe);
    options.what = &place->config->engine.probe;
    options.image = image_now(part);
    options.address = place->config->members[place->self].address;
    if (through_balancer)
        (void)!door_of(place, &options.address); /* without one, to the data service itself */
    if (probe_begin(&place->probe, &options, &err))
        return;
    log_warning("a group's write cannot be tried", log_text("nines.group", group_name(place)),
                log_text("error.message", err.text));
    groups_probed(part->groups, slot, false);
}

/* ---- what workers read ---- */

static void publish(void *context, uint32_t slot, const struct groups_place *at)
{
    struct agent_groups *part = context;
    struct role *role = part->agent->role;
    struct group_record *record = &role->board->groups[slot];
    bool another = counted(&record->phase) != at->phase || counted(&record->epoch) != at->epoch ||
                   counted(&record->primary) != at->primary;

    /* While it is being written nobody goes anywhere; a reader that meets an agent which died here waits for the next one. */
    if (another)
        atomic_store_explicit(&record->phase, BOARD_GROUP_UNKNOWN, memory_order_release);
    for (uint32_t i = 0; i < GROUP_MEMBERS_MAX; i++)
        atomic_store_explicit(&record->lag_ms[i], at->lag_ms[i], memory_order_relaxed);
    atomic_store_explicit(&record->lease, at->lease, memory_order_relaxed);
    atomic_store_explicit(&record->here, at->here, memory_order_relaxed);
    atomic_store_explicit(&record->epoch, at->epoch, memory_order_relaxed);
    atomic_store_explicit(&record->primary, at->primary, memory_order_relaxed);
    atomic_store_explicit(&record->phase, at->phase, memory_order_release);
    atomic_store_explicit(&record->at, (uint64_t)loop_now(role->loop).ns, memory_order_relaxed);
    if (another)
        atomic_fetch_add_explicit(&record->changes, 1, memory_order_release);
}

static void clients(void *context, uint32_t slot, uint64_t *held, uint64_t *expired)
{
    struct agent_groups *part = context;
    const struct scoreboard *board = part->agent->role->board;
    uint64_t workers = counted(&board->workers);

    *held = *expired = 0;
    for (uint64_t i = 0; i < workers && i < WORKERS_MAX; i++) {
        const struct group_counters *counters = &board->worker[i].groups[slot];

        *held += counted(&counters->held);
        *expired += counted(&counters->expired) + counted(&counters->refused);
    }
}

static void tell(void *context, const struct fact *fact)
{
    struct agent_groups *part = context;

    agent_take_fact(part->agent, fact);
}

/* ---- the file ---- */

static void describe(const struct agent_groups *part, const struct config_group *config,
                     struct groups_group *group)
{
    struct image image = image_now(part);
    const struct config_node *nodes = image_items(image, config_of(image)->nodes, sizeof *nodes);
    const struct replication_config *replication = &config->replication;

    *group = (struct groups_group){
        .name = image_string(image, replication->item.name),
        .slot = config->slot,
        .count = config->member_count,
        .wanted = {.mode = (uint8_t)replication->mode,
                   .acks = (uint8_t)replication->acks,
                   .min_in_sync = (uint8_t)replication->min_in_sync},
        .replica = agent_groups_replica_rules(config_of(image), config),
        .failover = agent_groups_failover_rules(config_of(image), config),
    };
    for (uint32_t i = 0; i < config->member_count; i++)
        group->members[i] = (struct groups_member){
            .name = image_string(image, nodes[config->members[i].node].item.name),
            .priority = (int32_t)config->members[i].priority};
}

/* What was asked of its engine, and not answered, is nobody's matter any more. */
static void let_go(struct agent_group *place)
{
    probe_cancel(place->probe);
    engine_close(place->engine);
    place->probe = NULL;
    place->engine = NULL;
    atomic_store_explicit(&record_of(place)->probe_port, 0, memory_order_relaxed);
}

static void forget(struct agent_group *place)
{
    let_go(place);
    *place = (struct agent_group){0};
}

/* The group is not in the file any more, and its slot may become another's, of which nobody has spoken yet. */
static void drop(struct agent_group *place)
{
    struct group_record *record = record_of(place);

    atomic_store_explicit(&record->phase, BOARD_GROUP_UNKNOWN, memory_order_relaxed);
    atomic_store_explicit(&record->here, 0, memory_order_relaxed);
    atomic_store_explicit(&record->at, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&record->changes, 1, memory_order_release);
    forget(place);
}

/* What the group's place holds of the generation before is replaced; its engine lives on. */
static void settle(struct agent_groups *part, const struct config_group *config)
{
    struct agent_group *place = &part->places[config->slot];

    place->owner = part;
    place->slot = config->slot;
    place->config = config;
    place->self = config_group_place(config_of(image_now(part)), config);
    place->present = true;
    if (place->self == GROUP_MEMBERS_MAX)
        let_go(place);
    /* Nobody has spoken of it yet, so nobody was its primary. What an agent before this one said stands until this one knows better. */
    if (counted(&record_of(place)->at) == 0)
        atomic_store_explicit(&record_of(place)->fence, UINT64_MAX, memory_order_release);
    open_engine(place);
}

/* A process that the supervisor began dies with it; what others run does not. */
static void tie(struct agent_groups *part, const struct config_group *config)
{
    char resource[CLUSTER_RESOURCE_MAX];

    snprintf(resource, sizeof resource, "group/%s",
             image_string(image_now(part), config->replication.item.name));
    cluster_tie(part->agent->cluster, resource, engine_is_child(&config->engine));
}

void agent_groups_configure(struct agent_groups *part)
{
    static struct groups_group list[GROUPS_MAX];
    struct image image = image_now(part);
    struct ref ref = config_of(image)->groups;
    const struct config_group *groups = image_items(image, ref, sizeof *groups);

    must(ref.count <= GROUPS_MAX);
    if (!part->groups)
        return;
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        part->places[i].present = false;
    for (uint32_t i = 0; i < ref.count; i++) {
        tie(part, &groups[i]);
        settle(part, &groups[i]);
        describe(part, &groups[i], &list[i]);
    }
    groups_configure(part->groups, list, ref.count);
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        if (part->places[i].owner && !part->places[i].present)
            drop(&part->places[i]);
    for (uint32_t i = 0; i < ref.count; i++) {
        struct agent_group *place = &part->places[groups[i].slot];
        const struct process_record *process = &part->agent->role->board->processes[place->slot];

        /* It may have been running before this agent was. */
        if (place->self < GROUP_MEMBERS_MAX && counted(&process->pid))
            groups_process(part->groups, place->slot, true, "");
    }
}

bool agent_groups_open(struct agent_groups *part, struct agent_cluster *agent, struct err *err)
{
    static const struct groups_events events = {.ask = ask,
                                                .cancel = cancel,
                                                .process = process,
                                                .fence = fence,
                                                .probe = probe,
                                                .members = members,
                                                .publish = publish,
                                                .clients = clients,
                                                .fact = tell};
    struct groups_options options = {.loop = agent->role->loop,
                                     .cluster = agent->cluster,
                                     .node = agent->role->node,
                                     .heartbeat_ms =
                                         agent->generation->config->failover.heartbeat_ms,
                                     .events = &events,
                                     .context = part};

    *part = (struct agent_groups){.agent = agent};
    if (!groups_open(&part->groups, &options, err))
        return false;
    agent_groups_configure(part);
    return true;
}

void agent_groups_on_request(struct agent_cluster *agent, const char *node, uint64_t ticket,
                             struct bytes bytes)
{
    if (agent->groups)
        groups_requested(agent->groups->groups, node, ticket, bytes);
    else
        cluster_answer(agent->cluster, ticket, (struct bytes){0});
}

void agent_groups_close(struct agent_groups *part)
{
    groups_close(part->groups);
    part->groups = NULL;
    for (uint32_t i = 0; i < GROUPS_MAX; i++)
        if (part->places[i].owner)
            forget(&part->places[i]); /* what was said of it stands, its fence above all */
}
