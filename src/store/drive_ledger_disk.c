/*
 * The log on its job thread: one job writes what the core wants durable, one reads what is no longer in memory, one drops what nobody needs.
 */
#include "store/drive_ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SEGMENT_BYTES = 16 << 20,
    RETAIN_BYTES = 256 << 20,
    ASIDE_BYTES = 32 << 20, /* of one file */
    META_BYTES = 128,
};

/* ---- on the thread ---- */

static bool write_meta(struct ledger_files *files, const struct ledger_meta *meta, struct err *err)
{
    uint8_t bytes[META_BYTES];
    struct wal_place place = wal_newest(files->wal);
    struct buf out;

    buf_over(&out, bytes, sizeof bytes);
    ledger_meta_encode(&out, meta);
    pack_u64(&out, place.log);
    pack_u64(&out, place.segment);
    must(!out.full);
    if (!wal_meta_write(&files->meta, buf_bytes(&out), err))
        return false;
    files->kept = *meta;
    files->place = place;
    return true;
}

/* Before anything in a segment is confirmed, 'meta' says that it must be there. */
static bool remember_segment(struct ledger_files *files, struct err *err)
{
    struct wal_place place = wal_newest(files->wal);

    return (place.log == files->place.log && place.segment == files->place.segment) ||
           write_meta(files, &files->kept, err);
}

static bool append_all(struct ledger_work *work, struct wal *wal)
{
    uint64_t count = work->disk.to - work->disk.from + 1;

    for (uint64_t i = 0; i < count; i++)
        if (!wal_append(wal, &work->records[i], &work->err))
            return false;
    return wal_sync(wal, &work->err);
}

/* A full disk: all or nothing of the batch. */
static bool take_back(struct ledger_work *work, struct wal *wal)
{
    if (work->err.number != ENOSPC)
        return false;
    work->result = LEDGER_NO_ROOM;
    return wal_truncate_after(wal, work->disk.from - 1, &work->err) && wal_sync(wal, &work->err);
}

static bool write_records(struct ledger_work *work, struct ledger_files *files)
{
    return (append_all(work, files->wal) || take_back(work, files->wal)) &&
           remember_segment(files, &work->err);
}

/* ---- what is put aside ---- */

struct aside {
    struct disk *disk;
    struct buf bytes;
    uint64_t epoch, first;
    bool ok;
    struct err *err;
};

static bool put_aside(struct aside *aside)
{
    char name[DISK_NAME_MAX];

    if (aside->bytes.len == 0)
        return true;
    snprintf(name, sizeof name, "quarantine-%llu-%llu", (unsigned long long)aside->epoch,
             (unsigned long long)aside->first);
    aside->ok = wal_file_replace(aside->disk, name, buf_bytes(&aside->bytes), aside->err);
    buf_clear(&aside->bytes);
    return aside->ok;
}

static bool put_one_aside(void *context, const struct wal_record *record)
{
    struct aside *aside = context;

    if (aside->bytes.len > ASIDE_BYTES && !put_aside(aside))
        return false;
    if (aside->bytes.len == 0) {
        aside->epoch = record->tag;
        aside->first = record->index;
    }
    pack_u64(&aside->bytes, record->index);
    pack_u64(&aside->bytes, record->tag);
    pack_u32(&aside->bytes, (uint32_t)record->body.len);
    buf_add(&aside->bytes, record->body);
    return true;
}

static bool put_tail_aside(struct ledger_work *work, struct ledger_files *files)
{
    struct aside aside = {.disk = files->disk, .ok = true, .err = &work->err};
    bool ok;

    if (work->disk.from == 0 || work->disk.from >= wal_next(files->wal))
        return true;
    buf_init(&aside.bytes, WAL_FILE_BYTES_MAX);
    ok = wal_each(files->wal, work->disk.from, UINT64_MAX, put_one_aside, &aside, &work->err) &&
         aside.ok && put_aside(&aside);
    buf_fini(&aside.bytes);
    return ok;
}

static bool cut(struct ledger_work *work, struct ledger_files *files)
{
    return put_tail_aside(work, files) &&
           wal_truncate_after(files->wal, work->disk.to, &work->err) &&
           wal_sync(files->wal, &work->err);
}

static bool begin_anew(struct ledger_work *work, struct ledger_files *files)
{
    return put_tail_aside(work, files) && wal_reset(files->wal, work->disk.to + 1, &work->err) &&
           write_meta(files, &work->disk.meta, &work->err);
}

