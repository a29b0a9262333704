/*
 * What the ledger tells, what time brings, and what of the desk belongs to the state.
 */
#include "store/session_parts.h"

#include "base/hash.h"
#include "base/pack.h"
#include "store/space.h"

enum {
    UPKEEP_KEYS_MAX = 512, /* in one record about keys that expired or have to go */
    UPKEEP_BYTES_MAX = 4 << 20,
    TICK_MS = 100,
    TICK_SOON_MS = 10, /* while somebody waits for what only time tells */
    LEFT_MS = 200,     /* after which an answer of a former primary is no longer waited for */
    LOST_MS = 5000,    /* beyond `hold`, after which an answer is no longer waited for */
    TIDY_MAX = 16,
    SAVED_VERSION = 3,
    SAVED_WITHOUT_FILE = 2, /* had no users of a file */
};

/* Of records that nobody asked for. */
#define COOKIE_UPKEEP ((uint64_t)UINT32_MAX)

static const char unknown_text[] =
    "UNKNOWN this member is the primary no more: this may have been done, or may still be";

/* ---- executing ---- */

static struct session *session_of(const struct desk *desk, uint64_t cookie)
{
    struct session *session = desk_session(desk, (uint32_t)cookie, (uint32_t)(cookie >> 32));

    return session && session->pending > 0 ? session : NULL;
}

/* What members compare: the same keys and values after the same records. */
static uint64_t digest(struct desk *desk)
{
    return hash_number(space_digest(desk->execution.space), (uint64_t)desk->execution.time_ms);
}

static void execute_for_other(struct desk *desk, uint64_t position, struct bytes record,
                              uint64_t cookie)
{
    buf_clear(&desk->scratch);
    execute_record(&desk->execution, position, record, &desk->scratch,
                   forward_version3(desk, cookie));
    forward_finish(desk, cookie, position,
                   desk->scratch.full ? BYTES("-ERR this was done, and its reply is too long\r\n")
                                      : buf_bytes(&desk->scratch));
}

uint64_t desk_execute(struct desk *desk, struct position position, struct bytes record,
                      uint64_t cookie)
{
    struct session *session;

    if (forward_is_remote(cookie)) {
        execute_for_other(desk, position.offset, record, cookie);
        return digest(desk);
    }
    if (cookie == COOKIE_UPKEEP)
        desk->expiring = false;
    desk_users_answered(desk, cookie);
    session = session_of(desk, cookie);
    execute_record(&desk->execution, position.offset, record,
                   session ? session_out(desk, session) : NULL, session && session->version3);
    if (session) {
        session->seen = session->wrote = position.offset;
        session_answered(desk, session, (uint32_t)record.len);
        session_check_limits(desk, session);
    }
    return digest(desk);
}

void desk_unknown(struct desk *desk, uint64_t cookie)
{
    struct session *session = forward_is_remote(cookie) ? NULL : session_of(desk, cookie);

    if (forward_is_remote(cookie))
        forward_unknown(desk, cookie);
    if (cookie == COOKIE_UPKEEP)
        desk->expiring = false;
    desk_users_answered(desk, cookie);
    if (!session)
        return;
    desk->counts.unknown++;
    session_error(desk, session, unknown_text);
    /* How long the record was nobody remembers: the last one takes what is left. */
    session_answered(desk, session, 0);
    desk_run_ready(desk);
}

/* ---- what the primary writes about by itself ---- */

/* What is left out is found again. Returns how many keys it is about. */
static uint32_t append_upkeep(struct desk *desk, const struct bytes *words, uint32_t keys)
{
    enum ledger_refusal why;
    size_t bytes = 0;
    uint32_t count = 0;

    while (count < keys && bytes < UPKEEP_BYTES_MAX)
        bytes += words[++count].len;
    buf_clear(&desk->record);
    if (count > 0 &&
        record_write(&desk->record, RECORD_COMMAND, desk_record_time(desk), words, 1 + count))
        desk->expiring =
            desk->log.append(desk->log.context, buf_bytes(&desk->record), COOKIE_UPKEEP, &why) > 0;
    return desk->expiring ? count : 0;
}

