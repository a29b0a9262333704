#include "store/execute.h"

#include "store/call.h"
#include "store/command.h"
#include "store/record_exec.h"
#include "store/space.h"

#include <stdlib.h>

enum { WORDS_FIRST = 16, WORDS_KEPT = 4096 };

void execution_fini(struct execution *execution)
{
    free(execution->words);
    execution->words = NULL;
    execution->words_cap = 0;
}

/* As heap.h has it: a member that cannot execute what the others can must not go on. */
static void make_room(struct execution *execution, uint32_t count)
{
    uint32_t cap = execution->words_cap ? execution->words_cap : WORDS_FIRST;
    struct bytes *words;

    if (count <= execution->words_cap)
        return;
    while (cap < count)
        cap *= 2;
    words = realloc(execution->words, cap * sizeof *words);
    if (!words)
        never("memory to execute a record with");
    execution->words = words;
    execution->words_cap = cap;
}

static void trim(struct execution *execution)
{
    if (execution->words_cap > WORDS_KEPT)
        execution_fini(execution);
}

static bool take_words(struct execution *execution, struct record *record, uint32_t count)
{
    make_room(execution, count);
    for (uint32_t i = 0; i < count; i++)
        if (!record_next_word(record, &execution->words[i]))
            return false;
    return true;
}

/* The command whose words were taken. */
static void run(struct execution *execution, struct call *call, uint32_t count)
{
    struct rng chance;

    call->words = execution->words;
    call->count = count;
    call->command = command_of_record(call->words, count);
    if (!call->command || !command_fits(call->command, count) ||
        command_is_container(call->command)) {
        if (call->out)
            command_refuse(call->out, call->command, call->words, count);
    } else if (call->command->flags & COMMAND_SESSION) {
        execution->own(execution->context, call);
    } else if (call->command->flags & COMMAND_WRITE) {
        command_run(call);
    } else {
        /* How much chance it takes is each member's own, and must not be what the next command finds. */
        chance = execution->chance;
        command_run(call);
        execution->chance = call->position ? chance : execution->chance;
    }
}

static void run_command(struct execution *execution, struct record *record, struct call *call)
{
    uint32_t count = record->count;

    if (count == 0 || !take_words(execution, record, count))
        reply_error(call, "ERR the record is malformed");
    else
        run(execution, call, count);
}

static bool is_unchanged(const struct execution *execution, struct record *record, uint32_t watched,
                         int64_t now_ms)
{
    struct bytes key;
    uint64_t version;
    bool same = true;

    for (uint32_t i = 0; i < watched; i++) {
        if (!record_exec_next_watch(record, &key, &version))
            return false;
        same &= space_version(execution->space, key, now_ms) == version;
    }
    return same;
}

static void run_transaction(struct execution *execution, struct record *record, struct call *call)
{
    uint32_t watched, commands, count;
    bool same;

    if (!record_exec_begin(record, &watched)) {
        reply_error(call, "ERR the record is malformed");
        return;
    }
    same = is_unchanged(execution, record, watched, call->now_ms);
    if (!same) {
        reply_null_array(call);
        return;
    }
    if (!record_exec_count(*record, &commands)) {
        reply_error(call, "ERR the record is malformed");
        return;
    }
    reply_array(call, commands);
    while ((count = record_exec_next_command(record)) > 0 && take_words(execution, record, count))
        run(execution, call, count);
}

void execute_record(struct execution *execution, uint64_t position, struct bytes bytes,
                    struct buf *out, bool version3)
{
    struct call call = {.space = execution->space,
                        .position = position,
                        .chance = &execution->chance,
                        .version3 = version3,
                        .out = out,
                        .notices = execution->notices};
    struct record record;

    if (position > 0)
        rng_seed(&execution->chance, position);
    if (!record_read(bytes, &record)) {
        reply_error(&call, "ERR the record is malformed");
        return;
    }
    if (position > 0 && record.time_ms > execution->time_ms)
        execution->time_ms = record.time_ms;
    call.now_ms = position > 0 ? execution->time_ms : record.time_ms;
    if (record.kind == RECORD_COMMAND)
        run_command(execution, &record, &call);
    else if (record.kind == RECORD_EXEC)
        run_transaction(execution, &record, &call);
    trim(execution);
}
