#include "cluster/drive.h"

#include "base/own.h"
#include "base/pack.h"

#include <errno.h>

enum { SEGMENTS_MAX = 128 };

static const char *snapshot_name(uint8_t slot)
{
    return slot == 1 ? "snapshot-1" : "snapshot-2";
}

/* ---- the start ---- */

/* Does it make a member of this node? */
static bool is_ours(const struct cluster *c, const struct charter *charter, struct err *err)
{
    const struct member *self = charter_find_disk(charter, c->store.disk_id);

    if (!self)
        return err_set(
            err, ERR_SYSTEM,
            "'charter' names another disk than 'identity': files of two nodes are mixed");
    if (strcmp(self->name, c->node) != 0)
        return err_set(err, ERR_CONFIG,
                       "this directory is that of the node '%s', and this node's name is '%s'",
                       self->name, c->node);
    return true;
}

static bool read_charter(struct cluster *c, struct store_found *found, struct err *err)
{
    struct buf bytes;
    bool ok;

    buf_init(&bytes, CHARTER_MAX);
    ok = wal_file_read(c->store.disk.disk, "charter", &bytes, err);
    if (!ok && err->number == ENOENT) {
        buf_fini(&bytes);
        return true;
    }
    if (ok && !charter_decode(buf_bytes(&bytes), &found->charter))
        ok = err_set(err, ERR_SYSTEM, "'charter' is not one that this version can read");
    ok = ok && is_ours(c, &found->charter, err);
    found->member = ok;
    buf_fini(&bytes);
    return ok;
}

static bool read_snapshot(struct cluster *c, struct store_found *found, struct err *err)
{
    struct store *store = &c->store;
    struct store_disk *disk = &store->disk;
    struct snapshot snapshot;

    if (disk->slot == 0)
        return true;
    if (!wal_file_read(disk->disk, snapshot_name(disk->slot), &store->newest, err))
        return false;
    if (!snapshot_decode(buf_bytes(&store->newest), &snapshot, &c->document, err))
        return err_during(err, "'%s'", snapshot_name(disk->slot));
    if (snapshot.index != disk->snapshot_index || snapshot.term != disk->snapshot_term)
        return err_set(err, ERR_SYSTEM, "'%s' is of index %llu, and 'meta' says %llu",
                       snapshot_name(disk->slot), (unsigned long long)snapshot.index,
                       (unsigned long long)disk->snapshot_index);
    store->newest_index = snapshot.index;
    store->newest_term = snapshot.term;
    found->restored.snapshot_config = snapshot.config;
    return true;
}

void store_charter_alone(const struct document *document, struct charter *charter)
{
    must(document->member_count == 1);
    *charter = (struct charter){.cluster = document->cluster, .welcome = true, .count = 1};
    charter->members[0] = document->members[0];
}

/* A recovery writes the snapshot first and the charter last: what the end came between is done now. */
static bool finish_recovery(struct cluster *c, struct store_found *found, struct err *err)
{
    const struct document *document = &c->document;
    uint8_t bytes[CHARTER_MAX];
    struct buf out;

    if (c->store.disk.slot == 0 || document->cluster == found->charter.cluster)
        return true;
    if (document->member_count != 1 || document->members[0].disk != c->store.disk_id)
        return err_set(err, ERR_SYSTEM,
                       "'charter' is of another cluster than '%s': files of two nodes are mixed",
                       snapshot_name(c->store.disk.slot));
    store_charter_alone(document, &found->charter);
    buf_over(&out, bytes, sizeof bytes);
    charter_encode(&out, &found->charter);
    must(!out.full);
    if (!wal_file_replace(c->store.disk.disk, "charter", buf_bytes(&out), err))
        return err_during(err, "finish a recovery");
    return true;
}

struct reading {
    struct entries *entries;
    uint64_t term; /* of the snapshot's place in the log; 0: not in it */
    uint64_t place;
    bool bad;
    struct err *err;
};

static bool read_record(void *context, const struct wal_record *record)
{
    struct reading *reading = context;
    struct bytes left = record->body, body;
    struct raft_entry entry;

    if (record->index == reading->place)
        reading->term = record->tag;
    if (record->index <= reading->place)
        return true;
    if (!raft_decode_entry(&left, &entry, &body, reading->err) || left.len > 0 ||
        entry.term != record->tag || !entries_room(reading->entries, 1, body.len)) {
        reading->bad = true;
        return false;
    }
    entries_put(reading->entries, record->index, &entry, body);
    return true;
}

