/*
 * Jobs: done in order by a thread, told in order by the loop; and with a real disk under them, a log.
 */
#include "net/net.h"
#include "unit.h"
#include "wal/wal.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOBS = 1000 };

static struct loop *loop;
static struct jobs *jobs;
static struct err err;

struct numbered {
    struct job job;
    unsigned number;
    bool elsewhere;
};

static unsigned worked, told; /* by the thread, by the loop */
static pthread_t main_thread;
static sem_t gate;

static int init(void **state)
{
    (void)state;
    worked = told = 0;
    main_thread = pthread_self();
    assert_int_equal(sem_init(&gate, 0, 0), 0);
    if (!loop_open(&loop, &(struct loop_options){LOOP_EPOLL, 16, 4096, 0}, &err) ||
        !jobs_open(&jobs, loop, "test-jobs", &err))
        fail_msg("%s", err.text);
    return 0;
}

static int fini(void **state)
{
    (void)state;
    jobs_close(jobs);
    loop_close(loop);
    sem_destroy(&gate);
    return 0;
}

static struct numbered *numbered_of(struct job *job)
{
    return container_of(job, struct numbered, job);
}

static void count_work(struct job *job)
{
    struct numbered *numbered = numbered_of(job);

    numbered->elsewhere = !pthread_equal(pthread_self(), main_thread) && numbered->number == worked;
    worked++;
}

static void count_done(struct job *job)
{
    assert_true(pthread_equal(pthread_self(), main_thread));
    assert_true(numbered_of(job)->elsewhere);
    assert_int_equal(numbered_of(job)->number, told);
    told++;
}

static void jobs_are_done_elsewhere_and_told_here_in_order(void **state)
{
    static struct numbered all[JOBS];

    (void)state;
    for (unsigned i = 0; i < JOBS; i++) {
        all[i] = (struct numbered){{.work = count_work, .done = count_done}, i, false};
        jobs_add(jobs, &all[i].job);
        if (i % 7 == 0)
            loop_turn(loop, 0);
    }
    while (!jobs_idle(jobs))
        loop_turn(loop, INT64_MAX);
    assert_int_equal(told, JOBS);
}

static void add_again(struct job *job)
{
    if (++told < 5)
        jobs_add(jobs, job);
}

static void nothing(struct job *job)
{
    (void)job;
}

static void a_job_may_be_added_again_when_it_is_done(void **state)
{
    struct job job = {.work = nothing, .done = add_again};

    (void)state;
    jobs_add(jobs, &job);
    while (!jobs_idle(jobs))
        loop_turn(loop, INT64_MAX);
    assert_int_equal(told, 5);
}

static void wait_at_the_gate(struct job *job)
{
    count_work(job);
    sem_wait(&gate);
}

static void open_the_gate(struct timer *timer)
{
    (void)timer;
    sem_post(&gate);
}

static void the_loop_turns_while_a_job_waits(void **state)
{
    struct numbered slow = {{.work = wait_at_the_gate, .done = count_done}, 0, false};
    struct timer timer;

    (void)state;
    timer_init(&timer, open_the_gate);
    jobs_add(jobs, &slow.job);
    timer_arm(loop, &timer, after_ms(loop_now(loop), 1));
    while (!jobs_idle(jobs))
        loop_turn(loop, INT64_MAX);
    assert_int_equal(told, 1);
}

static sem_t begun;

static void say_begun(struct job *job)
{
    count_work(job);
    sem_post(&begun);
    sem_wait(&gate);
}

static void closing_ends_what_is_under_way_and_begins_nothing(void **state)
{
    struct numbered first = {{.work = say_begun, .done = count_done}, 0, false};
    struct numbered second = {{.work = count_work, .done = count_done}, 1, false};

    (void)state;
    sem_init(&begun, 0, 0);
    jobs_add(jobs, &first.job);
    jobs_add(jobs, &second.job);
    sem_wait(&begun);
    sem_post(&gate);
    jobs_close(jobs);
    jobs = NULL;
    loop_turn(loop, 0);
    assert_true(worked >= 1 &&
                worked <= 2); /* the thread may have taken the second before the close */
    assert_int_equal(told, 0);
    sem_destroy(&begun);
}

static void close_jobs(struct job *job)
{
    (void)job;
    told++;
    jobs_close(jobs);
    jobs = NULL;
}

static void jobs_may_be_closed_when_one_is_done(void **state)
{
    struct job all[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        all[i] = (struct job){.work = nothing, .done = close_jobs};
        jobs_add(jobs, &all[i]);
    }
    while (jobs)
        loop_turn(loop, INT64_MAX);
    loop_turn(loop, 0);
    assert_int_equal(told, 1);
}

