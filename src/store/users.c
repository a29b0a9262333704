/*
 * Users and their rights. A user is changed on a copy, which takes the place of what was when all its rules were good.
 */
#include "store/users.h"

#include "store/command.h"
#include "store/glob.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATTERN_READ = 1, PATTERN_WRITE = 2, PATTERN_CHANNEL = 4 };

struct pattern {
    uint8_t kind;
    struct bytes text; /* owned */
};

/* What can be copied as a whole, but for what the pointers own. */
struct rights {
    bool on, nopass, all_keys, all_channels;
    uint32_t passwords, patterns;
    uint8_t password[USER_PASSWORDS_MAX][SHA256_BYTES];
    struct pattern *pattern; /* USER_PATTERNS_MAX */
    uint64_t commands[USER_COMMANDS_MAX / 64];
    bool all_commands;
    struct buf words; /* what led to `commands`: `-@all +get` */
};

struct user {
    struct list node;
    struct rights rights;
    bool of_file;
    uint8_t name_len;
    uint8_t name[USER_NAME_MAX];
};

struct users {
    struct list all;
    uint32_t count;
    struct user *standard;
};

enum { WORDS_MAX = 64 << 10, RULES_MAX = 8192 };

/* ---- commands ---- */

/* A row's place in the table; the table is small, and only users with less than all rights are asked. */
static uint32_t index_of(const struct command *command)
{
    const struct command *row;

    for (uint32_t i = 0; (row = command_at(i)); i++)
        if (row == command)
            return i;
    never("a command that is not in the table");
}

static void allow(struct rights *rights, uint32_t index, bool allowed)
{
    must(index < USER_COMMANDS_MAX);
    if (allowed)
        rights->commands[index / 64] |= 1ULL << index % 64;
    else
        rights->commands[index / 64] &= ~(1ULL << index % 64);
}

static bool allowed(const struct rights *rights, uint32_t index)
{
    return rights->commands[index / 64] >> index % 64 & 1;
}

static void allow_all(struct rights *rights, bool all)
{
    memset(rights->commands, all ? 0xff : 0, sizeof rights->commands);
    rights->all_commands = all;
    buf_clear(&rights->words);
    buf_add_string(&rights->words, all ? "+@all" : "-@all");
}

/* Takes an earlier word for the same thing out, whichever sign it has: the last one counts. */
static void forget_word(struct rights *rights, struct bytes what)
{
    struct buf left;
    struct bytes words = buf_bytes(&rights->words);

    buf_init(&left, WORDS_MAX);
    while (words.len > 0) {
        struct bytes word = bytes_take(words, bytes_find(words, ' '));

        words = bytes_skip(words, word.len < words.len ? word.len + 1 : word.len);
        if (bytes_equal(bytes_skip(word, 1), what))
            continue;
        if (left.len > 0)
            buf_add_byte(&left, ' ');
        buf_add(&left, word);
    }
    buf_fini(&rights->words);
    rights->words = left;
}

static bool note_word(struct rights *rights, bool plus, struct bytes what)
{
    forget_word(rights, what);
    buf_add_byte(&rights->words, ' ');
    buf_add_byte(&rights->words, plus ? '+' : '-');
    buf_add(&rights->words, what);
    rights->all_commands &= plus;
    return !rights->words.full;
}

static bool set_category(struct rights *rights, bool plus, struct bytes name)
{
    uint32_t category = 0;
    const struct command *row;
    char text[64];

    if (bytes_equal_nocase(name, BYTES("all"))) {
        allow_all(rights, plus);
        return true;
    }
    while (category < CATEGORIES &&
           !bytes_equal_nocase(
               name, bytes_of_string(command_category_name((enum command_category)category))))
        category++;
    if (category == CATEGORIES)
        return false;
    for (uint32_t i = 0; (row = command_at(i)); i++)
        if (command_categories(row) >> category & 1)
            allow(rights, i, plus);
    snprintf(text, sizeof text, "@%s", command_category_name((enum command_category)category));
    return note_word(rights, plus, bytes_of_string(text));
}

