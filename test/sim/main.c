/*
 * sim SUBJECT [--seeds N] [--first N] [--jobs N] [--kept FILE] [--story SEED [--lines N]]
 *
 * Runs seeds, each twice, on several processes, and compares the hashes of their events. The first violation ends it: its story is
 * printed, and the status is 1.
 */
#include "sim.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, KEPT_MAX = 1000, STORY_SHOWN = 120 };

struct arguments {
    const struct sim_subject *subject;
    uint64_t seeds, first, story, lines;
    uint32_t jobs;
    bool told; /* one story, nothing else */
    uint64_t kept[KEPT_MAX];
    uint32_t kept_count;
};

/* Shared by the processes. */
struct tally {
    struct {
        uint64_t done, steps, elections, seed, faults[FAMILIES];
        int64_t virtual_ns;
    } job[JOBS_MAX];
};

static const struct sim_subject *const subjects[] = {&sim_raft, &sim_cluster, &sim_groups,
                                                     &sim_store};

static int usage(void)
{
    fprintf(stderr, "usage: sim SUBJECT [--seeds N] [--first N] [--jobs N] [--kept FILE] "
                    "[--story SEED [--lines N]]\n");
    return 2;
}

/* Lines of `SUBJECT SEED why`; `#` begins a comment. */
static bool read_kept(struct arguments *arguments, const char *path)
{
    FILE *file = fopen(path, "re");
    char line[256], subject[32];
    unsigned long long seed;

    if (!file)
        return false;
    while (fgets(line, sizeof line, file) && arguments->kept_count < KEPT_MAX)
        if (sscanf(line, "%31s %llu", subject, &seed) == 2 &&
            strcmp(subject, arguments->subject->name) == 0)
            arguments->kept[arguments->kept_count++] = seed;
    (void)fclose(file);
    return true;
}

static bool read_arguments(struct arguments *arguments, int count, char **words)
{
    *arguments = (struct arguments){.seeds = 100, .first = 1, .jobs = 1, .lines = STORY_SHOWN};
    for (size_t i = 0; count > 1 && i < ARRAY_LEN(subjects); i++)
        if (strcmp(subjects[i]->name, words[1]) == 0)
            arguments->subject = subjects[i];
    if (!arguments->subject || count % 2 != 0)
        return false;
    for (int i = 2; i < count; i += 2) {
        uint64_t number = strtoull(words[i + 1], NULL, 10);

        if (strcmp(words[i], "--seeds") == 0)
            arguments->seeds = number;
        else if (strcmp(words[i], "--first") == 0)
            arguments->first = number;
        else if (strcmp(words[i], "--jobs") == 0)
            arguments->jobs = (uint32_t)number;
        else if (strcmp(words[i], "--lines") == 0)
            arguments->lines = number;
        else if (strcmp(words[i], "--story") == 0) {
            arguments->story = number;
            arguments->told = true;
        } else if (strcmp(words[i], "--kept") != 0 || !read_kept(arguments, words[i + 1]))
            return false;
    }
    return arguments->jobs > 0 && arguments->jobs <= JOBS_MAX;
}

static void print_failure(const struct arguments *arguments, uint64_t seed,
                          const struct sim_result *result)
{
    printf("FAILED %s seed %llu after %llu steps, %.3f virtual s: %s: %s\n",
           arguments->subject->name, (unsigned long long)seed, (unsigned long long)result->steps,
           (double)result->virtual_ns / NS_PER_S, result->invariant, result->sentence);
    (void)fflush(stdout);
}

static int tell_story(const struct arguments *arguments, uint64_t seed)
{
    struct story *story = calloc(1, sizeof *story);
    struct sim_result result;

    must(story != NULL);
    sim_run(arguments->subject, seed, story, &result);
    story_print(story, (uint32_t)arguments->lines, stdout);
    if (result.failed)
        print_failure(arguments, seed, &result);
    else
        printf("seed %llu: %llu steps, %.3f virtual s, hash %016llx\n", (unsigned long long)seed,
               (unsigned long long)result.steps, (double)result.virtual_ns / NS_PER_S,
               (unsigned long long)result.hash);
    free(story);
    return result.failed;
}

