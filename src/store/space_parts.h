/*
 * What the files of the space know of each other.
 */
#pragma once

#include "base/list.h"
#include "store/space.h"
#include "store/table.h"
#include "store/value.h"

/* Keys by when they expire: a wheel of wheels, each slot 64 times as long as one of the wheel below. */
enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 10, WHEEL_TICK_BITS = 6 };

struct wheel_of_keys {
    uint64_t tick; /* all before it is done */
    uint64_t count;
    uint64_t occupied[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_of_keys_init(struct wheel_of_keys *wheel);
void wheel_of_keys_add(struct wheel_of_keys *wheel, struct timing *timing, int64_t at_ms);

/* A piece of a queue: a name, or a name and its value. */
struct told {
    struct told *next;
    uint32_t name_len, value_len;
    uint8_t at[];
};

struct told_queue {
    struct told *first, **last;
};

/* Hashes of keys that were changed, in blocks. */
enum { HASHES = 1000 };

struct hashes {
    struct hashes *next;
    uint32_t count;
    uint64_t at[HASHES];
};

/* What changed from one cut to the next. */
struct changes {
    bool cleared;
    struct told_queue deleted;
    struct hashes *changed;
};

/* What was deleted, and is too large to be freed at once. */
struct garbage {
    struct garbage *next;
    enum value_type type; /* VALUE_TYPES: a table of keys */
    void *value;
};

struct cut {
    bool active;
    bool whole;        /* goes over all keys */
    uint64_t position; /* of the last one, too */
    uint64_t cursor;   /* if whole */
    bool walked;       /* if whole: the cursor has come to its end */
    struct table *
        old; /* the keys as they were before all were deleted, during this cut; NULL: the space's own */
    struct changes changes;
    struct told_queue copies; /* of what was changed before it was taken */
    struct told *given;       /* what the last row was a view of */
    struct buf value;
};

/* space_digest.c */
enum { SUM_OPEN_MAX = 64 };

struct sum {
    uint64_t digest; /* of all entries that are not open */
    uint32_t count;
    uint64_t
        open[SUM_OPEN_MAX]; /* hashes of those that are, in the order in which they were opened */
};

struct space {
    struct heap heap;
    struct table keys;
    struct space_options options;
    struct wheel_of_keys wheel;
    struct garbage *garbage;
    uint64_t seed;
    int64_t now_ms; /* when keys are touched that are changed */
    uint64_t uses;  /* what decides whether counters grow */
    bool whole_next;
    struct changes changes;
    struct cut cut;
    struct sum sum;
    uint64_t gone[SPACE_GONE]; /* space_gone.c */
};

/* Before an entry is changed or deleted: its copy for the cut, if it has not been taken. */
void cut_before_change(struct space *space, struct entry *entry, uint64_t hash);
/* After it was changed, or made (`before`, its version, is 0). */
void cut_note_change(struct space *space, struct entry *entry, uint64_t hash, uint64_t before);
void cut_note_delete(struct space *space, struct bytes name);
/* All keys go: what they are in goes to the cut, if it needs it. True: it has been taken over. */
bool cut_takes_table(struct space *space, struct table *table);
void cut_note_clear(struct space *space);
void cut_fini(struct space *space);

/* Before an entry is changed: it does not count until it is closed. A new one is open, and is to be noted. */
void digest_open(struct space *space, struct entry *entry, uint64_t hash);
void digest_note(struct space *space, uint64_t hash);
/* An entry that goes. */
void digest_take_out(struct space *space, const struct entry *entry, uint64_t hash);

/* A key of this version goes. */
void gone_note(struct space *space, struct bytes name, uint64_t version);
size_t entry_size(const struct entry *entry);
void garbage_add(struct space *space, enum value_type type, void *value);
/* Frees an entry and its value; it is in no table and no wheel. */
void entry_free(struct space *space, struct entry *entry);
/* An entry of this shape with this name, nothing else set, in no table. */
struct entry *entry_new(struct space *space, struct bytes name, uint32_t type, uint32_t form,
                        size_t text_len, bool timed);
extern const struct table_kind space_keys;