/* `get`, `client`, `client|list`: the command, and what is below it. */
static bool set_command(struct rights *rights, bool plus, struct bytes name)
{
    const struct command *row;
    bool found = false;
    char text[64];

    for (uint32_t i = 0; (row = command_at(i)); i++) {
        struct bytes own = bytes_of_string(row->name);

        if (row->flags & COMMAND_INTERNAL || own.len < name.len ||
            !bytes_equal_nocase(bytes_take(own, name.len), name) ||
            (own.len > name.len && own.at[name.len] != '|'))
            continue;
        allow(rights, i, plus);
        if (!found)
            snprintf(text, sizeof text, "%.*s", (int)name.len, row->name);
        found = true;
    }
    return found && note_word(rights, plus, bytes_of_string(text));
}

/* ---- patterns ---- */

static bool add_pattern(struct rights *rights, uint8_t kind, struct bytes text)
{
    uint8_t *copy;

    for (uint32_t i = 0; i < rights->patterns; i++)
        if (rights->pattern[i].kind == kind && bytes_equal(rights->pattern[i].text, text))
            return true;
    if (rights->patterns == USER_PATTERNS_MAX)
        return false;
    copy = malloc(text.len + 1);
    if (!copy)
        return false;
    if (text.len > 0)
        memcpy(copy, text.at, text.len);
    rights->pattern[rights->patterns++] = (struct pattern){kind, bytes_of(copy, text.len)};
    return true;
}

static void free_pattern(struct pattern *pattern)
{
    free((void *)(uintptr_t)pattern->text.at);
}

static void drop_patterns(struct rights *rights, uint8_t kinds)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < rights->patterns; i++)
        if (rights->pattern[i].kind & kinds)
            free_pattern(&rights->pattern[i]);
        else
            rights->pattern[left++] = rights->pattern[i];
    rights->patterns = left;
}

static bool add_keys(struct rights *rights, uint8_t kind, struct bytes text)
{
    if (rights->all_keys)
        return false;
    return add_pattern(rights, kind, text);
}

/* `%R~pattern`, `%W~`, `%RW~`. NULL: well. */
static const char *add_keys_by_kind(struct rights *rights, struct bytes rest)
{
    uint8_t kind = 0;
    size_t at = 0;

    for (; at < rest.len && rest.at[at] != '~'; at++) {
        uint8_t letter = rest.at[at] | 0x20;

        if (letter != 'r' && letter != 'w')
            return "Syntax error";
        kind |= letter == 'r' ? PATTERN_READ : PATTERN_WRITE;
    }
    if (kind == 0 || at == rest.len)
        return "Syntax error";
    rest = bytes_skip(rest, at + 1);
    if (kind == (PATTERN_READ | PATTERN_WRITE) && bytes_equal(rest, BYTES("*"))) {
        drop_patterns(rights, PATTERN_READ | PATTERN_WRITE);
        rights->all_keys = true;
        return NULL;
    }
    return add_keys(rights, kind, rest)
               ? NULL
               : "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and "
                 "does not have any effect. Try 'resetkeys' to start with an empty list of "
                 "patterns";
}

/* ---- passwords ---- */

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool read_digest(struct bytes text, uint8_t digest[SHA256_BYTES])
{
    if (text.len != (size_t)SHA256_BYTES * 2)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.at[i]);

        if (digit < 0)
            return false;
        digest[i / 2] = (uint8_t)(i % 2 ? digest[i / 2] << 4 | digit : digit);
    }
    return true;
}

static uint32_t find_password(const struct rights *rights, const uint8_t digest[SHA256_BYTES])
{
    uint32_t found = rights->passwords;

    /* All are looked at, so that the time says nothing. */
    for (uint32_t i = 0; i < rights->passwords; i++)
        if (sha256_equal(rights->password[i], digest))
            found = i;
    return found;
}