/* A snapshot that was installed may not have emptied the log behind it before the end: then the log ends before its place, or contradicts it. */
static bool read_log(struct cluster *c, struct err *err)
{
    struct store_disk *disk = &c->store.disk;
    struct reading reading = {.entries = &c->entries, .place = disk->snapshot_index, .err = err};
    uint64_t first = wal_first(disk->wal), next = wal_next(disk->wal);

    entries_init(&c->entries, disk->snapshot_index + 1);
    if (next > disk->snapshot_index + 1 && first > disk->snapshot_index + 1)
        return err_set(err, ERR_SYSTEM, "the log begins at %llu, and the snapshot ends at %llu",
                       (unsigned long long)first, (unsigned long long)disk->snapshot_index);
    if (next <= disk->snapshot_index)
        return wal_reset(disk->wal, disk->snapshot_index + 1, err);
    if (!wal_each(disk->wal, first, next - 1, read_record, &reading, err))
        return false;
    if (reading.bad)
        return err_set(err, ERR_SYSTEM, "the log holds an entry that this version cannot read");
    if (first <= disk->snapshot_index && reading.term != disk->snapshot_term) {
        entries_reset(&c->entries, disk->snapshot_index + 1);
        return wal_reset(disk->wal, disk->snapshot_index + 1, err);
    }
    return true;
}

static bool restore(struct cluster *c, struct store_found *found, struct err *err)
{
    struct store_disk *disk = &c->store.disk;
    struct raft_restored *restored = &found->restored;
    uint64_t count;

    if (disk->meta.len == 0)
        return err_set(err, ERR_SYSTEM,
                       "'meta' is missing: nobody knows what this node has voted for");
    if (!read_snapshot(c, found, err) || !read_log(c, err) || !meta_reach_end(disk, err) ||
        !finish_recovery(c, found, err))
        return false;
    count = c->entries.next - c->entries.first;
    found->entries = calloc(count + 1, sizeof *found->entries);
    must(found->entries);
    for (uint64_t i = 0; i < count; i++)
        found->entries[i] = entries_at(&c->entries, c->entries.first + i)->entry;
    restored->term = disk->term;
    restored->vote = disk->vote;
    restored->snapshot_index = disk->snapshot_index;
    restored->snapshot_term = disk->snapshot_term;
    restored->last = c->entries.next - 1;
    restored->entries = found->entries;
    return true;
}

/* A founding that never came to its end leaves at most the term 1, no vote, the document at 1 and an empty log behind it. */
static bool begin_blank(struct store_disk *disk, struct err *err)
{
    if (disk->vote != 0 || disk->term > 1 || disk->snapshot_index > 1 || wal_next(disk->wal) > 2)
        return err_set(err, ERR_SYSTEM,
                       "'charter' is missing, and 'meta' and the log are those of a member: put it "
                       "back, or empty this directory to come back as a new node");
    *disk = (struct store_disk){
        .disk = disk->disk, .wal = disk->wal, .identity = disk->identity, .meta = disk->meta};
    return true;
}

bool store_open(struct cluster *c, bool kept, struct store_found *found, struct err *err)
{
    struct store *store = &c->store;
    struct store_disk *disk = &store->disk;
    struct wal_options options = {.prefix = "log",
                                  .segment_bytes = c->log.segment_bytes,
                                  .segments_max = SEGMENTS_MAX,
                                  .spares = 2,
                                  .seed = rng_next(&c->rng)};

    meta_open(c);
    buf_init(&store->newest, SNAPSHOT_BYTES_MAX);
    buf_init(&store->persist.records, (size_t)ENTRIES_BYTES_MAX + ENTRIES_MAX * 64);
    buf_init(&store->snapshot.bytes, SNAPSHOT_BYTES_MAX);
    buf_init(&store->snapshot.charter_bytes, CHARTER_MAX);
    if (!wal_meta_open(&disk->identity, disk->disk, "identity", err) || !meta_read_identity(c, err))
        return false;
    store->incarnation++;
    if (!store->clean && !kept)
        store->doubt = store->incarnation;
    if (!meta_write_identity(store, false, err))
        return err_during(err, "count this start");
    if (!wal_meta_open(&disk->meta, disk->disk, "meta", err) || !meta_read(disk, err))
        return false;
    options.expected = disk->log;
    if (!wal_open(&disk->wal, disk->disk, &options, err)) {
        if (err->number == ENOENT || err->number == EILSEQ)
            err_prefix(err,
                       "what this node has acknowledged is %s: put the log's files back, or "
                       "empty this directory to come back as a new node",
                       err->number == ENOENT ? "gone" : "damaged");
        return false;
    }
    if (!read_charter(c, found, err))
        return false;
    return found->member ? restore(c, found, err) : begin_blank(disk, err);
}

