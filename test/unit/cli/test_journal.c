#include "cli/journal.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { PLANNED = 10, BEGAN_MS = 1000000 };

struct story {
    struct ledger ledger;
    uint8_t states[PLANNED + JOURNAL_BEYOND];
    uint32_t acked_after_ms[PLANNED + JOURNAL_BEYOND];
};

static const struct journal_head head = {.prefix = "k", .planned = PLANNED, .began_ms = BEGAN_MS};

static void begin(struct story *story, bool exact)
{
    *story = (struct story){0};
    assert_int_equal(ledger_size(&head), ARRAY_LEN(story->states));
    ledger_begin(&story->ledger, &head, story->states, story->acked_after_ms, exact);
}

/*
 * One letter for each id: `.` never sent, `?` sent, `a` acknowledged; upper case or `!`: and found; `x` acknowledged and found with
 * another value, `p` never sent and found. Acknowledged id i was so at i * 100 ms.
 */
static struct journal_verdict judge(struct story *story, const char *ids, int64_t fault_ms)
{
    begin(story, true);
    for (uint64_t id = 0; ids[id]; id++) {
        char letter = ids[id];

        if (letter != '.' && letter != 'p')
            ledger_sent(&story->ledger, id);
        if (letter == 'a' || letter == 'A' || letter == 'x')
            ledger_acked(&story->ledger, id, BEGAN_MS + (int64_t)id * 100);
        ledger_found(&story->ledger, id,
                     letter == 'x'                                     ? FOUND_OTHER
                     : letter == 'A' || letter == '!' || letter == 'p' ? FOUND_RIGHT
                                                                       : FOUND_NOTHING);
    }
    return ledger_judge(&story->ledger, fault_ms);
}

static void nothing_is_lost_where_all_that_was_promised_is_there(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "AAAAA", -1);

    (void)state;
    assert_true(journal_is_well(&verdict));
    assert_int_equal(verdict.present, 5);
    assert_int_equal(verdict.lost, 0);
    assert_int_equal(verdict.rpo_ms, 0);
    assert_int_equal(verdict.fault_ms, -1);
}

static void what_was_promised_and_is_gone_is_lost(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "AAAaaa", -1);

    (void)state;
    assert_false(journal_is_well(&verdict));
    assert_int_equal(verdict.lost, 3);
    assert_int_equal(verdict.first_lost, 3);
    assert_int_equal(verdict.last_lost, 5);
    assert_int_equal(verdict.runs, 1);
}

static void rpo_counts_from_the_last_promise_that_was_kept_to_the_fault(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "AAAa?a", BEGAN_MS + 900);

    (void)state;
    assert_int_equal(verdict.rpo_ms, 700);
    assert_int_equal(verdict.fault_ms, BEGAN_MS + 900);
    /* Not told when: the last acknowledgement that is lost was before it. */
    verdict = judge(&story, "AAAa?a", -1);
    assert_int_equal(verdict.fault_ms, BEGAN_MS + 500);
    assert_int_equal(verdict.rpo_ms, 300);
    /* What lies between and was not acknowledged says nothing. */
    verdict = judge(&story, "AA?!a", -1);
    assert_int_equal(verdict.rpo_ms, 300);
    /* Everything is gone: from the beginning. */
    verdict = judge(&story, "aaa", BEGAN_MS + 250);
    assert_int_equal(verdict.rpo_ms, 250);
}

static void what_was_not_acknowledged_may_be_there_or_not(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "A?!A?", -1);

    (void)state;
    assert_true(journal_is_well(&verdict));
    assert_int_equal(verdict.unknown_present, 1);
    assert_int_equal(verdict.unknown_absent, 2);
}

static void what_nobody_asked_for_is_a_phantom(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "AA.p", -1);

    (void)state;
    assert_false(journal_is_well(&verdict));
    assert_int_equal(verdict.phantoms, 1);
    ledger_found(&story.ledger, PLANNED + JOURNAL_BEYOND - 1, FOUND_OTHER);
    verdict = ledger_judge(&story.ledger, -1);
    assert_int_equal(verdict.phantoms, 2);
}

static void another_value_is_neither_lost_nor_well(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "AxA", -1);

    (void)state;
    assert_false(journal_is_well(&verdict));
    assert_int_equal(verdict.others, 1);
    assert_int_equal(verdict.lost, 0);
    assert_int_equal(verdict.present, 2);
}

