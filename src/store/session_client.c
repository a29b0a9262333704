/*
 * Commands about connections, and the small ones.
 */
#include "store/session_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- telling ---- */

enum step handle_client_id(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    reply_number(call, (int64_t)session->id);
    return STEP_DONE;
}

static void write_flags(const struct session *session, struct buf *out)
{
    size_t before = out->len;

    if (session_subscriptions(session) > 0)
        buf_add_byte(out, 'P');
    if (session->extra && session->extra->queueing)
        buf_add_byte(out, 'x');
    if (session->stall == STALL_PRIMARY || session->stall == STALL_COPIES)
        buf_add_byte(out, 'b');
    if (session->no_evict)
        buf_add_byte(out, 'e');
    if (session->closing)
        buf_add_byte(out, 'c');
    if (out->len == before)
        buf_add_byte(out, 'N');
}

void session_describe(const struct desk *desk, const struct session *session, struct buf *out)
{
    const struct session_extra *extra = session->extra;

    buf_print(out, "id=%llu addr=%s laddr=%s name=%s age=%lld idle=%lld flags=",
              (unsigned long long)session->id, session->address, session->local_address,
              extra ? extra->name : "", (long long)(desk->now_ms - session->since_ms) / 1000,
              (long long)(desk->now_ms - session->active_ms) / 1000);
    write_flags(session, out);
    buf_print(out, " db=0 sub=%u psub=%u ssub=0 multi=%lld qbuf=%zu qbuf-free=%zu",
              extra ? extra->subscriber.channel_count : 0,
              extra ? extra->subscriber.pattern_count : 0,
              extra && extra->queueing ? (long long)extra->exec.queued : -1, session->in.len,
              session->in.cap - session->in.len);
    buf_print(out, " obl=%zu oll=%d omem=%zu tot-mem=%zu pending=%u consistency=%s cmd=%s user=",
              session->out.len, session->unsent > 0, session->unsent,
              sizeof *session + session->counted_bytes, session->pending,
              store_consistency_name((enum store_consistency)session->consistency),
              session->command ? session->command->name : "NULL");
    buf_add(out, session->user ? user_name(session->user) : BYTES("(unauthenticated)"));
    buf_print(out, " redir=-1 resp=%d lib-name=%s lib-ver=%s\n", session->version3 ? 3 : 2,
              extra ? extra->library : "", extra ? extra->library_version : "");
}

enum step handle_client_info(struct desk *desk, struct session *session, struct call *call)
{
    buf_clear(&desk->scratch);
    session_describe(desk, session, &desk->scratch);
    reply_bulk(call, buf_bytes(&desk->scratch));
    return STEP_DONE;
}

static bool is_of_type(const struct session *session, struct bytes type)
{
    bool listens = session_subscriptions(session) > 0;

    return bytes_equal_nocase(type, BYTES("pubsub"))   ? listens
           : bytes_equal_nocase(type, BYTES("normal")) ? !listens
                                                       : false;
}

static bool is_type(struct bytes type)
{
    static const char *const types[] = {"normal", "pubsub", "master", "replica", "slave"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (bytes_equal_nocase(type, bytes_of_string(types[i])))
            return true;
    return false;
}

static void refuse_type(struct call *call, struct bytes type)
{
    reply_errorf(call, "ERR Unknown client type '%.*s'", (int)(type.len < 64 ? type.len : 64),
                 (const char *)type.at);
}

/* Those that CLIENT LIST ID asks for: every connection's id, in their order, and whether it is. */
struct chosen {
    uint64_t id;
    bool wanted;
};

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = ((const struct chosen *)a)->id, right = ((const struct chosen *)b)->id;

    return (left > right) - (left < right);
}

static struct chosen *find_chosen(struct chosen *all, uint32_t count, uint64_t id)
{
    struct chosen key = {.id = id};

    return bsearch(&key, all, count, sizeof *all, compare_ids);
}

/* A million of ids cost a look-up each, however many connections there are. NULL: no memory. */
static struct chosen *choose(const struct desk *desk, const struct call *call, uint32_t *count)
{
    struct chosen *all, *one;
    uint32_t room = 1;
    int64_t id;

    *count = 0;
    list_each (node, &desk->sessions)
        room++;
    all = calloc(room, sizeof *all);
    if (!all)
        return NULL;
    list_each (node, &desk->sessions)
        all[(*count)++].id = container_of(node, struct session, node)->id;
    qsort(all, *count, sizeof *all, compare_ids);
    for (uint32_t i = 3; i < call->count; i++)
        if (text_to_number(call->words[i], &id) && (one = find_chosen(all, *count, (uint64_t)id)))
            one->wanted = true;
    return all;
}