void store_close(struct cluster *c)
{
    struct store *store = &c->store;

    wal_close(store->disk.wal);
    wal_meta_close(&store->disk.meta);
    wal_meta_close(&store->disk.identity);
    buf_fini(&store->newest);
    buf_fini(&store->persist.records);
    buf_fini(&store->snapshot.bytes);
    buf_fini(&store->snapshot.charter_bytes);
}

bool store_mark_clean(struct cluster *c, struct err *err)
{
    return (!c->member || meta_reach_end(&c->store.disk, err)) &&
           meta_write_identity(&c->store, true, err);
}

/* ---- what consensus wants durable ---- */

static bool append_records(struct store_disk *disk, const struct store_persist *persist,
                           struct err *err)
{
    struct unpack in = unpack_of(buf_bytes(&persist->records));

    for (uint64_t i = 0; i < persist->count; i++) {
        uint64_t term = unpack_u64(&in);
        struct bytes body = unpack_bytes16(&in);
        struct wal_record record = {.index = persist->keep + 1 + i, .tag = term, .body = body};

        if (!wal_append(disk->wal, &record, err))
            return false;
    }
    return wal_sync(disk->wal, err);
}

/* The disk is full: what of the records was staged or written is cut off again, for which there is a reserve. */
static enum store_end take_back(struct store_disk *disk, uint64_t keep, struct err *err)
{
    if (wal_next(disk->wal) > keep + 1 && !wal_truncate_after(disk->wal, keep, err))
        return STORE_FAILED;
    return wal_sync(disk->wal, err) ? STORE_FULL : STORE_FAILED;
}

static enum store_end write_log(struct store_disk *disk, const struct store_persist *persist,
                                struct err *err)
{
    if (wal_next(disk->wal) > persist->keep + 1 &&
        !wal_truncate_after(disk->wal, persist->keep, err))
        return STORE_FAILED;
    if (append_records(disk, persist, err))
        return STORE_OK;
    return err->number == ENOSPC ? take_back(disk, persist->keep, err) : STORE_FAILED;
}

static void persist_work(struct job *job)
{
    struct store_persist *persist = container_of(job, struct store_persist, job);
    struct store_disk *disk = &persist->cluster->store.disk;

    persist->end = STORE_OK;
    if (persist->meta) {
        disk->term = persist->term;
        disk->vote = persist->vote;
        if (!meta_write(disk, &persist->err))
            persist->end = STORE_FAILED;
    }
    if (persist->log && persist->end == STORE_OK)
        persist->end = write_log(disk, persist, &persist->err);
    if (persist->end != STORE_FAILED && !meta_reach_segment(disk, &persist->err))
        persist->end = STORE_FAILED;
}

static void tell_full(struct cluster *c, bool full)
{
    struct fact fact;

    if (c->store.was_full == full)
        return;
    c->store.was_full = full;
    fact_init(&fact, full ? FACT_DISK_FULL : FACT_DISK_OK, SUBJECT_DISK, "cluster");
    fact_say(&fact, full
                        ? "the disk under the cluster's log is full: this node acknowledges nothing"
                        : "the disk under the cluster's log takes entries again");
    drive_record(c, &fact);
    drive_changed(c);
}

static void persist_done(struct job *job)
{
    struct store_persist *persist = container_of(job, struct store_persist, job);
    struct cluster *c = persist->cluster;

    persist->busy = false;
    drive_look(c);
    if (persist->end == STORE_FAILED) {
        drive_halt(c, &persist->err);
        return;
    }
    if (persist->end == STORE_FULL)
        raft_disk_full(&c->raft, persist->ticket, loop_now(c->loop));
    else
        raft_persisted(&c->raft, persist->ticket, loop_now(c->loop));
    if (persist->log) {
        meta_log_grew(c);
        tell_full(c, persist->end == STORE_FULL);
    }
    drive_stir(c);
}

