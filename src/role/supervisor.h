/*
 * supervisor: private to role/supervisor*.c. The process that is root where any is: it holds descriptors and children, and carries
 * out what process/supervise.h decides. It parses nothing: words of the command line, sealed images and frames of fixed size
 * are all that it reads.
 */
#pragma once

#include "base/buf.h"
#include "process/interfaces.h"
#include "process/managed.h"
#include "process/process.h"
#include "process/supervise.h"
#include "process/unit.h"
#include "role/config.h"
#include "role/messages.h"

enum {
    SUPERVISOR_FINDINGS_MAX = 256 << 10,
    SUPERVISOR_PATH_MAX = 108,
    SUPERVISOR_EVENTS_MAX = 512, /* an action makes at most one, a channel FRAMES_A_TURN */
    FRAMES_A_TURN = 16,
};

/* A configuration, with every descriptor that its services listen on. */
struct generation {
    uint64_t number; /* 0: none */
    int image_fd;
    struct image image;
    const struct config *config;
    uint32_t listener_count;
    /* First the services', config->listeners of them; then those for other nodes, by this node's paths. */
    struct address addresses[LISTENERS_MAX + CONFIG_PATHS_MAX];
    int listeners[LISTENERS_MAX + CONFIG_PATHS_MAX];
};

struct child {
    int pid, pidfd, channel; /* -1: none */
    uint64_t beat;           /* as last read from the scoreboard */
};

/* The short-lived process that reads a configuration. */
struct reading {
    struct child child;
    int image_fd;
    bool refused, killed;
    bool foreign; /* somebody else than root may have written the file */
    struct buf findings;
};

/* What is opened once, and kept for as long as nines runs. */
struct fixtures {
    int admin_fd, cli_fd, access_log_fd;
    char cli_path[SUPERVISOR_PATH_MAX], access_log[1024];
    int log_pipes[WORKERS_MAX][2]; /* read end, write end; -1: none */
};

/* A virtual address of the configuration in force that this node may have. */
struct virtual_address {
    char name[CONFIG_NAME_MAX], interface[INTERFACE_NAME_MAX]; /* interface: as written; "" */
    struct address address;
    uint32_t prefix;
    struct interface_place place; /* while it is held */
    bool held;
    struct instant renewed;  /* boot clock */
    struct instant retry;    /* not to be tried again before; boot clock */
    struct instant announce; /* next time; boot clock; NEVER: not before something happens */
    uint32_t announcements;  /* made of the present row */
    uint64_t taken, withdrawn;
    int64_t since_ms;
    char why[BOARD_SENTENCE_MAX];
};

struct virtual_addresses {
    struct interfaces interfaces;
    int timer_fd; /* CLOCK_BOOTTIME: it also rings when a machine that slept wakes up */
    bool open, stopping, changed;
    bool exact; /* the lease is long enough for the kernel's lifetimes to end before it */
    uint32_t count;
    struct virtual_address at[CONFIG_ADDRESSES_MAX];
    struct instant kept;      /* see address_record */
    struct instant announced; /* everything, anew; not more often than once a second */
};

enum run_kind { RUN_PROCESS, RUN_PROGRAM, RUN_KINDS };

enum {
    RUN_WORDS_MAX = 64,    /* of a command line */
    OUTPUT_LINE_MAX = 512, /* a longer one is cut */
    OUTPUT_LINES_MAX = 50, /* of one run in a second go into the log; more are counted */
};

/* What a run says on its standard output and error, on the way to the log. */
struct output {
    int fd; /* -1: none */
    uint32_t len, lines;
    uint64_t dropped;
    struct instant second; /* since when `lines` counts */
    char line[OUTPUT_LINE_MAX];
};

/* A group's process that systemd runs: what is peculiar to that. */
struct unit_run {
    char wanted[UNIT_MAX + 1]; /* in the file: of the next run; "": ours is the process */
    char name[UNIT_MAX + 1];   /* of the present run */
    struct unit core;
    /* Boot clock, as fences are: a unit that may have been running before nines was is killed then, unless the agent has said what it knows of it. */
    uint64_t doubt;
    int pid, pidfd, output; /* of the systemctl under way; -1 */
    struct unit_shown shown;
    char control_group[CONTROL_GROUP_PATH_MAX]; /* seen with the main process in it; "" */
    bool silent,
        warned; /* said already, of this run: systemctl does not answer; systemd restarts it */
};

