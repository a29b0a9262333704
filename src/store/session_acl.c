/*
 * Who a connection is, and ACL. Changes of users are records, so that all members have the same; passwords are hashed before they become one.
 */
#include "store/session_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- who it is ---- */

static bool authenticate(struct desk *desk, struct session *session, struct bytes name,
                         struct bytes password)
{
    struct user *user = users_authenticate(desk->users, name, password);

    if (user)
        session->user = user;
    else
        desk->counts.failed_authentications++;
    return user != NULL;
}

static const char wrong_password[] =
    "WRONGPASS invalid username-password pair or user is disabled.";

enum step handle_auth(struct desk *desk, struct session *session, struct call *call)
{
    struct bytes name = call->count == 3 ? call->words[1] : BYTES("default");

    if (call->count > 3)
        reply_syntax(call);
    else if (call->count == 2 && !user_needs_password(users_default(desk->users)))
        reply_error(call, "ERR AUTH <password> called without any password configured for the "
                          "default user. Are you sure your configuration is correct?");
    else if (authenticate(desk, session, name, call->words[call->count - 1]))
        reply_ok(call);
    else
        reply_error(call, wrong_password);
    return STEP_DONE;
}

static bool set_name(struct session *session, struct call *call, struct bytes name)
{
    struct session_extra *extra = session_extra(session);

    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~') {
            reply_error(call, "ERR Client names cannot contain spaces, newlines or special "
                              "characters.");
            return false;
        }
    if (!extra || name.len >= SESSION_NAME_MAX) {
        reply_error(call, "ERR the name is too long");
        return false;
    }
    bytes_to_string(name, extra->name, sizeof extra->name);
    return true;
}

static void say_hello(struct desk *desk, struct session *session, struct call *call)
{
    reply_map(call, 7);
    reply_string(call, "server");
    reply_string(call, "redis");
    reply_string(call, "version");
    reply_string(call, DESK_REDIS_VERSION);
    reply_string(call, "proto");
    reply_number(call, session->version3 ? 3 : 2);
    reply_string(call, "id");
    reply_number(call, (int64_t)session->id);
    reply_string(call, "mode");
    reply_string(call, "standalone");
    reply_string(call, "role");
    reply_string(call,
                 desk->log.view(desk->log.context)->role == ENGINE_PRIMARY ? "master" : "replica");
    reply_string(call, "modules");
    reply_array(call, 0);
}

enum step handle_hello(struct desk *desk, struct session *session, struct call *call)
{
    int64_t version = session->version3 ? 3 : 2;
    struct bytes name = {0};

    if (call->count > 1 && !text_to_number(call->words[1], &version)) {
        reply_error(call, "ERR Protocol version is not an integer or out of range");
        return STEP_DONE;
    }
    if (version < 2 || version > 3) {
        reply_error(call, "NOPROTO unsupported protocol version");
        return STEP_DONE;
    }
    for (uint32_t i = 2; i < call->count; i++) {
        if (call_is(call, i, "auth") && i + 2 < call->count) {
            if (!authenticate(desk, session, call->words[i + 1], call->words[i + 2])) {
                reply_error(call, wrong_password);
                return STEP_DONE;
            }
            i += 2;
        } else if (call_is(call, i, "setname") && i + 1 < call->count) {
            name = call->words[++i];
        } else {
            reply_errorf(call, "ERR Syntax error in HELLO option '%.*s'",
                         (int)(call->words[i].len < 64 ? call->words[i].len : 64),
                         (const char *)call->words[i].at);
            return STEP_DONE;
        }
    }
    if (!session->user) {
        reply_error(call,
                    "NOAUTH HELLO must be called with the client already authenticated, otherwise "
                    "the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the "
                    "client and select the RESP protocol version at the same time");
        return STEP_DONE;
    }
    if (name.at && !set_name(session, call, name))
        return STEP_DONE;
    session->version3 = call->version3 = version == 3;
    say_hello(desk, session, call);
    return STEP_DONE;
}

