/*
 * Runs a load: waits for what is due, resolves names, hears signals and shows a line on the terminal.
 *
 * It sends nothing itself; a protocol does, as drive_load_http.c.
 */
#include "cli/drive_load.h"
#include "base/clock.h"
#include "base/own.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

enum {
    SPARE_FDS = 32,
    RESOLVE_TIMEOUT_MS = 5000,
    RESOLVE_AGAIN_MS = 1000,
    PROGRESS_MS = 1000,
};

enum load_outcome load_outcome_of_errno(bool connecting, int error)
{
    switch (error) {
    case ECONNREFUSED:
        return LOAD_REFUSED;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return LOAD_RESET;
    case EADDRNOTAVAIL:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return LOAD_NO_RESOURCES;
    default:
        return connecting ? LOAD_UNREACHABLE : LOAD_RESET;
    }
}

/* Until the next request is due; without a free connection, until the one that has waited longest has waited too long. */
static int64_t wait_ns(struct load_driver *driver, struct instant now)
{
    struct instant next = load_next(driver->plan, now);

    if (next.ns == NEVER.ns)
        return INT64_MAX;
    if (!driver->protocol->is_free(driver))
        next = after_ms(next, driver->options->timeout_ms);
    return passed(next, now) ? 0 : ns_between(now, next);
}

static bool over(struct load_driver *driver, struct instant now)
{
    return load_outstanding(driver->plan) == 0 && load_next(driver->plan, now).ns == NEVER.ns;
}

/* ---- the names, the signals, the line on the terminal ---- */

static void ask_name(struct load_driver *driver)
{
    char host[256];

    resolver_ask(driver->resolver, &driver->resolution,
                 bytes_to_string(driver->options->hosts[driver->asked].name, host, sizeof host));
}

/* Each in turn; then, after a while, again those that did not resolve. */
static void ask_names(struct load_driver *driver)
{
    const struct load_options *options = driver->options;

    for (; driver->asked < options->host_count; driver->asked++) {
        if (driver->to[driver->asked].family == 0) {
            ask_name(driver);
            return;
        }
    }
    driver->resolved = true;
    driver->asked = 0;
    for (uint32_t i = 0; i < options->host_count; i++)
        if (driver->to[i].family == 0)
            timer_arm(driver->loop, &driver->resolve,
                      after_ms(loop_now(driver->loop), RESOLVE_AGAIN_MS));
}

static void on_resolve(struct timer *timer)
{
    ask_names(container_of(timer, struct load_driver, resolve));
}

static void on_resolved(struct resolution *resolution, const struct err *err)
{
    struct load_driver *driver = container_of(resolution, struct load_driver, resolution);
    struct address *to = &driver->to[driver->asked];

    if (!err && resolution->count > 0) {
        *to = resolution->addresses[0];
        to->port = driver->options->hosts[driver->asked].port;
    }
    driver->asked++;
    ask_names(driver);
}

static void on_signal(struct watch *watch, bool readable, bool writable)
{
    struct load_driver *driver = container_of(watch, struct load_driver, signals);
    struct signalfd_siginfo info;

    (void)writable;
    if (readable && read(watch->fd, &info, sizeof info) == sizeof info)
        driver->interrupts++;
}

static void on_progress(struct timer *timer)
{
    struct load_driver *driver = container_of(timer, struct load_driver, progress);
    struct instant now = clock_now();
    char text[256];
    struct buf line;

    buf_over(&line, text, sizeof text);
    load_print_progress(driver->plan, now, &line);
    fprintf(stderr, "\r\033[K%.*s", (int)line.len, (const char *)line.at);
    timer_arm(driver->loop, &driver->progress, after_ms(now, PROGRESS_MS));
}

static void interrupt(struct load_driver *driver, struct instant now)
{
    load_stop(driver->plan, now);
    driver->protocol->abandon(driver);
}

/* ---- life ---- */

static bool allow_descriptors(uint32_t connections, struct err *err)
{
    rlim_t needed = (rlim_t)connections + SPARE_FDS;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_system(err, "read the limit of descriptors");
    if (limit.rlim_max < needed)
        return err_set(err, ERR_LIMIT,
                       "%u connections need %llu descriptors, and this process may have %llu"
                       " (ulimit -n)",
                       connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
    if (limit.rlim_cur >= needed)
        return true;
    limit.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_system(err, "raise the limit of descriptors to %llu",
                          (unsigned long long)needed);
    return true;
}

static bool watch_signals(struct load_driver *driver, struct err *err)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return err_system(err, "watch for signals");
    driver->signals.ready = on_signal;
    watch_start(driver->loop, &driver->signals, fd, true, false);
    return true;
}

