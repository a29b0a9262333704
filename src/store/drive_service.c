/*
 * A member's store as a whole: brings the space, the clients' server, the ledger and the agent's orders together. It decides nothing; it translates what one of them says
 * into what another one hears.
 */
#include "store/store.h"

#include "net/net.h"
#include "store/drive_checkpoint.h"
#include "store/drive_orders.h"
#include "store/drive_server.h"
#include "store/drive_snapshot.h"
#include "store/ledger.h"
#include "store/space.h"
#include "wal/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1400, SPARE_SESSIONS = 64, TIDY_PIECES = 8 };

struct store_service {
    struct store_options options;
    char group[GROUP_NAME_MAX], self[GROUP_NAME_MAX], directory[PATH_BYTES];
    char names[GROUP_MEMBERS_MAX][GROUP_NAME_MAX];
    struct engine_member members[GROUP_MEMBERS_MAX];
    uint32_t own; /* id: place among the members, from 1 */
    struct disk *disk;
    struct space *space;
    struct checkpoint *checkpoint;
    struct snapshots *snapshots;
    struct ledger_point point;  /* the state that was begun with */
    struct ledger_point copied; /* that of a copy that comes in */
    struct space *old;          /* before that; NULL: it is freed */
    struct timer tidying;
    struct ledger *ledger;
    struct server *server;
    struct orders *orders;
    bool closing;
};

/* ---- the ledger speaks ---- */

static uint64_t on_execute(void *context, struct position position, struct bytes record,
                           uint64_t cookie)
{
    struct store_service *store = context;

    checkpoint_executed(store->checkpoint, position, record.len);
    return server_execute(store->server, position, record, cookie);
}

static void on_executed(void *context)
{
    struct store_service *store = context;

    checkpoint_consider(store->checkpoint);
    server_executed(store->server);
}

static void on_unknown(void *context, uint64_t cookie)
{
    struct store_service *store = context;

    server_unknown(store->server, cookie);
}

static void on_state(void *context)
{
    struct store_service *store = context;

    server_state(store->server);
}

static void on_roomy(void *context)
{
    struct store_service *store = context;

    server_roomy(store->server);
}

static void on_answered(void *context, const struct engine_answer *answer)
{
    struct store_service *store = context;

    agent_orders_answer(store->orders, answer);
}

static void on_epoch_record(void *context, struct position position, struct buf *out)
{
    struct store_service *store = context;

    (void)position;
    server_epoch_record(store->server, out);
}

static bool on_may_act(void *context)
{
    struct store_service *store = context;

    return store->options.may_act(store->options.context);
}

static void on_linked(void *context, uint32_t member, bool up)
{
    struct store_service *store = context;

    server_linked(store->server, member, up);
}

static void on_message(void *context, uint32_t member, struct bytes bytes)
{
    struct store_service *store = context;

    server_message(store->server, member, bytes);
}

static void on_snapshot_wanted(void *context, uint32_t transfer, uint32_t member)
{
    struct store_service *store = context;

    (void)member;
    snapshots_wanted(store->snapshots, transfer);
}

static void on_snapshot_roomy(void *context, uint32_t transfer)
{
    struct store_service *store = context;

    snapshots_roomy(store->snapshots, transfer);
}

static void on_snapshot_ended(void *context, uint32_t transfer, bool installed)
{
    struct store_service *store = context;

    (void)installed;
    snapshots_ended(store->snapshots, transfer);
}

static struct space *new_space(const struct store_service *store)
{
    return space_open(
        &(struct space_options){.seed = store->options.seed,
                                .tracked = true,
                                .frequency = store->options.config->eviction == STORE_EVICT_LFU});
}

/* What was there goes a little at a time: freeing all of it at once would take seconds. */
static void tidy(struct timer *timer)
{
    struct store_service *store = container_of(timer, struct store_service, tidying);

    for (int i = 0; i < TIDY_PIECES; i++)
        if (!space_tidy(store->old)) {
            space_close(store->old);
            store->old = NULL;
            return;
        }
    timer_arm(store->options.loop, timer, after_ms(loop_now(store->options.loop), 1));
}

static void replace_space(struct store_service *store)
{
    space_close(store->old); /* of a copy just before; else there is none */
    store->old = store->space;
    store->space = new_space(store);
    checkpoint_copy_begin(store->checkpoint, store->space);
    server_desk(store->server)->execution.space = store->space;
    space_clear(store->old);
    timer_arm(store->options.loop, &store->tidying, loop_now(store->options.loop));
}