static void lost_stretches_are_told_apart(void **state)
{
    struct story story;

    (void)state;
    assert_int_equal(judge(&story, "AaaAaAa", -1).runs, 3);
    assert_int_equal(judge(&story, "Aa?a!aA", -1).runs, 1);
    assert_int_equal(judge(&story, "AAAA", -1).runs, 0);
}

static void what_is_asked_for_anew_is_forgotten_first(void **state)
{
    struct story story;
    struct journal_verdict verdict = judge(&story, "AAA", -1);

    (void)state;
    assert_int_equal(verdict.lost, 0);
    ledger_forget(&story.ledger, 1);
    verdict = ledger_judge(&story.ledger, -1);
    assert_int_equal(verdict.lost, 2);
    assert_int_equal(verdict.first_lost, 1);
}

static void the_longest_silence_is_between_two_answers(void **state)
{
    static const int64_t answers_ms[] = {110, 120, 500, 490, 510};
    struct story story;

    (void)state;
    begin(&story, true);
    ledger_began(&story.ledger, (struct instant){100 * NS_PER_MS});
    for (size_t i = 0; i < ARRAY_LEN(answers_ms); i++)
        ledger_answered(&story.ledger, (struct instant){answers_ms[i] * NS_PER_MS});
    assert_int_equal(story.ledger.silence_ns, 380 * NS_PER_MS);
    assert_int_equal(story.ledger.silence_began.ns, 120 * NS_PER_MS);
}

static void errors_are_counted_by_word_and_further_ones_together(void **state)
{
    struct story story;
    char word[8];

    (void)state;
    begin(&story, true);
    ledger_refused(&story.ledger, BYTES("READONLY"));
    ledger_refused(&story.ledger, BYTES("READONLY"));
    for (int i = 1; i < JOURNAL_ERRORS_MAX + 5; i++) {
        snprintf(word, sizeof word, "E%d", i);
        ledger_refused(&story.ledger, bytes_of_string(word));
    }
    assert_string_equal(story.ledger.errors[0].word, "READONLY");
    assert_int_equal(story.ledger.errors[0].count, 2);
    assert_int_equal(story.ledger.error_count, JOURNAL_ERRORS_MAX);
    assert_int_equal(story.ledger.errors[JOURNAL_ERRORS_MAX].count, 5);
}

static void only_what_may_change_is_asked_again(void **state)
{
    (void)state;
    assert_true(journal_asks_again(BYTES("READONLY")));
    assert_true(journal_asks_again(BYTES("LOADING")));
    assert_true(journal_asks_again(BYTES("NOREPLICAS")));
    assert_false(journal_asks_again(BYTES("ERR")));
    assert_false(journal_asks_again(BYTES("NOAUTH")));
    assert_false(journal_asks_again(BYTES("")));
}

static void every_host_is_tried_before_a_pause_and_pauses_are_bounded(void **state)
{
    static const int64_t alone[] = {1, 2, 4, 8, 8, 8}, three[] = {0, 0, 1, 0, 0, 2};

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(alone); i++) {
        assert_int_equal(journal_pause_ms(i + 1, 1), alone[i]);
        assert_int_equal(journal_pause_ms(i + 1, 3), three[i]);
    }
    assert_int_equal(journal_pause_ms(UINT32_MAX, 1), 8);
}

/* ---- the text ---- */

static bool read(struct story *story, const char *text, struct err *err)
{
    struct bytes bytes = bytes_of_string(text);
    struct journal_head found;
    size_t used;

    *story = (struct story){0};
    if (!journal_read_head(bytes, &found, &used, err))
        return false;
    assert_int_equal(found.planned, PLANNED);
    ledger_begin(&story->ledger, &found, story->states, story->acked_after_ms, false);
    return journal_read_acks(bytes_skip(bytes, used), &story->ledger, err);
}