static void disk_work(struct job *job)
{
    struct ledger_work *work = container_of(job, struct ledger_work, job);
    struct ledger_files *files = &work->ledger->files;
    bool ok = true;

    work->result = LEDGER_DONE;
    switch ((enum ledger_disk_kind)work->disk.kind) {
    case LEDGER_DISK_WRITE:
        ok = write_records(work, files);
        break;
    case LEDGER_DISK_META:
        ok = write_meta(files, &work->disk.meta, &work->err);
        break;
    case LEDGER_DISK_CUT:
        ok = cut(work, files);
        break;
    case LEDGER_DISK_RESET:
        ok = begin_anew(work, files);
        break;
    case LEDGER_DISK_NONE:
        never("nothing to do");
    }
    if (!ok)
        work->result = work->err.number == ENOSPC && work->disk.kind != LEDGER_DISK_WRITE
                           ? LEDGER_NO_ROOM
                           : LEDGER_BROKEN;
}

static bool read_one(void *context, const struct wal_record *record)
{
    struct ledger_read *read = context;

    if (record->index != read->records.next)
        return false;
    tail_put(&read->records, record->body, 0);
    return tail_bytes(&read->records) < LEDGER_READ_BYTES;
}

static void read_work(struct job *job)
{
    struct ledger_read *read = container_of(job, struct ledger_read, job);

    tail_reset(&read->records, read->from);
    read->failed =
        !wal_each(read->ledger->files.wal, read->from, UINT64_MAX, read_one, read, &read->err);
}

static void drop_work(struct job *job)
{
    struct ledger_drop *drop = container_of(job, struct ledger_drop, job);
    struct ledger_files *files = &drop->ledger->files;

    drop->failed =
        !wal_drop_before(files->wal, drop->before, &drop->err) && drop->err.number != ENOSPC;
    drop->first = wal_first(files->wal);
}

/* ---- on the loop ---- */

static void note_size(struct ledger *l, uint64_t position)
{
    const struct ledger_size *last =
        &l->sizes[(l->sizes_first + l->sizes_count - 1) % LEDGER_MARKS_MAX];
    uint64_t step = l->options.segment_bytes / 2;

    if (l->sizes_count == LEDGER_MARKS_MAX ||
        (l->sizes_count > 0 && l->log_bytes - last->bytes < step))
        return;
    l->sizes[(l->sizes_first + l->sizes_count++) % LEDGER_MARKS_MAX] =
        (struct ledger_size){position, l->log_bytes};
}

static void on_done(struct job *job)
{
    struct ledger_work *work = container_of(job, struct ledger_work, job);
    struct ledger *l = work->ledger;

    if (l->failed)
        return;
    if (work->result == LEDGER_BROKEN) {
        ledger_fail(l, &work->err);
        return;
    }
    ledger_core_disk_done(&l->core, work->result == LEDGER_DONE ? LEDGER_OK : LEDGER_NO_SPACE,
                          loop_now(l->loop));
    if (work->disk.kind == LEDGER_DISK_WRITE && work->result == LEDGER_DONE) {
        l->log_bytes += work->bytes;
        note_size(l, work->disk.to);
        ledger_files_trim(l);
    }
    if (work->disk.kind == LEDGER_DISK_CUT && work->result == LEDGER_DONE &&
        l->tail.next > work->disk.to + 1) {
        if (l->tail.first > work->disk.to + 1)
            tail_reset(&l->tail, work->disk.to + 1);
        else
            tail_cut(&l->tail, work->disk.to);
        l->read.records.next = l->read.records.first;
        if (l->replay.to > work->disk.to)
            l->replay.to = work->disk.to;
    }
    if (work->disk.kind == LEDGER_DISK_RESET && work->result == LEDGER_DONE) {
        tail_reset(&l->tail, work->disk.to + 1);
        l->sizes_count = 0;
        l->checkpointed = work->disk.to; /* the owner's, which may be less than it was */
    }
    ledger_stir(l);
}

static void fill_records(struct ledger *l, struct ledger_work *work)
{
    uint64_t from = work->disk.from, epoch = 0, next = 0;

    must(work->disk.to - from < LEDGER_WRITE_MAX);
    work->bytes = 0;
    for (uint64_t at = from; at <= work->disk.to; at++) {
        const struct tail_record *record = tail_at(&l->tail, at);

        must(record);
        if (at >= next) { /* the epoch's run that this position is in, and where it ends */
            epoch = history_epoch(&l->core.history, at);
            next = UINT64_MAX;
            for (uint32_t i = 0; i < l->core.history.count; i++)
                if (l->core.history.runs[i].first > at && l->core.history.runs[i].first < next)
                    next = l->core.history.runs[i].first;
        }
        work->bytes += record->len;
        work->records[at - from] = (struct wal_record){
            .index = at, .tag = epoch, .body = bytes_of(record->at, record->len)};
    }
}

