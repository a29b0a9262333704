/*
 * Rules of a user, words apart by blanks, whatever they are: taken whole or not at all, and the rules that a user then has make the same user again. A line is one ACL SETUSER of the same user.
 */
#include "fuzz.h"

#include "store/users.h"

#include <string.h>

enum { LOOKED_AT_MAX = 8192, WORDS_MAX = 512, RULES_BYTES = 4 << 20 };

static uint32_t cut(struct bytes line, struct bytes words[WORDS_MAX])
{
    uint32_t count = 0;

    while (line.len > 0 && count < WORDS_MAX) {
        words[count] = bytes_take(line, bytes_find(line, ' '));
        line = bytes_skip(line, words[count].len);
        line = bytes_skip(line, line.len > 0);
        count++;
    }
    return count;
}

static void rules_of(const struct user *user, struct buf *out)
{
    buf_clear(out);
    if (user)
        user_write_rules(user, out);
    must(!out->full);
}

static void makes_the_same(const struct user *user, struct bytes rules)
{
    struct users *others = users_open();
    struct bytes words[WORDS_MAX];
    char sentence[USERS_SENTENCE_MAX] = "";
    struct buf again;
    uint32_t count = cut(rules, words);

    buf_init(&again, RULES_BYTES);
    if (count < WORDS_MAX) {
        must(users_set(others, BYTES("u"), words, count, sentence));
        rules_of(users_find(others, BYTES("u")), &again);
        must(bytes_equal(buf_bytes(&again), rules));
        must(user_is_on(user) == user_is_on(users_find(others, BYTES("u"))));
    }
    buf_fini(&again);
    users_close(others);
}

static void set(struct users *users, struct bytes line, struct buf *before, struct buf *after)
{
    struct bytes words[WORDS_MAX];
    char sentence[USERS_SENTENCE_MAX] = "";
    uint32_t count = cut(line, words);
    bool was = users_find(users, BYTES("u")) != NULL, taken;
    const struct user *user;

    rules_of(users_find(users, BYTES("u")), before);
    taken = users_set(users, BYTES("u"), words, count, sentence);
    user = users_find(users, BYTES("u"));
    rules_of(user, after);
    if (taken) {
        must(user);
        makes_the_same(user, buf_bytes(after));
        (void)user_may_key(user, BYTES("key"), true, false);
        (void)user_may_channel(user, BYTES("channel"), false);
    } else {
        must(sentence[0] && (user != NULL) == was);
        must(bytes_equal(buf_bytes(before), buf_bytes(after)));
    }
    must(strnlen(sentence, sizeof sentence) < sizeof sentence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_take(bytes_of(data, size), LOOKED_AT_MAX), line;
    struct users *users = users_open();
    struct buf before, after;

    buf_init(&before, RULES_BYTES);
    buf_init(&after, RULES_BYTES);
    while (input.len > 0) {
        line = bytes_take(input, bytes_find(input, '\n'));
        input = bytes_skip(input, line.len);
        input = bytes_skip(input, input.len > 0);
        set(users, line, &before, &after);
    }
    buf_fini(&before);
    buf_fini(&after);
    users_close(users);
    return 0;
}
