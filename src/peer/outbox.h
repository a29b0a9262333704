/*
 * outbox: the frames that wait for one peer, in two rows: what is urgent goes first. Bounded in bytes; a part is kept for what is urgent. Copies, does no I/O.
 */
#pragma once

#include "base/bytes.h"
#include "base/must.h"

enum {
    OUTBOX_MAX = 1 << 20,     /* bytes, frames' headers included */
    OUTBOX_URGENT = 64 << 10, /* of them, for what is urgent alone */
};

struct waiting {
    struct waiting *next;
    uint16_t type;
    uint32_t len;
    uint8_t body[];
};

struct outbox_row {
    struct waiting *first, *last;
};

/* Zeroed: empty. */
struct outbox {
    struct outbox_row urgent, bulk;
    uint32_t bytes;
};

/* False, and nothing was taken: it is full, or memory is. */
MUST_USE bool outbox_add(struct outbox *outbox, uint16_t type, struct bytes body, bool urgent);
/* The one that goes next; NULL when there is none. */
const struct waiting *outbox_first(const struct outbox *outbox);
void outbox_drop_first(struct outbox *outbox);
void outbox_clear(struct outbox *outbox);
/* Would a frame of this urgency be the first? */
static inline bool outbox_passes(const struct outbox *outbox, bool urgent)
{
    return !outbox->urgent.first && (urgent || !outbox->bulk.first);
}
