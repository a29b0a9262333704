/*
 * Tours of tables, and what a word in the wrong place may have meant.
 */
#include "schema/rows.h"

enum { WORD_MAX = 64 };

static void push(struct tour *tour, const struct option *owner, const struct option *rows,
                 size_t offset, bool included)
{
    must(tour->depth < TOUR_DEPTH_MAX);
    must(rows != NULL);
    tour->level[tour->depth].next = rows;
    tour->level[tour->depth].owner = owner;
    tour->level[tour->depth].offset = offset;
    tour->level[tour->depth].included = included;
    tour->depth++;
    tour->entered += !included;
}

void tour_begin(struct tour *tour, const struct option *rows)
{
    tour->depth = tour->entered = 0;
    tour->row = NULL;
    tour->leaving = false;
    push(tour, NULL, rows, 0, false);
}

/* The end of a level: NULL while there are further rows outside it, else the row that was entered. */
static const struct option *leave(struct tour *tour)
{
    const struct option *owner = tour->level[tour->depth - 1].owner;

    tour->depth--;
    if (tour->level[tour->depth].included)
        return NULL;
    tour->entered--;
    tour->leaving = true;
    return owner;
}

const struct option *tour_next(struct tour *tour)
{
    tour->leaving = false;
    while (tour->depth) {
        unsigned top = tour->depth - 1;
        const struct option *row = tour->level[top].next;

        if (!row->key) {
            row = leave(tour);
            if (row)
                return tour->row = row;
            continue;
        }
        tour->level[top].next++;
        tour->offset = tour->level[top].offset + row->offset;
        if (row->type != OPTION_INCLUDE)
            return tour->row = row;
        push(tour, NULL, row->rows, tour->offset, true);
    }
    return NULL;
}

void tour_enter(struct tour *tour)
{
    bool inside = tour->row->type == OPTION_SECTION;

    must(!tour->leaving);
    push(tour, tour->row, tour->row->rows, inside ? tour->offset : 0, false);
}

void tour_path(const struct tour *tour, struct buf *out)
{
    for (unsigned i = 0; i < tour->depth; i++) {
        const struct option *owner = tour->level[i].owner;

        if (owner)
            buf_print(out, owner->type == OPTION_MAP ? "%s.NAME." : "%s.", owner->key);
    }
    buf_add_string(out, tour->row->key);
}

const struct option *rows_find(const struct option *rows, struct bytes key, size_t *offset)
{
    struct tour tour;
    const struct option *row;

    tour_begin(&tour, rows);
    while ((row = tour_next(&tour)))
        if (bytes_equal(bytes_of_string(row->key), key))
            break;
    if (row && offset)
        *offset = tour.offset;
    return row;
}

const struct option *rows_scalar(const struct option *rows)
{
    return rows[0].key && rows[0].key[0] == '\0' && rows[0].type != OPTION_INCLUDE ? rows : NULL;
}

bool is_scalar(enum option_type type)
{
    return type < OPTION_SECTION;
}

/* ---- what was meant ---- */

static uint8_t fold(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint8_t)(c | 0x20);
    return c == '-' || c == ' ' ? '_' : c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make one word of the other. */
static unsigned distance(struct bytes a, struct bytes b)
{
    unsigned row[3][WORD_MAX + 1];

    for (unsigned j = 0; j <= b.len; j++)
        row[0][j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *older = row[(i + 1) % 3];

        now[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            uint8_t x = fold(a.at[i - 1]), y = fold(b.at[j - 1]);

            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == fold(b.at[j - 2]) && y == fold(a.at[i - 2]))
                now[j] = least(now[j], older[j - 2] + 1);
        }
    }
    return row[a.len % 3][b.len];
}

/* Smaller is nearer; UINT32_MAX: not near. */
static unsigned strangeness(struct bytes word, struct bytes name)
{
    size_t longer = word.len > name.len ? word.len : name.len;
    unsigned apart;
    size_t shorter = word.len + name.len - longer, near = (longer + 2) / 3;

    if (shorter == 0 || longer > WORD_MAX)
        return UINT32_MAX;
    apart = longer - shorter > near ? UINT32_MAX : distance(word, name);
    if (apart <= near && apart < longer)
        return 2 * apart;
    if (word.len >= 4 && name.len >= 4 &&
        (bytes_starts_with(word, name) || bytes_starts_with(name, word)))
        return 2 * WORD_MAX + 1;
    return UINT32_MAX;
}

const char *rows_nearest(const struct option *rows, struct bytes word)
{
    const char *nearest = NULL;
    unsigned best = UINT32_MAX;
    struct tour tour;
    const struct option *row;

    tour_begin(&tour, rows);
    while ((row = tour_next(&tour))) {
        unsigned apart = strangeness(word, bytes_of_string(row->key));

        if (apart < best) {
            best = apart;
            nearest = row->key;
        }
    }
    return nearest;
}

const char *schema_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    unsigned best = UINT32_MAX;

    for (; *names; names++) {
        unsigned apart = strangeness(bytes_of_string(word), bytes_of_string(*names));

        if (apart < best) {
            best = apart;
            nearest = *names;
        }
    }
    return nearest;
}