static void ask_for_signals(struct job *job)
{
    sigset_t set;

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    numbered_of(job)->elsewhere = sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGINT) == 1;
}

static void the_thread_takes_no_signals(void **state)
{
    struct numbered asking = {{.work = ask_for_signals, .done = count_done}, 0, false};

    (void)state;
    jobs_add(jobs, &asking.job);
    while (!jobs_idle(jobs))
        loop_turn(loop, INT64_MAX);
}

/* ---- a log on a real disk ---- */

struct saving {
    struct job job;
    struct wal *wal;
    struct wal_meta *meta;
    uint64_t count;
    bool saved;
};

static void save(struct job *job)
{
    struct saving *saving = container_of(job, struct saving, job);
    static const uint8_t body[1000] = "body";
    struct err failed;

    saving->saved = true;
    for (uint64_t i = 0; i < 10 && saving->saved; i++, saving->count++)
        saving->saved = wal_append(
            saving->wal,
            &(struct wal_record){wal_next(saving->wal), 7, bytes_of(body, sizeof body - i)},
            &failed);
    saving->saved = saving->saved && wal_sync(saving->wal, &failed) &&
                    wal_meta_write(saving->meta, bytes_of(&saving->count, 8), &failed);
}

static void saved(struct job *job)
{
    assert_true(container_of(job, struct saving, job)->saved);
    if (++told < 20)
        jobs_add(jobs, job);
}

static bool count_record(void *context, const struct wal_record *record)
{
    assert_int_equal(record->tag, 7);
    assert_int_equal(record->body.len, 1000 - (record->index - 1) % 10);
    (*(unsigned *)context)++;
    return true;
}

static void must_hold(bool holds)
{
    if (!holds)
        fail_msg("%s", err.text);
}

static void remove_name(void *context, const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    unlink(path);
}

static void a_log_on_a_real_disk_comes_back(void **state)
{
    char parent[] = "/tmp/nines-jobs-XXXXXX", path[64];
    const struct wal_options options = {"log", 16384, 64, 1, 5};
    struct wal_meta meta;
    struct saving saving = {.job = {.work = save, .done = saved}, .meta = &meta};
    struct disk *disk;
    unsigned count = 0;
    struct buf out;

    (void)state;
    assert_non_null(mkdtemp(parent));
    snprintf(path, sizeof path, "%s/cluster", parent);
    must_hold(disk_open(&disk, path, &err));
    must_hold(wal_open(&saving.wal, disk, &options, &err));
    must_hold(wal_meta_open(&meta, disk, "meta", &err));
    jobs_add(jobs, &saving.job);
    while (!jobs_idle(jobs))
        loop_turn(loop, INT64_MAX);
    must_hold(wal_drop_before(saving.wal, 50, &err));
    must_hold(wal_file_replace(disk, "snapshot-1", BYTES("all"), &err));
    wal_close(saving.wal);
    wal_meta_close(&meta);
    disk_close(disk);

    buf_init(&out, 100);
    must_hold(disk_open(&disk, path, &err));
    must_hold(wal_open(&saving.wal, disk, &options, &err));
    must_hold(wal_meta_open(&meta, disk, "meta", &err));
    must_hold(wal_file_read(disk, "snapshot-1", &out, &err));
    assert_int_equal(wal_next(saving.wal), 201);
    must_hold(wal_each(saving.wal, 0, UINT64_MAX, count_record, &count, &err));
    assert_int_equal(count, 201 - wal_first(saving.wal));
    assert_int_equal(meta.len, 8);
    assert_true(bytes_equal(buf_bytes(&out), BYTES("all")));
    wal_close(saving.wal);
    wal_meta_close(&meta);
    must_hold(disk->ops->list(disk, remove_name, path, &err));
    disk_close(disk);
    buf_fini(&out);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(parent), 0);
}

static void a_directory_that_cannot_be_made_is_a_sentence(void **state)
{
    struct disk *disk;

    (void)state;
    assert_false(disk_open(&disk, "/nowhere/at/all", &err));
    assert_string_equal(err.text,
                        "make the directory '/nowhere/at/all': No such file or directory");
    assert_false(disk_open(&disk, "/etc/passwd", &err));
    assert_string_equal(err.text, "open the directory '/etc/passwd': Not a directory");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, init, fini)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(jobs_are_done_elsewhere_and_told_here_in_order),
        STORY(a_job_may_be_added_again_when_it_is_done),
        STORY(the_loop_turns_while_a_job_waits),
        STORY(closing_ends_what_is_under_way_and_begins_nothing),
        STORY(jobs_may_be_closed_when_one_is_done),
        STORY(the_thread_takes_no_signals),
        STORY(a_log_on_a_real_disk_comes_back),
        STORY(a_directory_that_cannot_be_made_is_a_sentence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
