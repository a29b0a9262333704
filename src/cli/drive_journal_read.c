/*
 * Reads back what a journal's client wrote.
 */
#include "cli/drive_journal.h"
#include "cli/drive_redis.h"

#include "base/clock.h"
#include "base/own.h"

#include <fcntl.h>
#include <stdio.h>

enum { QUESTIONS = 8 };
#define FILE_BYTES_MAX (2ULL << 30)

struct reader {
    struct redis redis;
    struct ledger *ledger;
    struct journal_reading reading;
    uint64_t asked, best; /* the furthest that any connection came */
    struct timer timeout;
    bool timed_out;
    char why[JOURNAL_WORD_MAX]; /* the last connection ended */
};

static struct reader *reader_of(struct redis *redis)
{
    return container_of(redis, struct reader, redis);
}

static void ask(struct reader *reader)
{
    struct redis *redis = &reader->redis;

    buf_clear(&redis->out);
    reader->asked = journal_ask_to_get(&redis->out, &reader->ledger->head, reader->reading.next,
                                       reader->reading.end, QUESTIONS);
    redis_send(redis);
}

static void on_opened(struct redis *redis)
{
    struct reader *reader = reader_of(redis);

    ledger_forget(reader->ledger, 0);
    reader->reading.next = 0;
    reader->reading.left = 0;
    ask(reader);
}

static void arm_timeout(struct reader *reader)
{
    struct load_driver *driver = reader->redis.driver;

    timer_arm(driver->loop, &reader->timeout, after_ms(clock_now(), driver->options->timeout_ms));
}

static void went_on(struct reader *reader)
{
    struct journal_reading *reading = &reader->reading;

    if (reading->left > 0)
        return;
    redis_progress(&reader->redis, reading->next < reading->end);
    if (reading->next > reader->best) {
        reader->best = reading->next;
        arm_timeout(reader);
    }
    if (stream_queued(&reader->redis.stream) > 0)
        redis_break(&reader->redis, LOAD_MALFORMED);
    else if (reading->next == reader->asked && reading->next < reading->end)
        ask(reader);
}

static void on_heard(struct redis *redis, const struct resp_item *item)
{
    struct reader *reader = reader_of(redis);
    struct bytes word;

    switch (journal_hear_get(&reader->reading, item, reader->ledger, &word)) {
    case ANSWER_GOOD:
        went_on(reader);
        return;
    case ANSWER_ERROR:
        redis_break(redis, LOAD_ERROR_ANSWER);
        bytes_to_string(word, reader->why, sizeof reader->why);
        return;
    case ANSWER_WRONG:
        redis_break(redis, LOAD_MALFORMED);
        return;
    }
}

static void on_broke(struct redis *redis, enum load_outcome why)
{
    struct reader *reader = reader_of(redis);

    bytes_to_string(bytes_of_string(load_outcome_keys[why]), reader->why, sizeof reader->why);
}

static const struct redis_events events = {
    .opened = on_opened,
    .heard = on_heard,
    .broke = on_broke,
};

static void on_timeout(struct timer *timer)
{
    container_of(timer, struct reader, timeout)->timed_out = true;
}

static bool is_done(const struct reader *reader)
{
    return reader->reading.next == reader->reading.end && reader->reading.left == 0;
}

bool journal_read_back(struct load_driver *driver, struct ledger *ledger, struct err *err)
{
    const struct load_options *options = driver->options;
    uint32_t interrupts = driver->interrupts;
    bool elsewhere = options->host_count > options->write_count;
    struct reader reader = {
        .redis = {.events = &events,
                  .driver = driver,
                  .first = elsewhere ? options->write_count : 0,
                  .count =
                      elsewhere ? options->host_count - options->write_count : options->write_count,
                  .attempt_ms = options->attempt_ms},
        .ledger = ledger,
        .reading = {.end = ledger_end(ledger)},
    };

    timer_init(&reader.timeout, on_timeout);
    arm_timeout(&reader);
    redis_begin(&reader.redis);
    while (!is_done(&reader) && !reader.timed_out && driver->interrupts == interrupts)
        loop_turn(driver->loop, INT64_MAX);
    timer_cancel(driver->loop, &reader.timeout);
    redis_shut(&reader.redis);
    while (!redis_is_shut(&reader.redis))
        loop_turn(driver->loop, INT64_MAX);
    redis_fini(&reader.redis);
    if (is_done(&reader))
        return true;
    if (!reader.timed_out)
        return err_set(err, ERR_TIMEOUT, "interrupted while it was read back");
    return err_set(err, ERR_TIMEOUT, "read back from '%s': nothing new within %lld ms (%s)",
                   elsewhere ? options->read_from : options->url, (long long)options->timeout_ms,
                   reader.why[0] ? reader.why : load_outcome_keys[LOAD_TIMEOUT]);
}