enum step handle_client_setname(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    if (set_name(session, call, call->words[2]))
        reply_ok(call);
    return STEP_DONE;
}

/* ---- changes of users ---- */

/* Sessions of somebody who is no more are closed. */
static void end_sessions_of(struct desk *desk, const struct user *user)
{
    list_each (node, &desk->sessions) {
        struct session *session = container_of(node, struct session, node);

        if (session->user != user)
            continue;
        session->user = NULL;
        session_end(desk, session);
    }
}

void desk_end_user(struct desk *desk, struct user *user)
{
    end_sessions_of(desk, user);
    must(users_delete(desk->users, user_name(user)));
}

/* The first of them that only the file changes; NULL: none. */
static const struct user *of_file(const struct desk *desk, const struct bytes *names,
                                  uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct user *user = users_find(desk->users, names[i]);

        if (user && user_is_of_file(user))
            return user;
    }
    return NULL;
}

void desk_apply_acl(struct desk *desk, struct call *call)
{
    bool sets = strcmp(call->command->name, "acl|setuser") == 0;
    const struct user *fixed = of_file(desk, call->words + 2, sets ? 1 : call->count - 2);
    char sentence[USERS_SENTENCE_MAX];
    int64_t deleted = 0;

    if (fixed) {
        reply_errorf(call, "ERR user '%.*s' is the configuration file's, and is changed there",
                     (int)user_name(fixed).len, (const char *)user_name(fixed).at);
        return;
    }
    if (sets) {
        if (users_set(desk->users, call->words[2], call->words + 3, call->count - 3, sentence))
            reply_ok(call);
        else
            reply_error(call, sentence);
        return;
    }
    for (uint32_t i = 2; i < call->count; i++) {
        struct user *user = users_find(desk->users, call->words[i]);

        if (!user || user == users_default(desk->users))
            continue;
        desk_end_user(desk, user);
        deleted++;
    }
    reply_number(call, deleted);
}

void desk_forget_users(struct desk *desk)
{
    struct user *user = users_next(desk->users, NULL), *next;

    for (; user; user = next) {
        next = users_next(desk->users, user);
        if (user == users_default(desk->users))
            continue;
        desk_end_user(desk, user);
    }
}

/* `>secret` as `#hash`, and `<secret` as `!hash`. */
static struct bytes hash_rule(struct bytes rule, struct buf *hashed)
{
    uint8_t digest[SHA256_BYTES];
    char text[SHA256_TEXT_MAX];
    size_t before = hashed->len;

    if (rule.len == 0 || (rule.at[0] != '>' && rule.at[0] != '<'))
        return rule;
    sha256(bytes_skip(rule, 1), digest);
    buf_add_byte(hashed, rule.at[0] == '>' ? '#' : '!');
    buf_add_string(hashed, sha256_print(digest, text));
    return bytes_of(hashed->at + before, SHA256_TEXT_MAX);
}

enum step handle_acl_setuser(struct desk *desk, struct session *session, struct call *call)
{
    struct bytes *words = calloc(call->count, sizeof *words);
    uint8_t *storage = calloc(call->count, SHA256_TEXT_MAX);
    enum step step = STEP_DONE;
    struct buf hashed;

    if (!words || !storage) {
        reply_error(call, "ERR no memory for a user");
    } else {
        buf_over(&hashed, storage, (size_t)call->count * SHA256_TEXT_MAX);
        for (uint32_t i = 0; i < call->count; i++)
            words[i] = i < 3 ? call->words[i] : hash_rule(call->words[i], &hashed);
        step = session_write(desk, session, words, call->count);
    }
    free(words);
    free(storage);
    return step;
}

enum step handle_acl_deluser(struct desk *desk, struct session *session, struct call *call)
{
    for (uint32_t i = 2; i < call->count; i++)
        if (bytes_equal(call->words[i], BYTES("default"))) {
            if (session->pending > 0)
                return session_stall(desk, session, STALL_PENDING);
            reply_error(call, "ERR The 'default' user cannot be removed");
            return STEP_DONE;
        }
    return session_write(desk, session, call->words, call->count);
}

