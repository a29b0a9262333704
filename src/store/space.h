/*
 * space: the store's keys and their values, in memory. Pure: no I/O, no clock, one thread.
 *
 * What it is after a record is a function of the records so far, whatever the order of its table (which a secret seed chooses). Two things are a member's own and are never looked at by a command
 * that writes: when a key was last touched, and where it stands in the table.
 *
 * The first part is for the server and the checkpoint; the second for commands.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/pack.h"
#include "base/rng.h"
#include "store/heap.h"

#include <stdbool.h>
#include <stdint.h>

struct space;

enum {
    SPACE_KEY_BYTES_MAX = 65535,
    SPACE_VALUE_BYTES_MAX = 8 << 20, /* of one string, field or member */
    SPACE_GONE = 4096,
    SPACE_COLLECTION_BYTES_MAX = 512 << 20,
};

struct space_options {
    uint64_t seed;           /* secret, and another one in every process */
    bool tracked;            /* remembers what changed, for space_cut_*; somebody has to take it */
    uint64_t collection_max; /* bytes; 0: SPACE_COLLECTION_BYTES_MAX. The same on all members */
    bool frequency; /* counts how often keys are used (LFU), instead of remembering when (LRU) */
};

struct space *space_open(const struct space_options *options);
void space_close(struct space *space);

uint64_t
space_count(const struct space *space); /* keys, those that have expired and are still there too */
uint64_t space_timed_count(const struct space *space); /* those that expire */
uint64_t space_bytes(const struct space *space);       /* of memory, garbage included */
/* Of the record that changed the key last. Of a key that is not there at this time something else, which is not the same any more when there was one meanwhile (space_gone.c). */
uint64_t space_version(struct space *space, struct bytes name, int64_t now_ms);
/* What members compare: the same for the same keys with the same values, types, expiries and versions, in whatever process. The order of a list or a set does not count. */
uint64_t space_digest(struct space *space);
/* What space_version needs belongs to the state besides the keys: SPACE_GONE * 8 bytes. */
void space_gone_write(struct buf *out, const struct space *space);
void space_gone_read(struct space *space, struct unpack *in);

/*
 * Frees some of what was deleted in large pieces, some tens of microseconds at a time. True: there is more. To be called once a turn, and in a loop while idle.
 */
bool space_tidy(struct space *space);

/* ---- what the primary writes records about; names are views, good until the space is changed ---- */

/*
 * Keys that expired at least 64 ms before now_ms, `max` at most, for one record `@expire NAME …`. A key is told again after a second, should the record have come to nothing. To be called some
 * times a second; bounded work. now_ms never decides anything but this.
 */
uint32_t space_due(struct space *space, int64_t now_ms, struct bytes *names, uint32_t max);

enum space_eviction { SPACE_EVICT_LRU, SPACE_EVICT_LFU, SPACE_EVICT_RANDOM, SPACE_EVICT_TTL };

/* A key that is worth the least of some that are looked at; for a record `@evict NAME …`. Empty view with NULL: there is none. */
struct bytes space_victim(struct space *space, enum space_eviction policy, bool timed_only,
                          int64_t now_ms, struct rng *chance);

/* ---- the checkpoint: what changed since the cut before, as it was when this cut began ----
 *
 *     space_cut_begin(space, P);                     after the record at P was executed, before the next
 *     while ((kind = space_cut_next(space, &name, &value)) != SPACE_CUT_END) …   as many a turn as one likes, records are executed in between
 *
 * Applied in this order to the checkpoint of the cut before, the rows give the state at P. Keys that a record is about to change are copied first.
 */
enum space_cut {
    SPACE_CUT_END,     /* and the cut has ended */
    SPACE_CUT_CLEAR,   /* delete all keys; comes first if it comes */
    SPACE_CUT_DELETE,  /* `name`, which may not be there */
    SPACE_CUT_PUT,     /* `name` is now `value` (value_write) */
    SPACE_CUT_NOTHING, /* no row this time: bounded work finds none where many keys came and went */
};

void space_cut_begin(struct space *space, uint64_t position); /* no other one is under way */
bool space_cutting(const struct space *space);
/* The views are good until the next call of it. */
enum space_cut space_cut_next(struct space *space, struct bytes *name, struct bytes *value);
/* What was taken did not arrive: ends the cut, if one is under way; the next one clears, and gives everything. Also for a space that has no checkpoint yet. */
void space_cut_fail(struct space *space);

/*
 * A value as bytes: version 8, expiry 8 (0: never), type 1, form 1, then by type (value.c); and the key put (back) into the space from them, in the stead of what was there. Nothing is noted for a cut.
 * False: they are no value, and the key is not there.
 */
struct entry;
void value_write(struct buf *out, const struct entry *entry);
bool value_read(struct space *space, struct bytes name, struct bytes value);

/* ---- for commands ---- */

enum value_type { VALUE_STRING, VALUE_LIST, VALUE_SET, VALUE_SORTED, VALUE_HASH, VALUE_TYPES };

/* How a string is held. */
enum text_form {
    TEXT_NUMBER, /* its canonical decimal number, in a word */
    TEXT_SHORT,  /* behind the name */
    TEXT_RAW,  /* the same, and it has been written to in pieces: what OBJECT ENCODING calls raw */
    TEXT_LONG, /* in a piece of its own */
};