static void what_is_written_reads_back(void **state)
{
    struct story story;
    struct err err = {0};
    struct buf out;
    char text[256];

    (void)state;
    buf_over(&out, text, sizeof text);
    journal_write_head(&out, &head);
    journal_write_ack(&out, 1, BEGAN_MS + 5);
    journal_write_ack(&out, 0, BEGAN_MS + 7);
    journal_write_end(&out, 4, BEGAN_MS + 100);
    buf_add_byte(&out, 0);
    assert_string_equal(text, "nines-journal 1 k 10 1000000\nack 1 1000005\nack 0 1000007\n"
                              "end 4 1000100\n");
    assert_true(read(&story, text, &err));
    assert_string_equal(story.ledger.head.prefix, "k");
    assert_int_equal(story.ledger.head.began_ms, BEGAN_MS);
    assert_int_equal(story.ledger.acknowledged, 2);
    assert_int_equal(story.ledger.attempted, 4);
    assert_int_equal(story.ledger.acked_after_ms[0], 7);
    assert_true(story.ledger.ended);
    assert_false(story.ledger.torn);
    assert_int_equal(ledger_judge(&story.ledger, -1).unknown_absent, 2);
    assert_int_equal(ledger_end(&story.ledger), 4 + JOURNAL_BEYOND);
}

static void a_killed_clients_journal_promises_what_is_whole_in_it(void **state)
{
    struct story story;
    struct err err = {0};

    (void)state;
    assert_true(read(&story, "nines-journal 1 k 10 1000000\nack 0 1000005\nack 1 10000", &err));
    assert_int_equal(story.ledger.acknowledged, 1);
    assert_true(story.ledger.torn);
    assert_false(story.ledger.ended);
    /* It may have sent any that it had planned. */
    ledger_found(&story.ledger, 9, FOUND_RIGHT);
    ledger_found(&story.ledger, 10, FOUND_RIGHT);
    assert_int_equal(ledger_judge(&story.ledger, -1).unknown_present, 1);
    assert_int_equal(ledger_judge(&story.ledger, -1).phantoms, 1);
    assert_int_equal(ledger_end(&story.ledger), 10 + JOURNAL_BEYOND);
}

static void one_id_acknowledged_twice_is_a_duplicate(void **state)
{
    struct story story;
    struct err err = {0};

    (void)state;
    assert_true(read(&story, "nines-journal 1 k 10 1\nack 3 5\nack 3 6\n", &err));
    assert_int_equal(story.ledger.acknowledged, 1);
    assert_int_equal(story.ledger.duplicates, 1);
}

static void a_damaged_journal_is_not_judged(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "line 1: expected the head"},
        {"nines-journal 1 k 10 1", "line 1: expected the head"},
        {"nines-journal 2 k 10 1\n", "line 1: expected the head"},
        {"nines-journal 1 k 10\n", "line 1: the head of the journal is damaged"},
        {"nines-journal 1 k -1 1\n", "line 1: the head"},
        {"nines-journal 1 k 99999999 1\n", "line 1: the head"},
        {"nines-journal 1 k 10 1 2\n", "line 1: the head"},
        {"nines-journal 1 k 10 1\nack 10 5\n", "line 2: the journal is damaged"},
        {"nines-journal 1 k 10 1\nack 1\n", "line 2"},
        {"nines-journal 1 k 10 1\nack 1 2 3\n", "line 2"},
        {"nines-journal 1 k 10 1\nack 1 2\n\nack 2 2\n", "line 3"},
        {"nines-journal 1 k 10 1\nack 5 2\nend 5 9\n", "line 3"},
        {"nines-journal 1 k 10 1\nend 5 9\nack 1 2\n", "line 3"},
        {"nines-journal 1 k 10 1\nend 11 9\n", "line 2"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct story story;
        struct err err = {0};

        assert_false(read(&story, rows[i].text, &err));
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: '%s'", rows[i].text, err.text);
    }
}

/* ---- the words on the wire ---- */

static void requests_are_written_as_redis_takes_them(void **state)
{
    struct buf out;
    char text[512];

    (void)state;
    buf_over(&out, text, sizeof text);
    journal_ask_to_set(&out, &head, 7);
    assert_int_equal(journal_ask_to_get(&out, &head, 8, 10, 3), 10);
    buf_add_byte(&out, 0);
    assert_string_equal(text, "*3\r\n$3\r\nSET\r\n$3\r\nk:7\r\n$1\r\n7\r\n"
                              "*3\r\n$4\r\nMGET\r\n$3\r\nk:8\r\n$3\r\nk:9\r\n");
}

static void keys_are_asked_for_in_pieces(void **state)
{
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    assert_int_equal(journal_ask_to_get(&out, &head, 0, 1000, 2), 2 * JOURNAL_KEYS);
    assert_int_equal(journal_ask_to_get(&out, &head, 900, 1000, 2), 1000);
    assert_false(out.full);
    buf_fini(&out);
}

