#include "cluster/drive.h"

#include "base/pack.h"

#include <errno.h>

enum {
    IDENTITY_FORMAT = 2,
    IDENTITY_WITHOUT_DOUBT = 1, /* ends before `doubt`; never written */
    META_FORMAT = 3,
    META_WITHOUT_LOG = 1, /* does not say how far the log reaches; never written */
    META_WITHOUT_END = 2, /* says in which segment it ends, and not where in that; never written */
    QUIET_MS = 1000,
};

/* ---- identity ---- */

bool meta_write_identity(struct store *store, bool clean, struct err *err)
{
    uint8_t bytes[32];
    struct buf out;

    buf_over(&out, bytes, sizeof bytes);
    pack_u16(&out, IDENTITY_FORMAT);
    pack_u64(&out, store->disk_id);
    pack_u64(&out, store->incarnation);
    pack_u8(&out, clean);
    pack_u64(&out, store->doubt);
    return wal_meta_write(&store->disk.identity, buf_bytes(&out), err);
}

bool meta_read_identity(struct cluster *c, struct err *err)
{
    struct store *store = &c->store;
    const struct wal_meta *meta = &store->disk.identity;
    struct unpack in = unpack_of(bytes_of(meta->body, meta->len));
    uint16_t format;

    if (meta->len == 0) {
        store->disk_id = rng_next(&c->rng) | 1;
        return true;
    }
    format = unpack_u16(&in);
    store->disk_id = unpack_u64(&in);
    store->incarnation = unpack_u64(&in);
    store->clean = unpack_u8(&in) == 1;
    store->doubt = format == IDENTITY_WITHOUT_DOUBT ? 0 : unpack_u64(&in);
    if ((format != IDENTITY_FORMAT && format != IDENTITY_WITHOUT_DOUBT) || !unpack_ended(&in) ||
        store->disk_id == 0)
        return err_set(err, ERR_SYSTEM, "'identity' has format %u, which this version cannot read",
                       format);
    return true;
}

/* ---- meta ---- */

bool meta_write(struct store_disk *disk, struct err *err)
{
    uint8_t bytes[64];
    struct wal_place log = wal_newest(disk->wal);
    struct buf out;

    buf_over(&out, bytes, sizeof bytes);
    pack_u16(&out, META_FORMAT);
    pack_u64(&out, disk->term);
    pack_u32(&out, disk->vote);
    pack_u8(&out, disk->slot);
    pack_u64(&out, disk->snapshot_index);
    pack_u64(&out, disk->snapshot_term);
    pack_u64(&out, log.log);
    pack_u64(&out, log.segment);
    pack_u32(&out, log.end);
    if (!wal_meta_write(&disk->meta, buf_bytes(&out), err))
        return false;
    disk->log = log;
    return true;
}

/* What a format did not say is 0; but that there was a log before there was a 'meta'. */
static void read_place(struct unpack *in, uint16_t format, struct wal_place *log)
{
    *log = (struct wal_place){.segment = 1};
    if (format == META_WITHOUT_LOG)
        return;
    log->log = unpack_u64(in);
    log->segment = unpack_u64(in);
    if (format != META_WITHOUT_END)
        log->end = unpack_u32(in);
}

bool meta_read(struct store_disk *disk, struct err *err)
{
    struct unpack in = unpack_of(bytes_of(disk->meta.body, disk->meta.len));
    uint16_t format;

    if (disk->meta.len == 0)
        return true;
    format = unpack_u16(&in);
    disk->term = unpack_u64(&in);
    disk->vote = unpack_u32(&in);
    disk->slot = unpack_u8(&in);
    disk->snapshot_index = unpack_u64(&in);
    disk->snapshot_term = unpack_u64(&in);
    read_place(&in, format, &disk->log);
    if (format < META_WITHOUT_LOG || format > META_FORMAT || !unpack_ended(&in) || disk->slot > 2)
        return err_set(err, ERR_SYSTEM, "'meta' has format %u, which this version cannot read",
                       format);
    return true;
}

/* ---- how far the log reaches ---- */

bool meta_reach_segment(struct store_disk *disk, struct err *err)
{
    struct wal_place log = wal_newest(disk->wal);

    return (log.log == disk->log.log && log.segment == disk->log.segment) || meta_write(disk, err);
}

bool meta_reach_end(struct store_disk *disk, struct err *err)
{
    return disk->log.end == wal_newest(disk->wal).end ? meta_reach_segment(disk, err)
                                                      : meta_write(disk, err);
}

static void reach_work(struct job *job)
{
    struct store_reach *reach = container_of(job, struct store_reach, job);

    reach->done = meta_reach_end(&reach->cluster->store.disk, &reach->err);
}

/* On a full disk the old word stands: what is beyond it is known by what comes after it, or later. */
static void reach_done(struct job *job)
{
    struct store_reach *reach = container_of(job, struct store_reach, job);

    reach->busy = false;
    drive_look(reach->cluster);
    if (!reach->done && reach->err.number != ENOSPC)
        drive_halt(reach->cluster, &reach->err);
}

static void on_quiet(struct timer *timer)
{
    struct store_reach *reach = container_of(timer, struct store_reach, quiet);

    if (reach->busy || reach->cluster->state == CLUSTER_HALTED)
        return;
    reach->busy = true;
    jobs_add(reach->cluster->jobs, &reach->job);
}

void meta_open(struct cluster *c)
{
    struct store_reach *reach = &c->store.reach;

    reach->cluster = c;
    reach->job = (struct job){.work = reach_work, .done = reach_done};
    timer_init(&reach->quiet, on_quiet);
}

void meta_log_grew(struct cluster *c)
{
    timer_arm(c->loop, &c->store.reach.quiet, after_ms(loop_now(c->loop), QUIET_MS));
}

void meta_close(struct cluster *c)
{
    timer_cancel(c->loop, &c->store.reach.quiet);
}