static bool add_password(struct rights *rights, const uint8_t digest[SHA256_BYTES])
{
    rights->nopass = false;
    if (find_password(rights, digest) < rights->passwords)
        return true;
    if (rights->passwords == USER_PASSWORDS_MAX)
        return false;
    memcpy(rights->password[rights->passwords++], digest, SHA256_BYTES);
    return true;
}

static bool remove_password(struct rights *rights, const uint8_t digest[SHA256_BYTES])
{
    uint32_t at = find_password(rights, digest);

    if (at == rights->passwords)
        return false;
    memmove(rights->password[at], rights->password[at + 1],
            (size_t)(--rights->passwords - at) * SHA256_BYTES);
    return true;
}

static const char *set_password(struct rights *rights, uint8_t sign, struct bytes text)
{
    uint8_t digest[SHA256_BYTES];
    bool hashed = sign == '#' || sign == '!', done;

    if (hashed && !read_digest(text, digest))
        return "The password hash must be exactly 64 characters and contain only lowercase "
               "hexadecimal characters";
    if (!hashed)
        sha256(text, digest);
    done =
        sign == '>' || sign == '#' ? add_password(rights, digest) : remove_password(rights, digest);
    if (done)
        return NULL;
    return sign == '>' || sign == '#'
               ? "The user has too many passwords"
               : "The password you are trying to remove from the user does not exist";
}

/* ---- rules ---- */

static void reset(struct rights *rights)
{
    drop_patterns(rights, PATTERN_READ | PATTERN_WRITE | PATTERN_CHANNEL);
    rights->on = rights->nopass = rights->all_keys = rights->all_channels = false;
    rights->passwords = 0;
    allow_all(rights, false);
}

/* Rules that are one word. False: it is none of them. */
static bool apply_word(struct rights *rights, struct bytes rule)
{
    static const struct {
        const char *word;
        int what;
    } words[] = {{"on", 0},
                 {"off", 1},
                 {"nopass", 2},
                 {"resetpass", 3},
                 {"allkeys", 4},
                 {"~*", 4},
                 {"resetkeys", 5},
                 {"allchannels", 6},
                 {"&*", 6},
                 {"resetchannels", 7},
                 {"allcommands", 8},
                 {"nocommands", 9},
                 {"reset", 10},
                 {"clearselectors", 11},
                 {"sanitize-payload", 11},
                 {"skip-sanitize-payload", 11}};
    size_t i = 0;

    while (i < ARRAY_LEN(words) && !bytes_equal_nocase(rule, bytes_of_string(words[i].word)))
        i++;
    if (i == ARRAY_LEN(words))
        return false;
    switch (words[i].what) {
    case 0:
    case 1:
        rights->on = words[i].what == 0;
        break;
    case 2:
    case 3:
        rights->nopass = words[i].what == 2;
        rights->passwords = 0;
        break;
    case 4:
    case 5:
        rights->all_keys = words[i].what == 4;
        drop_patterns(rights, PATTERN_READ | PATTERN_WRITE);
        break;
    case 6:
    case 7:
        rights->all_channels = words[i].what == 6;
        drop_patterns(rights, PATTERN_CHANNEL);
        break;
    case 8:
    case 9:
        allow_all(rights, words[i].what == 8);
        break;
    case 10:
        reset(rights);
        break;
    default: /* what there is nothing of here */
        break;
    }
    return true;
}

static const char *apply_signed(struct rights *rights, uint8_t sign, struct bytes rest)
{
    switch (sign) {
    case '+':
    case '-':
        if (rest.len > 0 && rest.at[0] == '@')
            return set_category(rights, sign == '+', bytes_skip(rest, 1))
                       ? NULL
                       : "Unknown command or category name in ACL";
        return set_command(rights, sign == '+', rest) ? NULL
                                                      : "Unknown command or category name in ACL";
    case '~':
        return add_keys(rights, PATTERN_READ | PATTERN_WRITE, rest)
                   ? NULL
                   : "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid "
                     "and "
                     "does not have any effect. Try 'resetkeys' to start with an empty list of "
                     "patterns";
    case '%':
        return add_keys_by_kind(rights, rest);
    case '&':
        if (rights->all_channels)
            return "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid "
                   "and does not have any effect. Try 'resetchannels' to start with an empty list "
                   "of channels";
        return add_pattern(rights, PATTERN_CHANNEL, rest) ? NULL : "The user has too many patterns";
    case '>':
    case '<':
    case '#':
    case '!':
        return set_password(rights, sign, rest);
    default:
        return "Syntax error";
    }
}

