#include "peer/outbox.h"

#include "peer/frame.h"

#include <stdlib.h>

static void append(struct outbox_row *row, struct waiting *frame)
{
    if (row->last)
        row->last->next = frame;
    else
        row->first = frame;
    row->last = frame;
}

static struct waiting *take(struct outbox_row *row)
{
    struct waiting *first = row->first;

    row->first = first->next;
    if (!row->first)
        row->last = NULL;
    return first;
}

bool outbox_add(struct outbox *outbox, uint16_t type, struct bytes body, bool urgent)
{
    uint32_t most = urgent ? OUTBOX_MAX : OUTBOX_MAX - OUTBOX_URGENT;
    struct waiting *frame;

    if (body.len > most || outbox->bytes + FRAME_HEADER + body.len > most)
        return false;
    frame = malloc(sizeof *frame + body.len);
    if (!frame)
        return false;
    *frame = (struct waiting){.type = type, .len = (uint32_t)body.len};
    if (body.len)
        memcpy(frame->body, body.at, body.len);
    append(urgent ? &outbox->urgent : &outbox->bulk, frame);
    outbox->bytes += FRAME_HEADER + frame->len;
    return true;
}

const struct waiting *outbox_first(const struct outbox *outbox)
{
    return outbox->urgent.first ? outbox->urgent.first : outbox->bulk.first;
}

void outbox_drop_first(struct outbox *outbox)
{
    struct waiting *first = take(outbox->urgent.first ? &outbox->urgent : &outbox->bulk);

    must(outbox->bytes >= FRAME_HEADER + first->len);
    outbox->bytes -= FRAME_HEADER + first->len;
    free(first);
}

void outbox_clear(struct outbox *outbox)
{
    while (outbox_first(outbox))
        outbox_drop_first(outbox);
    must(outbox->bytes == 0);
}
