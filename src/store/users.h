/*
 * users: who may do what, as Redis's ACL has it. Pure.
 *
 * A user has passwords (SHA-256), commands (all, by category, one by one), key patterns for reading and writing, and channel patterns. Rules are given as words of ACL SETUSER and taken whole or not at all.
 * The user `default` always exists: it is who a connection is before it says otherwise. There are no selectors.
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/sha256.h"

enum {
    USERS_MAX = 1000,        /* made by ACL */
    USERS_OF_FILE_MAX = 256, /* besides them: who the file has is never one too many */
    USER_NAME_MAX = 255,     /* bytes */
    USER_PASSWORDS_MAX = 16,
    USER_PATTERNS_MAX = 256,  /* of keys and channels together */
    USER_RULE_MAX = 4096,     /* bytes of one word */
    USER_RULES_MAX = 2 << 20, /* bytes of all */
    USER_COMMANDS_MAX = 1024, /* rows of the command table */
    USERS_SENTENCE_MAX = 256,
};

#define USER_DEFAULT_RULES "on nopass ~* &* +@all"

struct users;
struct user;
struct command; /* call.h */

struct users *users_open(void);
void users_close(struct users *users); /* NULL is fine */

struct user *users_default(const struct users *users);
struct user *users_find(const struct users *users, struct bytes name); /* NULL: nobody */
/* NULL: no such user, not on, or not their password. */
struct user *users_authenticate(const struct users *users, struct bytes name,
                                struct bytes password);
/* Whether it is one of the configuration's file. Rules do not change it. */
bool user_is_of_file(const struct user *user);
void user_mark(struct user *user, bool of_file);
/* In the order in which they were made; NULL begins, and NULL ends. */
struct user *users_next(const struct users *users, const struct user *before);

/* Makes or changes a user. False: nothing was changed, and `sentence` (USERS_SENTENCE_MAX) says why as Redis does. */
MUST_USE bool users_set(struct users *users, struct bytes name, const struct bytes *rules,
                        uint32_t count, char *sentence);
/* The same by one text, with blanks between the rules, of a user as if it were new. */
MUST_USE bool users_set_text(struct users *users, struct bytes name, struct bytes rules,
                             char *sentence);
/* False: nobody was that, or it is `default`. The user is freed: whoever is it has to be somebody else before. */
bool users_delete(struct users *users, struct bytes name);

struct bytes user_name(const struct user *user);
bool user_is_on(const struct user *user);
bool user_needs_password(const struct user *user); /* not `nopass` */
/* Everything is allowed: nothing else has to be asked. */
bool user_may_all(const struct user *user);
bool user_may_command(const struct user *user, const struct command *command);
bool user_may_key(const struct user *user, struct bytes key, bool read, bool write);
/* `literal`: it is a pattern that is subscribed to, which has to be one of the user's as it stands. */
bool user_may_channel(const struct user *user, struct bytes channel, bool literal);

/* The rules, as ACL LIST and a file have them: `on #… ~* &* +@all`. Given to users_set of a new user, they make the same. */
void user_write_rules(const struct user *user, struct buf *out);
/* Their parts, as ACL GETUSER shows them. */
void user_write_commands(const struct user *user, struct buf *out); /* `-@all +get` */
void user_write_keys(const struct user *user, struct buf *out);     /* `~a:* %R~b:*` */
void user_write_channels(const struct user *user, struct buf *out); /* `&*` */
uint32_t user_password_count(const struct user *user);
void user_print_password(const struct user *user, uint32_t index, char text[SHA256_TEXT_MAX]);
