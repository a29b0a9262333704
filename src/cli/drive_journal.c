/*
 * Writes rising numbers to a server, and what it acknowledged to a file.
 *
 * A request is one client's from the moment that it is taken to its end, through as many connections as it needs. An acknowledgement is
 * told to the ledger and the plan when the file has it: a thread writes and syncs all that came meanwhile at once. While it cannot keep
 * up nothing more is taken.
 */
#include "cli/drive_journal.h"
#include "cli/drive_redis.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { ACKS_MAX = 8192 };

struct ack {
    uint64_t id;
    struct instant intended, answered;
    int64_t at_ms;
    bool again, cut;
};

struct acks {
    uint32_t count;
    struct ack acks[ACKS_MAX];
};

struct client {
    struct redis redis;
    struct run *run;
    struct list node;     /* in run.idle */
    bool busy, under_way; /* under way: the request is on its connection */
    bool cut;
    uint32_t attempts;
    enum load_outcome last; /* why the attempt before was none */
    uint64_t id;
    struct instant intended;
    struct timer deadline;
};

struct run {
    struct load_driver driver;
    struct load_plan plan;
    struct ledger ledger;
    struct client *clients;
    struct list idle;
    uint32_t busy;
    /* the file */
    int fd;
    struct jobs *jobs;
    struct job job;
    struct acks *waiting, *writing; /* writing: the thread's while the job is under way */
    bool at_work;
    struct buf text;
    int error; /* of the thread, an errno */
};

static struct run *run_of(struct load_driver *driver)
{
    return container_of(driver, struct run, driver);
}

static struct client *client_of(struct redis *redis)
{
    return container_of(redis, struct client, redis);
}

/* ---- the file ---- */

static int write_synced(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t count = write(fd, bytes.at, bytes.len);

        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0)
            bytes = bytes_skip(bytes, (size_t)count);
    }
    return fdatasync(fd) == 0 ? 0 : errno;
}

/* On the thread. */
static void write_acks(struct job *job)
{
    struct run *run = container_of(job, struct run, job);

    buf_clear(&run->text);
    for (uint32_t i = 0; i < run->writing->count; i++)
        journal_write_ack(&run->text, run->writing->acks[i].id, run->writing->acks[i].at_ms);
    run->error = run->text.full ? ENOMEM : write_synced(run->fd, buf_bytes(&run->text));
}

static void write_what_waits(struct run *run)
{
    struct acks *acks = run->waiting;

    if (run->at_work || acks->count == 0)
        return;
    run->waiting = run->writing;
    run->writing = acks;
    run->at_work = true;
    jobs_add(run->jobs, &run->job);
}

static void acknowledge(struct run *run, const struct ack *ack)
{
    ledger_acked(&run->ledger, ack->id, ack->at_ms);
    run->ledger.again += ack->again;
    run->ledger.cut += ack->cut;
    ledger_answered(&run->ledger, ack->answered);
    load_finish(&run->plan, ack->intended, ack->answered, LOAD_OK, LOAD_ANSWERED);
}

static void on_written(struct job *job)
{
    struct run *run = container_of(job, struct run, job);

    run->at_work = false;
    if (run->error) {
        errno = run->error;
        run->driver.failed =
            !err_system(&run->driver.err, "write the journal '%s'", run->driver.options->journal);
        return;
    }
    for (uint32_t i = 0; i < run->writing->count; i++)
        acknowledge(run, &run->writing->acks[i]);
    run->writing->count = 0;
    write_what_waits(run);
}

/* ---- one request ---- */

static void set_free(struct client *client)
{
    struct run *run = client->run;

    timer_cancel(run->driver.loop, &client->deadline);
    client->busy = false;
    client->under_way = false;
    run->busy--;
    if (client->redis.phase == REDIS_OPEN)
        list_push_front(&run->idle, &client->node);
    else
        list_push_back(&run->idle, &client->node);
}

static void attempt(struct client *client)
{
    struct buf *out = &client->redis.out;

    client->under_way = true;
    client->attempts++;
    ledger_sent(&client->run->ledger, client->id);
    buf_clear(out);
    journal_ask_to_set(out, &client->run->ledger.head, client->id);
    redis_send(&client->redis);
}

static void fail(struct client *client, enum load_outcome outcome)
{
    load_finish(&client->run->plan, client->intended, clock_now(), outcome,
                outcome == LOAD_ERROR_ANSWER ? LOAD_ANSWERED : 0);
    set_free(client);
}

static void acked(struct client *client)
{
    struct run *run = client->run;
    struct acks *waiting = run->waiting;

    must(waiting->count < ACKS_MAX);
    waiting->acks[waiting->count++] = (struct ack){
        .id = client->id,
        .intended = client->intended,
        .answered = clock_now(),
        .at_ms = clock_wall_ms(),
        .again = client->attempts > 1,
        .cut = client->cut,
    };
    redis_progress(&client->redis, false);
    set_free(client);
    write_what_waits(run);
}