static void on_copy_begun(void *context, struct ledger_point point, uint64_t bytes)
{
    struct store_service *store = context;

    (void)bytes;
    store->copied = point;
    replace_space(store);
}

static void on_copy_piece(void *context, struct bytes piece)
{
    struct store_service *store = context;

    checkpoint_copy_piece(store->checkpoint, piece);
}

static void on_copy_complete(void *context)
{
    struct store_service *store = context;

    checkpoint_copy_end(store->checkpoint, store->copied);
}

static void on_copy_aborted(void *context)
{
    struct store_service *store = context;

    checkpoint_copy_drop(store->checkpoint);
}

static void on_failed(void *context, const struct err *err)
{
    struct store_service *store = context;

    store->options.failed(store->options.context, err->text);
}

static void on_stranger(void *context, const char *sentence)
{
    struct store_service *store = context;

    store->options.said(store->options.context, sentence);
}

/* ---- the checkpoint speaks ---- */

/* What is known to be otherwise than the primary's is not written down, and neither is what a copy replaces. */
static bool on_point(void *context, struct ledger_point *point, struct buf *owner)
{
    struct store_service *store = context;
    const struct ledger_view *now = store->ledger ? ledger_view(store->ledger) : NULL;

    if (!now || now->loading || now->diverged)
        return false;
    point->position.offset = now->executed;
    point->hash = now->hash;
    desk_save(server_desk(store->server), owner);
    return true;
}

static void on_written(void *context, struct ledger_point point)
{
    struct store_service *store = context;

    if (store->ledger)
        ledger_checkpointed(store->ledger, point.position);
    snapshots_written(store->snapshots);
}

static void on_took(void *context, size_t bytes)
{
    struct store_service *store = context;

    if (store->ledger)
        ledger_copy_took(store->ledger, bytes);
}

static bool on_owner(void *context, struct bytes bytes)
{
    struct store_service *store = context;

    return desk_load(server_desk(store->server), bytes);
}

static void on_installed(void *context)
{
    struct store_service *store = context;

    if (store->ledger)
        ledger_copy_installed(store->ledger);
}

static void on_refused(void *context, const char *sentence)
{
    struct store_service *store = context;

    if (store->ledger)
        ledger_copy_failed(store->ledger, sentence);
}

/* ---- closing: the log, whose last words are for clients; then those; then the rest ---- */

static void on_server_closed(void *context)
{
    struct store_service *store = context;
    void (*closed)(void *) = store->options.closed;
    void *owner = store->options.context;

    snapshots_close(store->snapshots);
    checkpoint_close(store->checkpoint);
    timer_cancel(store->options.loop, &store->tidying);
    space_close(store->old);
    space_close(store->space);
    disk_close(store->disk);
    free(store);
    closed(owner);
}

static void on_ledger_closed(void *context)
{
    struct store_service *store = context;

    store->ledger = NULL;
    snapshots_use_ledger(store->snapshots, NULL);
    server_close(store->server);
}

void store_service_close(struct store_service *store)
{
    if (!store || store->closing)
        return;
    store->closing = true;
    agent_orders_close(store->orders);
    store->orders = NULL;
    ledger_close(store->ledger);
}

/* ---- the agent ---- */

static void on_ordered(void *context, const struct engine_order *order)
{
    struct store_service *store = context;

    ledger_order(store->ledger, order);
}

void store_service_use_tls(struct store_service *store, struct tls_context *tls)
{
    if (store->ledger)
        ledger_use_tls(store->ledger, tls);
}

void store_service_use_users(struct store_service *store, struct image image,
                             const struct store_config *config)
{
    const struct store_user *users = image_items(image, config->users, sizeof *users);
    struct desk_user told[DESK_USERS_MAX];
    size_t begins[DESK_USERS_MAX + 1] = {0};
    struct buf rules;

    _Static_assert((int)STORE_USERS_MAX == (int)DESK_USERS_MAX, "all of a file's");
    buf_init(&rules, USER_RULES_MAX);
    for (uint32_t i = 0; i < config->users.count; i++) {
        store_user_rules(image, &users[i], &rules);
        begins[i + 1] = rules.len;
    }
    must(!rules.full);
    for (uint32_t i = 0; i < config->users.count; i++)
        told[i] = (struct desk_user){image_text(image, users[i].item.name),
                                     bytes_of(rules.at + begins[i], begins[i + 1] - begins[i])};
    desk_use_users(server_desk(store->server), told, config->users.count);
    buf_fini(&rules);
}

void store_service_use_clients_tls(struct store_service *store, struct tls_context *tls)
{
    server_use_tls(store->server, tls);
}