static void describe_chosen(struct desk *desk, struct call *call)
{
    uint32_t count;
    struct chosen *all = choose(desk, call, &count);

    if (!all) {
        reply_error(call, "ERR no memory for that");
        return;
    }
    buf_clear(&desk->scratch);
    list_each (node, &desk->sessions) {
        const struct session *other = container_of(node, struct session, node);
        const struct chosen *one = find_chosen(all, count, other->id);

        if (one && one->wanted)
            session_describe(desk, other, &desk->scratch);
    }
    free(all);
    reply_bulk(call, buf_bytes(&desk->scratch));
}

enum step handle_client_list(struct desk *desk, struct session *session, struct call *call)
{
    bool by_type = call->count == 4 && call_is(call, 2, "type");
    bool by_id = call->count >= 4 && call_is(call, 2, "id");
    int64_t id;

    (void)session;
    if (call->count > 2 && !by_type && !by_id) {
        reply_syntax(call);
        return STEP_DONE;
    }
    if (by_type && !is_type(call->words[3])) {
        refuse_type(call, call->words[3]);
        return STEP_DONE;
    }
    for (uint32_t i = 3; by_id && i < call->count; i++)
        if (!text_to_number(call->words[i], &id) || id < 1) {
            reply_error(call, "ERR Invalid client ID");
            return STEP_DONE;
        }
    if (by_id) {
        describe_chosen(desk, call);
        return STEP_DONE;
    }
    buf_clear(&desk->scratch);
    list_each (node, &desk->sessions) {
        const struct session *other = container_of(node, struct session, node);

        if (!by_type || is_of_type(other, call->words[3]))
            session_describe(desk, other, &desk->scratch);
    }
    reply_bulk(call, buf_bytes(&desk->scratch));
    return STEP_DONE;
}

enum step handle_client_getname(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    if (session->extra && session->extra->name[0])
        reply_string(call, session->extra->name);
    else
        reply_null(call);
    return STEP_DONE;
}

enum step handle_client_setinfo(struct desk *desk, struct session *session, struct call *call)
{
    struct session_extra *extra = session_extra(session);
    struct bytes value = call->words[3];
    char *into = !extra                         ? NULL
                 : call_is(call, 2, "lib-name") ? extra->library
                 : call_is(call, 2, "lib-ver")  ? extra->library_version
                                                : NULL;

    (void)desk;
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~')
            into = NULL;
    if (!into || value.len >= SESSION_NAME_MAX) {
        reply_error(call, "ERR Unrecognized option, or a value that cannot be one");
        return STEP_DONE;
    }
    bytes_to_string(value, into, SESSION_NAME_MAX);
    reply_ok(call);
    return STEP_DONE;
}

/* ---- killing ---- */

struct filter {
    struct bytes address, local_address, type, user;
    int64_t id;
    bool skip_me;
};

static bool read_filter(struct call *call, struct filter *filter)
{
    *filter = (struct filter){.skip_me = true};
    if (call->count % 2 != 0) {
        reply_syntax(call);
        return false;
    }
    for (uint32_t i = 2; i < call->count; i += 2) {
        struct bytes value = call->words[i + 1];

        if (call_is(call, i, "id")) {
            if (!text_to_number(value, &filter->id) || filter->id < 1) {
                reply_error(call, "ERR client-id should be greater than 0");
                return false;
            }
        } else if (call_is(call, i, "addr")) {
            filter->address = value;
        } else if (call_is(call, i, "laddr")) {
            filter->local_address = value;
        } else if (call_is(call, i, "user")) {
            filter->user = value;
        } else if (call_is(call, i, "type")) {
            filter->type = value;
            if (!is_type(value)) {
                refuse_type(call, value);
                return false;
            }
        } else if (call_is(call, i, "skipme") &&
                   (call_is(call, i + 1, "yes") || call_is(call, i + 1, "no"))) {
            filter->skip_me = call_is(call, i + 1, "yes");
        } else {
            reply_syntax(call);
            return false;
        }
    }
    return true;
}

static bool meets(const struct session *session, const struct filter *filter)
{
    if (filter->address.at && !bytes_equal(filter->address, bytes_of_string(session->address)))
        return false;
    if (filter->local_address.at &&
        !bytes_equal(filter->local_address, bytes_of_string(session->local_address)))
        return false;
    if (filter->id && (uint64_t)filter->id != session->id)
        return false;
    if (filter->user.at && (!session->user || !bytes_equal(filter->user, user_name(session->user))))
        return false;
    return !filter->type.at || is_of_type(session, filter->type);
}

