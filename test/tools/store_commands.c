/*
 * Executes Redis commands from standard input on a space, and writes the replies to standard output: what the differential test compares with a redis-server.
 *
 * Every command that writes is executed on two more spaces, as other members of a group do it: one with another seed, and one that is now and then made anew from the first one's values as bytes. In
 * the end, and whenever `@compare` is asked for, all three have to hold the same, or the answer is an error. `HELLO 2` and `HELLO 3` choose the protocol; `@time MS` stops the clock there.
 */
#include "base/must.h"
#include "base/rng.h"
#include "store/command.h"
#include "store/record.h"
#include "store/space.h"
#include "store/value.h"
#include "wire/resp.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { SPACES = 3, WORDS_MAX = 1 << 16, RENEW_EVERY = 997 };

static struct space *spaces[SPACES];
static struct buf in, out, record;
static struct bytes words[WORDS_MAX];
static uint64_t position;
static int64_t stopped_ms;
static bool version3;

static int64_t now_ms(void)
{
    struct timespec now;

    if (stopped_ms)
        return stopped_ms;
    timespec_get(&now, TIME_UTC);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct space *new_space(uint64_t seed)
{
    return space_open(&(struct space_options){.seed = seed, .tracked = true});
}

/* ---- are they the same? ---- */

struct compare {
    struct space *other;
    uint64_t keys, differ;
};

/* The order of a map's fields is a space's own: a sum that does not depend on it. */
static uint64_t sum_of(struct bytes bytes)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < bytes.len; i++)
        sum += (uint64_t)bytes.at[i] * 0x9e3779b97f4a7c15;
    return sum;
}

static bool same_map(const struct map *a, const struct map *b)
{
    struct map_walk walk;
    struct bytes field, value, other;

    if (map_count(a) != map_count(b))
        return false;
    map_begin(&walk, a);
    while (map_next(&walk, &field, &value))
        if (!map_get(b, field, &other) || !bytes_equal(value, other))
            return false;
    return true;
}

static void compare_key(void *context, struct entry *entry)
{
    struct compare *compare = context;
    struct spot spot = space_spot(compare->other, entry_name(entry));
    struct buf a, b;
    bool same = spot.entry != NULL;

    buf_init(&a, SIZE_MAX);
    buf_init(&b, SIZE_MAX);
    if (same) {
        value_write(&a, entry);
        value_write(&b, spot.entry);
        if (entry->type == VALUE_HASH)
            same = a.len == b.len && sum_of(buf_bytes(&a)) == sum_of(buf_bytes(&b)) &&
                   same_map(entry_value(entry), entry_value(spot.entry));
        else
            same = bytes_equal(buf_bytes(&a), buf_bytes(&b));
    }
    compare->keys++;
    if (!same) {
        compare->differ++;
        fprintf(stderr, "differs: %.*s\n", (int)entry->name_len, entry_name(entry).at);
    }
    buf_fini(&a);
    buf_fini(&b);
}

static bool all_same(void)
{
    bool same = true;

    for (int i = 1; i < SPACES; i++) {
        struct compare compare = {.other = spaces[i]};
        uint64_t cursor = 0;

        do
            cursor = space_scan(spaces[0], cursor, compare_key, &compare);
        while (cursor);
        same = same && compare.differ == 0 && space_count(spaces[i]) == compare.keys;
    }
    return same;
}

static void copy_key(void *context, struct entry *entry)
{
    struct buf value;

    buf_init(&value, SIZE_MAX);
    value_write(&value, entry);
    must(value_read(context, entry_name(entry), buf_bytes(&value)));
    buf_fini(&value);
}

/* As a member that is copied. */
static void renew_last(void)
{
    uint64_t cursor = 0;

    space_close(spaces[SPACES - 1]);
    spaces[SPACES - 1] = new_space(position);
    do
        cursor = space_scan(spaces[0], cursor, copy_key, spaces[SPACES - 1]);
    while (cursor);
}

/* ---- executing ---- */

