/*
 * Names are kept as two lists, what programs see and what is on the platter, and the steps that lead from one to the other.
 */
#include "disk_sim.h"

#include <errno.h>
#include <stdlib.h>

enum { SECTOR = 512 };

struct disk_sim_file {
    uint8_t *seen, *platter; /* of the same capacity; zeros past their end */
    uint8_t *dirty;          /* a byte per sector */
    uint64_t size, platter_size, cap;
    bool resized; /* since the last sync */
    struct {
        uint64_t order, at;
    } written[DISK_SIM_RECENT]; /* where its last writes began, the newest first */
    uint64_t synced;            /* order of the last sync */
};

struct disk_sim_name {
    char text[DISK_NAME_MAX];
    struct disk_sim_file *file;
};

/* from "": `to` was made; to "": `from` was removed. */
struct disk_sim_step {
    char from[DISK_NAME_MAX], to[DISK_NAME_MAX];
    struct disk_sim_file *file;
};

static struct disk_sim *sim_of(struct disk *disk)
{
    return container_of(disk, struct disk_sim, disk);
}

static void *grown(void *array, size_t count, size_t each)
{
    void *more;

    must(each > 0 && count < SIZE_MAX / each);
    more = realloc(array, (count + 1) * each);
    must(more);
    return more;
}

/* ---- names ---- */

static struct disk_sim_name *find(struct disk_sim_name *names, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].text, text) == 0)
            return &names[i];
    return NULL;
}

static void copy_name(char to[DISK_NAME_MAX], const char *from)
{
    must(strlen(from) < DISK_NAME_MAX && !strchr(from, '/'));
    memcpy(to, from, strlen(from) + 1);
}

static void unbind(struct disk_sim_name *names, size_t *count, const char *text)
{
    struct disk_sim_name *name = find(names, *count, text);

    if (name)
        *name = names[--*count];
}

static void bind_name(struct disk_sim_name **names, size_t *count, const char *text,
                      struct disk_sim_file *file)
{
    unbind(*names, count, text);
    *names = grown(*names, *count, sizeof **names);
    copy_name((*names)[*count].text, text);
    (*names)[(*count)++].file = file;
}

static void add_step(struct disk_sim *sim, const char *from, const char *to,
                     struct disk_sim_file *file)
{
    struct disk_sim_step *step;

    sim->steps = grown(sim->steps, sim->step_count, sizeof *sim->steps);
    step = &sim->steps[sim->step_count++];
    copy_name(step->from, from);
    copy_name(step->to, to);
    step->file = file;
}

static void do_step(struct disk_sim_name **names, size_t *count, const struct disk_sim_step *step)
{
    if (step->from[0])
        unbind(*names, count, step->from);
    if (step->to[0])
        bind_name(names, count, step->to, step->file);
}

static void change_names(struct disk_sim *sim, const char *from, const char *to,
                         struct disk_sim_file *file)
{
    add_step(sim, from, to, file);
    do_step(&sim->names, &sim->name_count, &sim->steps[sim->step_count - 1]);
}

static void settle_names(struct disk_sim *sim)
{
    for (size_t i = 0; i < sim->step_count; i++)
        do_step(&sim->platter_names, &sim->platter_count, &sim->steps[i]);
    sim->step_count = 0;
}

/* ---- files ---- */

static void free_file(struct disk_sim_file *file)
{
    free(file->seen);
    free(file->platter);
    free(file->dirty);
    free(file);
}

static struct disk_sim_file *new_file(struct disk_sim *sim)
{
    struct disk_sim_file *file = calloc(1, sizeof *file);

    must(file);
    sim->files = grown(sim->files, sim->file_count, sizeof(struct disk_sim_file *));
    sim->files[sim->file_count++] = file;
    return file;
}

