/*
 * The users of embedded stores: their passwords become hashes, so that no process but the one that reads the file ever has one, and their rules are tried on users of nobody's.
 */
#include "role/config_parts.h"

#include "base/sha256.h"
#include "store/users.h"

#include <string.h>

static struct config_group *group_at(const struct config_work *work, uint32_t at)
{
    struct config_group *groups =
        config_items(work, config_root(work)->groups, sizeof(struct config_group));

    return &groups[at];
}

static struct store_user *user_at(const struct config_work *work, uint32_t group, uint32_t at)
{
    struct store_user *users =
        config_items(work, group_at(work, group)->store.users, sizeof(struct store_user));

    return &users[at];
}

/* ---- passwords ---- */

static void hash_password(struct config_work *work, uint32_t group, uint32_t at)
{
    const struct store_user *user = user_at(work, group, at);
    uint8_t digest[SHA256_BYTES];
    char text[SHA256_TEXT_MAX];
    struct ref hash;

    if (user->password.count == 0)
        return;
    if (user->password_hash.count > 0) {
        config_find(work, &user->item, "password_hash", "leave one of them out",
                    "a user has a password or its hash, not both");
        return;
    }
    sha256(image_text(config_image(work), user->password), digest);
    hash = config_append_text(work, sha256_print(digest, text)); /* the image may move */
    user_at(work, group, at)->password_hash = hash;
}

/* Once all are hashed: an alias of the file may be the same text. */
static void forget_password(struct config_work *work, uint32_t group, uint32_t at)
{
    struct store_user *user = user_at(work, group, at);

    if (user->password.count > 0)
        memset(work->image->at + user->password.at, 0, user->password.count);
    user->password = (struct ref){0, 0};
}

/* ---- rules ---- */

/* The first of the rules that is about a password; {0}: none is. */
static struct bytes password_rule(struct bytes rules)
{
    while (rules.len > 0) {
        struct bytes word = bytes_take(rules, bytes_find(rules, ' '));

        if (word.len > 0 && strchr("><#!", word.at[0]))
            return word;
        rules = bytes_skip(rules, word.len + (word.len < rules.len));
    }
    return (struct bytes){0};
}

static void try_rules(struct config_work *work, const struct store_user *user)
{
    struct bytes name = image_text(config_image(work), user->item.name);
    struct users *users = users_open();
    const struct user *made;
    char sentence[USERS_SENTENCE_MAX];
    struct buf rules;

    buf_init(&rules, USER_RULES_MAX);
    store_user_rules(config_image(work), user, &rules);
    if (!users || rules.full)
        config_find(work, &user->item, NULL, NULL, "there is no memory to look at this user");
    else if (!users_set_text(users, name, buf_bytes(&rules), sentence))
        config_find(work, &user->item, "rules", NULL, "%s",
                    strncmp(sentence, "ERR ", 4) == 0 ? sentence + 4 : sentence);
    else if ((made = users_find(users, name)) && user_is_on(made) && user_needs_password(made) &&
             user_password_count(made) == 0)
        config_find(work, &user->item, NULL, "add `password: …`, or `nopass` to its rules",
                    "user `%.*s` has no password, so nobody can be it", (int)name.len,
                    (const char *)name.at);
    buf_fini(&rules);
    users_close(users);
}

static void check_user(struct config_work *work, const struct store_user *user)
{
    struct image image = config_image(work);

    if (password_rule(image_text(image, user->rules)).len > 0)
        config_find(work, &user->item, NULL, "write `password` or `password_hash`",
                    "rules say what user `%s` may do, and nothing about passwords",
                    image_string(image, user->item.name));
    else
        try_rules(work, user);
}

static void check_group(struct config_work *work, const struct config_group *group)
{
    if (group->store.users.count > 0 && group->engine.kind != ENGINE_STORE)
        config_find(work, &group->replication.item, "users", "leave it out, or say `engine: store`",
                    "the embedded store alone has users in the file, and this group is another "
                    "engine's");
}

static void each_user(struct config_work *work,
                      void (*what)(struct config_work *work, uint32_t group, uint32_t at))
{
    for (uint32_t group = 0; group < config_root(work)->groups.count; group++)
        for (uint32_t at = 0; at < group_at(work, group)->store.users.count; at++)
            what(work, group, at);
}

static void check_at(struct config_work *work, uint32_t group, uint32_t at)
{
    check_user(work, user_at(work, group, at));
}

void config_settle_users(struct config_work *work)
{
    each_user(work, hash_password);
    each_user(work, forget_password);
    each_user(work, check_at);
    for (uint32_t group = 0; group < config_root(work)->groups.count; group++)
        check_group(work, group_at(work, group));
}
