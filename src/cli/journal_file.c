/*
 * The journal's text.
 *
 *     nines-journal 1 PREFIX PLANNED BEGAN_MS
 *     ack ID AT_MS
 *     end ATTEMPTED AT_MS
 *
 * It is read as strictly as it is written: what does not belong is damage, and damage is never judged.
 */
#include "cli/journal.h"

#include "base/must.h"
#include "base/text.h"

#include <inttypes.h>

void journal_write_head(struct buf *out, const struct journal_head *head)
{
    buf_print(out, "nines-journal 1 %s %" PRIu64 " %" PRId64 "\n", head->prefix, head->planned,
              head->began_ms);
}

void journal_write_ack(struct buf *out, uint64_t id, int64_t at_ms)
{
    buf_print(out, "ack %" PRIu64 " %" PRId64 "\n", id, at_ms);
}

void journal_write_end(struct buf *out, uint64_t attempted, int64_t at_ms)
{
    buf_print(out, "end %" PRIu64 " %" PRId64 "\n", attempted, at_ms);
}

/* Takes a word and the blank after it off the line. */
static struct bytes take_word(struct bytes *line)
{
    size_t blank = bytes_find(*line, ' ');
    struct bytes word = bytes_take(*line, blank);

    *line = bytes_skip(*line, blank < line->len ? blank + 1 : blank);
    return word;
}

static bool take_number(struct bytes *line, int64_t maximum, int64_t *number)
{
    return text_parse_number(take_word(line), number) && *number >= 0 && *number <= maximum;
}

static bool is_prefix(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] <= ' ' || text.at[i] >= 127)
            return false;
    return text.len > 0 && text.len <= LOAD_PREFIX_MAX;
}

bool journal_read_head(struct bytes text, struct journal_head *head, size_t *used, struct err *err)
{
    size_t end = bytes_find(text, '\n');
    struct bytes line = bytes_take(text, end), prefix;
    int64_t planned, began_ms;

    if (end == text.len || !bytes_equal(take_word(&line), BYTES("nines-journal")) ||
        !bytes_equal(take_word(&line), BYTES("1")))
        return err_set(err, ERR_USAGE, "line 1: expected the head of a journal of `nines load`");
    prefix = take_word(&line);
    if (!is_prefix(prefix) || !take_number(&line, JOURNAL_IDS_MAX, &planned) ||
        !take_number(&line, INT64_MAX / 4, &began_ms) || line.len > 0)
        return err_set(err, ERR_USAGE, "line 1: the head of the journal is damaged");
    *head = (struct journal_head){.planned = (uint64_t)planned, .began_ms = began_ms};
    bytes_to_string(prefix, head->prefix, sizeof head->prefix);
    *used = end + 1;
    return true;
}

/* False: the line is damaged. */
static bool read_line(struct bytes line, struct ledger *ledger)
{
    struct bytes word = take_word(&line);
    int64_t number, at_ms;

    if (ledger->ended || !take_number(&line, (int64_t)ledger->head.planned, &number) ||
        !take_number(&line, INT64_MAX / 2, &at_ms) || line.len > 0)
        return false;
    if (bytes_equal(word, BYTES("end")))
        return ledger_ended(ledger, (uint64_t)number);
    if (!bytes_equal(word, BYTES("ack")) || (uint64_t)number >= ledger->head.planned)
        return false;
    ledger_acked(ledger, (uint64_t)number, at_ms);
    return true;
}

bool journal_read_acks(struct bytes text, struct ledger *ledger, struct err *err)
{
    /* Which were sent nobody wrote down: without an end, any that was planned. */
    ledger->attempted = ledger->head.planned;
    for (uint64_t number = 2; text.len > 0; number++) {
        size_t end = bytes_find(text, '\n');

        if (end == text.len) {
            ledger->torn = true;
            break;
        }
        if (!read_line(bytes_take(text, end), ledger))
            return err_set(err, ERR_USAGE, "line %" PRIu64 ": the journal is damaged", number);
        text = bytes_skip(text, end + 1);
    }
    return true;
}