/* One piece of memory: this, then if timed struct timing, then a word unless the form is TEXT_SHORT or TEXT_RAW, then the name, then a short text. */
struct entry {
    uint64_t version;
    uint32_t touched : 24;
    uint32_t type : 3;
    uint32_t form : 2; /* enum text_form; of other types: TEXT_LONG */
    uint32_t timed : 1;
    uint32_t dirty : 1; /* space_cut.c */
    uint32_t open : 1;  /* space_digest.c */
    uint16_t name_len;
    uint16_t text_len;
};

struct timing {
    int64_t expires_ms;
    struct list node; /* of the wheel */
};

struct text {
    uint64_t digest; /* digest_blocks of all of it */
    uint32_t len, cap;
    uint8_t at[];
};

_Static_assert(sizeof(struct entry) == 16, "what a key costs");

static inline bool entry_has_word(const struct entry *entry)
{
    return entry->form == TEXT_NUMBER || entry->form == TEXT_LONG;
}

static inline struct timing *entry_timing(const struct entry *entry)
{
    return (struct timing *)(uintptr_t)(entry + 1);
}

/* 0: never. */
static inline int64_t entry_expires(const struct entry *entry)
{
    return entry->timed ? entry_timing(entry)->expires_ms : 0;
}

static inline uint8_t *entry_behind(const struct entry *entry)
{
    return (uint8_t *)(uintptr_t)(entry + 1) + (entry->timed ? sizeof(struct timing) : 0);
}

/* The number, or the address of the value. */
static inline uint64_t *entry_word(const struct entry *entry)
{
    return (uint64_t *)(void *)entry_behind(entry);
}

static inline void *entry_value(const struct entry *entry)
{
    return (void *)(uintptr_t)*entry_word(entry);
}

static inline uint8_t *entry_name_at(const struct entry *entry)
{
    return entry_behind(entry) + (entry_has_word(entry) ? sizeof(uint64_t) : 0);
}

static inline struct bytes entry_name(const struct entry *entry)
{
    return bytes_of(entry_name_at(entry), entry->name_len);
}

/* Where a name is in the space, and what is there. Good until the next change of another key. */
struct spot {
    struct bytes name;
    uint64_t hash;
    struct entry *entry; /* NULL: nothing */
};

/* Whatever is there, expired or not. */
struct spot space_spot(const struct space *space, struct bytes name);
static inline bool entry_expired(const struct entry *entry, int64_t now_ms)
{
    return entry->timed && entry_timing(entry)->expires_ms <= now_ms;
}
/* What now_ms is for keys that are changed: when they were touched, nothing else. */
void space_clock(struct space *space, int64_t now_ms);
void space_touch(struct space *space, struct entry *entry, int64_t now_ms);
uint32_t space_idle_s(const struct space *space, const struct entry *entry, int64_t now_ms);
/* The counter of LFU; -1: it is not kept. */
int space_frequency(const struct space *space, const struct entry *entry, int64_t now_ms);
struct heap *space_heap(struct space *space);
uint64_t space_seed(const struct space *space);

/* The bytes of a string; of a number they are printed to `digits`. */
enum { ENTRY_DIGITS_MAX = 24 };
struct bytes entry_text(const struct entry *entry, char *digits);
/* Its canonical number. False: it is none. */
bool entry_number(const struct entry *entry, int64_t *number);
/* Bytes of the elements of a collection, as value_write has them; of a string 0. */
uint64_t entry_collected(const struct entry *entry);
/* Which a collection does not grow beyond by more than a record. */
uint64_t space_collection_max(const struct space *space);

/* Each replaces what is there, value and expiry (0: never), and sets the version to `position`. */
void space_put_text(struct space *space, struct spot *spot, struct bytes text, int64_t expires_ms,
                    uint64_t position);
/* As a text even if it is a number: what INCRBYFLOAT leaves. */
void space_put_plain(struct space *space, struct spot *spot, struct bytes text, int64_t expires_ms,
                     uint64_t position);
void space_put_number(struct space *space, struct spot *spot, int64_t number, int64_t expires_ms,
                      uint64_t position);
/* `value` is given away: struct series, set, sorted or map (value.h). */
void space_put_value(struct space *space, struct spot *spot, enum value_type type, void *value,
                     int64_t expires_ms, uint64_t position);
/* Writes a part of a string (or nothing), which becomes as long as that needs, with zeroes before it. Keeps the expiry. */
void space_write_text(struct space *space, struct spot *spot, size_t at, struct bytes part,
                      uint64_t position);
/* To be called before the value of an entry is changed where it is. */
void space_change(struct space *space, struct spot *spot, uint64_t position);
/* 0: never. */
void space_expire(struct space *space, struct spot *spot, int64_t expires_ms, uint64_t position);
void space_delete(struct space *space, struct spot *spot);
/* Takes the value out of a key that is deleted: for RENAME. Of a string NULL. */
void *space_take_value(struct space *space, struct spot *spot);
/* A value that no key has, however large. */
void space_discard(struct space *space, enum value_type type, void *value);
void space_clear(struct space *space);
/* Before it, where a record does it. */
void space_note_clear(struct space *space, uint64_t position);

/* Some entries, and the cursor to go on with; 0: the end. */
typedef void space_visit(void *context, struct entry *entry);
uint64_t space_scan(const struct space *space, uint64_t cursor, space_visit *visit, void *context);
/* NULL: it is empty. Depends on the table's order: for reads alone. */
struct entry *space_random(const struct space *space, struct rng *chance);
/* Of one key: memory that it takes. `samples` elements are looked at, 0: all. */
uint64_t space_usage(const struct space *space, const struct entry *entry, uint64_t samples);
