/*
 * Inside the room: walks through tables. Included tables appear as if their rows stood in place.
 */
#pragma once

#include "schema/schema.h"

enum { TOUR_DEPTH_MAX = 16 };

/*
 * In order, without recursion:
 *
 *     tour_begin(&tour, rows);
 *     while ((row = tour_next(&tour)))
 *         …               tour.offset: of its field from the struct of the outermost rows not entered
 *
 * After a row that has rows, tour_enter makes the next ones its children. Where they end, tour_next gives the row itself once more, with
 * `tour.leaving`. Whoever never enters sees one level.
 */
struct tour {
    struct {
        const struct option *next;
        const struct option *owner; /* what was entered; NULL: the root */
        size_t offset;
        bool included;
    } level[TOUR_DEPTH_MAX];
    unsigned depth;   /* levels in use */
    unsigned entered; /* of them, those that tour_enter made */
    size_t offset;
    const struct option *row;
    bool leaving;
};

void tour_begin(struct tour *tour, const struct option *rows);
const struct option *tour_next(struct tour *tour);
void tour_enter(struct tour *tour);
/* Where the row stands: `pools.NAME.health_check.interval`. */
void tour_path(const struct tour *tour, struct buf *out);

/* A row of this level by its key; NULL: none. `offset` may be NULL. */
const struct option *rows_find(const struct option *rows, struct bytes key, size_t *offset);
/* The row that describes items which are scalars, or NULL when items are sections. */
const struct option *rows_scalar(const struct option *rows);
/* The key of this level that is nearest to a word, or NULL. */
const char *rows_nearest(const struct option *rows, struct bytes word);
bool is_scalar(enum option_type type);
/* `a duration from 10ms to 1h`, `a section, or a list of them` */
void rows_describe(const struct option *row, struct buf *out);