static void gather(struct cluster *c, struct store_persist *persist, uint64_t last)
{
    uint8_t bytes[RAFT_ENTRY_BYTES + RAFT_BODY_MAX];

    buf_clear(&persist->records);
    persist->count = last - persist->keep;
    for (uint64_t index = persist->keep + 1; index <= last; index++) {
        const struct entries_kept *kept = entries_at(&c->entries, index);
        struct buf one;

        must(kept);
        buf_over(&one, bytes, sizeof bytes);
        raft_encode_entry(&one, &kept->entry, bytes_of(kept->body, kept->len));
        must(!one.full);
        pack_u64(&persist->records, kept->entry.term);
        pack_bytes16(&persist->records, buf_bytes(&one));
    }
    must(!persist->records.full);
}

void store_persist(struct cluster *c)
{
    struct store_persist *persist = &c->store.persist;
    const struct raft_actions *actions = &c->actions;

    must(!persist->busy);
    persist->job.work = persist_work;
    persist->job.done = persist_done;
    persist->cluster = c;
    persist->busy = true;
    persist->ticket = actions->persist.ticket;
    persist->term = actions->persist.term;
    persist->vote = actions->persist.vote;
    persist->keep = actions->persist.keep;
    persist->meta = actions->persist.meta;
    persist->log = actions->persist.log;
    if (persist->log)
        gather(c, persist, actions->persist.last);
    jobs_add(c->jobs, &persist->job);
}

/* ---- snapshots ---- */

/* A welcome to a cluster brings no snapshot: its index is 0. */
static bool write_snapshot(struct store_disk *disk, struct store_snapshot *snapshot)
{
    uint8_t slot = disk->slot == 1 ? 2 : 1;
    struct err *err = &snapshot->err;

    if (snapshot->index > 0 &&
        !wal_file_replace(disk->disk, snapshot_name(slot), buf_bytes(&snapshot->bytes), err))
        return false;
    if (snapshot->forget) {
        disk->term = snapshot->new_term;
        disk->vote = snapshot->new_vote;
    }
    if (snapshot->index == 0)
        return meta_write(disk, err);
    disk->slot = slot;
    disk->snapshot_index = snapshot->index;
    disk->snapshot_term = snapshot->term;
    return meta_write(disk, err);
}

/* A founding that never came to its end may have left a log that begins at 2. */
static bool trim_log(struct store_disk *disk, struct store_snapshot *snapshot)
{
    if (snapshot->index == 0)
        return wal_reset(disk->wal, 1, &snapshot->err);
    return snapshot->replace ? wal_reset(disk->wal, snapshot->index + 1, &snapshot->err)
                             : wal_drop_before(disk->wal, snapshot->keep_from, &snapshot->err);
}

static bool write_charter(struct store_disk *disk, struct store_snapshot *snapshot)
{
    return !snapshot->charter ||
           wal_file_replace(disk->disk, "charter", buf_bytes(&snapshot->charter_bytes),
                            &snapshot->err);
}

static void snapshot_work(struct job *job)
{
    struct store_snapshot *snapshot = container_of(job, struct store_snapshot, job);
    struct store_disk *disk = &snapshot->cluster->store.disk;

    snapshot->end = STORE_OK;
    if (!write_snapshot(disk, snapshot))
        snapshot->end = snapshot->err.number == ENOSPC ? STORE_FULL : STORE_FAILED;
    else if (!trim_log(disk, snapshot) || !meta_reach_end(disk, &snapshot->err) ||
             !write_charter(disk, snapshot))
        snapshot->end = STORE_FAILED;
}

static void snapshot_done(struct job *job)
{
    struct store_snapshot *snapshot = container_of(job, struct store_snapshot, job);
    struct cluster *c = snapshot->cluster;
    struct store *store = &c->store;

    snapshot->busy = false;
    drive_look(c);
    if (snapshot->end == STORE_FAILED) {
        drive_halt(c, &snapshot->err);
        return;
    }
    if (snapshot->end == STORE_OK && snapshot->index > 0) {
        struct buf was = store->newest;

        store->newest = snapshot->bytes;
        store->newest_index = snapshot->index;
        store->newest_term = snapshot->term;
        snapshot->bytes = was;
    }
    snapshot->done(c, snapshot);
    drive_stir(c);
}