void store_service_take_orders(struct store_service *store, int fd)
{
    if (store->closing)
        close(fd);
    else
        agent_orders_take(store->orders, fd);
}

/* ---- opening ---- */

static bool open_disk(struct store_service *store, struct err *err)
{
    char path[PATH_BYTES + 8];

    snprintf(path, sizeof path, "%s/log", store->directory);
    return disk_open(&store->disk, path, err);
}

static bool open_checkpoint(struct store_service *store, struct err *err)
{
    static const struct checkpoint_events events = {
        .point = on_point,
        .written = on_written,
        .said = on_stranger,
        .failed = on_failed,
        .took = on_took,
        .owner = on_owner,
        .installed = on_installed,
        .refused = on_refused,
    };
    char path[PATH_BYTES + 8];

    snprintf(path, sizeof path, "%s/state", store->directory);
    return checkpoint_open(
        &store->checkpoint,
        &(struct checkpoint_options){.loop = store->options.loop,
                                     .directory = path,
                                     .log_bytes = (uint64_t)store->options.config->checkpoint_bytes,
                                     .events = &events,
                                     .context = store},
        err);
}

static bool open_snapshots(struct store_service *store, struct err *err)
{
    return snapshots_open(&store->snapshots,
                          &(struct snapshots_options){.loop = store->options.loop,
                                                      .checkpoint = store->checkpoint,
                                                      .failed = on_failed,
                                                      .context = store},
                          err);
}

/* What the state is, before the ledger goes on from there. */
static bool load(struct store_service *store, struct err *err)
{
    struct buf owner;
    bool ok;

    buf_init(&owner, UINT32_MAX);
    ok = checkpoint_load(store->checkpoint, store->space, &store->point, &owner, err);
    if (ok && store->point.position.offset > 0 &&
        !desk_load(server_desk(store->server), buf_bytes(&owner)))
        ok = err_set(err, ERR_SYSTEM, "the checkpoint's users are not what this version can read");
    buf_fini(&owner);
    return ok;
}

static bool open_ledger(struct store_service *store, struct err *err)
{
    static const struct ledger_events events = {
        .execute = on_execute,
        .executed = on_executed,
        .unknown = on_unknown,
        .state = on_state,
        .roomy = on_roomy,
        .answered = on_answered,
        .epoch_record = on_epoch_record,
        .may_act = on_may_act,
        .linked = on_linked,
        .message = on_message,
        .snapshot_wanted = on_snapshot_wanted,
        .snapshot_roomy = on_snapshot_roomy,
        .snapshot_ended = on_snapshot_ended,
        .copy_begun = on_copy_begun,
        .copy_piece = on_copy_piece,
        .copy_complete = on_copy_complete,
        .copy_aborted = on_copy_aborted,
        .failed = on_failed,
        .stranger = on_stranger,
        .closed = on_ledger_closed,
    };
    struct ledger_member others[GROUP_MEMBERS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < store->options.member_count; i++)
        if (i + 1 != store->own)
            others[count++] =
                (struct ledger_member){.id = i + 1,
                                       .place = {.name = store->names[i],
                                                 .addresses = {store->options.members[i].links},
                                                 .count = 1}};
    return ledger_open(
        &store->ledger,
        &(struct ledger_options){.loop = store->options.loop,
                                 .disk = store->disk,
                                 .group = store->group,
                                 .self = store->own,
                                 .name = store->self,
                                 .tls = store->options.tls,
                                 .seed = store->options.seed,
                                 .listeners = &store->options.links,
                                 .listener_count = 1,
                                 .members = others,
                                 .member_count = count,
                                 .retain_bytes = (uint64_t)store->options.config->checkpoint_bytes,
                                 .state = store->point,
                                 .events = &events,
                                 .context = store},
        err);
}

/* ---- what the server asks of the ledger, which is closed before it ---- */

static uint64_t append(void *context, struct bytes record, uint64_t cookie,
                       enum ledger_refusal *why)
{
    struct store_service *store = context;

    *why = LEDGER_NOT_PRIMARY;
    return store->ledger ? ledger_append(store->ledger, record, cookie, why) : 0;
}

static bool send_to(void *context, uint32_t member, struct bytes bytes)
{
    struct store_service *store = context;

    return store->ledger && ledger_send(store->ledger, member, bytes);
}

static const struct ledger_view *view(void *context)
{
    static const struct ledger_view closed;
    struct store_service *store = context;

    return store->ledger ? ledger_view(store->ledger) : &closed;
}

static void status(void *context, struct engine_status *found)
{
    struct store_service *store = context;

    *found = (struct engine_status){0};
    if (store->ledger)
        ledger_status(store->ledger, found);
}