enum step handle_client_kill(struct desk *desk, struct session *session, struct call *call)
{
    bool old = call->count == 3;
    struct filter filter = {.address = call->words[2]};
    int64_t killed = 0;

    if (!old && !read_filter(call, &filter))
        return STEP_DONE;
    list_each (node, &desk->sessions) {
        struct session *other = container_of(node, struct session, node);

        if (!meets(other, &filter) || (other == session && filter.skip_me) || other->closing)
            continue;
        killed++;
        other->cut = other != session;
        session_end(desk, other);
    }
    if (!old)
        reply_number(call, killed);
    else if (killed > 0)
        reply_ok(call);
    else
        reply_error(call, "ERR No such client");
    return STEP_DONE;
}

/* ---- how it is answered ---- */

enum step handle_client_reply(struct desk *desk, struct session *session, struct call *call)
{
    if (call_is(call, 2, "on")) {
        session->mute = false;
        call->out = session_out(desk, session);
        reply_ok(call);
    } else if (call_is(call, 2, "off")) {
        session->mute = true;
    } else if (call_is(call, 2, "skip")) {
        session->skip = session->mute ? 0 : 2;
    } else {
        reply_syntax(call);
    }
    return STEP_DONE;
}

enum step handle_client_no_evict(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    if (!call_is(call, 2, "on") && !call_is(call, 2, "off")) {
        reply_syntax(call);
        return STEP_DONE;
    }
    session->no_evict = call_is(call, 2, "on");
    reply_ok(call);
    return STEP_DONE;
}

/* CLIENT CONSISTENCY strong | session | bounded MS | eventual */
enum step handle_client_consistency(struct desk *desk, struct session *session, struct call *call)
{
    int64_t bound_ms = session->bound_ms;
    int level = STORE_STRONG;

    (void)desk;
    while (level <= STORE_EVENTUAL &&
           !call_is(call, 2, store_consistency_name((enum store_consistency)level)))
        level++;
    if (level > STORE_EVENTUAL || (call->count == 4) != (level == STORE_BOUNDED)) {
        reply_error(call, "ERR CLIENT CONSISTENCY takes strong, session, bounded MILLISECONDS or "
                          "eventual");
        return STEP_DONE;
    }
    if (call->count == 4 && !call_number_within(call, 3, 1, 3600000, NULL, &bound_ms))
        return STEP_DONE;
    session->consistency = (uint8_t)level;
    session->bound_ms = bound_ms;
    reply_ok(call);
    return STEP_DONE;
}

enum step handle_client_pause(struct desk *desk, struct session *session, struct call *call)
{
    int64_t ms;
    bool writes_only = call->count == 4 && call_is(call, 3, "write");

    (void)session;
    if (!call_number_or(call, 2, &ms, "ERR timeout is not an integer or out of range"))
        return STEP_DONE;
    if (ms < 0) {
        reply_error(call, "ERR timeout is negative");
        return STEP_DONE;
    }
    if (call->count == 4 && !writes_only && !call_is(call, 3, "all")) {
        reply_error(call, "ERR CLIENT PAUSE mode must be WRITE or ALL");
        return STEP_DONE;
    }
    desk->paused_until_ms = ms > INT64_MAX - desk->now_ms ? INT64_MAX : desk->now_ms + ms;
    desk->paused_writes_only = writes_only;
    reply_ok(call);
    return STEP_DONE;
}

enum step handle_client_unpause(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    desk->paused_until_ms = 0;
    desk_wake_all(desk, STALL_PAUSED);
    reply_ok(call);
    return STEP_DONE;
}

/* ---- the small ones ---- */

enum step handle_ping(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    if (call->count > 2) {
        reply_arity(call);
    } else if (session && !session->version3 && session_subscriptions(session) > 0) {
        reply_array(call, 2);
        reply_string(call, "pong");
        reply_bulk(call, call->count == 2 ? call->words[1] : BYTES(""));
    } else if (call->count == 2) {
        reply_bulk(call, call->words[1]);
    } else {
        reply_simple(call, "PONG");
    }
    return STEP_DONE;
}

enum step handle_echo(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    (void)session;
    reply_bulk(call, call->words[1]);
    return STEP_DONE;
}

enum step handle_quit(struct desk *desk, struct session *session, struct call *call)
{
    reply_ok(call);
    session_end(desk, session);
    return STEP_DONE;
}