static bool is_used(const struct disk_sim *sim, const struct disk_sim_file *file)
{
    for (size_t i = 0; i < sim->name_count; i++)
        if (sim->names[i].file == file)
            return true;
    for (size_t i = 0; i < sim->platter_count; i++)
        if (sim->platter_names[i].file == file)
            return true;
    for (size_t i = 0; i < sim->step_count; i++)
        if (sim->steps[i].file == file)
            return true;
    for (size_t i = 0; i < sim->handle_count; i++)
        if (sim->handles[i] == file)
            return true;
    return false;
}

static void collect(struct disk_sim *sim)
{
    for (size_t i = 0; i < sim->file_count;) {
        if (is_used(sim, sim->files[i])) {
            i++;
            continue;
        }
        free_file(sim->files[i]);
        sim->files[i] = sim->files[--sim->file_count];
    }
}

static uint8_t *zero_grown(uint8_t *at, uint64_t from, uint64_t to)
{
    at = realloc(at, to);
    must(at);
    memset(at + from, 0, to - from);
    return at;
}

static void reserve(struct disk_sim_file *file, uint64_t size)
{
    uint64_t cap = file->cap ? file->cap : 4096;

    if (size <= file->cap)
        return;
    while (cap < size)
        cap *= 2;
    file->seen = zero_grown(file->seen, file->cap, cap);
    file->platter = zero_grown(file->platter, file->cap, cap);
    file->dirty = zero_grown(file->dirty, file->cap / SECTOR, cap / SECTOR);
    file->cap = cap;
}

static void settle_sector(struct disk_sim_file *file, uint64_t sector)
{
    memcpy(file->platter + sector * SECTOR, file->seen + sector * SECTOR, SECTOR);
}

/* Copies those dirty sectors that the disk happens to have written, and forgets that the others were dirty. */
static void settle_some(struct disk_sim *sim, struct disk_sim_file *file)
{
    static const double moods[] = {0, 0.1, 0.5, 0.9, 1};
    double kept = moods[rng_below(&sim->rng, ARRAY_LEN(moods))];
    bool in_order = rng_chance(&sim->rng, 0.3); /* only the first so many */

    for (uint64_t sector = 0; sector < file->cap / SECTOR; sector++) {
        if (!file->dirty[sector])
            continue;
        file->dirty[sector] = 0;
        if (rng_chance(&sim->rng, kept)) {
            settle_sector(file, sector);
            continue;
        }
        if (kept > 0 && rng_chance(&sim->rng, 0.2)) /* torn within the sector */
            memcpy(file->platter + sector * SECTOR, file->seen + sector * SECTOR,
                   rng_below(&sim->rng, SECTOR));
        if (in_order)
            kept = 0;
    }
    if (file->resized && rng_chance(&sim->rng, 0.5))
        file->platter_size = file->size;
    file->resized = false;
}

static void settle_all(struct disk_sim_file *file)
{
    for (uint64_t sector = 0; sector < file->cap / SECTOR; sector++) {
        if (file->dirty[sector])
            settle_sector(file, sector);
        file->dirty[sector] = 0;
    }
    file->platter_size = file->size;
    file->resized = false;
}

uint64_t disk_sim_used(const struct disk_sim *sim)
{
    uint64_t used = 0;

    for (size_t i = 0; i < sim->file_count; i++)
        used += sim->files[i]->size;
    return used;
}

/* ---- faults ---- */

static bool fail(struct err *err, int number, const char *what)
{
    errno = number;
    return err_system(err, "%s (simulated)", what);
}

/* Counts the operation. False: it fails. `*dies`: it is done in memory, and then the power goes. */
static bool may(struct disk_sim *sim, enum disk_sim_op op, const char *what, bool *dies,
                struct err *err)
{
    *dies = false;
    if (sim->dead)
        return fail(err, EIO, what);
    if ((sim->fail_ops & op) && --sim->fail_after == 0) {
        sim->fail_ops = 0;
        return fail(err, sim->fail_number, what);
    }
    if (!(op & DISK_SIM_CHANGES))
        return true;
    sim->changes++;
    sim->dead = *dies = sim->crash_at == sim->changes;
    return true;
}