/* ---- the ledger and the result ---- */

bool journal_allocate(struct ledger *ledger, const struct journal_head *head, bool exact,
                      struct err *err)
{
    uint8_t *states = calloc(ledger_size(head), sizeof *states);
    uint32_t *acked_after_ms = calloc(ledger_size(head), sizeof *acked_after_ms);

    ledger_begin(ledger, head, states, acked_after_ms, exact);
    return (states && acked_after_ms) || err_system(err, "keep the ledger");
}

void journal_release(struct ledger *ledger)
{
    free(ledger->states);
    free(ledger->acked_after_ms);
    *ledger = (struct ledger){0};
}

bool journal_report(const struct journal_result *result)
{
    struct buf out;
    bool written;

    buf_init(&out, LOAD_RESULT_MAX);
    if (result->options->json)
        journal_print_json(result, &out);
    else
        journal_print_text(result, &out);
    written = load_write_result(&out);
    buf_fini(&out);
    return written;
}

/* ---- `nines load verify` ---- */

struct verifier {
    struct load_driver driver;
    struct ledger ledger;
};

static bool verify_open(struct load_driver *driver, struct err *err)
{
    (void)driver;
    (void)err;
    return true;
}

static bool verify_conclude(struct load_driver *driver, struct err *err)
{
    return journal_read_back(driver, &container_of(driver, struct verifier, driver)->ledger, err);
}

static void verify_close(struct load_driver *driver)
{
    (void)driver;
}

static const struct load_protocol verify_protocol = {
    .open = verify_open,
    .conclude = verify_conclude,
    .close = verify_close,
};

static bool read_file(const char *path, struct buf *text, struct err *err)
{
    enum { PIECE = 1 << 20 };
    autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count = 1;

    if (fd < 0)
        return err_system(err, "open the journal '%s'", path);
    while (count > 0) {
        uint8_t *space = buf_space(text, PIECE);

        if (!space)
            return err_set(err, ERR_LIMIT, "the journal '%s' does not fit into memory", path);
        count = read(fd, space, PIECE);
        if (count < 0)
            return err_system(err, "read the journal '%s'", path);
        buf_grew(text, (size_t)count);
    }
    return true;
}

static bool read_journal(const char *path, struct ledger *ledger, struct err *err)
{
    struct journal_head head;
    struct buf text;
    size_t used;
    bool well;

    buf_init(&text, FILE_BYTES_MAX);
    well = read_file(path, &text, err);
    if (well)
        well = (journal_read_head(buf_bytes(&text), &head, &used, err) &&
                journal_allocate(ledger, &head, false, err) &&
                journal_read_acks(bytes_skip(buf_bytes(&text), used), ledger, err)) ||
               err_during(err, "'%s'", path);
    buf_fini(&text);
    return well;
}

int load_run_verify(const struct load_options *options)
{
    struct verifier verifier = {.driver = {.protocol = &verify_protocol, .options = options}};
    struct journal_result result = {.options = options, .ledger = &verifier.ledger};
    struct journal_verdict verdict;
    struct err err = {0};
    bool well = false;

    if (!read_journal(options->journal, &verifier.ledger, &err)) {
        fprintf(stderr, "nines load verify: %s\n", err.text);
        journal_release(&verifier.ledger);
        return 1;
    }
    if (load_driver_run(&verifier.driver, &err)) {
        verdict = ledger_judge(&verifier.ledger, options->fault_ms);
        result.verdict = &verdict;
        well = journal_is_well(&verdict);
    } else {
        fprintf(stderr, "nines load verify: %s\n", err.text);
    }
    well = journal_report(&result) && well;
    journal_release(&verifier.ledger);
    return well ? 0 : 1;
}
