/*
 * A record of the store's log, whatever its bytes are: what is read is written the same; executed, twice from the same state, it gives the same reply and the same keys.
 * The input is taken as it is, and as the words of a command, one a line.
 */
#include "fuzz.h"

#include "store/execute.h"
#include "store/record.h"
#include "store/space.h"

#include <stdlib.h>
#include <string.h>

enum { LOOKED_AT_MAX = 4096, WORDS_MAX = 64, OUT_MAX = 64 << 20, NOW_MS = 1000 };

struct state {
    struct execution execution;
    struct buf reply, keys;
};

static void on_own(void *context, struct call *call)
{
    (void)context;
    (void)call;
}

static void begin(struct state *state, uint64_t seed)
{
    *state = (struct state){.execution.own = on_own};
    state->execution.space = space_open(&(struct space_options){.seed = seed, .tracked = true});
    buf_init(&state->reply, OUT_MAX);
    buf_init(&state->keys, OUT_MAX);
}

static void end(struct state *state)
{
    space_close(state->execution.space);
    execution_fini(&state->execution);
    buf_fini(&state->reply);
    buf_fini(&state->keys);
}

static void execute(struct state *state, uint64_t position, struct bytes record)
{
    buf_clear(&state->reply);
    execute_record(&state->execution, position, record, &state->reply, true);
    must(!state->reply.full);
}

/* All of what was there before the record, and then the record. */
static void prepare(struct state *state)
{
    static const char *const commands[][4] = {
        {"set", "a", "10", NULL},     {"rpush", "b", "x", "y"}, {"sadd", "c", "1", "m"},
        {"zadd", "d", "1", "member"}, {"hset", "e", "f", "v"},
    };

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        struct bytes words[4];
        struct buf record;
        uint32_t count = 0;

        for (; count < 4 && commands[i][count]; count++)
            words[count] = bytes_of(commands[i][count], strlen(commands[i][count]));
        buf_init(&record, LOOKED_AT_MAX);
        must(record_write(&record, RECORD_COMMAND, NOW_MS, words, count));
        execute(state, i + 1, buf_bytes(&record));
        buf_fini(&record);
    }
}

/* What a scan gives is in the table's order, which is each one's own. */
static uint64_t sum_of_keys(struct state *state)
{
    struct bytes name, value;
    enum space_cut kind;
    uint64_t sum = 0;

    space_cut_fail(state->execution.space);
    space_cut_begin(state->execution.space, 100);
    while ((kind = space_cut_next(state->execution.space, &name, &value)) != SPACE_CUT_END)
        if (kind == SPACE_CUT_PUT)
            for (size_t i = 0; i < name.len; i++)
                sum += (name.at[i] + 1u) * (i + 1) * 7919 + value.len;
    return sum;
}

static void execute_on_two(struct bytes record)
{
    struct state one, two;

    begin(&one, 3);
    begin(&two, 4);
    prepare(&one);
    prepare(&two);
    for (uint64_t position = 10; position < 12; position++) {
        execute(&one, position, record);
        execute(&two, position, record);
        must(one.execution.time_ms == two.execution.time_ms);
    }
    must(space_count(one.execution.space) == space_count(two.execution.space));
    must(sum_of_keys(&one) == sum_of_keys(&two));
    end(&one);
    end(&two);
}

static void reads_back(struct bytes bytes)
{
    struct bytes words[WORDS_MAX];
    struct record record;
    struct buf out;
    uint32_t count = 0;

    if (!record_read(bytes, &record) || record.count > WORDS_MAX)
        return;
    for (; count < record.count; count++)
        must(record_next_word(&record, &words[count]));
    buf_init(&out, 2 * LOOKED_AT_MAX);
    must(record_write(&out, record.kind, record.time_ms, words, count));
    must(bytes_equal(buf_bytes(&out), bytes));
    buf_fini(&out);
}

static void as_words(struct bytes input)
{
    struct bytes words[WORDS_MAX];
    struct buf record;
    uint32_t count = 0;

    while (input.len > 0 && count < WORDS_MAX) {
        words[count] = bytes_take(input, bytes_find(input, '\n'));
        input = bytes_skip(input, words[count].len);
        input = bytes_skip(input, input.len > 0);
        count++;
    }
    buf_init(&record, 2 * LOOKED_AT_MAX);
    must(record_write(&record, RECORD_COMMAND, NOW_MS + 1, words, count));
    execute_on_two(buf_bytes(&record));
    buf_fini(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_take(bytes_of(data, size), LOOKED_AT_MAX);

    reads_back(input);
    execute_on_two(input);
    as_words(input);
    return 0;
}
