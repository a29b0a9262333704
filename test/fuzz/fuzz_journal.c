/*
 * A client's journal is read or refused, never both; cut anywhere it promises no more than before; and what it promised is
 * promised by what is written again.
 */
#include "fuzz.h"

#include "cli/journal.h"

enum { IDS = 64, TEXT_MAX = 8192 };

static uint8_t states[IDS + JOURNAL_BEYOND];
static uint32_t acked_after_ms[IDS + JOURNAL_BEYOND];

/* False: refused. */
static bool read(struct bytes text, struct ledger *ledger)
{
    struct journal_head head;
    struct err err = {0};
    size_t used;

    memset(states, 0, sizeof states);
    memset(acked_after_ms, 0, sizeof acked_after_ms);
    if (!journal_read_head(text, &head, &used, &err)) {
        must(err.text[0]);
        return false;
    }
    must(used <= text.len && head.prefix[0] && head.planned <= JOURNAL_IDS_MAX);
    if (head.planned > IDS)
        return false;
    ledger_begin(ledger, &head, states, acked_after_ms, false);
    return journal_read_acks(bytes_skip(text, used), ledger, &err);
}

/* Finds the ids one after the other: whichever is lost no more had been acknowledged. */
static void write_again(struct ledger *ledger, struct buf *out)
{
    uint64_t lost = ledger_judge(ledger, -1).lost;

    must(lost == ledger->acknowledged);
    journal_write_head(out, &ledger->head);
    for (uint64_t id = 0; id < ledger->attempted; id++) {
        ledger_found(ledger, id, FOUND_RIGHT);
        if (ledger_judge(ledger, -1).lost == lost)
            continue;
        lost--;
        journal_write_ack(out, id, ledger->head.began_ms + ledger->acked_after_ms[id]);
    }
    must(lost == 0 && ledger_judge(ledger, -1).phantoms == 0);
    if (ledger->ended)
        journal_write_end(out, ledger->attempted, ledger->head.began_ms);
    must(!out->full);
}

static void must_read_back(struct ledger *ledger)
{
    struct ledger back;
    char text[TEXT_MAX];
    struct buf out;

    buf_over(&out, text, sizeof text);
    write_again(ledger, &out);
    must(read(buf_bytes(&out), &back));
    must(back.acknowledged == ledger->acknowledged && back.attempted == ledger->attempted);
    must(back.ended == ledger->ended && !back.torn && back.duplicates == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes all = bytes_take(bytes_of(data, size), TEXT_MAX / 4);
    struct ledger whole, cut;

    if (!read(all, &whole))
        return 0;
    for (size_t len = 0; len < all.len; len += 1 + all.len / 16)
        if (read(bytes_take(all, len), &cut))
            must(cut.acknowledged <= whole.acknowledged);
    must(read(all, &whole));
    must_read_back(&whole);
    return 0;
}