static bool outcome(bool dies, struct err *err, const char *what)
{
    return dies ? fail(err, EIO, what) : true;
}

static struct disk_sim_file *file_of(struct disk_sim *sim, int file)
{
    must(file >= 0 && (size_t)file < sim->handle_count && sim->handles[file]);
    return sim->handles[file];
}

/* ---- the operations ---- */

static int new_handle(struct disk_sim *sim, struct disk_sim_file *file)
{
    size_t i = 0;

    while (i < sim->handle_count && sim->handles[i])
        i++;
    if (i == sim->handle_count) {
        sim->handles = grown(sim->handles, i, sizeof(struct disk_sim_file *));
        sim->handle_count++;
    }
    sim->handles[i] = file;
    return (int)i;
}

static bool sim_open(struct disk *disk, const char *name, bool create, int *file, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_name *found = find(sim->names, sim->name_count, name);
    struct disk_sim_file *opened;
    bool dies;

    if (!may(sim, found || !create ? DISK_SIM_OPEN : DISK_SIM_CREATE, name, &dies, err))
        return false;
    if (!found && !create)
        return fail(err, ENOENT, name);
    opened = found ? found->file : new_file(sim);
    if (!found)
        change_names(sim, "", name, opened);
    if (dies)
        return fail(err, EIO, name);
    *file = new_handle(sim, opened);
    return true;
}

static void sim_close(struct disk *disk, int file)
{
    struct disk_sim *sim = sim_of(disk);

    if ((size_t)file < sim->handle_count) /* after a crash the number may be gone */
        sim->handles[file] = NULL;
    collect(sim);
}

static bool sim_size(struct disk *disk, int file, uint64_t *size, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);

    if (sim->dead)
        return fail(err, EIO, "size");
    *size = file_of(sim, file)->size;
    return true;
}

static bool sim_read(struct disk *disk, int number, uint64_t at, void *to, size_t *len,
                     struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_file *file = file_of(sim, number);
    bool dies;

    if (!may(sim, DISK_SIM_READ, "read", &dies, err))
        return false;
    if (at >= file->size)
        *len = 0;
    else if (*len > file->size - at)
        *len = file->size - at;
    if (*len > 0)
        memcpy(to, file->seen + at, *len);
    return true;
}

static void put_bytes(struct disk_sim_file *file, uint64_t at, struct bytes bytes)
{
    if (bytes.len == 0)
        return;
    reserve(file, at + bytes.len);
    memcpy(file->seen + at, bytes.at, bytes.len);
    memset(file->dirty + at / SECTOR, 1, (at + bytes.len - 1) / SECTOR - at / SECTOR + 1);
    if (at + bytes.len > file->size) {
        file->size = at + bytes.len;
        file->resized = true;
    }
}

static void note_write(const struct disk_sim *sim, struct disk_sim_file *file, uint64_t at)
{
    memmove(&file->written[1], &file->written[0], (DISK_SIM_RECENT - 1) * sizeof file->written[0]);
    file->written[0].order = sim->changes;
    file->written[0].at = at;
}

static bool fits(const struct disk_sim *sim, const struct disk_sim_file *file, uint64_t end)
{
    return end <= file->size || disk_sim_used(sim) + (end - file->size) <= sim->capacity_bytes;
}

static bool sim_write(struct disk *disk, int number, uint64_t at, struct bytes bytes,
                      struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_file *file = file_of(sim, number);
    bool dies;

    if (!may(sim, DISK_SIM_WRITE, "write", &dies, err)) {
        if (!sim->dead) /* a part may have been written */
            put_bytes(file, at, bytes_take(bytes, rng_below(&sim->rng, bytes.len + 1)));
        return false;
    }
    if (!fits(sim, file, at + bytes.len))
        return fail(err, ENOSPC, "write");
    note_write(sim, file, at);
    put_bytes(file, at, bytes);
    sim->written_bytes += bytes.len;
    return outcome(dies, err, "write");
}