static void refused(struct client *client, struct bytes word)
{
    bool again = journal_asks_again(word);

    ledger_refused(&client->run->ledger, word);
    client->under_way = false;
    client->last = LOAD_ERROR_ANSWER;
    if (again) {
        redis_break(&client->redis, LOAD_ERROR_ANSWER);
    } else {
        redis_progress(&client->redis, false);
        fail(client, LOAD_ERROR_ANSWER);
    }
}

/* Its time is over. What is under way may still be done, and nobody will know. */
static void on_deadline(struct timer *timer)
{
    struct client *client = container_of(timer, struct client, deadline);
    bool under_way = client->under_way;

    fail(client, under_way || client->last == LOAD_OK ? LOAD_TIMEOUT : client->last);
    if (under_way)
        redis_break(&client->redis, LOAD_TIMEOUT);
}

/* ---- events of a connection ---- */

static void on_opened(struct redis *redis)
{
    struct client *client = client_of(redis);

    if (client->busy) {
        attempt(client);
        return;
    }
    list_remove(&client->node);
    list_push_front(&client->run->idle, &client->node);
}

static void on_heard(struct redis *redis, const struct resp_item *item)
{
    struct client *client = client_of(redis);
    struct bytes word;

    if (!client->under_way || stream_queued(&redis->stream) > 0) {
        client->run->plan.unasked++;
        redis_break(redis, LOAD_MALFORMED);
        return;
    }
    switch (journal_hear_set(item, &word)) {
    case ANSWER_GOOD:
        acked(client);
        return;
    case ANSWER_ERROR:
        refused(client, word);
        return;
    case ANSWER_WRONG:
        redis_break(redis, LOAD_MALFORMED);
        return;
    }
}

static void on_broke(struct redis *redis, enum load_outcome why)
{
    struct client *client = client_of(redis);

    if (client->busy) {
        client->last = why;
        client->cut |= client->under_way;
        client->under_way = false;
    } else {
        list_remove(&client->node);
        list_push_back(&client->run->idle, &client->node);
    }
}

static const struct redis_events events = {
    .opened = on_opened,
    .heard = on_heard,
    .broke = on_broke,
};

/* ---- what the driver asks of it ---- */

/* The one to take the next request, or NULL. What every busy one may bring has its place. */
static struct client *free_client(const struct run *run)
{
    struct list *node = list_first(&run->idle);

    if (!node || run->waiting->count + run->busy >= ACKS_MAX)
        return NULL;
    return container_of(node, struct client, node);
}

static bool journal_is_free(struct load_driver *driver)
{
    return free_client(run_of(driver)) != NULL;
}

static void take(struct client *client, struct instant intended)
{
    struct run *run = client->run;

    list_remove(&client->node);
    run->busy++;
    client->busy = true;
    client->cut = false;
    client->attempts = 0;
    client->last = LOAD_OK;
    client->id = run->plan.taken - 1;
    client->intended = intended;
    timer_arm(run->driver.loop, &client->deadline,
              after_ms(intended, run->driver.options->timeout_ms));
    if (client->redis.phase == REDIS_OPEN)
        attempt(client);
}

static void send_what_is_due(struct load_driver *driver, struct instant now)
{
    struct run *run = run_of(driver);
    struct client *client;
    struct instant intended;

    if (run->ledger.attempts == 0)
        ledger_began(&run->ledger, run->plan.start);
    while ((client = free_client(run)) && load_take(driver->plan, now, &intended))
        take(client, intended);
    if (!client)
        load_expire(driver->plan, now);
}

static void journal_abandon(struct load_driver *driver)
{
    struct run *run = run_of(driver);

    for (uint32_t i = 0; i < driver->options->connections; i++) {
        struct client *client = &run->clients[i];

        if (client->busy) {
            load_abandon(driver->plan);
            set_free(client);
        }
        redis_shut(&client->redis);
    }
}

static void shut_clients(struct run *run)
{
    struct load_driver *driver = &run->driver;

    if (!run->clients)
        return;
    for (uint32_t i = 0; i < driver->options->connections; i++) {
        struct redis *redis = &run->clients[i].redis;

        timer_cancel(driver->loop, &run->clients[i].deadline);
        redis_shut(redis);
        while (!redis_is_shut(redis))
            loop_turn(driver->loop, INT64_MAX);
        redis_fini(redis);
    }
    free(run->clients);
    run->clients = NULL;
}

static bool journal_conclude(struct load_driver *driver, struct err *err)
{
    struct run *run = run_of(driver);
    int error;

    shut_clients(run);
    ledger_answered(&run->ledger, run->plan.end);
    buf_clear(&run->text);
    journal_write_end(&run->text, run->ledger.attempted, clock_wall_ms());
    error = write_synced(run->fd, buf_bytes(&run->text));
    if (error) {
        errno = error;
        return err_system(err, "write the journal '%s'", driver->options->journal);
    }
    return journal_read_back(driver, &run->ledger, err);
}

