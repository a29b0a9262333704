#include "store/record_exec.h"

#include "base/pack.h"

enum { WORD_HEADER_BYTES = 4, COUNT_BYTES = 4, VERSION_BYTES = 8 };

void record_exec_init(struct record_exec *exec)
{
    *exec = (struct record_exec){0};
    buf_init(&exec->watches, RECORD_BYTES_MAX);
    buf_init(&exec->commands, RECORD_BYTES_MAX);
}

void record_exec_fini(struct record_exec *exec)
{
    buf_fini(&exec->watches);
    buf_fini(&exec->commands);
}

/* Whether so much more still makes a record. */
static bool has_room(const struct record_exec *exec, size_t bytes, uint32_t words)
{
    size_t total = RECORD_HEADER_BYTES + WORD_HEADER_BYTES + COUNT_BYTES + exec->watches.len +
                   exec->commands.len;

    return bytes <= RECORD_BYTES_MAX - total &&
           words <= RECORD_WORDS_MAX - 1 - 2 * exec->watched - exec->words;
}

static void add_word(struct buf *out, struct bytes word)
{
    pack_u32(out, (uint32_t)word.len);
    buf_add(out, word);
}

bool record_exec_watch(struct record_exec *exec, struct bytes key, uint64_t version)
{
    size_t bytes = 2 * WORD_HEADER_BYTES + key.len + VERSION_BYTES;

    if (key.len > RECORD_BYTES_MAX || !has_room(exec, bytes, 2))
        return false;
    add_word(&exec->watches, key);
    pack_u32(&exec->watches, VERSION_BYTES);
    pack_u64(&exec->watches, version);
    exec->watched++;
    return !exec->watches.full;
}

bool record_exec_queue(struct record_exec *exec, const struct bytes *words, uint32_t count)
{
    size_t bytes = WORD_HEADER_BYTES + COUNT_BYTES;

    for (uint32_t i = 0; i < count; i++) {
        if (words[i].len > RECORD_BYTES_MAX || bytes > RECORD_BYTES_MAX)
            return false;
        bytes += WORD_HEADER_BYTES + words[i].len;
    }
    if (!has_room(exec, bytes, count + 1))
        return false;
    pack_u32(&exec->commands, COUNT_BYTES);
    pack_u32(&exec->commands, count);
    for (uint32_t i = 0; i < count; i++)
        add_word(&exec->commands, words[i]);
    exec->queued++;
    exec->words += count + 1;
    return !exec->commands.full;
}

bool record_exec_write(const struct record_exec *exec, int64_t time_ms, struct buf *out)
{
    pack_u8(out, RECORD_EXEC);
    pack_u8(out, 0);
    pack_u32(out, 1 + 2 * exec->watched + exec->words);
    pack_u16(out, 0);
    pack_u64(out, (uint64_t)time_ms);
    pack_u32(out, COUNT_BYTES);
    pack_u32(out, exec->watched);
    buf_add(out, buf_bytes(&exec->watches));
    buf_add(out, buf_bytes(&exec->commands));
    return !out->full;
}

/* ---- reading ---- */

static bool next_count(struct record *record, uint32_t *count)
{
    struct bytes word;
    struct unpack in;

    if (!record_next_word(record, &word) || word.len != COUNT_BYTES)
        return false;
    in = unpack_of(word);
    *count = unpack_u32(&in);
    return true;
}

bool record_exec_begin(struct record *record, uint32_t *watched)
{
    return record->kind == RECORD_EXEC && next_count(record, watched);
}

bool record_exec_next_watch(struct record *record, struct bytes *key, uint64_t *version)
{
    struct bytes word;
    struct unpack in;

    if (!record_next_word(record, key) || !record_next_word(record, &word) ||
        word.len != VERSION_BYTES)
        return false;
    in = unpack_of(word);
    *version = unpack_u64(&in);
    return true;
}

uint32_t record_exec_next_command(struct record *record)
{
    uint32_t count;

    return next_count(record, &count) && count <= RECORD_WORDS_MAX ? count : 0;
}

bool record_exec_count(struct record record, uint32_t *commands)
{
    struct bytes word;

    for (*commands = 0; record.words.len > 0; ++*commands) {
        uint32_t words = record_exec_next_command(&record);

        if (words == 0)
            return false;
        for (uint32_t i = 0; i < words; i++)
            if (!record_next_word(&record, &word))
                return false;
    }
    return true;
}