enum step handle_reset(struct desk *desk, struct session *session, struct call *call)
{
    struct user *standard = users_default(desk->users);

    session_drop_exec(session);
    session_unsubscribe_all(desk, session);
    if (session->extra)
        session->extra->name[0] = '\0';
    session->version3 = session->mute = session->no_evict = false;
    session->skip = 0;
    session->consistency = (uint8_t)desk->settings.consistency;
    session->bound_ms = desk->settings.bound_ms;
    session->user = user_is_on(standard) && !user_needs_password(standard) ? standard : NULL;
    call->out = session_out(desk, session);
    reply_simple(call, "RESET");
    return STEP_DONE;
}

enum step handle_select(struct desk *desk, struct session *session, struct call *call)
{
    int64_t index;

    (void)desk;
    (void)session;
    if (!call_number(call, 1, &index))
        return STEP_DONE;
    if (index == 0)
        reply_ok(call);
    else
        reply_error(call, "ERR DB index is out of range");
    return STEP_DONE;
}

enum step handle_time(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    reply_array(call, 2);
    reply_bulk_number(call, desk->wall_ms / 1000);
    reply_bulk_number(call, desk->wall_ms % 1000 * 1000);
    return STEP_DONE;
}

/* ---- copies ---- */

static int64_t count_copies(const struct desk *desk, uint64_t position)
{
    struct engine_status status = {0};
    int64_t count = 0;

    desk->log.status(desk->log.context, &status);
    for (uint32_t i = 0; i < status.follower_count; i++)
        count += status.followers[i].position.offset >= position &&
                 status.followers[i].position.epoch == status.epoch;
    return count;
}

enum step handle_wait(struct desk *desk, struct session *session, struct call *call)
{
    int64_t wanted, ms, copies;

    if (!call_number(call, 1, &wanted))
        return STEP_DONE;
    if (!call_number_or(call, 2, &ms, "ERR timeout is not an integer or out of range"))
        return STEP_DONE;
    if (ms < 0) {
        reply_error(call, "ERR timeout is negative");
        return STEP_DONE;
    }
    if (!desk_is_primary(desk)) {
        reply_error(call, "ERR WAIT cannot be used with replica instances. Please also note that "
                          "since Redis 4.0 if a replica is configured to be writable (which is not "
                          "the default) writes to replicas are just local and are not propagated.");
        return STEP_DONE;
    }
    copies = count_copies(desk, session->wrote);
    if (session->deadline_ms == 0)
        session->deadline_ms =
            ms == 0 || ms > INT64_MAX - desk->now_ms ? INT64_MAX : desk->now_ms + ms;
    if (copies < wanted && desk->now_ms < session->deadline_ms)
        return session_stall(desk, session, STALL_COPIES);
    reply_number(call, copies);
    return STEP_DONE;
}

static const struct desk_member *member_of(const struct desk *desk, uint32_t id)
{
    for (uint32_t i = 0; i < desk->member_count; i++)
        if (desk->members[i].id == id)
            return &desk->members[i];
    return NULL;
}

static void tell_address(struct call *call, const struct desk_member *member, bool as_number)
{
    char text[ADDRESS_TEXT_MAX] = "";

    if (member && member->address.family != 0)
        address_print_ip(&member->address, text);
    reply_string(call, text);
    if (as_number)
        reply_number(call, member ? member->address.port : 0);
    else
        reply_bulk_number(call, member ? member->address.port : 0);
}

enum step handle_role(struct desk *desk, struct session *session, struct call *call)
{
    const struct ledger_view *view = desk->log.view(desk->log.context);
    struct engine_status status = {0};

    (void)session;
    desk->log.status(desk->log.context, &status);
    if (view->role != ENGINE_PRIMARY) {
        reply_array(call, 5);
        reply_string(call, "slave");
        tell_address(call, member_of(desk, view->primary), true);
        reply_string(call, view->loading ? "sync" : view->linked ? "connected" : "connect");
        reply_number(call, (int64_t)view->executed);
        return STEP_DONE;
    }
    reply_array(call, 3);
    reply_string(call, "master");
    reply_number(call, (int64_t)view->executed);
    reply_array(call, status.follower_count);
    for (uint32_t i = 0; i < status.follower_count; i++) {
        reply_array(call, 3);
        tell_address(call, member_of(desk, status.followers[i].member), false);
        reply_bulk_number(call, (int64_t)status.followers[i].position.offset);
    }
    return STEP_DONE;
}
