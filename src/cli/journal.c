/*
 * Keeps what was sent, acknowledged and found of every id, and judges.
 *
 * It never decides by order of arrival: an id is its place, and each is counted in exactly one way.
 */
#include "cli/journal.h"

#include "base/must.h"

#include <string.h>

enum { SENT = 1, ACKED = 2, RIGHT = 4, OTHER = 8 };

enum { PAUSE_MS_MAX = 8 };

uint64_t journal_planned(const struct load_options *options)
{
    return ((uint64_t)options->duration_ms * options->rate + 999) / 1000;
}

size_t ledger_size(const struct journal_head *head)
{
    return (size_t)head->planned + JOURNAL_BEYOND;
}

uint64_t ledger_end(const struct ledger *ledger)
{
    return ledger->attempted + JOURNAL_BEYOND;
}

static void check(const struct ledger *ledger)
{
    must(ledger->attempted <= ledger->head.planned);
    must(ledger->acknowledged <= ledger->attempted);
    must(ledger->again <= ledger->acknowledged);
    must(ledger->cut <= ledger->again);
    must(ledger->error_count <= JOURNAL_ERRORS_MAX);
}

void ledger_begin(struct ledger *ledger, const struct journal_head *head, uint8_t *states,
                  uint32_t *acked_after_ms, bool exact)
{
    must(head->planned <= JOURNAL_IDS_MAX);
    *ledger = (struct ledger){
        .head = *head,
        .exact = exact,
        .states = states,
        .acked_after_ms = acked_after_ms,
    };
}

void ledger_sent(struct ledger *ledger, uint64_t id)
{
    must(id < ledger->head.planned);
    ledger->states[id] |= SENT;
    ledger->attempts++;
    if (id >= ledger->attempted)
        ledger->attempted = id + 1;
    check(ledger);
}

void ledger_acked(struct ledger *ledger, uint64_t id, int64_t at_ms)
{
    int64_t after_ms = at_ms - ledger->head.began_ms;

    must(id < ledger->attempted);
    if (ledger->states[id] & ACKED) {
        ledger->duplicates++;
        return;
    }
    ledger->states[id] |= SENT | ACKED;
    ledger->acked_after_ms[id] = (uint32_t)(after_ms < 0            ? 0
                                            : after_ms > UINT32_MAX ? UINT32_MAX
                                                                    : after_ms);
    ledger->acknowledged++;
    check(ledger);
}

bool ledger_ended(struct ledger *ledger, uint64_t attempted)
{
    for (uint64_t id = attempted; id < ledger->attempted; id++)
        if (ledger->states[id] & ACKED)
            return false;
    ledger->attempted = attempted;
    ledger->ended = true;
    return true;
}

void ledger_refused(struct ledger *ledger, struct bytes word)
{
    char text[JOURNAL_WORD_MAX];

    bytes_to_string(word, text, sizeof text);
    for (uint32_t i = 0; i < ledger->error_count; i++) {
        if (strcmp(ledger->errors[i].word, text) == 0) {
            ledger->errors[i].count++;
            return;
        }
    }
    if (ledger->error_count < JOURNAL_ERRORS_MAX) {
        struct journal_error *error = &ledger->errors[ledger->error_count++];

        memcpy(error->word, text, sizeof text);
        error->count = 1;
    } else {
        ledger->errors[JOURNAL_ERRORS_MAX].count++;
    }
    check(ledger);
}

void ledger_began(struct ledger *ledger, struct instant now)
{
    ledger->last_good = now;
    ledger->silence_began = now;
}

void ledger_answered(struct ledger *ledger, struct instant now)
{
    int64_t silent_ns = ns_between(ledger->last_good, now);

    if (silent_ns > ledger->silence_ns) {
        ledger->silence_ns = silent_ns;
        ledger->silence_began = ledger->last_good;
    }
    if (silent_ns > 0)
        ledger->last_good = now;
}

void ledger_found(struct ledger *ledger, uint64_t id, enum journal_found found)
{
    must(id < ledger_size(&ledger->head));
    if (found == FOUND_RIGHT)
        ledger->states[id] |= RIGHT;
    else if (found == FOUND_OTHER)
        ledger->states[id] |= OTHER;
}