/* A group's process or program. */
struct run {
    struct managed core;
    enum run_kind kind;
    uint32_t slot;
    int pid, pidfd; /* of the first process, or a unit's main one; -1: none */
    int stream;     /* a program's, until the agent gets it; -1 */
    int channel;    /* to an embedded store; -1: it is none */
    bool ended;     /* the leader has, and is not reaped: what it started is looked for */
    bool buried;    /* its end is still to be told */
    int status;     /* of the last run that ended */
    uint64_t number;
    char name[BOARD_NAME_MAX], tag[LAUNCH_TAG_MAX];
    char why[PROCESS_SENTENCE_MAX]; /* it could not be started; "" */
    int64_t stop_ms;
    struct launch_user user;
    struct output output;
    struct unit_run unit; /* a process's */
};

/* What nines runs for groups. */
struct processes {
    int epoll_fd, timer_fd;                  /* readable when there is something to do */
    struct run runs[GROUPS_MAX * RUN_KINDS]; /* by slot, then by kind */
};

struct supervisor {
    const char *file, *node;
    struct supervise core;
    struct supervise_event events[SUPERVISOR_EVENTS_MAX]; /* not yet decided upon */
    uint32_t event_count;
    struct scoreboard *board;
    int board_fd, signal_fd;
    struct generation current, next; /* next: while it is being prepared */
    int started_image_fd;            /* of the first generation */
    int gone[2 * (LISTENERS_MAX +
                  CONFIG_PATHS_MAX)]; /* listeners that only a previous generation had */
    uint32_t gone_count;
    struct fixtures fixtures;
    struct virtual_addresses addresses;
    struct child children[ROLES_MAX];
    struct reading reading;
    struct processes processes;
    uint32_t
        operator_waits; /* reloads to come until the one that the monitor's operator asked for; 0: nobody asked */
    char refusal[CHANNEL_BODY_MAX]; /* why the last configuration was refused, for that operator */
    struct instant pet_at;          /* the watchdog; NEVER: there is none */
    int64_t pet_ms;
    int exit_code;
    bool over;
};

enum { EXIT_CONFIG = 78 };

/* ---- supervisor.c ---- */

/* For the core to decide upon, once what is being done now is done. */
void supervisor_event(struct supervisor *supervisor, enum supervise_event_kind kind, uint32_t slot,
                      uint64_t number);

/* ---- supervisor_children.c ---- */

const char *supervisor_slot_name(uint32_t slot, char *text, size_t cap);
/* How a process ended, as half a sentence. */
const char *supervisor_ending(int status, char *text, size_t cap);
void children_init(struct supervisor *supervisor);
void children_start(struct supervisor *supervisor, uint32_t slot);
void children_spread(struct supervisor *supervisor, uint32_t slot);
void children_kill(struct supervisor *supervisor, uint32_t slot, enum supervise_reason reason);
void children_tell(struct supervisor *supervisor, uint32_t slot, struct frame *frame);
void children_listen(struct supervisor *supervisor, uint32_t slot); /* its channel is readable */
void children_reap(struct supervisor *supervisor, uint32_t slot);   /* its pidfd is */
void children_look_at_beats(struct supervisor *supervisor);
void child_close(struct child *child);

/* ---- supervisor_processes.c ---- */

MUST_USE bool processes_open(struct supervisor *supervisor, struct err *err);
/* The configuration in force is another. */
void processes_follow(struct supervisor *supervisor);
/* A frame from the agent. False: it is not about a group. */
MUST_USE bool processes_take(struct supervisor *supervisor, const struct frame *frame);
/* Ends, output, fences, deadlines. */
void processes_look(struct supervisor *supervisor);
void processes_agent_gone(struct supervisor *supervisor); /* its programs have nobody to speak to */
/* The agent has gone for good: all are asked to end, and killed when they do not. */
void processes_stop(struct supervisor *supervisor);
void processes_hurry(struct supervisor *supervisor); /* all are killed */
bool processes_ended(const struct supervisor *supervisor);

/* ---- supervisor_units.c: for a run whose unit.name is not "" ---- */

enum run_watch { WATCH_END, WATCH_OUTPUT, WATCH_SYSTEMCTL, RUN_WATCHES };

void run_watch(const struct supervisor *supervisor, const struct run *run, int fd,
               enum run_watch what);
void run_unwatch(const struct supervisor *supervisor, int fd);

/* Carries out an order, or looks whether time has led to anything. True: it led to *event, which comes next. */
MUST_USE bool unit_ask(struct supervisor *supervisor, struct run *run, enum unit_event_kind kind,
                       struct managed_event *event);
