/*
 * What the supervisor and its roles say to each other over their channels (process.h: struct frame).
 */
#pragma once

enum {
    LISTENERS_MAX = 512, /* of all services of one generation together */
    /* Indexes in MESSAGE_LISTENERS that are not services' listeners; the first two to the monitor only. */
    LISTENER_ADMIN = -1,
    LISTENER_CLI = -2,
    LISTENER_PEER = -3, /* to the agent only: -3 - i is this node's path i */
};

enum message {
    /* supervisor -> role; a generation is announced by its descriptors first */
    MESSAGE_LISTENERS = 1, /* number: generation; body: int32_t indexes, one per descriptor */
    MESSAGE_LOGS, /* to the monitor; number: generation; fds: the workers' access log pipes, body: int32_t worker numbers */
    MESSAGE_GENERATION, /* number: generation; fds[0]: sealed image; to the monitor, fds[1]: the access log, if there is one; body: the role's slot of the scoreboard, uint32_t */
    MESSAGE_DRAIN,      /* number: milliseconds */
    MESSAGE_REOPEN,     /* to the monitor; fds[0]: the access log, opened again */
    MESSAGE_RELOADED, /* to the monitor, answers MESSAGE_RELOAD; number: 1 done, 0 refused; body: text for the operator */
    MESSAGE_LOOKED, /* to the agent, answers MESSAGE_LOOK with its number; 0: unasked, because something changed */
    MESSAGE_LINK, /* to agent and monitor; fds[0]: a stream to the other one, which replaces the one before */
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
    /* reader -> supervisor; findings (warnings too) come in parts, in order, before the frame that ends it */
    MESSAGE_FINDINGS, /* body: part of the text */
    MESSAGE_IMAGE,    /* the file is good; fds[0]: sealed image */
    MESSAGE_REFUSED,  /* the file is wrong: the findings say why */
};
