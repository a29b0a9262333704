#include "cluster/drive.h"

enum { FETCH_PATIENCE_MS = 5000 };

static void give_up(struct cluster *c)
{
    struct fetching *fetching = &c->fetching;

    if (!fetching->on)
        return;
    fetching->on = false;
    transfer_fini(&fetching->got);
    timer_cancel(c->loop, &fetching->timer);
    if (c->raft.fetch_from)
        raft_snapshot_failed(&c->raft, c->raft.fetch_from);
    drive_stir(c);
}

static void on_patience(struct timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, fetching.timer);

    drive_look(c);
    give_up(c);
}

void fetch_init(struct cluster *c)
{
    timer_init(&c->fetching.timer, on_patience);
}

void fetch_fini(struct cluster *c)
{
    if (c->fetching.on)
        transfer_fini(&c->fetching.got);
    timer_cancel(c->loop, &c->fetching.timer);
    c->fetching.on = false;
}

/* Asks for the bytes behind those that have come. */
static void ask_on(struct cluster *c)
{
    struct fetching *fetching = &c->fetching;
    const struct place *place = peers_place_of(c, fetching->from);
    const struct fetch fetch = {fetching->got.index, (uint32_t)fetching->got.bytes.len};

    fetch_encode(peers_frame(c), &fetch);
    if (!place || !peers_say(c, place, FRAME_FETCH, false)) {
        give_up(c);
        return;
    }
    timer_arm(c->loop, &fetching->timer, after_ms(loop_now(c->loop), FETCH_PATIENCE_MS));
}

void fetch_begin(struct cluster *c, uint32_t from, uint64_t index, uint64_t term)
{
    struct fetching *fetching = &c->fetching;

    if (fetching->on || (c->store.snapshot.busy && c->store.snapshot.replace))
        return;
    fetching->on = true;
    fetching->from = from;
    transfer_init(&fetching->got, index, term);
    ask_on(c);
}

/* ---- at the other end ---- */

void fetch_asked(struct cluster *c, struct place *place, struct unpack *in)
{
    const struct store *store = &c->store;
    struct part part = {.index = store->newest_index,
                        .term = store->newest_term,
                        .total = (uint32_t)store->newest.len};
    struct fetch fetch;

    if (!fetch_decode(in->left, &fetch) || !c->member)
        return;
    part.offset = fetch.offset;
    /* A later one serves as well, from its beginning; one that was replaced half-way is begun again by who asks. */
    if (store->newest_index >= fetch.index && fetch.offset <= store->newest.len)
        part.bytes =
            bytes_take(bytes_skip(buf_bytes(&store->newest), fetch.offset), DRIVE_FETCH_BYTES);
    part_encode(peers_frame(c), &part);
    (void)peers_say(c, place, FRAME_CHUNK, false);
}

/* ---- what came ---- */

static void installed(struct cluster *c, struct store_snapshot *snapshot)
{
    struct snapshot read;
    struct err err;
    struct fact fact;

    if (snapshot->end == STORE_FULL || !c->raft.fetch_from || snapshot->index <= c->raft.commit) {
        if (c->raft.fetch_from)
            raft_snapshot_failed(&c->raft, c->raft.fetch_from);
        return;
    }
    if (!snapshot_decode(buf_bytes(&c->store.newest), &read, &c->document, &err))
        never("a snapshot that was read before it was written cannot be read");
    entries_reset(&c->entries, read.index + 1);
    c->applying = read.index;
    raft_snapshot_installed(&c->raft, read.index, read.term, &read.config, loop_now(c->loop));
    fact_init(&fact, FACT_SNAPSHOT_INSTALLED, SUBJECT_DOCUMENT, "");
    fact_add(&fact, NUMBER_INDEX, (int64_t)read.index);
    fact_say(&fact, "took over a snapshot at index %llu", (unsigned long long)read.index);
    drive_record(c, &fact);
    ask_snapshot_installed(c);
    log_document_changed(c);
}

static void whole(struct cluster *c)
{
    struct fetching *fetching = &c->fetching;
    struct store_snapshot *out = &c->store.snapshot;
    struct snapshot read;
    struct err err;

    if (out->busy) {
        give_up(c);
        return;
    }
    if (!snapshot_decode(buf_bytes(&fetching->got.bytes), &read, &c->fetched, &err)) {
        if (err.kind == ERR_VERSION)
            drive_halt_too_old(c, &err);
        else
            give_up(c);
        return;
    }
    if (read.index <= c->raft.commit || c->fetched.cluster != c->charter.cluster) {
        give_up(c);
        return;
    }
    out->index = read.index;
    out->term = read.term;
    out->replace = true;
    out->charter = out->forget = false;
    buf_clear(&out->bytes);
    buf_add(&out->bytes, buf_bytes(&fetching->got.bytes));
    fetching->on = false;
    transfer_fini(&fetching->got);
    timer_cancel(c->loop, &fetching->timer);
    store_write_snapshot(c, installed);
}

void fetch_chunk(struct cluster *c, struct place *place, struct unpack *in)
{
    struct fetching *fetching = &c->fetching;
    struct part part;

    if (!part_decode(in->left, &part) || !fetching->on || place->life.member != fetching->from)
        return;
    switch (transfer_take(&fetching->got, &part)) {
    case TRANSFER_IGNORED:
        break;
    case TRANSFER_MORE:
        ask_on(c);
        break;
    case TRANSFER_WHOLE:
        whole(c);
        break;
    case TRANSFER_BROKEN:
        give_up(c);
        break;
    }
}
