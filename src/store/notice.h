/*
 * notice: what happened to a key, for keyspace notifications and for whoever follows keys (CLIENT TRACKING).
 *
 * Told while the command is executed, in the order of Redis. `event` is static; `key` is a view, good until tell returns, and tell changes nothing of the space.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* As notify-keyspace-events names them: K and E are the listener's. */
enum notice_class {
    NOTICE_GENERIC = 1 << 0, /* g: del, expire, rename_from, rename_to, copy_to, persist, … */
    NOTICE_STRING = 1 << 1,  /* $ */
    NOTICE_LIST = 1 << 2,    /* l */
    NOTICE_SET = 1 << 3,     /* s */
    NOTICE_HASH = 1 << 4,    /* h */
    NOTICE_SORTED = 1 << 5,  /* z */
    NOTICE_EXPIRED = 1 << 6, /* x */
    NOTICE_EVICTED = 1 << 7, /* e */
    NOTICE_NEW = 1 << 8,     /* n */
    NOTICE_CHANGED =
        1 << 9, /* no event of Redis: the key's value changed or it went; `event` is "" */
    NOTICE_FLUSHED = 1 << 10,               /* no event of Redis: all keys went; no key */
    NOTICE_ALL = (1 << 9) - 1 - NOTICE_NEW, /* A */
};

struct notices {
    uint32_t wanted; /* classes */
    void *context;
    void (*tell)(void *context, enum notice_class class, const char *event, struct bytes key);
};

static inline void notice(const struct notices *notices, enum notice_class class, const char *event,
                          struct bytes key)
{
    if (notices && (notices->wanted & class))
        notices->tell(notices->context, class, event, key);
}

/* The letters of `notify-keyspace-events`. False: there is one that is none. */
/* K and E are given as the bits below. */
enum {
    NOTICE_KEYSPACE = 1 << 16,
    NOTICE_KEYEVENT = 1 << 17,
    NOTICE_OTHERS = 1 << 18, /* t, d, m: of what there is not here */
};
bool notice_parse(struct bytes letters, uint32_t *classes);
