/*
 * role: one file per process, where the rooms meet.
 *
 * The long-lived roles (worker, agent, monitor) share what role.c does: they map the scoreboard, take the first generation from the
 * supervisor, open the loop that it asks for, enter their sandbox, and then turn the loop: each turn leaves a beat in the
 * scoreboard, each frame of the channel becomes one of the events below. So a role's own file only says what it does with them.
 *
 *     struct worker { struct role role; struct balancer *balancer; };
 *     int role_worker(void) { struct worker worker = {0}; return role_run(&worker.role, ROLE_WORKER, &events); }
 *
 * No byte from a network is read before the sandbox is entered. A role whose channel closes ends at once: it never outlives its supervisor.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "base/instant.h"
#include "base/list.h"
#include "net/net.h"
#include "process/scoreboard.h"
#include "role/config.h"
#include "role/messages.h"

enum role_kind { ROLE_AGENT, ROLE_MONITOR, ROLE_WORKER };

/* The slot of a role in scoreboard.roles and scoreboard.beats. */
static inline uint32_t role_slot(enum role_kind kind, uint32_t worker)
{
    return kind == ROLE_WORKER ? 2 + worker : (uint32_t)kind;
}

/* A configuration in force. It is the role's until role_forget; descriptors are borrowed from role.c for as long. */
struct role_generation {
    struct list node; /* private */
    uint64_t number;
    struct image image; /* mapped from the sealed memfd */
    const struct config *config;
    /* Workers: indexed by balancer_listen.listener. A listener that was there before keeps its descriptor's number. */
    int listeners[LISTENERS_MAX];
    /* The monitor: -1 where there is none. The same numbers again while they stay. */
    int admin_fd, cli_fd, access_log_fd;
    int peer_fds[CONFIG_PATHS_MAX]; /* the agent: where other nodes call; -1 where there is none */
    int log_fds[WORKERS_MAX];       /* read ends of the workers' access log pipes; non-blocking */
};

struct role;

/* NULL where a role has nothing to do. Called from the loop's turns only. */
struct role_events {
    /* Once, inside the sandbox, on the open loop: opens what the role lives on. `configure` with the same generation follows. */
    bool (*begin)(struct role *role, const struct role_generation *first, struct err *err);
    /* Swaps to a generation. Afterwards READY is sent, and descriptors that are in none of the later generations are closed in
     * a later turn. NULL, or a role that is done with the one before at once, forgets it (role_forget). */
    void (*configure)(struct role *role, const struct role_generation *generation);
    /* No new work; role_drained when the last has ended. NULL: the role ends at once. */
    void (*drain)(struct role *role, struct instant deadline);
    /* The monitor's access log was opened again: generation.access_log_fd has this number from now on; the old one is closed after the call. */
    void (*reopen)(struct role *role, int access_log_fd);
    /* The answer to role_reload. `text` is for the operator. */
    void (*reloaded)(struct role *role, bool done, struct bytes text);
    /* Agent and monitor: a connected stream to the other one, the callee's; the one before has ended or will. Never before `configure`. */
    void (*linked)(struct role *role, int fd);
    /* The agent: the supervisor looked at the leases after role_look said `number`; 0: a virtual address came or went unasked. */
    void (*looked)(struct role *role, uint64_t number);
    /* The agent: what became of a group's process or program (messages.h). `fd`: of MESSAGE_PROGRAM_STARTED, the callee's; -1. */
    void (*process)(struct role *role, enum message what, uint32_t slot,
                    const struct process_word *word, int fd);
    /* Once, before the process ends in order: closes what `begin` opened. */
    void (*end)(struct role *role);
};

struct role {
    /* For the role's own file to read: */
    enum role_kind kind;
    uint32_t worker; /* number of this worker, from 0 */
    struct loop *loop;
    struct scoreboard *board;
    const char *node; /* name of this node, of the current generation */
    int log_fd;       /* a worker's access log pipe, non-blocking; -1: none */
    const struct role_generation *current;

    /* Private to role*.c: */
    const struct role_events *events;
    struct role_generation *next; /* its descriptors have begun to come */
    struct list generations;
    struct role_held *held; /* every descriptor that the supervisor lent */
    uint32_t held_count;
    struct watch channel;
    int link_fd; /* came before the role had begun; -1: none */
    bool over;
    int exit_code;
};

/* Runs the process until it has drained or its supervisor is gone; returns the exit code. */
int role_run(struct role *role, enum role_kind kind, const struct role_events *events);
/* Unmaps a generation that is not the current one; unknown numbers are fine. */
void role_forget(struct role *role, uint64_t generation);
void role_drained(struct role *role);
/* Ends the process as failed, after the present turn: the supervisor starts another. */
void role_fail(struct role *role);
/* Asks the supervisor to read the configuration again; `reloaded` follows. False: the channel is full or gone. */
MUST_USE bool role_reload(struct role *role, struct err *err);
/* The agent: MESSAGE_PROCESS_START to MESSAGE_FENCE. False: the channel is full or gone. */
MUST_USE bool role_order(struct role *role, enum message order, uint32_t slot, struct err *err);

/* The agent: leases in the scoreboard changed; `looked` follows with the number. False: the channel is full or gone, to be tried again. */
MUST_USE bool role_look(struct role *role, uint64_t number, struct err *err);
/* The agent: virtual addresses are to be announced again. */
MUST_USE bool role_announce(struct role *role, struct err *err);

/* The processes. Their channel is descriptor 3, the scoreboard 4, a worker's access log pipe 5. */
int role_supervisor(int argc, char **argv); /* nines run */
int role_worker(void);
int role_agent(void);
int role_monitor(void);
int role_reader(void);

/* Commands that read the configuration, without a running nines. */
extern const struct command role_commands[];
extern const struct command cert_commands[];