/* ---- telling ---- */

enum step handle_acl_whoami(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    reply_bulk(call, user_name(session->user));
    return STEP_DONE;
}

static uint64_t count_users(const struct users *users)
{
    uint64_t count = 0;

    for (const struct user *user = NULL; (user = users_next(users, user));)
        count++;
    return count;
}

enum step handle_acl_users(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    reply_array(call, count_users(desk->users));
    for (const struct user *user = NULL; (user = users_next(desk->users, user));)
        reply_bulk(call, user_name(user));
    return STEP_DONE;
}

enum step handle_acl_list(struct desk *desk, struct session *session, struct call *call)
{
    (void)session;
    reply_array(call, count_users(desk->users));
    for (const struct user *user = NULL; (user = users_next(desk->users, user));) {
        buf_clear(&desk->scratch);
        buf_add_string(&desk->scratch, "user ");
        buf_add(&desk->scratch, user_name(user));
        buf_add_byte(&desk->scratch, ' ');
        user_write_rules(user, &desk->scratch);
        reply_bulk(call, buf_bytes(&desk->scratch));
    }
    return STEP_DONE;
}

static void tell_part(struct desk *desk, struct call *call, const struct user *user,
                      const char *name, void (*write)(const struct user *, struct buf *))
{
    buf_clear(&desk->scratch);
    write(user, &desk->scratch);
    reply_string(call, name);
    reply_bulk(call, buf_bytes(&desk->scratch));
}

enum step handle_acl_getuser(struct desk *desk, struct session *session, struct call *call)
{
    const struct user *user = users_find(desk->users, call->words[2]);
    char text[SHA256_TEXT_MAX];

    (void)session;
    if (!user) {
        reply_null(call);
        return STEP_DONE;
    }
    reply_map(call, 6);
    reply_string(call, "flags");
    reply_set(call, user_needs_password(user) ? 1 : 2);
    reply_string(call, user_is_on(user) ? "on" : "off");
    if (!user_needs_password(user))
        reply_string(call, "nopass");
    reply_string(call, "passwords");
    reply_array(call, user_password_count(user));
    for (uint32_t i = 0; i < user_password_count(user); i++) {
        user_print_password(user, i, text);
        reply_string(call, text);
    }
    tell_part(desk, call, user, "commands", user_write_commands);
    tell_part(desk, call, user, "keys", user_write_keys);
    tell_part(desk, call, user, "channels", user_write_channels);
    reply_string(call, "selectors");
    reply_array(call, 0);
    return STEP_DONE;
}

static void tell_category(struct call *call, uint32_t category)
{
    const struct command *row;
    uint64_t count = 0;

    for (int round = 0; round < 2; round++) {
        if (round == 1)
            reply_array(call, count);
        for (uint32_t i = 0; (row = command_at(i)); i++) {
            if (!(command_categories(row) >> category & 1) || (row->flags & COMMAND_INTERNAL))
                continue;
            count++;
            if (round == 1)
                reply_string(call, row->name);
        }
    }
}

enum step handle_acl_cat(struct desk *desk, struct session *session, struct call *call)
{
    (void)desk;
    (void)session;
    if (call->count == 2) {
        reply_array(call, CATEGORIES);
        for (int i = 0; i < CATEGORIES; i++)
            reply_string(call, command_category_name((enum command_category)i));
        return STEP_DONE;
    }
    for (uint32_t i = 0; i < CATEGORIES; i++)
        if (bytes_equal_nocase(call->words[2],
                               bytes_of_string(command_category_name((enum command_category)i)))) {
            tell_category(call, i);
            return STEP_DONE;
        }
    reply_errorf(call, "ERR Unknown category '%.*s'",
                 (int)(call->words[2].len < 64 ? call->words[2].len : 64),
                 (const char *)call->words[2].at);
    return STEP_DONE;
}