void ledger_files_do(struct ledger *l, const struct ledger_disk *disk)
{
    struct ledger_work *work = &l->work;

    work->disk = *disk;
    if (disk->kind == LEDGER_DISK_WRITE)
        fill_records(l, work);
    jobs_add(l->jobs, &work->job);
}

static void on_read(struct job *job)
{
    struct ledger_read *read = container_of(job, struct ledger_read, job);

    read->busy = false;
    if (read->failed)
        ledger_fail(read->ledger, &read->err);
    else
        ledger_stir(read->ledger);
}

void ledger_files_want(struct ledger *l, uint64_t position)
{
    struct ledger_read *read = &l->read;

    if (read->busy || l->failed)
        return;
    read->busy = true;
    read->from = position;
    jobs_add(l->jobs, &read->job);
}

const struct tail_record *ledger_files_at(const struct ledger *l, uint64_t position)
{
    const struct tail_record *record = tail_at(&l->tail, position);

    return record || l->read.busy ? record : tail_at(&l->read.records, position);
}

/* ---- what is dropped ---- */

/* The newest known place with at least so many bytes after it; 0: there is none. */
static uint64_t place_with(const struct ledger *l, uint64_t bytes)
{
    for (uint32_t i = l->sizes_count; i > 0; i--) {
        const struct ledger_size *size = &l->sizes[(l->sizes_first + i - 1) % LEDGER_MARKS_MAX];

        if (l->log_bytes - size->bytes >= bytes)
            return size->position;
    }
    return 0;
}

/* Attached followers hold the log back up to twice its size, a copy that goes out as long as it does. */
static uint64_t droppable(const struct ledger *l)
{
    uint64_t soft = place_with(l, l->options.retain_bytes);
    uint64_t hard = place_with(l, 2 * l->options.retain_bytes);
    uint64_t before = soft;

    for (uint32_t i = 0; i < l->core.follower_count; i++) {
        const struct ledger_follower *follower = &l->core.followers[i];

        if (follower->attached && follower->confirmed < before)
            before = follower->confirmed;
    }
    if (before < hard)
        before = hard;
    for (uint32_t i = 0; i < LEDGER_MEMBERS_MAX; i++)
        if (l->places[i].transfer.begun && l->places[i].transfer.hold < before)
            before = l->places[i].transfer.hold;
    return before < l->checkpointed ? before : l->checkpointed;
}

static void on_dropped(struct job *job)
{
    struct ledger_drop *drop = container_of(job, struct ledger_drop, job);
    struct ledger *l = drop->ledger;

    drop->busy = false;
    if (l->failed)
        return;
    if (drop->failed) {
        ledger_fail(l, &drop->err);
        return;
    }
    while (l->sizes_count > 0 && l->sizes[l->sizes_first].position < drop->before) {
        l->sizes_first = (l->sizes_first + 1) % LEDGER_MARKS_MAX;
        l->sizes_count--;
    }
    if (drop->first <= l->core.executed && !ledger_core_loading(&l->core))
        ledger_core_dropped(&l->core, drop->first);
    ledger_stir(l);
}

void ledger_files_trim(struct ledger *l)
{
    uint64_t before;

    if (l->drop.busy || l->sizes_count == 0 || ledger_core_loading(&l->core))
        return;
    before = droppable(l);
    if (before <= l->core.history.base.offset || before <= l->sizes[l->sizes_first].position)
        return;
    l->drop.busy = true;
    l->drop.before = before;
    jobs_add(l->jobs, &l->drop.job);
}

/* ---- the start ---- */

struct loading {
    struct ledger *ledger;
    struct history *history;
    bool first, bad;
    uint64_t promised;
};

static bool load_one(void *context, const struct wal_record *record)
{
    struct loading *loading = context;
    struct ledger *l = loading->ledger;

    if (record->tag == 0 || record->tag > loading->promised || record->body.len == 0 ||
        record->tag < history_last(loading->history).epoch) {
        loading->bad = true;
        return false;
    }
    if (loading->first)
        tail_reset(&l->tail, record->index);
    if (loading->first && record->index != loading->history->base.offset + 1)
        history_init(loading->history, (struct position){record->tag, record->index});
    else
        history_extend(loading->history, record->tag, record->index);
    loading->first = false;
    l->log_bytes += record->body.len;
    note_size(l, record->index);
    tail_put(&l->tail, record->body, 0);
    while (tail_bytes(&l->tail) > LEDGER_OPEN_MAX)
        tail_drop(&l->tail, l->tail.first + 1);
    return true;
}