void ledger_forget(struct ledger *ledger, uint64_t from)
{
    for (uint64_t id = from; id < ledger_size(&ledger->head); id++)
        ledger->states[id] &= (uint8_t) ~(RIGHT | OTHER);
}

/* ---- judging ---- */

static int64_t acked_ms(const struct ledger *ledger, uint64_t id)
{
    return ledger->head.began_ms + ledger->acked_after_ms[id];
}

static bool is_lost(unsigned state)
{
    return (state & ACKED) && !(state & (RIGHT | OTHER));
}

static void judge_one(const struct ledger *ledger, uint64_t id, struct journal_verdict *verdict)
{
    unsigned state = ledger->states[id];
    bool there = state & (RIGHT | OTHER);
    bool asked_for = ledger->exact ? (state & SENT) != 0 : id < ledger->attempted;

    verdict->present += (state & RIGHT) != 0;
    verdict->others += (state & OTHER) != 0;
    verdict->phantoms += there && !asked_for;
    if (asked_for && !(state & ACKED)) {
        verdict->unknown_present += there;
        verdict->unknown_absent += !there;
    }
    if (is_lost(state)) {
        if (verdict->lost == 0)
            verdict->first_lost = id;
        verdict->last_lost = id;
        verdict->lost++;
    }
}

static void count_runs(const struct ledger *ledger, struct journal_verdict *verdict)
{
    bool lost = false;

    for (uint64_t id = verdict->first_lost; id <= verdict->last_lost; id++) {
        if (!(ledger->states[id] & ACKED))
            continue;
        verdict->runs += !lost && is_lost(ledger->states[id]);
        lost = is_lost(ledger->states[id]);
    }
}

static void measure_rpo(const struct ledger *ledger, struct journal_verdict *verdict)
{
    int64_t before_ms = ledger->head.began_ms;

    if (verdict->fault_ms < 0) {
        for (uint64_t id = verdict->first_lost; id <= verdict->last_lost; id++)
            if (is_lost(ledger->states[id]) && acked_ms(ledger, id) > verdict->fault_ms)
                verdict->fault_ms = acked_ms(ledger, id);
    }
    for (uint64_t id = verdict->first_lost; id > 0; id--) {
        if (ledger->states[id - 1] & ACKED) {
            before_ms = acked_ms(ledger, id - 1);
            break;
        }
    }
    verdict->rpo_ms = verdict->fault_ms > before_ms ? verdict->fault_ms - before_ms : 0;
}

struct journal_verdict ledger_judge(const struct ledger *ledger, int64_t fault_ms)
{
    struct journal_verdict verdict = {.fault_ms = fault_ms};

    for (uint64_t id = 0; id < ledger_size(&ledger->head); id++)
        judge_one(ledger, id, &verdict);
    if (verdict.lost > 0) {
        count_runs(ledger, &verdict);
        measure_rpo(ledger, &verdict);
    }
    must(verdict.lost <= ledger->acknowledged);
    must(verdict.runs <= verdict.lost);
    return verdict;
}

bool journal_is_well(const struct journal_verdict *verdict)
{
    return verdict->lost == 0 && verdict->phantoms == 0 && verdict->others == 0;
}

/* ---- the policy of asking again ---- */

bool journal_asks_again(struct bytes word)
{
    static const char *const words[] = {
        "READONLY",    /* a secondary, or a primary that is none any more */
        "LOADING",     /* it reads its data from disk */
        "NOREPLICAS",  /* too few secondaries follow */
        "MASTERDOWN",  /* a secondary without its primary */
        "CLUSTERDOWN", /* no majority */
        "TRYAGAIN",    "BUSY",
        "UNKNOWN", /* nines's own store: done or not; to set a key to the same again does no harm */
    };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (bytes_equal(word, bytes_of_string(words[i])))
            return true;
    return false;
}

int64_t journal_pause_ms(uint32_t failures, uint32_t hosts)
{
    uint32_t rounds;

    must(hosts > 0);
    rounds = failures / hosts;
    if (rounds == 0 || failures % hosts != 0)
        return 0;
    return rounds > 3 ? PAUSE_MS_MAX : 1 << (rounds - 1);
}