static void execute(struct space *space, const struct command *command, uint32_t count,
                    int64_t time_ms, struct buf *reply)
{
    struct rng chance;
    struct call call = {
        .space = space,
        .command = command,
        .words = words,
        .count = count,
        .now_ms = time_ms,
        .position = command->flags & COMMAND_WRITE ? position : 0,
        .chance = &chance,
        .version3 = version3,
        .out = reply,
    };

    rng_seed(&chance, position);
    command_run(&call);
}

static void execute_write(const struct command *command, uint32_t count)
{
    int64_t time_ms = now_ms();
    struct record read;

    position++;
    buf_clear(&record);
    if (!record_write(&record, RECORD_COMMAND, time_ms, words, count)) {
        buf_add_string(&out, "-ERR the command is too long\r\n");
        return;
    }
    must(record_read(buf_bytes(&record), &read) && read.count == count);
    for (uint32_t i = 0; i < count; i++)
        must(record_next_word(&read, &words[i]));
    for (int i = 0; i < SPACES; i++)
        execute(spaces[i], command, count, time_ms, i == 0 ? &out : NULL);
    if (position % RENEW_EVERY == 0)
        renew_last();
}

static bool is(uint32_t word, const char *text)
{
    return bytes_equal_nocase(words[word], bytes_of_string(text));
}

static bool run_own(uint32_t count)
{
    int64_t number;

    if (is(0, "hello") && count == 2) {
        version3 = is(1, "3");
        buf_add_string(&out, "+OK\r\n");
    } else if (is(0, "@compare")) {
        buf_add_string(&out, all_same() ? "+OK\r\n" : "-ERR the members differ\r\n");
    } else if (is(0, "@time") && count == 2 && text_to_number(words[1], &number)) {
        stopped_ms = number;
        buf_add_string(&out, "+OK\r\n");
    } else {
        return false;
    }
    return true;
}

static void run(uint32_t count)
{
    const struct command *command;

    if (count == 0 || run_own(count))
        return;
    command = words[0].len && words[0].at[0] == '@' ? command_of_record(words, count)
                                                    : command_named(words, count);
    if (!command || !command_fits(command, count))
        command_refuse(&out, command, words, count);
    else if (command->flags & COMMAND_SESSION)
        buf_add_string(&out, "-ERR it is the server's\r\n");
    else if (command->flags & COMMAND_WRITE)
        execute_write(command, count);
    else
        execute(spaces[0], command, count, now_ms(), &out);
    for (int i = 0; i < SPACES; i++)
        space_tidy(spaces[i]);
}

/* How many bytes of `in` whole commands have taken. */
static size_t run_all(void)
{
    size_t done = 0, at = 0, used;
    struct resp_parser parser;
    struct resp_item item;
    uint32_t count = 0;
    enum resp_verdict verdict;

    resp_begin_requests(&parser, &resp_limits);
    while ((verdict = resp_next(&parser, bytes_skip(buf_bytes(&in), at), &item, &used)) ==
           RESP_ITEM) {
        at += used;
        if (item.kind == RESP_BULK) {
            must(count < WORDS_MAX);
            words[count++] = item.text;
        }
        if (!item.last)
            continue;
        run(count);
        count = 0;
        done = at;
    }
    if (verdict == RESP_WRONG) {
        fprintf(stderr, "%s\n", parser.why);
        exit(2);
    }
    return done;
}

static bool write_all(void)
{
    bool good = fwrite(out.at, 1, out.len, stdout) == out.len && fflush(stdout) == 0;

    buf_clear(&out);
    return good;
}

int main(void)
{
    uint8_t part[1 << 16];
    ssize_t len;
    bool same;

    buf_init(&in, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    buf_init(&record, RECORD_BYTES_MAX);
    for (int i = 0; i < SPACES; i++)
        spaces[i] = new_space((uint64_t)i * 77 + 1);
    while ((len = read(STDIN_FILENO, part, sizeof part)) > 0) {
        buf_add(&in, bytes_of(part, (size_t)len));
        buf_drop(&in, run_all());
        if (!write_all())
            return 2;
    }
    same = all_same();
    for (int i = 0; i < SPACES; i++)
        space_close(spaces[i]);
    buf_fini(&in);
    buf_fini(&out);
    buf_fini(&record);
    return same && len == 0 ? 0 : 1;
}