static bool sim_allocate(struct disk *disk, int number, uint64_t size, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_file *file = file_of(sim, number);
    bool dies;

    if (!may(sim, DISK_SIM_ALLOCATE, "allocate", &dies, err))
        return false;
    if (!fits(sim, file, size))
        return fail(err, ENOSPC, "allocate");
    reserve(file, size);
    memset(file->seen, 0, file->cap);
    memset(file->dirty, 1, file->cap / SECTOR);
    file->size = size;
    file->resized = true;
    return outcome(dies, err, "allocate");
}

static bool sim_sync(struct disk *disk, int number, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_file *file = file_of(sim, number);
    bool dies;

    if (!may(sim, DISK_SIM_SYNC, "sync", &dies, err)) {
        if (!sim->dead)
            settle_some(sim, file);
        return false;
    }
    if (dies)
        return fail(err, EIO, "sync");
    settle_all(file);
    file->synced = sim->changes;
    sim->syncs++;
    return true;
}

static bool sim_sync_names(struct disk *disk, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    bool dies;

    if (!may(sim, DISK_SIM_SYNC_NAMES, "sync names", &dies, err))
        return false;
    if (dies)
        return fail(err, EIO, "sync names");
    settle_names(sim);
    collect(sim);
    sim->syncs++;
    return true;
}

static bool sim_rename(struct disk *disk, const char *from, const char *to, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_name *name = find(sim->names, sim->name_count, from);
    bool dies;

    if (!may(sim, DISK_SIM_RENAME, from, &dies, err))
        return false;
    if (!name)
        return fail(err, ENOENT, from);
    change_names(sim, from, to, name->file);
    return outcome(dies, err, from);
}

static bool sim_remove(struct disk *disk, const char *text, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    struct disk_sim_name *name = find(sim->names, sim->name_count, text);
    bool dies;

    if (!may(sim, DISK_SIM_REMOVE, text, &dies, err))
        return false;
    if (!name)
        return fail(err, ENOENT, text);
    change_names(sim, text, "", name->file);
    return outcome(dies, err, text);
}

static bool sim_list(struct disk *disk, void (*each)(void *context, const char *name),
                     void *context, struct err *err)
{
    struct disk_sim *sim = sim_of(disk);
    bool dies;

    if (!may(sim, DISK_SIM_LIST, "list", &dies, err))
        return false;
    for (size_t i = 0; i < sim->name_count; i++)
        each(context, sim->names[i].text);
    return true;
}

static const struct disk_ops ops = {
    .open = sim_open,
    .close = sim_close,
    .size = sim_size,
    .read = sim_read,
    .write = sim_write,
    .allocate = sim_allocate,
    .sync = sim_sync,
    .sync_names = sim_sync_names,
    .rename = sim_rename,
    .remove = sim_remove,
    .list = sim_list,
};

/* ---- what tests do to it ---- */

void disk_sim_init(struct disk_sim *sim, uint64_t seed, uint64_t capacity_bytes)
{
    *sim = (struct disk_sim){.disk.ops = &ops, .capacity_bytes = capacity_bytes};
    rng_seed(&sim->rng, seed);
}

void disk_sim_fini(struct disk_sim *sim)
{
    for (size_t i = 0; i < sim->file_count; i++)
        free_file(sim->files[i]);
    free(sim->files);
    free(sim->names);
    free(sim->platter_names);
    free(sim->steps);
    free(sim->handles);
    *sim = (struct disk_sim){0};
}

void disk_sim_kill(struct disk_sim *sim)
{
    for (size_t i = 0; i < sim->handle_count; i++)
        sim->handles[i] = NULL;
    sim->dead = false;
    sim->crash_at = 0;
    sim->fail_ops = 0;
    collect(sim);
}