static bool read_meta(struct ledger_files *files, struct err *err)
{
    struct unpack in = unpack_of(bytes_of(files->meta.body, files->meta.len));

    if (files->meta.len == 0)
        return true;
    if (!ledger_meta_decode(&in, &files->kept))
        return err_set(err, ERR_SYSTEM, "'ledger' is not one that this version can read");
    files->place.log = unpack_u64(&in);
    files->place.segment = unpack_u64(&in);
    return unpack_ended(&in) ||
           err_set(err, ERR_SYSTEM, "'ledger' is not one that this version can read");
}

static bool open_log(struct ledger *l, struct err *err)
{
    struct ledger_files *files = &l->files;
    struct wal_options options = {.prefix = "records",
                                  .segment_bytes = l->options.segment_bytes,
                                  .segments_max = WAL_SEGMENTS_MAX,
                                  .spares = 2,
                                  .seed = l->options.seed,
                                  .expected = files->place};

    if (!wal_open(&files->wal, files->disk, &options, err)) {
        if (err->number == ENOENT)
            err_prefix(err, "what this member has confirmed is gone: put the log's files back, or "
                            "empty this directory for a copy");
        return false;
    }
    if (files->meta.len == 0 && wal_next(files->wal) > 1)
        return err_set(err, ERR_SYSTEM,
                       "'ledger' is missing: nobody knows what this member has promised");
    return remember_segment(files, err);
}

static bool state_fits(const struct ledger *l, const struct ledger_restored *restored,
                       struct err *err)
{
    const struct position *state = &l->options.state.position;
    const struct history *history = &restored->history;

    if (restored->meta.copying)
        return true;
    if (state->offset < history->base.offset || state->offset > history->end)
        return err_set(
            err, ERR_SYSTEM,
            "the state is that of position %llu, and the log holds what follows %llu, up to %llu",
            (unsigned long long)state->offset, (unsigned long long)history->base.offset,
            (unsigned long long)history->end);
    if (history_epoch(history, state->offset) != state->epoch)
        return err_set(
            err, ERR_SYSTEM,
            "the state is that of position %llu in the epoch %llu, which is %llu in the log",
            (unsigned long long)state->offset, (unsigned long long)state->epoch,
            (unsigned long long)history_epoch(history, state->offset));
    return true;
}

static void prepare_jobs(struct ledger *l)
{
    l->work.ledger = l->read.ledger = l->drop.ledger = l;
    l->work.job.work = disk_work;
    l->work.job.done = on_done;
    l->read.job.work = read_work;
    l->read.job.done = on_read;
    l->drop.job.work = drop_work;
    l->drop.job.done = on_dropped;
    l->work.records = calloc(LEDGER_WRITE_MAX, sizeof *l->work.records);
    must(l->work.records);
    tail_init(&l->read.records, 1);
}

bool ledger_files_open(struct ledger *l, struct ledger_restored *restored, struct err *err)
{
    struct ledger_files *files = &l->files;
    struct loading loading = {.ledger = l, .history = &restored->history, .first = true};

    files->disk = l->options.disk;
    if (l->options.segment_bytes == 0)
        l->options.segment_bytes = SEGMENT_BYTES;
    if (l->options.retain_bytes == 0)
        l->options.retain_bytes = RETAIN_BYTES;
    if (l->options.tail_bytes == 0)
        l->options.tail_bytes = LEDGER_OPEN_MAX + LEDGER_TAIL_BYTES;
    l->record_max = l->options.segment_bytes - WAL_OVERHEAD;
    if (l->record_max > LEDGER_RECORD_MAX)
        l->record_max = LEDGER_RECORD_MAX;
    prepare_jobs(l);
    if (!wal_meta_open(&files->meta, files->disk, "ledger", err) || !read_meta(files, err) ||
        !open_log(l, err))
        return false;
    restored->meta = files->kept;
    restored->state = l->options.state;
    loading.promised = files->kept.promised;
    history_init(&restored->history, files->kept.base);
    tail_init(&l->tail, files->kept.base.offset + 1);
    if (!wal_each(files->wal, wal_first(files->wal), UINT64_MAX, load_one, &loading, err))
        return false;
    if (loading.bad)
        return err_set(err, ERR_SYSTEM, "the log holds a record of an epoch that was not promised");
    if (restored->meta.copying)
        tail_reset(&l->tail, 1);
    l->checkpointed = l->options.state.position.offset;
    return state_fits(l, restored, err);
}

void ledger_files_close(struct ledger *l)
{
    wal_close(l->files.wal);
    wal_meta_close(&l->files.meta);
    tail_fini(&l->tail);
    tail_fini(&l->read.records);
    free(l->work.records);
}
