/*
 * link: framed messages between agent and monitor, over the stream that the supervisor gave them.
 *
 * The monitor asks, the agent answers; a question has a number that its answer repeats. A link that ends, or is replaced because the other
 * process began again, takes with it what was under way: the owner is told once and answers for it. Both ends are of one binary and one
 * user; a frame that breaks the bounds ends the link all the same.
 */
#pragma once

#include "base/buf.h"
#include "net/net.h"

enum {
    LINK_BODY_MAX = 4 << 20, /* of one frame */
    LINK_QUEUE_MAX = 16 << 20,
};

struct link;

struct link_events {
    /* `kind` is the question's verb, or the answer's HTTP status. The bytes are borrowed. */
    void (*received)(struct link *link, uint32_t id, uint16_t kind, struct bytes body);
    void (*ended)(struct link *link); /* nothing more comes until it is opened again */
};

struct link {
    const struct link_events *events;
    struct loop *loop;
    struct link_end *end; /* private: the stream in use; NULL: none */
};

void link_init(struct link *link, struct loop *loop, const struct link_events *events);
/* Takes over a connected socket. The one before ends first (`ended` is called from here). */
void link_open(struct link *link, int fd);
/* False, and nothing was sent: there is no link, or too much waits on it. */
MUST_USE bool link_send(struct link *link, uint32_t id, uint16_t kind, struct bytes body);
void link_close(struct link *link); /* without `ended` */
