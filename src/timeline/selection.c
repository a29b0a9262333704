#include "timeline/selection.h"

/* What a reply's head takes at most is far below this. */
enum { HEAD_BYTES_MAX = 1024, FACTS_BYTES_MAX = EXCHANGE_REPLY_MAX - HEAD_BYTES_MAX };

void selection_init(struct selection *selection, const struct exchange_request *request)
{
    *selection = (struct selection){
        .request = *request, .scanned = request->after, .found = request->newest};
    buf_init(&selection->taken, 2 * FACTS_BYTES_MAX);
}

void selection_fini(struct selection *selection)
{
    buf_fini(&selection->taken);
}

static void drop_all(struct selection *selection)
{
    buf_clear(&selection->taken);
    selection->begin = 0;
    selection->count = 0;
    selection->more = false;
}

static struct bytes facts_of(const struct selection *selection)
{
    return bytes_skip(buf_bytes(&selection->taken), selection->begin);
}

static void drop_oldest(struct selection *selection)
{
    struct bytes facts = facts_of(selection);
    struct fact fact;
    const char *why;
    size_t used = 0;
    bool whole = fact_decode(facts, &fact, &used, &why) == FACT_READ;

    must(whole);
    selection->begin += used;
    selection->count--;
    if (selection->begin > FACTS_BYTES_MAX / 2) {
        buf_drop(&selection->taken, selection->begin);
        selection->begin = 0;
    }
}

/* At the bound: the newest push out the oldest, the first push out nothing. */
static bool make_room(struct selection *selection, size_t need)
{
    while (selection->count == selection->request.limit ||
           facts_of(selection).len + need > FACTS_BYTES_MAX) {
        selection->more = true;
        if (!selection->request.newest)
            return false;
        drop_oldest(selection);
    }
    return true;
}

static void take(struct selection *selection, const struct fact *fact)
{
    uint8_t storage[FACT_BYTES_MAX];
    struct buf encoded;

    buf_over(&encoded, storage, sizeof storage);
    fact_encode(fact, &encoded);
    if (!make_room(selection, encoded.len))
        return;
    buf_add(&selection->taken, buf_bytes(&encoded));
    selection->count++;
    selection->scanned = (struct place){fact->origin, fact->sequence};
}

void selection_offer(struct selection *selection, const struct fact *fact)
{
    const struct exchange_request *request = &selection->request;

    if (fact->sequence <= selection->last)
        return;
    selection->last = fact->sequence;
    if (!request->newest && fact->origin == request->after.origin &&
        fact->sequence <= request->after.sequence) {
        selection->found = true;
        drop_all(selection);
        selection->scanned = (struct place){fact->origin, fact->sequence};
        return;
    }
    if (selection->more && !request->newest)
        return;
    if (exchange_wants(request, fact))
        take(selection, fact);
    else
        selection->scanned = (struct place){fact->origin, fact->sequence};
}

void selection_begin_origin(struct selection *selection, uint64_t origin)
{
    if (selection->request.newest || origin != selection->request.after.origin)
        return;
    selection->found = true;
    drop_all(selection);
    selection->scanned = (struct place){origin, 0};
}

bool selection_finish(struct selection *selection, struct exchange_reply *reply)
{
    if (selection->taken.full)
        return false;
    reply->facts = facts_of(selection);
    reply->count = selection->count;
    reply->scanned = selection->scanned;
    reply->more = selection->more;
    return true;
}
