/*
 * Says what a key is, from its row.
 */
#include "schema/rows.h"
#include "schema/scalar.h"

static void describe_list(const struct option *row, struct buf *out)
{
    const struct option *scalar = rows_scalar(row->rows);
    bool one = row->flags & OPTION_ONE_OR_MORE;

    if (!scalar)
        buf_add_string(out, one ? "a section, or a list of them" : "a list of sections");
    else if (!one)
        buf_add_string(out, "a list, each item ");
    if (scalar)
        scalar_describe(scalar, out);
    if (scalar && one)
        buf_add_string(out, ", or a list of such");
}

static void describe_map(const struct option *row, struct buf *out)
{
    const struct option *scalar = rows_scalar(row->rows);

    buf_add_string(out, scalar ? "names of your own, each with " : "sections by names of your own");
    if (scalar)
        scalar_describe(scalar, out);
}

void rows_describe(const struct option *row, struct buf *out)
{
    if (is_scalar(row->type))
        scalar_describe(row, out);
    else if (row->type == OPTION_LIST)
        describe_list(row, out);
    else if (row->type == OPTION_MAP)
        describe_map(row, out);
    else
        buf_add_string(out, "a section");
}

/* ---- finding ---- */

/* `backends[1]` is `backends`. */
static struct bytes take_word(struct bytes *rest)
{
    size_t dot = bytes_find(*rest, '.');
    struct bytes word = bytes_take(*rest, dot);

    *rest = bytes_skip(*rest, dot < rest->len ? dot + 1 : dot);
    return bytes_take(word, bytes_find(word, '['));
}

/* The row of the tour's innermost level with this key. The level is at its beginning. */
static const struct option *step_to(struct tour *tour, struct bytes word)
{
    const struct option *row;

    while ((row = tour_next(tour)) && !tour->leaving)
        if (bytes_equal(bytes_of_string(row->key), word))
            return row;
    return NULL;
}

/* The last word of `pools.web`, where `web` is the user's own name. */
static bool names_an_item(const struct option *map, struct bytes rest)
{
    return rest.len && bytes_find(rest, '.') == rest.len && !rows_find(map->rows, rest, NULL) &&
           !rows_nearest(map->rows, rest);
}

/* Leaves the tour at the row. */
static const struct option *find(const struct option *rows, struct bytes rest, struct tour *tour,
                                 const char **nearest)
{
    const struct option *row = NULL;

    *nearest = NULL;
    tour_begin(tour, rows);
    while (rest.len) {
        struct bytes word = take_word(&rest);

        if (row && row->type == OPTION_MAP && rest.len && !rows_find(rows, word, NULL))
            word = take_word(&rest);
        if (!rows_find(rows, word, NULL)) {
            *nearest = rows_nearest(rows, word);
            return NULL;
        }
        row = step_to(tour, word);
        if (rest.len && (is_scalar(row->type) || rows_scalar(row->rows)))
            return NULL;
        if (row->type == OPTION_MAP && names_an_item(row, rest))
            return row;
        if (rest.len) {
            rows = row->rows;
            tour_enter(tour);
        }
    }
    return row;
}

/* ---- telling ---- */

static void explain_when(const struct option *row, struct buf *out)
{
    buf_add_string(out, row->when == AT_START ? "  change   takes effect at the next start\n"
                                              : "  change   takes effect at a reload\n");
}

static void explain_example(const struct option *row, struct buf *out)
{
    const struct option *scalar = is_scalar(row->type) ? row : rows_scalar(row->rows);
    const char *value = row->normal;

    if (!value && scalar && scalar->type == OPTION_CHOICE)
        value = scalar->choices[0];
    if (!value && scalar && scalar->type == OPTION_ENDPOINT)
        value = "10.0.0.1:80";
    if (!value)
        return;
    buf_print(out, "  example  %s: ", row->key);
    buf_print(out, row->type == OPTION_LIST ? "[%s]\n" : "%s\n", value);
}

static void explain_keys(const struct option *row, struct buf *out)
{
    struct tour tour;
    const struct option *key;

    buf_add_string(out, "\n");
    tour_begin(&tour, row->rows);
    while ((key = tour_next(&tour)))
        buf_print(out, "  %-20s %s\n", key->key, key->help);
}

static void explain_row(const struct tour *tour, const struct option *row, struct buf *out)
{
    tour_path(tour, out);
    buf_print(out, "\n  %s\n\n  type     ", row->help);
    rows_describe(row, out);
    buf_add_byte(out, '\n');
    if (row->flags & OPTION_REQUIRED)
        buf_add_string(out, "  default  none: it must be written\n");
    else if (is_scalar(row->type) || row->normal)
        buf_print(out, "  default  %s\n", row->normal ? row->normal : "none");
    explain_when(row, out);
    explain_example(row, out);
    if (row->short_key)
        buf_print(out, "  short    a scalar stands for its `%s`\n", row->short_key);
    if (!is_scalar(row->type) && !rows_scalar(row->rows))
        explain_keys(row, out);
}

static void list_all(const struct option *rows, struct buf *out)
{
    struct tour tour;
    const struct option *row;

    tour_begin(&tour, rows);
    while ((row = tour_next(&tour))) {
        if (tour.leaving)
            continue;
        tour_path(&tour, out);
        buf_add_string(out, "  ");
        rows_describe(row, out);
        if (row->normal)
            buf_print(out, "; default %s", row->normal);
        buf_add_byte(out, '\n');
        if (!is_scalar(row->type) && !rows_scalar(row->rows))
            tour_enter(&tour);
    }
}

bool schema_explain(const struct option *rows, const char *key, struct buf *out,
                    const char **nearest)
{
    struct tour tour;
    const struct option *row;

    *nearest = NULL;
    if (!key[0]) {
        list_all(rows, out);
        return true;
    }
    row = find(rows, bytes_of_string(key), &tour, nearest);
    if (!row)
        return false;
    explain_row(&tour, row, out);
    return true;
}
