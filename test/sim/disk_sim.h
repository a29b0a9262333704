/*
 * A disk in memory (wal/disk.h) that does what disks do: it forgets what was not synced, in parts; it fails, fills up and flips bits.
 * All that it chooses follows from the seed.
 *
 * Two images of every file: what programs see, and what is on the platter. A write changes the first and marks its sectors dirty; a sync
 * copies dirty sectors to the second. A sync that fails copies some, and marks all of them clean, as Linux does.
 */
#pragma once

#include "base/rng.h"
#include "wal/disk.h"

enum disk_sim_op {
    DISK_SIM_OPEN = 1u << 0, /* of a file that is there */
    DISK_SIM_READ = 1u << 1,
    DISK_SIM_WRITE = 1u << 2,
    DISK_SIM_ALLOCATE = 1u << 3,
    DISK_SIM_SYNC = 1u << 4,
    DISK_SIM_SYNC_NAMES = 1u << 5,
    DISK_SIM_RENAME = 1u << 6,
    DISK_SIM_REMOVE = 1u << 7,
    DISK_SIM_LIST = 1u << 8,
    DISK_SIM_CREATE = 1u << 9,
    DISK_SIM_ALL = (1u << 10) - 1,
    /* Those after which a crash may leave something else than before. */
    DISK_SIM_CHANGES = DISK_SIM_ALL & ~(DISK_SIM_OPEN | DISK_SIM_READ | DISK_SIM_LIST),
};

enum { DISK_SIM_RECENT = 2 };

struct disk_sim {
    struct disk disk; /* what programs get */
    struct rng rng;
    uint64_t capacity_bytes; /* of all files together; may be changed at any time */
    uint64_t changes;        /* operations of DISK_SIM_CHANGES so far */
    uint64_t syncs, written_bytes;

    /* The rest is private. */
    uint64_t crash_at; /* the operation, counted by `changes`, in which the power goes; 0: none */
    bool dead;
    uint32_t fail_ops;
    uint64_t fail_after;
    int fail_number;
    struct disk_sim_file **files; /* all that have a name, now or on the platter, or are open */
    size_t file_count;
    struct disk_sim_name *names, *platter_names;
    size_t name_count, platter_count;
    struct disk_sim_step *steps; /* what was done to names since the last sync_names */
    size_t step_count;
    struct disk_sim_file **handles; /* by file number; NULL: free */
    size_t handle_count;
};

void disk_sim_init(struct disk_sim *sim, uint64_t seed, uint64_t capacity_bytes);
void disk_sim_fini(struct disk_sim *sim);

/* The power goes now and comes back: of what was not synced any part is kept. Every open file is closed. */
void disk_sim_crash(struct disk_sim *sim);
/* The power goes in the `count`th change from now (1: the next): it is under way, and it and all that follows fails with EIO until
 * disk_sim_crash. 0: never. */
void disk_sim_crash_after(struct disk_sim *sim, uint64_t count);
bool disk_sim_is_dead(const struct disk_sim *sim); /* it went */
/* The process ended, the machine did not: every open file is closed, and nothing is lost. */
void disk_sim_kill(struct disk_sim *sim);
/* Of the operations in `ops` the `count`th from now (1: the next) fails with this errno, once. 0: none. */
void disk_sim_fail(struct disk_sim *sim, uint32_t ops, uint64_t count, int number);

/* What programs see; empty when there is no such file. Valid until the file changes. */
struct bytes disk_sim_bytes(const struct disk_sim *sim, const char *name);
bool disk_sim_exists(const struct disk_sim *sim, const char *name);
/* Makes or replaces a file, durably. */
void disk_sim_put(struct disk_sim *sim, const char *name, struct bytes bytes);
/* The number of the change that was the file's last sync; 0: none was. */
uint64_t disk_sim_synced(const struct disk_sim *sim, const char *name);
/* The byte belongs to one of the last DISK_SIM_RECENT writes to all files of this prefix, or lies behind it; only writes after the change
 * number `since` count. */
bool disk_sim_is_recent(const struct disk_sim *sim, const char *prefix, const char *name,
                        uint64_t at, uint64_t since);
/* Inverts one bit, durably; `bit` is counted from the file's first. */
void disk_sim_flip(struct disk_sim *sim, const char *name, uint64_t bit);
uint64_t disk_sim_used(const struct disk_sim *sim); /* bytes of all files */
