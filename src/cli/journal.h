/*
 * cli/journal: `nines load --journal`, a client that knows what it was promised, and the oracle of every failover.
 *
 * It sets keys with rising numbers on the schedule of a load. An acknowledgement counts once it is in the client's own journal, on disk; in the
 * end all keys are read back, and what was acknowledged and is not there is lost. A request that was not answered is made again,
 * at the next host, until its timeout, as clients with a retry policy do.
 *
 * journal.c keeps the ledger and judges, journal_file.c is the journal's text, journal_redis.c the words on the wire, journal_print.c
 * the result: all pure. drive_journal.c writes to the servers and the file, drive_journal_read.c reads back, drive_redis.c holds one connection.
 */
#pragma once

#include "cli/load.h"
#include "wire/resp.h"

enum {
    JOURNAL_IDS_MAX = 20000000,
    JOURNAL_BEYOND =
        1000, /* keys after the last that was sent are looked for, though nobody asked for them */
    JOURNAL_CONNECTIONS_MAX = 1024,
    JOURNAL_ERRORS_MAX = 32, /* words told apart; further ones are counted together */
    JOURNAL_WORD_MAX = 24,
    JOURNAL_LINE_MAX = 160,
};

/* ---- the ledger ---- */

struct journal_head {
    char prefix[LOAD_PREFIX_MAX + 1];
    uint64_t planned; /* ids from 0 to below this are asked for at most */
    int64_t began_ms; /* since 1970 */
};

struct journal_error {
    char word[JOURNAL_WORD_MAX];
    uint64_t count;
};

struct ledger {
    struct journal_head head;
    uint64_t attempted; /* ids from here on were never sent */
    bool exact;         /* below that, it is known of each whether it was sent */
    bool ended;         /* of a journal that was read: the client came to its end */
    bool torn;          /* likewise: it was killed while it wrote a line */
    uint64_t acknowledged;
    uint64_t duplicates; /* acknowledged twice, says the journal */
    uint64_t again;      /* acknowledged, and not at the first attempt */
    uint64_t cut;        /* of these: a connection ended while one was under way */
    uint64_t attempts;
    uint32_t error_count;
    struct journal_error errors[JOURNAL_ERRORS_MAX + 1]; /* the last: all other words */
    struct instant last_good, silence_began; /* the longest time without an acknowledgement */
    int64_t silence_ns;
    uint8_t *states;          /* of each id, and JOURNAL_BEYOND more */
    uint32_t *acked_after_ms; /* since began_ms */
};

uint64_t journal_planned(const struct load_options *options);
size_t ledger_size(
    const struct journal_head *head); /* items of both arrays, which the caller gives zeroed */
/* Ids that are read back are below this: a run that ended long before its plan sent none of the rest. */
uint64_t ledger_end(const struct ledger *ledger);
void ledger_begin(struct ledger *ledger, const struct journal_head *head, uint8_t *states,
                  uint32_t *acked_after_ms, bool exact);
void ledger_sent(struct ledger *ledger, uint64_t id);
void ledger_acked(struct ledger *ledger, uint64_t id, int64_t at_ms);
/* What a journal that was read says at its end; false: something that was acknowledged was never attempted. */
MUST_USE bool ledger_ended(struct ledger *ledger, uint64_t attempted);
/* The first word of an error answer. */
void ledger_refused(struct ledger *ledger, struct bytes word);
/* Good answers came at this time; ledger_began before the first, and once more at the end of the schedule. */
void ledger_began(struct ledger *ledger, struct instant now);
void ledger_answered(struct ledger *ledger, struct instant now);

enum journal_found { FOUND_NOTHING, FOUND_RIGHT, FOUND_OTHER };
void ledger_found(struct ledger *ledger, uint64_t id, enum journal_found found);
/* Forgets what was found from this id on: it is asked for again. */
void ledger_forget(struct ledger *ledger, uint64_t from);

struct journal_verdict {
    uint64_t present, lost, first_lost, last_lost; /* ids; without meaning when nothing is lost */
    uint64_t
        runs; /* stretches of lost ids without one between that is there: what one fault cuts off is one */
    uint64_t phantoms;                        /* there, and nobody asked for it */
    uint64_t others;                          /* acknowledged or not: there with another value */
    uint64_t unknown_present, unknown_absent; /* sent and not acknowledged: both are right */
    int64_t
        rpo_ms; /* from the last acknowledgement before the first that is lost, to the fault; 0: nothing is lost */
    int64_t
        fault_ms; /* as told, or the last acknowledgement that is lost, which is no later than the fault; -1: neither */
};

struct journal_verdict ledger_judge(const struct ledger *ledger, int64_t fault_ms);
bool journal_is_well(const struct journal_verdict *verdict);

/* ---- the policy of asking again ---- */

/* Whether an error with this word says that the answer may be another one later or elsewhere. */
bool journal_asks_again(struct bytes word);
/* How long to wait after so many failures in a row: every host is tried at once before the first pause. */
int64_t journal_pause_ms(uint32_t failures, uint32_t hosts);

/* ---- the journal's text: one head, a line for each acknowledgement, an end ---- */

void journal_write_head(struct buf *out, const struct journal_head *head);
void journal_write_ack(struct buf *out, uint64_t id, int64_t at_ms);
void journal_write_end(struct buf *out, uint64_t attempted, int64_t at_ms);
/* A head at the start of `text`, and *used. */
MUST_USE bool journal_read_head(struct bytes text, struct journal_head *head, size_t *used,
                                struct err *err);
/* What follows the head, all of it. A last line without its end was not yet promised to anybody. */
MUST_USE bool journal_read_acks(struct bytes text, struct ledger *ledger, struct err *err);

/* ---- the words on the wire ---- */

enum { JOURNAL_KEYS = 256 }; /* that are asked for at once */

enum journal_answer { ANSWER_GOOD, ANSWER_ERROR, ANSWER_WRONG };

void journal_ask_to_set(struct buf *out, const struct journal_head *head, uint64_t id);
/* On ANSWER_ERROR *word is its first. */
enum journal_answer journal_hear_set(const struct resp_item *item, struct bytes *word);

/* Keys from `next` to below `end`, JOURNAL_KEYS with each question. */
struct journal_reading {
    uint64_t next, end;
    uint32_t left; /* of the answer under way */
};

/* Asks for what comes from `from` on, with up to `questions`; returns the id that the next one begins with. */
uint64_t journal_ask_to_get(struct buf *out, const struct journal_head *head, uint64_t from,
                            uint64_t end, uint32_t questions);
enum journal_answer journal_hear_get(struct journal_reading *reading, const struct resp_item *item,
                                     struct ledger *ledger, struct bytes *word);

/* ---- the result ---- */

struct journal_result {
    const struct load_options *options;
    const struct load_plan *plan; /* NULL: only read back */
    const struct ledger *ledger;
    const struct journal_verdict *verdict; /* NULL: it could not be read back */
};

void journal_print_text(const struct journal_result *result, struct buf *out);
void journal_print_json(const struct journal_result *result, struct buf *out);
