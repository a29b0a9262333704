/*
 * The facts on the disk: records of the log whose tag is the origin. An empty record says that an origin begins; it is synced before
 * any fact of it is told to anybody, so that a place of this origin is always recognised.
 */
#include "timeline/drive.h"

#include <errno.h>

bool timeline_store_open(struct store *store, struct err *err)
{
    if (store->wal)
        return true;
    return wal_open(&store->wal, store->disk, &store->options, err) ||
           err_during(err, "open the timeline");
}

void timeline_store_close(struct store *store)
{
    wal_close(store->wal);
    store->wal = NULL;
}

/* ---- reading ---- */

struct reading {
    timeline_store_each *each;
    void *context;
};

/* A record that this version cannot read was written by a newer one: it is passed over. */
static bool on_record(void *context, const struct wal_record *record)
{
    struct reading *reading = context;
    struct fact fact = {.origin = record->tag};
    const char *why;
    size_t used;

    if (record->body.len == 0 || fact_decode(record->body, &fact, &used, &why) == FACT_READ)
        reading->each(reading->context, &fact);
    return true;
}

bool timeline_store_read(struct store *store, timeline_store_each *each, void *context,
                         struct err *err)
{
    struct reading reading = {.each = each, .context = context};

    if (!timeline_store_open(store, err))
        return false;
    return wal_each(store->wal, wal_first(store->wal), UINT64_MAX, on_record, &reading, err) ||
           err_during(err, "read the timeline");
}

/* ---- writing ---- */

/* At the bound, and when the file system is full, the oldest segment is used again. */
static bool append(struct store *store, struct bytes body, struct err *err)
{
    struct wal_record record = {.index = wal_next(store->wal), .tag = store->origin, .body = body};

    if (wal_append(store->wal, &record, err))
        return true;
    if (err->number != ENOSPC || wal_segments(store->wal) < 2)
        return false;
    return wal_drop_oldest(store->wal, err) && wal_append(store->wal, &record, err);
}

static bool append_facts(struct store *store, struct bytes facts, struct err *err)
{
    while (facts.len) {
        struct fact fact;
        const char *why;
        size_t used = 0;
        bool whole = fact_decode(facts, &fact, &used, &why) == FACT_READ;

        must(whole);
        if (!append(store, bytes_take(facts, used), err))
            return false;
        facts = bytes_skip(facts, used);
    }
    return true;
}

static bool write_all(struct store *store, struct bytes facts, struct err *err)
{
    if (!timeline_store_open(store, err))
        return false;
    if (!store->begun && !append(store, BYTES(""), err))
        return err_during(err, "write the timeline");
    if (!append_facts(store, facts, err) || !wal_sync(store->wal, err))
        return err_during(err, "write the timeline");
    store->begun = true;
    return true;
}

/* Closed after a failure, so that the next write begins with what the disk really holds; what is then written twice has the same sequence. */
bool timeline_store_write(struct store *store, struct bytes facts, struct err *err)
{
    if (write_all(store, facts, err))
        return true;
    timeline_store_close(store);
    return false;
}