/* A prefix that no other run has. */
static void make_head(const struct load_options *options, struct journal_head *head)
{
    int64_t now_ms = clock_wall_ms();

    *head = (struct journal_head){.planned = journal_planned(options), .began_ms = now_ms};
    if (options->prefix)
        snprintf(head->prefix, sizeof head->prefix, "%s", options->prefix);
    else
        snprintf(head->prefix, sizeof head->prefix, "nines-load-%llx-%x",
                 (unsigned long long)now_ms, (unsigned)getpid());
}

/* Its name is on disk too, before anything is acknowledged. */
static bool sync_folder(const char *path, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char folder[LOAD_PATH_MAX + 1] = ".";
    autoclose int fd = -1;

    if (slash)
        bytes_to_string(bytes_of(path, (size_t)(slash - path) + 1), folder, sizeof folder);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return (fd >= 0 && fsync(fd) == 0) || err_system(err, "sync the folder of '%s'", path);
}

static bool open_file(struct run *run, struct err *err)
{
    const char *path = run->driver.options->journal;
    int error;

    run->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    if (run->fd < 0)
        return err_system(err, "make the journal '%s'", path);
    journal_write_head(&run->text, &run->ledger.head);
    error = write_synced(run->fd, buf_bytes(&run->text));
    if (error) {
        errno = error;
        return err_system(err, "write the journal '%s'", path);
    }
    run->job.work = write_acks;
    run->job.done = on_written;
    return sync_folder(path, err) && jobs_open(&run->jobs, run->driver.loop, "journal", err);
}

static bool journal_open(struct load_driver *driver, struct err *err)
{
    struct run *run = run_of(driver);
    uint32_t count = driver->options->connections;

    list_init(&run->idle);
    buf_init(&run->text, ACKS_MAX * (size_t)JOURNAL_LINE_MAX);
    run->waiting = calloc(1, sizeof *run->waiting);
    run->writing = calloc(1, sizeof *run->writing);
    if (!run->waiting || !run->writing)
        return err_system(err, "keep the acknowledgements");
    if (!open_file(run, err))
        return false;
    run->clients = calloc(count, sizeof *run->clients);
    if (!run->clients)
        return err_system(err, "keep %u connections", count);
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = &run->clients[i];

        client->run = run;
        timer_init(&client->deadline, on_deadline);
        client->redis = (struct redis){
            .events = &events,
            .driver = driver,
            .count = driver->options->write_count,
            .attempt_ms = driver->options->attempt_ms,
        };
        redis_begin(&client->redis);
        list_push_back(&run->idle, &client->node);
    }
    return true;
}

static void journal_close(struct load_driver *driver)
{
    struct run *run = run_of(driver);

    shut_clients(run);
    jobs_close(run->jobs);
    if (run->fd >= 0)
        close(run->fd);
    buf_fini(&run->text);
    free(run->waiting);
    free(run->writing);
}

static const struct load_protocol journal_protocol = {
    .open = journal_open,
    .send_what_is_due = send_what_is_due,
    .is_free = journal_is_free,
    .abandon = journal_abandon,
    .conclude = journal_conclude,
    .close = journal_close,
};

/* ---- the command ---- */

/* Prints what came of it, and says whether all is well. */
static bool conclude(struct run *run, bool read_back)
{
    const struct load_options *options = run->driver.options;
    struct journal_verdict verdict = {0};
    struct journal_result result = {.options = options, .plan = &run->plan, .ledger = &run->ledger};

    if (read_back) {
        verdict = ledger_judge(&run->ledger, options->fault_ms);
        result.verdict = &verdict;
    }
    return journal_report(&result) && read_back && journal_is_well(&verdict) &&
           load_failed(&run->plan) <= options->failures_max && run->plan.unasked == 0;
}

static bool run_journal(struct run *run, struct err *err)
{
    const struct load_options *options = run->driver.options;
    struct journal_head head;
    bool well;

    make_head(options, &head);
    well = journal_allocate(&run->ledger, &head, true, err) &&
           load_allocate(options, &run->plan, err) && load_driver_run(&run->driver, err);
    if (!well)
        fprintf(stderr, "nines load: %s\n", err->text);
    return run->plan.start.ns != 0 ? conclude(run, well) : well;
}

int load_run_journal(const struct load_options *options)
{
    struct run *run = calloc(1, sizeof *run);
    struct err err = {0};
    bool well;

    if (!run) {
        fprintf(stderr, "nines load: no memory is left\n");
        return 1;
    }
    run->fd = -1;
    run->driver =
        (struct load_driver){.protocol = &journal_protocol, .options = options, .plan = &run->plan};
    well = run_journal(run, &err);
    journal_release(&run->ledger);
    load_free(&run->plan);
    free(run);
    return well ? 0 : 1;
}