/* A letter for each answer: good, error, wrong. */
static void hear(struct journal_reading *reading, struct ledger *ledger, const char *answers,
                 char *heard)
{
    struct bytes bytes = bytes_of_string(answers), word;
    struct resp_parser parser;
    struct resp_item item;
    size_t used;

    resp_begin_replies(&parser, &resp_limits);
    while (resp_next(&parser, bytes, &item, &used) == RESP_ITEM) {
        *heard++ = "gew"[reading ? journal_hear_get(reading, &item, ledger, &word)
                                 : journal_hear_set(&item, &word)];
        bytes = bytes_skip(bytes, used);
    }
    assert_int_equal(bytes.len, 0);
    *heard = 0;
}

static void only_ok_acknowledges(void **state)
{
    char heard[16];

    (void)state;
    hear(NULL, NULL, "+OK\r\n-READONLY no\r\n+QUEUED\r\n:1\r\n$2\r\nOK\r\n_\r\n", heard);
    assert_string_equal(heard, "gewwww");
}

static void values_are_compared_with_their_ids(void **state)
{
    struct journal_reading reading = {.next = 0, .end = 4};
    struct story story;
    char heard[16];

    (void)state;
    begin(&story, true);
    for (uint64_t id = 0; id < 4; id++) {
        ledger_sent(&story.ledger, id);
        ledger_acked(&story.ledger, id, BEGAN_MS);
    }
    hear(&reading, &story.ledger, "*4\r\n$1\r\n0\r\n$-1\r\n$1\r\n9\r\n_\r\n", heard);
    assert_string_equal(heard, "ggggg");
    assert_int_equal(reading.next, 4);
    assert_int_equal(ledger_judge(&story.ledger, -1).present, 1);
    assert_int_equal(ledger_judge(&story.ledger, -1).others, 1);
    assert_int_equal(ledger_judge(&story.ledger, -1).lost, 2);
    /* One answer too many. */
    hear(&reading, &story.ledger, "*0\r\n", heard);
    assert_string_equal(heard, "w");
}

static void an_answer_of_another_shape_is_wrong(void **state)
{
    static const struct {
        const char *answer, *heard;
    } rows[] = {
        {"*3\r\n", "w"},        {"+OK\r\n", "w"},           {":4\r\n", "w"},
        {"*4\r\n:1\r\n", "gw"}, {"-LOADING wait\r\n", "e"}, {"*4\r\n-ERR no\r\n", "gw"},
    };
    struct story story;
    char heard[16];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct journal_reading reading = {.next = 0, .end = 4};

        begin(&story, true);
        hear(&reading, &story.ledger, rows[i].answer, heard);
        assert_string_equal(heard, rows[i].heard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_where_all_that_was_promised_is_there),
        cmocka_unit_test(what_was_promised_and_is_gone_is_lost),
        cmocka_unit_test(rpo_counts_from_the_last_promise_that_was_kept_to_the_fault),
        cmocka_unit_test(what_was_not_acknowledged_may_be_there_or_not),
        cmocka_unit_test(what_nobody_asked_for_is_a_phantom),
        cmocka_unit_test(another_value_is_neither_lost_nor_well),
        cmocka_unit_test(lost_stretches_are_told_apart),
        cmocka_unit_test(what_is_asked_for_anew_is_forgotten_first),
        cmocka_unit_test(the_longest_silence_is_between_two_answers),
        cmocka_unit_test(errors_are_counted_by_word_and_further_ones_together),
        cmocka_unit_test(only_what_may_change_is_asked_again),
        cmocka_unit_test(every_host_is_tried_before_a_pause_and_pauses_are_bounded),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_killed_clients_journal_promises_what_is_whole_in_it),
        cmocka_unit_test(one_id_acknowledged_twice_is_a_duplicate),
        cmocka_unit_test(a_damaged_journal_is_not_judged),
        cmocka_unit_test(requests_are_written_as_redis_takes_them),
        cmocka_unit_test(keys_are_asked_for_in_pieces),
        cmocka_unit_test(only_ok_acknowledges),
        cmocka_unit_test(values_are_compared_with_their_ids),
        cmocka_unit_test(an_answer_of_another_shape_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