static uint32_t doors_of(const struct store_service *store, struct server_door *doors)
{
    const struct store_options *options = &store->options;
    struct address address = store->members[store->own - 1].address;
    uint32_t count = 0;

    if (options->door >= 0)
        doors[count++] = (struct server_door){.fd = options->door, .address = address};
    if (options->config->tls.port != 0)
        address.port = (uint16_t)options->config->tls.port;
    if (options->tls_door >= 0)
        doors[count++] =
            (struct server_door){.fd = options->tls_door, .address = address, .covered = true};
    return count;
}

static bool open_server(struct store_service *store, struct err *err)
{
    static const enum desk_policy policies[] = {
        [STORE_REFUSE] = POLICY_NONE,
        [STORE_EVICT_LRU] = POLICY_ALL_LRU,
        [STORE_EVICT_LFU] = POLICY_ALL_LFU,
        [STORE_EVICT_TTL] = POLICY_TIMED_TTL,
    };
    const struct store_config *config = store->options.config;
    const struct address *address = &store->members[store->own - 1].address;
    struct server_door doors[SERVER_DOORS_MAX];
    struct desk_settings settings = {
        .memory_max = config->max_memory,
        .policy = policies[config->eviction],
        .clients_max = config->max_clients,
        .hold_ms = config->hold_ms,
        .out_max = SESSION_OUT_MAX,
        .consistency = config->consistency,
        .bound_ms = config->bound_ms,
        .port = address->port,
        .group = store->group,
        .self = store->self,
        .directory = store->directory,
    };

    return server_open(
        &store->server,
        &(struct server_options){
            .loop = store->options.loop,
            .desk = {.log = {store, append, send_to, view, on_may_act, status},
                     .settings = settings,
                     .space = store->space,
                     .seed = store->options.seed,
                     .sessions_max = (uint32_t)(config->max_clients + SPARE_SESSIONS)},
            .doors = doors,
            .door_count = doors_of(store, doors),
            .tls = store->options.clients_tls,
            .closed = on_server_closed,
            .context = store,
        },
        err);
}

static void introduce(struct store_service *store)
{
    struct desk_member members[GROUP_MEMBERS_MAX] = {0};

    for (uint32_t i = 0; i < store->options.member_count; i++) {
        members[i].id = i + 1;
        members[i].address = store->members[i].address;
        snprintf(members[i].name, sizeof members[i].name, "%s", store->names[i]);
    }
    desk_use_members(server_desk(store->server), members, store->options.member_count);
}

/* What the state has of them, if there is one, counts more, and is loaded after it. */
static void found_users(struct store_service *store)
{
    store_service_use_users(store, store->options.image, store->options.config);
    desk_found_users(server_desk(store->server));
}

/* The order of opening is that of need: executing needs the server, and appending the ledger. */
static bool open_all(struct store_service *store, struct err *err)
{
    store->space = new_space(store);
    return open_disk(store, err) && open_checkpoint(store, err) && open_snapshots(store, err) &&
           open_server(store, err) && (introduce(store), true) && (found_users(store), true) &&
           load(store, err) && open_ledger(store, err) &&
           (snapshots_use_ledger(store->snapshots, store->ledger), true) &&
           agent_orders_open(&store->orders,
                             &(struct orders_options){.loop = store->options.loop,
                                                      .group = store->group,
                                                      .self = store->self,
                                                      .members = store->members,
                                                      .count = store->options.member_count,
                                                      .ordered = on_ordered,
                                                      .context = store},
                             err);
}

bool store_service_open(struct store_service **out, const struct store_options *options,
                        struct err *err)
{
    struct store_service *store = calloc(1, sizeof *store);
    bool opened;

    if (!store)
        return err_set(err, ERR_LIMIT, "no memory for the store of group '%s'", options->group);
    store->options = *options;
    timer_init(&store->tidying, tidy);
    snprintf(store->group, sizeof store->group, "%s", options->group);
    snprintf(store->self, sizeof store->self, "%s", options->self);
    snprintf(store->directory, sizeof store->directory, "%s", options->directory);
    for (uint32_t i = 0; i < options->member_count; i++) {
        snprintf(store->names[i], sizeof store->names[i], "%s", options->members[i].name);
        store->members[i] =
            (struct engine_member){store->names[i], i + 1, options->members[i].clients};
        if (strcmp(store->names[i], store->self) == 0)
            store->own = i + 1;
    }
    must(store->own != 0);
    *out = store;
    opened = open_all(store, err); /* a failure ends the process, and all this with it */
    store->options.members = NULL;
    return opened;
}
