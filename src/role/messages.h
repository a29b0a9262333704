/*
 * What the supervisor and its roles say to each other over their channels (process.h: struct frame).
 */
#pragma once

#include <stdint.h>

enum {
    LISTENERS_MAX = 512, /* of all services of one generation together */
    /* Indexes in MESSAGE_LISTENERS that are not services' listeners; the first two to the monitor only. */
    LISTENER_ADMIN = -1,
    LISTENER_CLI = -2,
    LISTENER_PEER = -3, /* to the agent only: -3 - i is this node's path i */
    PROCESS_SENTENCE_MAX = 256,
};

/*
 * What became of a group's process or program: the body of the four frames about it, whose number is the group's slot (config_group_at). Every START leads to STARTED, or to
 * ENDED where it could not be; every KILL leads to ENDED, also when nothing ran; and every run that was told as STARTED to ENDED, once nothing of it is left.
 */
struct process_word {
    uint64_t run; /* counts the runs of this slot, from 1; 0: there was none */
    int32_t pid;
    int32_t status;   /* ENDED: as waitpid gives it */
    uint32_t fenced;  /* ENDED: 1: it was killed because its fence had passed */
    uint32_t started; /* ENDED: 0: a START could not be fulfilled, and the sentence says why */
    char sentence[PROCESS_SENTENCE_MAX]; /* ENDED: how */
};

enum message {
    /* supervisor -> role; a generation is announced by its descriptors first */
    MESSAGE_LISTENERS = 1, /* number: generation; body: int32_t indexes, one per descriptor */
    MESSAGE_LOGS, /* to the monitor; number: generation; fds: the workers' access log pipes, body: int32_t worker numbers */
    MESSAGE_GENERATION, /* number: generation; fds[0]: sealed image; to the monitor, fds[1]: the access log, if there is one; body: the role's slot of the scoreboard, uint32_t; to a store: fds[0] alone */
    MESSAGE_DRAIN,      /* number: milliseconds */
    MESSAGE_REOPEN,     /* to the monitor; fds[0]: the access log, opened again */
    MESSAGE_RELOADED, /* to the monitor, answers MESSAGE_RELOAD; number: 1 done, 0 refused; body: text for the operator */
    MESSAGE_LOOKED, /* to the agent, answers MESSAGE_LOOK with its number; 0: unasked, because something changed */
    MESSAGE_LINK, /* to agent and monitor; fds[0]: a stream to the other one, which replaces the one before */
    /* to the agent; number: a group's slot; body: struct process_word */
    MESSAGE_PROCESS_STARTED, /* also when it ran already */
    MESSAGE_PROCESS_ENDED,
    MESSAGE_PROGRAM_STARTED, /* fds[0]: a stream socket to it, non-blocking */
    MESSAGE_PROGRAM_ENDED,
    /* supervisor -> reader: fds[0]: the configuration file; fds[1] and fds[2], but for the first time: the images in force and of the
     * start; body: the file's name and the
     * node's (may be empty), each with its NUL */
    MESSAGE_READ,
    /* role -> supervisor */
    MESSAGE_READY = 64, /* number: the generation that is now in force here */
    MESSAGE_DRAINED,
    MESSAGE_RELOAD, /* from the monitor: an operator asks */
    MESSAGE_LOOK, /* from the agent; number: counts up. The leases in the scoreboard changed, and with them the virtual addresses */
    MESSAGE_ANNOUNCE, /* from the agent: the network may have forgotten where the virtual addresses are */
    /* From the agent; number: a group's slot. What is executed stands in the configuration in force. group_record.fence is written before START, or what it says of the run
     * before kills this one. */
    MESSAGE_PROCESS_START,
    MESSAGE_PROCESS_KILL,  /* with all that it started */
    MESSAGE_PROGRAM_START, /* a new run: the one before is killed first */
    MESSAGE_PROGRAM_KILL,
    /* group_record.fence is earlier than it was: look at it now. Also when it was written for the first time knowing what runs */
    MESSAGE_FENCE,
    /* reader -> supervisor; findings (warnings too) come in parts, in order, before the frame that ends it */
    MESSAGE_FINDINGS, /* body: part of the text */
    MESSAGE_IMAGE,    /* the file is good; fds[0]: sealed image */
    MESSAGE_REFUSED,  /* the file is wrong: the findings say why */
};
