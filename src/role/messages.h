/*
 * What the supervisor and its roles say to each other over their channels (process.h: struct frame).
 */
#pragma once

enum message {
    /* supervisor -> role */
    MESSAGE_LISTENERS =
        1, /* number: generation; body: uint32_t indexes, one per descriptor. To workers; index UINT32_MAX to the monitor: admin; UINT32_MAX-1: the CLI's socket */
    MESSAGE_GENERATION, /* number: generation; fds[0]: sealed image. All listeners have been sent before. */
    MESSAGE_DRAIN,  /* number: milliseconds */
    MESSAGE_REOPEN, /* to the monitor: open log files again */
    MESSAGE_RELOADED, /* to the monitor, answers MESSAGE_RELOAD; number: 1 done, 0 refused; body: text for the operator */
    /* role -> supervisor */
    MESSAGE_READY = 64, /* number: the generation that is now in force here */
    MESSAGE_DRAINED,
    MESSAGE_RELOAD, /* from the monitor: an operator asks */
    /* reader -> supervisor */
    MESSAGE_IMAGE, /* fds[0]: sealed image; body: warnings */
    MESSAGE_FINDINGS, /* the file is wrong; body: part of the text, number: 1 when it is the last part */
};