static bool driver_open(struct load_driver *driver, struct err *err)
{
    const struct load_options *options = driver->options;
    struct loop_options loop = {
        .kind = LOOP_AUTO,
        .chunks_max = options->connections * 2 + 64,
        .chunk_bytes = LOAD_CHUNK_BYTES,
    };

    if (!allow_descriptors(options->connections, err) || !loop_open(&driver->loop, &loop, err) ||
        !resolver_open(&driver->resolver, driver->loop, RESOLVE_TIMEOUT_MS, err) ||
        !watch_signals(driver, err))
        return false;
    timer_init(&driver->resolve, on_resolve);
    timer_init(&driver->progress, on_progress);
    driver->resolution.resolved = on_resolved;
    return driver->protocol->open(driver, err);
}

static void driver_close(struct load_driver *driver)
{
    driver->protocol->close(driver);
    if (driver->signals.ready) {
        watch_stop(&driver->signals);
        loop_turn(driver->loop, 0);
        close(driver->signals.fd);
    }
    if (driver->resolver)
        resolver_close(driver->resolver);
    if (driver->loop)
        loop_close(driver->loop);
}

static void run(struct load_driver *driver)
{
    struct instant now = clock_now();

    while (!driver->failed && !over(driver, now)) {
        driver->protocol->send_what_is_due(driver, now);
        loop_turn(driver->loop, wait_ns(driver, now));
        now = clock_now();
        if (driver->interrupts > 0)
            interrupt(driver, now);
    }
    must(driver->failed || driver->plan->taken == driver->plan->finished + driver->plan->abandoned);
}

/* The schedule, from now on. */
static void run_schedule(struct load_driver *driver)
{
    struct load_plan *plan = driver->plan;
    bool shown = isatty(STDERR_FILENO) == 1;

    load_begin(plan, driver->options, plan->seconds, plan->marks, clock_now());
    if (shown)
        timer_arm(driver->loop, &driver->progress, after_ms(plan->start, PROGRESS_MS));
    run(driver);
    timer_cancel(driver->loop, &driver->progress);
    if (shown)
        fputs("\r\033[K", stderr);
}

static bool run_open(struct load_driver *driver, struct err *err)
{
    const struct load_protocol *protocol = driver->protocol;
    bool well = true;

    /* Requests are sent when they are due, not up to 50 us later. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    ask_names(driver);
    while (!driver->resolved && driver->interrupts == 0)
        loop_turn(driver->loop, INT64_MAX);
    if (driver->plan)
        run_schedule(driver);
    if (driver->failed)
        *err = driver->err;
    else if (protocol->conclude)
        well = protocol->conclude(driver, err);
    timer_cancel(driver->loop, &driver->resolve);
    return well && !driver->failed;
}

bool load_driver_run(struct load_driver *driver, struct err *err)
{
    bool well = driver_open(driver, err) && run_open(driver, err);

    driver_close(driver);
    return well;
}

bool load_allocate(const struct load_options *options, struct load_plan *plan, struct err *err)
{
    *plan = (struct load_plan){0};
    plan->seconds = calloc(load_seconds_needed(options->duration_ms), sizeof *plan->seconds);
    plan->marks = calloc(load_marks_needed(options->duration_ms), sizeof *plan->marks);
    return (plan->seconds && plan->marks) || err_system(err, "keep the accounts");
}

bool load_drive(const struct load_options *options, struct load_plan *plan, struct err *err)
{
    struct load_driver driver = {.protocol = &load_http, .options = options, .plan = plan};

    return load_allocate(options, plan, err) && load_driver_run(&driver, err);
}

void load_free(struct load_plan *plan)
{
    free(plan->seconds);
    free(plan->marks);
    plan->seconds = NULL;
    plan->marks = NULL;
}

/* ---- the command ---- */

bool load_write_result(const struct buf *out)
{
    bool written = !out->full && buf_write(out, stdout) && fflush(stdout) == 0;

    if (!written)
        fprintf(stderr, "nines load: the result could not be written\n");
    return written;
}

static bool report(const struct load_options *options, const struct load_plan *plan)
{
    struct buf out;
    bool written;

    buf_init(&out, LOAD_RESULT_MAX);
    if (options->json)
        load_print_json(options, plan, &out);
    else
        load_print_text(options, plan, &out);
    written = load_write_result(&out);
    buf_fini(&out);
    return written;
}

static int run_http(const struct load_options *options)
{
    struct load_plan plan;
    struct err err = {0};
    bool well = load_drive(options, &plan, &err);

    if (!well)
        fprintf(stderr, "nines load: %s\n", err.text);
    else
        well = report(options, &plan) && load_failed(&plan) <= options->failures_max &&
               plan.unasked == 0;
    load_free(&plan);
    return well ? 0 : 1;
}

int run_load(int argc, char **argv)
{
    bool verify = argc > 1 && strcmp(argv[1], "verify") == 0;
    struct load_options options;
    struct err err = {0};

    if (verify ? !load_parse_verify(&options, argc - 1, argv + 1, &err)
               : !load_parse(&options, argc, argv, &err)) {
        fprintf(stderr, "nines load: %s\n`nines load --help` says more\n", err.text);
        return 2;
    }
    if (verify)
        return load_run_verify(&options);
    return options.journal ? load_run_journal(&options) : run_http(&options);
}