/* The systemctl under way has ended. Likewise. */
MUST_USE bool unit_answered(struct supervisor *supervisor, struct run *run,
                            struct managed_event *event);

/* ---- supervisor_store.c: the embedded store as a group's process ---- */

/* What it gets beyond what any process gets: this binary, and three descriptors (role/store.h). */
struct store_run {
    char title[BOARD_NAME_MAX + 16], slot[12];
    const char *words[5];
    int lent[3], channel; /* channel: the store's end, until it is started; -1 */
};

MUST_USE bool store_run_lend(const struct supervisor *supervisor, struct run *run,
                             struct store_run *store, struct err *err);
void store_run_describe(struct store_run *store, struct launch *launch);
/* Another configuration is in force: a store that runs takes its certificates from it. */
void store_run_reload(const struct supervisor *supervisor, const struct run *run);
/* A new stream between the agent and the store, on which orders go; while none runs there is none, and it comes when one has begun. */
void store_run_link(struct supervisor *supervisor, struct run *run);

/* ---- supervisor_output.c ---- */

void output_begin(struct output *output, int fd);
void output_read(struct output *output, const char *group, const char *what);
/* What is still there, and the end. */
void output_end(struct output *output, const char *group, const char *what);

/* ---- supervisor_reading.c ---- */

void reading_init(struct supervisor *supervisor);
void reading_begin(struct supervisor *supervisor);
void reading_kill(struct supervisor *supervisor);
void reading_listen(struct supervisor *supervisor);
void reading_reap(struct supervisor *supervisor); /* leads to EVENT_READ or EVENT_REFUSED */

/* ---- supervisor_generation.c: what a generation needs, opened or refused as a whole ---- */

/* From an image to `next`, with its listeners bound; findings gets a sentence for everything that cannot be had. Uses up the descriptor. */
MUST_USE bool generation_prepare(struct supervisor *supervisor, int image_fd, struct buf *findings);
void generation_commit(struct supervisor *supervisor); /* next becomes current */
/* At the end all of them go. */
void generation_retire_listeners(struct supervisor *supervisor);
/* Closes the listeners that went: the workers have their own, which they drain. */
void generation_close_gone(struct supervisor *supervisor);
uint32_t generation_workers(const struct config *config);

/* ---- supervisor_image.c ---- */

/* Whether what the supervisor follows in an image lies inside it. `image.at` is aligned as mmap and malloc do. */
MUST_USE bool image_is_sound(struct image image);

/* ---- supervisor_state.c ---- */

/* Where this node keeps what must survive, and its certificates, so that the unprivileged user may use them. A node without others
 * goes on without, and says so. */
MUST_USE bool state_prepare(const struct generation *generation, struct buf *findings);

/* ---- supervisor_addresses.c: virtual addresses, as the leases in the scoreboard say ---- */

void addresses_init(struct supervisor *supervisor);
/* Whether this process may do what `next` asks for, and none of its addresses is somebody else's here. */
MUST_USE bool addresses_prepare(struct supervisor *supervisor, struct buf *findings);
/* Another generation is in force. At the first, what an earlier run left is removed. */
void addresses_follow(struct supervisor *supervisor);
/* Adds what a lease allows, removes what none does any more, renews, announces; then the timer is set for the next time. */
void addresses_look(struct supervisor *supervisor);
void addresses_answer(struct supervisor *supervisor,
                      uint64_t number); /* looks, and tells the agent */
void addresses_announce(struct supervisor *supervisor);
void addresses_news(struct supervisor *supervisor); /* of interfaces */
/* Nothing is held from now on. */
void addresses_stop(struct supervisor *supervisor);

/* ---- supervisor_fixtures.c ---- */

void fixtures_init(struct fixtures *fixtures);
MUST_USE bool fixtures_open(struct fixtures *fixtures, const struct generation *generation,
                            struct buf *findings);
MUST_USE bool fixtures_reopen_access_log(struct fixtures *fixtures, struct err *err);
void fixtures_close(struct fixtures *fixtures);
/* Why a port cannot be had, and what to do; `who` wants it. */
void fixtures_explain_port(struct buf *findings, const char *who, const struct address *address,
                           int error);
/* Makes a directory and its parents. `key` of the file names it, for people. */
MUST_USE bool fixtures_make_directories(const char *path, const char *key, struct err *err);
/* Open descriptors as the configuration needs them; a warning when this process may not have so many. */
void fixtures_raise_limit(const struct config *config);