/* Patterns with blanks could not be told apart where all rules are one text. */
static bool has_blanks(struct bytes rule)
{
    for (size_t i = 0; i < rule.len; i++)
        if (rule.at[i] <= ' ')
            return true;
    return false;
}

static const char *apply(struct rights *rights, struct bytes rule)
{
    if (apply_word(rights, rule))
        return NULL;
    if (rule.len == 0 || rule.len > USER_RULE_MAX ||
        (strchr("~%&", rule.at[0]) && has_blanks(rule)))
        return "Syntax error";
    return apply_signed(rights, rule.at[0], bytes_skip(rule, 1));
}

static bool rights_init(struct rights *rights)
{
    *rights = (struct rights){.pattern = calloc(USER_PATTERNS_MAX, sizeof *rights->pattern)};
    buf_init(&rights->words, WORDS_MAX);
    allow_all(rights, false);
    return rights->pattern && !rights->words.full;
}

static void rights_fini(struct rights *rights)
{
    if (rights->pattern)
        drop_patterns(rights, PATTERN_READ | PATTERN_WRITE | PATTERN_CHANNEL);
    free(rights->pattern);
    buf_fini(&rights->words);
}

static bool rights_copy(struct rights *to, const struct rights *from)
{
    if (!rights_init(to))
        return false;
    to->on = from->on;
    to->nopass = from->nopass;
    to->all_keys = from->all_keys;
    to->all_channels = from->all_channels;
    to->all_commands = from->all_commands;
    to->passwords = from->passwords;
    memcpy(to->password, from->password, sizeof to->password);
    memcpy(to->commands, from->commands, sizeof to->commands);
    buf_clear(&to->words);
    buf_add(&to->words, buf_bytes(&from->words));
    for (uint32_t i = 0; i < from->patterns; i++)
        if (!add_pattern(to, from->pattern[i].kind, from->pattern[i].text))
            return false;
    return !to->words.full;
}

/* ---- all of them ---- */

static struct user *user_new(struct users *users, struct bytes name)
{
    struct user *user = calloc(1, sizeof *user);

    if (!user)
        return NULL;
    if (!rights_init(&user->rights)) {
        rights_fini(&user->rights);
        free(user);
        return NULL;
    }
    user->name_len = (uint8_t)name.len;
    memcpy(user->name, name.at, name.len);
    list_push_back(&users->all, &user->node);
    users->count++;
    return user;
}

static void user_free(struct users *users, struct user *user)
{
    list_remove(&user->node);
    users->count--;
    rights_fini(&user->rights);
    free(user);
}

struct users *users_open(void)
{
    static const struct bytes rules[] = {{(const uint8_t *)"on", 2},
                                         {(const uint8_t *)"nopass", 6},
                                         {(const uint8_t *)"~*", 2},
                                         {(const uint8_t *)"&*", 2},
                                         {(const uint8_t *)"+@all", 5}};
    struct users *users = calloc(1, sizeof *users);

    if (!users)
        return NULL;
    list_init(&users->all);
    users->standard = user_new(users, BYTES("default"));
    for (size_t i = 0; users->standard && i < ARRAY_LEN(rules); i++)
        must(apply(&users->standard->rights, rules[i]) == NULL);
    if (users->standard)
        return users;
    free(users);
    return NULL;
}

void users_close(struct users *users)
{
    if (!users)
        return;
    list_each_safe (node, &users->all)
        user_free(users, container_of(node, struct user, node));
    free(users);
}

struct user *users_default(const struct users *users)
{
    return users->standard;
}

