/*
 * Users of the configuration's file: who is in it is the file's, and ACL changes the others alone. The primary writes them into the log when the state's are not those of its own file; before the
 * first such record each member goes by its own file, so that no door is open that the file closes.
 */
#include "store/session_parts.h"

#include "base/hash.h"
#include "base/pack.h"

enum { FILE_BYTES_MAX = 4 << 20 };

_Static_assert((int)DESK_USERS_MAX == (int)USERS_OF_FILE_MAX, "all of them have room");

/* Of records that nobody asked for (session_log.c has another one). */
#define COOKIE_USERS ((uint64_t)1 << 32 | UINT32_MAX)

bool desk_set_user(struct desk *desk, struct bytes name, struct bytes rules)
{
    char sentence[USERS_SENTENCE_MAX];

    return users_set_text(desk->users, name, rules, sentence);
}

/* ---- executing ---- */

static bool is_named(const struct call *call, struct bytes name)
{
    for (uint32_t i = 2; i + 1 < call->count; i += 2)
        if (bytes_equal(call->words[i], name))
            return true;
    return false;
}

/* Whoever the file has no more is as if it had never had them. */
static void drop_others(struct desk *desk, const struct call *call)
{
    struct user *user = users_next(desk->users, NULL), *next;

    for (; user; user = next) {
        next = users_next(desk->users, user);
        if (!user_is_of_file(user) || is_named(call, user_name(user)))
            continue;
        user_mark(user, false);
        if (user == users_default(desk->users))
            must(desk_set_user(desk, user_name(user), BYTES(USER_DEFAULT_RULES)));
        else
            desk_end_user(desk, user);
    }
}

/* `@users DIGEST [NAME RULES] …` */
void desk_apply_users(struct desk *desk, struct call *call)
{
    struct unpack digest = unpack_of(call->words[1]);

    drop_others(desk, call);
    for (uint32_t i = 2; i + 1 < call->count; i += 2)
        if (desk_set_user(desk, call->words[i], call->words[i + 1]))
            user_mark(users_find(desk->users, call->words[i]), true);
    desk->users_digest = unpack_u64(&digest);
    reply_ok(call);
}

/* ---- what this member's file says ---- */

static bool next_of_file(struct unpack *in, struct bytes *name, struct bytes *rules)
{
    if (in->left.len == 0)
        return false;
    *name = unpack_bytes8(in);
    *rules = unpack_bytes16(in);
    must(!in->bad);
    return true;
}

void desk_use_users(struct desk *desk, const struct desk_user *users, uint32_t count)
{
    must(count <= DESK_USERS_MAX);
    buf_fini(&desk->file_users);
    buf_init(&desk->file_users, FILE_BYTES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        pack_bytes8(&desk->file_users, users[i].name);
        pack_bytes16(&desk->file_users, users[i].rules);
    }
    must(!desk->file_users.full);
    desk->file_digest = count > 0 ? hash_bytes(0, buf_bytes(&desk->file_users)) | 1 : 0;
}

void desk_found_users(struct desk *desk)
{
    struct unpack in = unpack_of(buf_bytes(&desk->file_users));
    struct bytes name, rules;

    while (next_of_file(&in, &name, &rules))
        must(desk_set_user(desk, name, rules)); /* they were tried when the file was read */
}

static void append_users(struct desk *desk)
{
    struct bytes words[2 + 2 * DESK_USERS_MAX] = {BYTES("@users")};
    struct unpack in = unpack_of(buf_bytes(&desk->file_users));
    uint8_t storage[sizeof desk->file_digest];
    enum ledger_refusal why;
    struct buf digest;
    uint32_t count = 2;

    buf_over(&digest, storage, sizeof storage);
    pack_u64(&digest, desk->file_digest);
    words[1] = buf_bytes(&digest);
    while (next_of_file(&in, &words[count], &words[count + 1]))
        count += 2;
    buf_clear(&desk->record);
    if (record_write(&desk->record, RECORD_COMMAND, desk_record_time(desk), words, count))
        desk->filing =
            desk->log.append(desk->log.context, buf_bytes(&desk->record), COOKIE_USERS, &why) > 0;
}

/* Before anything else is written: in its place in the log the file's users come before what they may not do. */
void desk_file_users(struct desk *desk)
{
    if (!desk->filing && desk->file_digest != desk->users_digest && desk_is_primary(desk))
        append_users(desk);
}

void desk_users_answered(struct desk *desk, uint64_t cookie)
{
    desk->filing = desk->filing && cookie != COOKIE_USERS;
}