static void expire(struct desk *desk)
{
    struct bytes words[1 + UPKEEP_KEYS_MAX] = {BYTES("@expire")};
    uint32_t count =
        space_due(desk->execution.space, desk_record_time(desk), words + 1, UPKEEP_KEYS_MAX);

    desk->counts.expired += append_upkeep(desk, words, count);
}

static const struct {
    enum space_eviction eviction;
    bool timed_only;
} evictions[POLICIES] = {
    [POLICY_ALL_LRU] = {SPACE_EVICT_LRU, false},
    [POLICY_ALL_LFU] = {SPACE_EVICT_LFU, false},
    [POLICY_ALL_RANDOM] = {SPACE_EVICT_RANDOM, false},
    [POLICY_TIMED_LRU] = {SPACE_EVICT_LRU, true},
    [POLICY_TIMED_LFU] = {SPACE_EVICT_LFU, true},
    [POLICY_TIMED_RANDOM] = {SPACE_EVICT_RANDOM, true},
    [POLICY_TIMED_TTL] = {SPACE_EVICT_TTL, true},
};

/* How many keys of middling size are what is too much. */
static uint32_t too_many(const struct desk *desk)
{
    const struct space *space = desk->execution.space;
    uint64_t used = space_bytes(space), max = (uint64_t)desk->settings.memory_max, each;

    if (max == 0 || desk->settings.policy == POLICY_NONE || used <= max)
        return 0;
    each = used / (space_count(space) + 1) + 1;
    return (used - max) / each < UPKEEP_KEYS_MAX ? (uint32_t)((used - max) / each) + 1
                                                 : UPKEEP_KEYS_MAX;
}

static void evict(struct desk *desk)
{
    struct bytes words[1 + UPKEEP_KEYS_MAX] = {BYTES("@evict")};
    uint32_t count = 0, wanted = too_many(desk);

    while (count < wanted) {
        struct bytes name = space_victim(
            desk->execution.space, evictions[desk->settings.policy].eviction,
            evictions[desk->settings.policy].timed_only, desk_record_time(desk), &desk->chance);

        if (!name.at)
            break;
        words[++count] = name;
    }
    desk->nothing_goes = wanted > 0 && count == 0;
    desk->counts.evicted += append_upkeep(desk, words, count);
}

static void upkeep(struct desk *desk)
{
    if (!desk_is_primary(desk))
        desk->nothing_goes = false; /* what there is to evict is the primary's to say */
    if (!desk->expiring && desk_is_primary(desk))
        evict(desk);
    if (!desk->expiring && desk_is_primary(desk))
        expire(desk);
}

/* ---- events ---- */

void desk_executed(struct desk *desk)
{
    desk_wake_all(desk, STALL_POSITION);
    upkeep(desk);
    if (desk_fits(desk) || desk->nothing_goes)
        desk_wake_all(desk, STALL_MEMORY);
    (void)space_tidy(desk->execution.space);
    desk_run_ready(desk);
}

/* Whether its requests are with a member that is primary no more. After an orderly change their answers are on the way: what has not come soon comes, if at all, when the
 * link to a silent node is given up. */
static bool is_left_behind(const struct desk *desk, const struct session *session)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);
    uint32_t primary = view->role == ENGINE_SECONDARY ? view->primary : 0;

    return session->pending > 0 && session->route != 0 && session->route != primary &&
           (primary != 0 || view->role == ENGINE_PRIMARY) &&
           desk->now_ms - session->moved_ms > LEFT_MS;
}

static void lose_left_behind(struct desk *desk)
{
    list_each (node, &desk->sessions) {
        struct session *session = container_of(node, struct session, node);

        if (is_left_behind(desk, session))
            forward_lose(desk, session);
    }
}

void desk_state(struct desk *desk)
{
    desk_file_users(desk); /* before what clients write */
    lose_left_behind(desk);
    desk_wake_all(desk, STALL_PRIMARY);
    desk_run_ready(desk);
}

void desk_roomy(struct desk *desk)
{
    desk_wake_all(desk, STALL_ROOM);
    desk_run_ready(desk);
}