struct user *users_find(const struct users *users, struct bytes name)
{
    list_each (node, &users->all) {
        struct user *user = container_of(node, struct user, node);

        if (bytes_equal(user_name(user), name))
            return user;
    }
    return NULL;
}

struct user *users_authenticate(const struct users *users, struct bytes name, struct bytes password)
{
    struct user *user = users_find(users, name);
    uint8_t digest[SHA256_BYTES];

    sha256(password, digest);
    if (!user || !user->rights.on)
        return NULL;
    if (user->rights.nopass || find_password(&user->rights, digest) < user->rights.passwords)
        return user;
    return NULL;
}

struct user *users_next(const struct users *users, const struct user *before)
{
    struct list *next = before ? before->node.next : users->all.next;

    return next == &users->all ? NULL : container_of(next, struct user, node);
}

static bool is_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ')
            return false;
    return name.len > 0 && name.len <= USER_NAME_MAX;
}

static void explain(char *sentence, struct bytes rule, const char *why)
{
    char shown[65];

    /* A password is not told to whoever reads the log. */
    if (rule.len > 0 && strchr("><#!", rule.at[0]))
        rule = bytes_take(rule, 1);
    bytes_to_string(rule, shown, sizeof shown);
    snprintf(sentence, USERS_SENTENCE_MAX, "ERR Error in ACL SETUSER modifier '%s': %s", shown,
             why);
}

/* Any number of users below `most` may be there when it is a new one. */
static bool set(struct users *users, struct bytes name, const struct bytes *rules, uint32_t count,
                uint32_t most, char *sentence)
{
    struct user *user = users_find(users, name);
    struct rights rights = {0};
    const char *why = NULL;

    snprintf(sentence, USERS_SENTENCE_MAX, "ERR Usernames can't contain spaces or null characters");
    if (!is_name(name))
        return false;
    snprintf(sentence, USERS_SENTENCE_MAX, "ERR there are too many users");
    if (!user && users->count >= most)
        return false;
    snprintf(sentence, USERS_SENTENCE_MAX, "ERR no memory for a user");
    if (user ? !rights_copy(&rights, &user->rights) : !rights_init(&rights)) {
        rights_fini(&rights);
        return false;
    }
    for (uint32_t i = 0; i < count && !why; i++)
        if ((why = apply(&rights, rules[i])))
            explain(sentence, rules[i], why);
    if (!why && !user && !(user = user_new(users, name)))
        why = "no memory";
    if (why) {
        rights_fini(&rights);
        return false;
    }
    rights_fini(&user->rights);
    user->rights = rights;
    return true;
}

bool users_set(struct users *users, struct bytes name, const struct bytes *rules, uint32_t count,
               char *sentence)
{
    return set(users, name, rules, count, USERS_MAX, sentence);
}

bool users_set_text(struct users *users, struct bytes name, struct bytes rules, char *sentence)
{
    struct bytes words[RULES_MAX] = {BYTES("reset")};
    uint32_t count = 1;

    while (rules.len > 0 && count < RULES_MAX) {
        words[count] = bytes_take(rules, bytes_find(rules, ' '));
        rules = bytes_skip(rules, words[count].len);
        rules = bytes_skip(rules, rules.len > 0);
        count += words[count].len > 0;
    }
    snprintf(sentence, USERS_SENTENCE_MAX, "ERR there are too many rules");
    return rules.len == 0 &&
           set(users, name, words, count, USERS_MAX + USERS_OF_FILE_MAX, sentence);
}

bool users_delete(struct users *users, struct bytes name)
{
    struct user *user = users_find(users, name);

    if (!user || user == users->standard)
        return false;
    user_free(users, user);
    return true;
}

/* ---- what one may ---- */

struct bytes user_name(const struct user *user)
{
    return bytes_of(user->name, user->name_len);
}

bool user_is_of_file(const struct user *user)
{
    return user->of_file;
}

void user_mark(struct user *user, bool of_file)
{
    user->of_file = of_file;
}

bool user_is_on(const struct user *user)
{
    return user->rights.on;
}

bool user_needs_password(const struct user *user)
{
    return !user->rights.nopass;
}