static bool run_seed(const struct arguments *arguments, uint64_t seed, struct tally *tally,
                     uint32_t job)
{
    struct sim_result once, twice;

    tally->job[job].seed = seed;
    sim_run(arguments->subject, seed, NULL, &once);
    if (once.failed) {
        (void)tell_story(arguments, seed);
        return false;
    }
    sim_run(arguments->subject, seed, NULL, &twice);
    if (once.hash != twice.hash || once.steps != twice.steps) {
        printf(
            "FAILED %s seed %llu: two runs differ: %016llx after %llu steps, %016llx after %llu\n",
            arguments->subject->name, (unsigned long long)seed, (unsigned long long)once.hash,
            (unsigned long long)once.steps, (unsigned long long)twice.hash,
            (unsigned long long)twice.steps);
        return false;
    }
    tally->job[job].done++;
    tally->job[job].steps += once.steps;
    tally->job[job].virtual_ns += once.virtual_ns;
    tally->job[job].elections += once.elections;
    for (int i = 0; i < FAMILIES; i++)
        tally->job[job].faults[i] += once.faults[i];
    return true;
}

static int run_job(const struct arguments *arguments, struct tally *tally, uint32_t job)
{
    for (uint64_t i = job; i < arguments->kept_count + arguments->seeds; i += arguments->jobs) {
        uint64_t seed = i < arguments->kept_count ? arguments->kept[i]
                                                  : arguments->first + i - arguments->kept_count;

        if (!run_seed(arguments, seed, tally, job))
            return 1;
    }
    return 0;
}

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_tally(const struct arguments *arguments, const struct tally *tally, double begun,
                        const char *end)
{
    uint64_t done = 0, steps = 0, elections = 0;
    double virtual_s = 0;

    for (uint32_t i = 0; i < arguments->jobs; i++) {
        done += tally->job[i].done;
        steps += tally->job[i].steps;
        elections += tally->job[i].elections;
        virtual_s += (double)tally->job[i].virtual_ns / NS_PER_S;
    }
    printf(
        "%s: %llu seeds, each twice, %.0f virtual s, %.1f million steps, %llu elections, %.0f s%s",
        arguments->subject->name, (unsigned long long)done, virtual_s, (double)steps / 1e6,
        (unsigned long long)elections, seconds_now() - begun, end);
    (void)fflush(stdout);
}

/* Of each seed once. */
static void print_faults(const struct arguments *arguments, const struct tally *tally)
{
    printf("%s: faults:", arguments->subject->name);
    for (int family = 0; family < FAMILIES; family++) {
        uint64_t count = 0;

        for (uint32_t i = 0; i < arguments->jobs; i++)
            count += tally->job[i].faults[family];
        printf("%s %llu %s", family > 0 ? "," : "", (unsigned long long)count,
               faults_family_name((enum sim_fault_family)family));
    }
    printf("\n");
    (void)fflush(stdout);
}

/* Waits for all jobs, and ends all when one has failed. */
static int wait_for(const struct arguments *arguments, const struct tally *tally, pid_t *pids)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    double begun = seconds_now(), told = begun;
    uint32_t left = arguments->jobs;
    int failed = 0;

    while (left > 0) {
        int status;

        for (uint32_t i = 0; i < arguments->jobs; i++) {
            if (pids[i] == 0 || waitpid(pids[i], &status, WNOHANG) != pids[i])
                continue;
            pids[i] = 0;
            left--;
            if (WIFSIGNALED(status) && !failed)
                printf("FAILED %s seed %llu after 0 steps, 0 virtual s: no crash: signal %d\n",
                       arguments->subject->name, (unsigned long long)tally->job[i].seed,
                       WTERMSIG(status));
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                failed = 1;
        }
        for (uint32_t i = 0; failed && i < arguments->jobs; i++)
            if (pids[i])
                (void)kill(pids[i], SIGTERM);
        if (seconds_now() - told > 10) {
            told = seconds_now();
            print_tally(arguments, tally, begun, "\n");
        }
        if (left > 0)
            (void)nanosleep(&pause, NULL);
    }
    print_faults(arguments, tally);
    print_tally(arguments, tally, begun, failed ? ": FAILED\n" : ": no violation\n");
    return failed;
}

int main(int count, char **words)
{
    struct arguments arguments;
    struct tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[JOBS_MAX];

    must(tally != MAP_FAILED);
    if (!read_arguments(&arguments, count, words))
        return usage();
    if (arguments.told)
        return tell_story(&arguments, arguments.story);
    for (uint32_t i = 0; i < arguments.jobs; i++) {
        pids[i] = fork();
        must(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(run_job(&arguments, tally, i) | (fflush(stdout) != 0));
    }
    return wait_for(&arguments, tally, pids);
}