void store_write_snapshot(struct cluster *c,
                          void (*done)(struct cluster *cluster, struct store_snapshot *snapshot))
{
    struct store_snapshot *snapshot = &c->store.snapshot;

    must(!snapshot->busy);
    must(!snapshot->bytes.full && !snapshot->charter_bytes.full);
    snapshot->cluster = c;
    snapshot->busy = true;
    snapshot->done = done;
    snapshot->job.work = snapshot_work;
    snapshot->job.done = snapshot_done;
    jobs_add(c->jobs, &snapshot->job);
}

static void own_snapshot_done(struct cluster *c, struct store_snapshot *snapshot)
{
    struct fact fact;

    if (snapshot->end == STORE_FULL) {
        c->store.snapshot_retry = after_ms(loop_now(c->loop), 10000);
        fact_init(&fact, FACT_SNAPSHOT_FAILED, SUBJECT_DISK, "cluster");
        fact_say(&fact, "the disk has no room for a snapshot");
        drive_record(c, &fact);
        return;
    }
    /* One that was installed meanwhile is newer, and has told consensus so. */
    if (snapshot->index <= c->raft.snapshot_index)
        return;
    raft_snapshot_saved(&c->raft, snapshot->index, snapshot->keep_from);
    entries_drop_before(&c->entries, snapshot->keep_from);
    fact_init(&fact, FACT_SNAPSHOT_MADE, SUBJECT_DOCUMENT, "");
    fact_add(&fact, NUMBER_INDEX, (int64_t)snapshot->index);
    fact_add(&fact, NUMBER_BYTES, (int64_t)c->store.newest.len);
    fact_say(&fact, "snapshot at index %llu", (unsigned long long)snapshot->index);
    drive_record(c, &fact);
}

static bool due(const struct cluster *c)
{
    uint64_t behind = c->applying - c->raft.snapshot_index;

    if (c->store.snapshot.busy || c->raft.fetch_from ||
        !passed(c->store.snapshot_retry, loop_now(c->loop)))
        return false;
    /* Consensus takes no snapshot of what its own disk does not hold yet. */
    if (behind == 0 || c->applying > c->raft.stored)
        return false;
    return behind >= c->log.snapshot_entries || c->entries.bytes >= DRIVE_SNAPSHOT_BYTES ||
           raft_wants_snapshot(&c->raft);
}

/* The members as consensus counts them where the document stands: it says so itself. */
void store_config_of(const struct document *document, struct raft_config *config)
{
    *config = (struct raft_config){.count = document->member_count};
    for (uint32_t i = 0; i < document->member_count; i++)
        config->members[i] =
            (struct raft_member){.id = document->members[i].id, .role = document->members[i].role};
}

void store_fill_snapshot(struct cluster *c, const struct document *document, uint64_t term)
{
    struct store_snapshot *out = &c->store.snapshot;
    struct snapshot snapshot = {.index = document->index, .term = term};

    must(!out->busy);
    out->index = document->index;
    out->term = term;
    out->replace = out->charter = out->forget = false;
    store_config_of(document, &snapshot.config);
    buf_clear(&out->bytes);
    buf_clear(&out->charter_bytes);
    snapshot_encode(&out->bytes, &snapshot, document);
}

void store_snapshot_if_due(struct cluster *c)
{
    struct store_snapshot *snapshot = &c->store.snapshot;
    uint64_t first;

    if (!due(c))
        return;
    store_fill_snapshot(c, &c->document, raft_term_at(&c->raft, c->applying));
    first = c->applying > c->log.keep_entries ? c->applying - c->log.keep_entries + 1 : 1;
    if (first < c->raft.first)
        first = c->raft.first;
    /* Bodies that are large are not kept for the slow. */
    if (c->entries.bytes >= DRIVE_SNAPSHOT_BYTES)
        first = c->applying + 1;
    snapshot->keep_from = first;
    store_write_snapshot(c, own_snapshot_done);
}