/* Steps that were not synced are kept in order up to some point, or each by chance. */
static void crash_names(struct disk_sim *sim)
{
    bool in_order = rng_chance(&sim->rng, 0.5);
    size_t kept = rng_below(&sim->rng, sim->step_count + 1);

    for (size_t i = 0; i < sim->step_count; i++)
        if (in_order ? i < kept : rng_chance(&sim->rng, 0.5))
            do_step(&sim->platter_names, &sim->platter_count, &sim->steps[i]);
    sim->step_count = 0;
    sim->name_count = 0;
    for (size_t i = 0; i < sim->platter_count; i++)
        bind_name(&sim->names, &sim->name_count, sim->platter_names[i].text,
                  sim->platter_names[i].file);
}

void disk_sim_crash(struct disk_sim *sim)
{
    crash_names(sim);
    disk_sim_kill(sim);
    for (size_t i = 0; i < sim->file_count; i++) {
        struct disk_sim_file *file = sim->files[i];

        settle_some(sim, file);
        file->size = file->platter_size;
        if (file->size < file->cap)
            memset(file->platter + file->size, 0, file->cap - file->size);
        if (file->cap > 0)
            memcpy(file->seen, file->platter, file->cap);
    }
}

void disk_sim_crash_after(struct disk_sim *sim, uint64_t count)
{
    sim->crash_at = count ? sim->changes + count : 0;
}

bool disk_sim_is_dead(const struct disk_sim *sim)
{
    return sim->dead;
}

void disk_sim_fail(struct disk_sim *sim, uint32_t which, uint64_t count, int number)
{
    sim->fail_ops = count ? which : 0;
    sim->fail_after = count;
    sim->fail_number = number;
}

struct bytes disk_sim_bytes(const struct disk_sim *sim, const char *name)
{
    struct disk_sim_name *found = find(sim->names, sim->name_count, name);

    return found ? bytes_of(found->file->seen, found->file->size) : (struct bytes){0};
}

bool disk_sim_exists(const struct disk_sim *sim, const char *name)
{
    return find(sim->names, sim->name_count, name);
}

void disk_sim_put(struct disk_sim *sim, const char *name, struct bytes bytes)
{
    struct disk_sim_file *file = new_file(sim);

    put_bytes(file, 0, bytes);
    settle_all(file);
    change_names(sim, "", name, file);
    settle_names(sim);
    collect(sim);
}

/* How many writes to files of this prefix came after the one of that order. */
static uint32_t writes_after(const struct disk_sim *sim, const char *prefix, uint64_t order)
{
    uint32_t count = 0;

    for (size_t i = 0; i < sim->name_count; i++)
        for (int k = 0;
             strncmp(sim->names[i].text, prefix, strlen(prefix)) == 0 && k < DISK_SIM_RECENT; k++)
            count += sim->names[i].file->written[k].order > order;
    return count;
}

uint64_t disk_sim_synced(const struct disk_sim *sim, const char *name)
{
    const struct disk_sim_name *found = find(sim->names, sim->name_count, name);

    return found ? found->file->synced : 0;
}

bool disk_sim_is_recent(const struct disk_sim *sim, const char *prefix, const char *name,
                        uint64_t at, uint64_t since)
{
    const struct disk_sim_name *found = find(sim->names, sim->name_count, name);

    must(found);
    for (int k = 0; k < DISK_SIM_RECENT; k++)
        if (found->file->written[k].order > since && at >= found->file->written[k].at &&
            writes_after(sim, prefix, found->file->written[k].order) < DISK_SIM_RECENT)
            return true;
    return false;
}

void disk_sim_flip(struct disk_sim *sim, const char *name, uint64_t bit)
{
    struct disk_sim_name *found = find(sim->names, sim->name_count, name);

    must(found && bit / 8 < found->file->size);
    found->file->seen[bit / 8] ^= (uint8_t)(1u << bit % 8);
    found->file->platter[bit / 8] ^= (uint8_t)(1u << bit % 8);
}
