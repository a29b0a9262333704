/*
 * What the journal says to a server and hears from it, in the Redis protocol. Whoever adds another protocol writes a file like this one.
 */
#include "cli/journal.h"

#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_TEXT_MAX = 24 };

static void write_number(struct buf *out, uint64_t number)
{
    char text[NUMBER_TEXT_MAX];
    struct buf written;

    buf_over(&written, text, sizeof text);
    buf_add_number(&written, number);
    resp_write_bulk(out, buf_bytes(&written));
}

static void write_key(struct buf *out, const struct journal_head *head, uint64_t id)
{
    char text[LOAD_PREFIX_MAX + NUMBER_TEXT_MAX + 1];
    struct buf written;

    buf_over(&written, text, sizeof text);
    buf_print(&written, "%s:%" PRIu64, head->prefix, id);
    must(!written.full);
    resp_write_bulk(out, buf_bytes(&written));
}

void journal_ask_to_set(struct buf *out, const struct journal_head *head, uint64_t id)
{
    resp_write_head(out, RESP_ARRAY, 3);
    resp_write_bulk(out, BYTES("SET"));
    write_key(out, head, id);
    write_number(out, id);
}

static enum journal_answer hear_error(const struct resp_item *item, struct bytes *word)
{
    if (item->kind != RESP_ERROR || !item->last)
        return ANSWER_WRONG;
    *word = bytes_take(item->text, bytes_find(item->text, ' '));
    return ANSWER_ERROR;
}

enum journal_answer journal_hear_set(const struct resp_item *item, struct bytes *word)
{
    if (item->kind == RESP_SIMPLE && bytes_equal(item->text, BYTES("OK")))
        return ANSWER_GOOD;
    return hear_error(item, word);
}

static uint64_t count_of(uint64_t from, uint64_t end)
{
    return end - from < JOURNAL_KEYS ? end - from : JOURNAL_KEYS;
}

uint64_t journal_ask_to_get(struct buf *out, const struct journal_head *head, uint64_t from,
                            uint64_t end, uint32_t questions)
{
    for (; questions > 0 && from < end; questions--) {
        uint64_t count = count_of(from, end);

        resp_write_head(out, RESP_ARRAY, count + 1);
        resp_write_bulk(out, BYTES("MGET"));
        for (uint64_t i = 0; i < count; i++)
            write_key(out, head, from + i);
        from += count;
    }
    return from;
}

static bool is_number(struct bytes text, uint64_t number)
{
    char written[NUMBER_TEXT_MAX];

    snprintf(written, sizeof written, "%" PRIu64, number);
    return bytes_equal(text, bytes_of_string(written));
}

enum journal_answer journal_hear_get(struct journal_reading *reading, const struct resp_item *item,
                                     struct ledger *ledger, struct bytes *word)
{
    if (reading->next == reading->end)
        return ANSWER_WRONG;
    if (reading->left == 0) {
        if (item->kind != RESP_ARRAY)
            return hear_error(item, word);
        if ((uint64_t)item->number != count_of(reading->next, reading->end))
            return ANSWER_WRONG;
        reading->left = (uint32_t)item->number;
        return ANSWER_GOOD;
    }
    if (item->kind != RESP_BULK && item->kind != RESP_NULL)
        return ANSWER_WRONG;
    ledger_found(ledger, reading->next,
                 item->kind == RESP_NULL                ? FOUND_NOTHING
                 : is_number(item->text, reading->next) ? FOUND_RIGHT
                                                        : FOUND_OTHER);
    reading->next++;
    reading->left--;
    return ANSWER_GOOD;
}