void desk_epoch_record(struct desk *desk, struct buf *out)
{
    must(record_write(out, RECORD_EPOCH, desk_record_time(desk), NULL, 0));
}

/* ---- time ---- */

static void look_at_all(struct desk *desk)
{
    int64_t idle_ms = desk->settings.idle_s * 1000;

    list_each (node, &desk->sessions) {
        struct session *session = container_of(node, struct session, node);

        if (session->pending > 0 && session->route != 0 &&
            desk->now_ms - session->moved_ms > desk->settings.hold_ms + LOST_MS)
            forward_lose(desk, session);
        if (idle_ms > 0 && desk->now_ms - session->active_ms > idle_ms && session->pending == 0 &&
            session->stall == STALL_NONE && session_subscriptions(session) == 0 &&
            !session->closing) {
            desk->counts.idle++;
            session_end(desk, session);
        }
    }
}

int64_t desk_tick(struct desk *desk)
{
    static const enum stall by_time[] = {STALL_PRIMARY, STALL_POSITION, STALL_ROOM, STALL_MEMORY,
                                         STALL_COPIES};
    bool soon = false;

    if (desk->now_ms - desk->looked_ms >= TICK_MS) {
        desk->looked_ms = desk->now_ms;
        lose_left_behind(desk);
        look_at_all(desk);
    }
    for (size_t i = 0; i < ARRAY_LEN(by_time); i++)
        desk_wake_all(desk, by_time[i]);
    if (desk->now_ms >= desk->paused_until_ms)
        desk_wake_all(desk, STALL_PAUSED);
    desk_file_users(desk);
    upkeep(desk);
    for (int i = 0; i < TIDY_MAX && space_tidy(desk->execution.space); i++) {
    }
    desk_run_ready(desk);
    soon = !list_empty(&desk->stalled[STALL_COPIES]) ||
           !list_empty(&desk->stalled[STALL_POSITION]) || !list_empty(&desk->stalled[STALL_PAUSED]);
    return soon ? TICK_SOON_MS : TICK_MS;
}

/* ---- what belongs to the state ---- */

void desk_save(const struct desk *desk, struct buf *out)
{
    struct buf rules;

    pack_u32(out, SAVED_VERSION);
    pack_u64(out, (uint64_t)desk->execution.time_ms);
    space_gone_write(out, desk->execution.space);
    pack_u64(out, desk->users_digest);
    for (const struct user *user = NULL; (user = users_next(desk->users, user));) {
        buf_init(&rules, USER_RULES_MAX);
        user_write_rules(user, &rules);
        pack_u8(out, user_is_of_file(user));
        pack_bytes8(out, user_name(user));
        pack_u32(out, (uint32_t)rules.len);
        buf_add(out, buf_bytes(&rules));
        out->full |= rules.full;
        buf_fini(&rules);
    }
}

static bool load_user(struct desk *desk, struct unpack *in, uint32_t version)
{
    bool of_file = version > SAVED_WITHOUT_FILE && unpack_u8(in) != 0;
    struct bytes name = unpack_bytes8(in), rules = unpack_take(in, unpack_u32(in));

    if (in->bad || !desk_set_user(desk, name, rules))
        return false;
    user_mark(users_find(desk->users, name), of_file);
    return true;
}

bool desk_load(struct desk *desk, struct bytes bytes)
{
    struct unpack in = unpack_of(bytes);
    uint32_t version = unpack_u32(&in);
    int64_t time_ms;
    uint64_t digest;

    if (version < SAVED_WITHOUT_FILE || version > SAVED_VERSION)
        return false;
    time_ms = (int64_t)unpack_u64(&in);
    space_gone_read(desk->execution.space, &in);
    digest = version > SAVED_WITHOUT_FILE ? unpack_u64(&in) : 0;
    desk_forget_users(desk);
    while (!in.bad && in.left.len > 0)
        if (!load_user(desk, &in, version))
            return false;
    if (in.bad)
        return false;
    desk->execution.time_ms = time_ms;
    desk->users_digest = digest;
    return true;
}