bool user_may_all(const struct user *user)
{
    return user->rights.all_commands && user->rights.all_keys && user->rights.all_channels;
}

bool user_may_command(const struct user *user, const struct command *command)
{
    return user->rights.all_commands || allowed(&user->rights, index_of(command));
}

bool user_may_key(const struct user *user, struct bytes key, bool read, bool write)
{
    uint8_t wanted = (uint8_t)((read ? PATTERN_READ : 0) | (write ? PATTERN_WRITE : 0));

    if (user->rights.all_keys)
        return true;
    for (uint32_t i = 0; i < user->rights.patterns; i++) {
        const struct pattern *pattern = &user->rights.pattern[i];

        if ((pattern->kind & wanted) == wanted && glob_matches(pattern->text, key))
            return true;
    }
    return false;
}

bool user_may_channel(const struct user *user, struct bytes channel, bool literal)
{
    if (user->rights.all_channels)
        return true;
    for (uint32_t i = 0; i < user->rights.patterns; i++) {
        const struct pattern *pattern = &user->rights.pattern[i];

        if (pattern->kind == PATTERN_CHANNEL &&
            (literal ? bytes_equal(pattern->text, channel) : glob_matches(pattern->text, channel)))
            return true;
    }
    return false;
}

/* ---- telling ---- */

void user_write_commands(const struct user *user, struct buf *out)
{
    buf_add(out, buf_bytes(&user->rights.words));
}

void user_write_keys(const struct user *user, struct buf *out)
{
    bool first = true;

    if (user->rights.all_keys)
        buf_add_string(out, "~*");
    for (uint32_t i = 0; i < user->rights.patterns; i++) {
        const struct pattern *pattern = &user->rights.pattern[i];

        if (pattern->kind == PATTERN_CHANNEL)
            continue;
        buf_add_string(out, first ? "" : " ");
        buf_add_string(out, pattern->kind == PATTERN_READ    ? "%R~"
                            : pattern->kind == PATTERN_WRITE ? "%W~"
                                                             : "~");
        buf_add(out, pattern->text);
        first = false;
    }
}

void user_write_channels(const struct user *user, struct buf *out)
{
    bool first = true;

    if (user->rights.all_channels)
        buf_add_string(out, "&*");
    for (uint32_t i = 0; i < user->rights.patterns; i++) {
        const struct pattern *pattern = &user->rights.pattern[i];

        if (pattern->kind != PATTERN_CHANNEL)
            continue;
        buf_add_string(out, first ? "&" : " &");
        buf_add(out, pattern->text);
        first = false;
    }
}

static bool has_channels(const struct user *user)
{
    for (uint32_t i = 0; i < user->rights.patterns; i++)
        if (user->rights.pattern[i].kind == PATTERN_CHANNEL)
            return true;
    return user->rights.all_channels;
}

void user_write_rules(const struct user *user, struct buf *out)
{
    char text[SHA256_TEXT_MAX];

    buf_add_string(out, user->rights.on ? "on" : "off");
    if (user->rights.nopass)
        buf_add_string(out, " nopass");
    for (uint32_t i = 0; i < user->rights.passwords; i++) {
        user_print_password(user, i, text);
        buf_print(out, " #%s", text);
    }
    if (user->rights.all_keys || user->rights.patterns > 0) {
        size_t before = out->len;

        buf_add_byte(out, ' ');
        user_write_keys(user, out);
        if (!out->full && out->len == before + 1)
            out->len = before;
    }
    buf_add_string(out, user->rights.all_channels ? " " : " resetchannels ");
    if (has_channels(user)) {
        user_write_channels(user, out);
        buf_add_byte(out, ' ');
    }
    user_write_commands(user, out);
}

uint32_t user_password_count(const struct user *user)
{
    return user->rights.passwords;
}

void user_print_password(const struct user *user, uint32_t index, char text[SHA256_TEXT_MAX])
{
    must(index < user->rights.passwords);
    sha256_print(user->rights.password[index], text);
}
