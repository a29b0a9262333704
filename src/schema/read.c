/*
 * Fills an image from a tree, driven by the rows alone.
 *
 * Sections wait in a queue, so that neither the table's nor the file's depth is a depth of calls, and the image is laid out in
 * the tables' order, whatever the file's. What aliases expand to is bounded by the image's limit.
 */
#include "base/must.h"
#include "schema/findings.h"
#include "schema/rows.h"
#include "schema/scalar.h"
#include "schema/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE = 512, NAME_MAX_LEN = 255, TASKS_MAX = 1 << 20, WORK_MAX = 1 << 20 };

/* A struct to be filled from a mapping; from nothing but defaults where node is 0. */
struct task {
    const struct option *rows;
    size_t base;
    uint32_t node;         /* as written: may be an alias */
    const char *short_key; /* the node is the scalar for this key */
};

struct reader {
    struct findings *findings;
    struct tree *tree;
    struct buf *image;
    uint32_t work; /* pairs of mappings looked at, those behind aliases again and again */
    struct task *tasks;
    uint32_t head, count, cap;
};

/* ---- what is wrong ---- */

enum { WORD_SIZE = QUOTE_MAX + 16 };

static const char *kind_word(const struct tree *tree, uint32_t node, char *into)
{
    const struct node *n = &tree->nodes[node];
    char quoted[QUOTE_MAX];

    if (tree_is_nothing(tree, node))
        return "nothing";
    if (n->kind == NODE_SCALAR) {
        findings_quote(tree_text(tree, node), quoted);
        snprintf(into, WORD_SIZE, "%s%s", n->quoted ? "the text " : "", quoted);
        return into;
    }
    return n->kind == NODE_MAP ? "a mapping" : "a list";
}

/* Further findings are only counted: nobody will read their words. */
static bool full(const struct reader *reader)
{
    must(reader->findings);
    return reader->findings->count >= FINDINGS_MAX;
}

/* `pools.api: ` or nothing at the root. */
static char *path_prefix(const struct reader *reader, uint32_t node, char *into)
{
    size_t len;

    into[0] = '\0';
    if (full(reader))
        return into;
    tree_path(reader->tree, node, into);
    len = strlen(into);
    if (len)
        snprintf(into + len, TREE_PATH_MAX + 4 - len, ": ");
    return into;
}

/* An alias without an anchor: a finding of its own. */
static bool stands_for_nothing(const struct tree *tree, uint32_t node)
{
    return tree->nodes[node].kind == NODE_ALIAS && tree->nodes[node].target == 0;
}

static void complain_of(struct reader *reader, uint32_t node, const char *expected, const char *fix)
{
    const struct tree *tree = reader->tree;
    const struct node *n = &tree->nodes[node];
    char word[WORD_SIZE], path[TREE_PATH_MAX + 4];
    uint32_t begin = n->begin, end = n->end;

    if (n->kind == NODE_NOTHING && n->key) {
        begin = tree->nodes[n->key].begin;
        end = tree->nodes[n->key].end;
    }
    findings_add_at(reader->findings, begin, end, fix, "%sfound %s, expected %s",
                    path_prefix(reader, node, path),
                    kind_word(tree, tree_resolve(tree, node), word), expected);
}

static void list_keys(const struct option *rows, struct buf *out)
{
    enum { SHOWN = 12 };
    struct tour tour;
    const struct option *row;
    unsigned count = 0;

    tour_begin(&tour, rows);
    while ((row = tour_next(&tour))) {
        if (count++ == SHOWN)
            buf_add_string(out, ", \xe2\x80\xa6");
        else if (count <= SHOWN)
            buf_print(out, "%s%s", count > 1 ? ", " : "", row->key);
    }
    buf_add_byte(out, '\0');
}

static void expect_section(struct reader *reader, uint32_t node, const struct option *rows)
{
    char keys[SENTENCE] = "known here: ";
    struct buf out;

    buf_over(&out, keys + 12, sizeof keys - 12);
    list_keys(rows, &out);
    complain_of(reader, node, "a mapping of keys to values", keys);
}

static void unknown_key(struct reader *reader, uint32_t map, uint32_t key,
                        const struct option *rows)
{
    const struct tree *tree = reader->tree;
    const char *nearest = full(reader) ? NULL : rows_nearest(rows, tree_text(tree, key));
    char fix[SENTENCE] = "known here: ", path[TREE_PATH_MAX + 4], quoted[QUOTE_MAX];
    struct buf out;

    if (nearest) {
        snprintf(fix, sizeof fix, "did you mean '%s'?", nearest);
    } else {
        buf_over(&out, fix + 12, sizeof fix - 12);
        list_keys(rows, &out);
    }
    findings_add_at(reader->findings, tree->nodes[key].begin, tree->nodes[key].end, fix,
                    "%sunknown key %s", path_prefix(reader, map, path),
                    findings_quote(tree_text(tree, key), quoted));
}

static void missing_key(struct reader *reader, uint32_t node, const struct option *row)
{
    const struct tree *tree = reader->tree;
    const struct node *n = &tree->nodes[node];
    const struct node *place = n->key ? &tree->nodes[n->key] : n;
    bool at_root = node == tree->root;
    uint32_t end = place->end;
    char path[TREE_PATH_MAX + 4], fix[SENTENCE];

    /* The first key stands for a mapping without a name of its own. */
    if (!n->key && n->kind == NODE_MAP && n->first && !n->flow)
        end = tree->nodes[n->first].end;
    snprintf(fix, sizeof fix, "add `%s:`: %s", row->key, row->help);
    if (at_root)
        findings_add(reader->findings, 0, 0, 0, fix, "'%s' is missing", row->key);
    else
        findings_add_at(reader->findings, place->begin, end, fix, "%s'%s' is missing",
                        path_prefix(reader, node, path), row->key);
}

/* ---- keys ---- */

struct named {
    struct bytes name;
    uint32_t key;
};

static int compare_names(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    size_t shorter = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = shorter ? memcmp(x->name.at, y->name.at, shorter) : 0;

    if (order)
        return order;
    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    return x->key < y->key ? -1 : 1;
}

static void written_twice(struct reader *reader, uint32_t map, const struct named *first,
                          const struct named *again)
{
    const struct tree *tree = reader->tree;
    const struct node *before = &tree->nodes[first->key], *key = &tree->nodes[again->key];
    struct place place = findings_place_of(reader->findings, before->begin, before->end);
    char path[TREE_PATH_MAX + 4], quoted[QUOTE_MAX], fix[64];

    snprintf(fix, sizeof fix, "keep one; the first is on line %u", place.line);
    findings_add_at(reader->findings, key->begin, key->end, fix, "%s%s is written twice",
                    path_prefix(reader, map, path), findings_quote(again->name, quoted));
}

/* Each key of a mapping is a scalar, and there once. */
static void check_unique(struct reader *reader, uint32_t map)
{
    const struct tree *tree = reader->tree;
    const struct node *nodes = tree->nodes;
    uint32_t count = 0, seen = nodes[map].count + 1;
    struct named *names = calloc(seen, sizeof *names);

    must(names != NULL);
    for (uint32_t key = nodes[map].first; key && count < seen; key = nodes[nodes[key].next].next) {
        if (nodes[key].kind != NODE_SCALAR)
            findings_add_at(reader->findings, nodes[key].begin, nodes[key].end, NULL,
                            "a key is a word or a text in quotes");
        else
            names[count++] = (struct named){tree_text(tree, key), key};
    }
    qsort(names, count, sizeof *names, compare_names);
    for (uint32_t i = 1; i < count && !full(reader); i++)
        if (bytes_equal(names[i - 1].name, names[i].name))
            written_twice(reader, map, &names[i - 1], &names[i]);
    free(names);
}

static void check_known(struct reader *reader, uint32_t map, const struct option *rows)
{
    const struct node *nodes = reader->tree->nodes;

    for (uint32_t key = nodes[map].first; key; key = nodes[nodes[key].next].next)
        if (nodes[key].kind == NODE_SCALAR && !rows_find(rows, tree_text(reader->tree, key), NULL))
            unknown_key(reader, map, key, rows);
}

/* `rows`: those that a section knows, or a map's own row, whose keys are free. */
static void check_keys(struct reader *reader, uint32_t map, const struct option *rows, bool known)
{
    struct node *node = &reader->tree->nodes[map];

    reader->work += node->count;
    if (reader->work > WORK_MAX)
        reader->image->full = true;
    if (node->checked_by == rows)
        return;
    node->checked_by = rows;
    check_unique(reader, map);
    if (known)
        check_known(reader, map, rows);
}

/* ---- the image ---- */

static void put(struct reader *reader, size_t at, const void *from, size_t size)
{
    must(at + size <= reader->image->len);
    memcpy(reader->image->at + at, from, size);
}

/* Zeroed and aligned for any struct. False: the image is full. */
static bool reserve(struct reader *reader, size_t size, size_t *at)
{
    size_t padding = -reader->image->len & 7;
    uint8_t *space = buf_space(reader->image, padding + size);

    if (!space)
        return false;
    memset(space, 0, padding + size);
    buf_grew(reader->image, padding + size);
    *at = reader->image->len - size;
    return true;
}

static void push(struct reader *reader, struct task task)
{
    if (reader->count == TASKS_MAX) {
        reader->image->full = true;
        return;
    }
    if (reader->count == reader->cap) {
        reader->cap = reader->cap ? 2 * reader->cap : 256;
        reader->tasks = realloc(reader->tasks, reader->cap * sizeof *reader->tasks);
        must(reader->tasks != NULL);
    }
    reader->tasks[reader->count++] = task;
}

/* ---- scalars ---- */

static void fill_scalar(struct reader *reader, const struct option *row, size_t at, uint32_t node)
{
    const struct tree *tree = reader->tree;
    uint32_t given = tree_resolve(tree, node);
    bool quoted = tree->nodes[given].quoted, scalar = tree->nodes[given].kind == NODE_SCALAR;
    struct bytes text = tree_text(tree, given);
    char expected[SENTENCE], hint[SENTENCE];
    struct buf out;
    struct value value;

    if (scalar && !tree_is_nothing(tree, given) && scalar_parse(row, text, quoted, &value)) {
        scalar_store(row, &value, reader->image, at);
        return;
    }
    buf_over(&out, expected, sizeof expected - 1);
    scalar_describe(row, &out);
    expected[out.len] = '\0';
    complain_of(reader, node, expected,
                scalar ? scalar_fix(row, text, quoted, hint, sizeof hint) : NULL);
}

static void fill_default_scalar(struct reader *reader, const struct option *row, size_t at,
                                struct bytes text)
{
    struct value value;

    must(scalar_parse(row, text, false, &value));
    scalar_store(row, &value, reader->image, at);
}

/* ---- items ---- */

static void put_item(struct reader *reader, size_t at, uint32_t node, uint32_t key)
{
    const struct tree *tree = reader->tree;
    const struct node *from = &tree->nodes[key ? key : node];
    struct place place = findings_place_of(reader->findings, from->begin, from->end);
    struct item item = {.line = place.line, .column = place.column};
    struct bytes name = tree_text(tree, key);

    if (key) {
        item.name = (struct ref){(uint32_t)reader->image->len, (uint32_t)name.len};
        buf_add(reader->image, name);
        buf_add_byte(reader->image, '\0');
    }
    findings_remember(reader->findings, item.line, item.column, node);
    put(reader, at, &item, sizeof item);
}

static void check_name(struct reader *reader, uint32_t key)
{
    static const struct option rule = {"name", OPTION_TEXT, 0, 1, NAME_MAX_LEN};
    struct bytes name = tree_text(reader->tree, key);
    struct value value;
    char quoted[QUOTE_MAX];

    if (reader->tree->nodes[key].kind == NODE_SCALAR && !scalar_parse(&rule, name, true, &value))
        findings_add_at(reader->findings, reader->tree->nodes[key].begin,
                        reader->tree->nodes[key].end, NULL,
                        "found the name %s, expected one of 1 to %d bytes without control "
                        "characters",
                        findings_quote(name, quoted), NAME_MAX_LEN);
}

static void fill_item(struct reader *reader, const struct option *row, size_t at, uint32_t node)
{
    const struct option *scalar = rows_scalar(row->rows);
    uint32_t given = tree_resolve(reader->tree, node);
    bool is_short = row->short_key && reader->tree->nodes[given].kind == NODE_SCALAR &&
                    !tree_is_nothing(reader->tree, given);

    if (stands_for_nothing(reader->tree, node))
        return;
    if (scalar)
        fill_scalar(reader, scalar, at + scalar->offset, node);
    else
        push(reader, (struct task){row->rows, at, node, is_short ? row->short_key : NULL});
}

static bool count_fits(struct reader *reader, const struct option *row, uint32_t node,
                       uint32_t count)
{
    int64_t low, high;
    char expected[64];

    scalar_bounds(row, &low, &high);
    if (count >= low && count <= high)
        return true;
    if (high == INT64_MAX)
        snprintf(expected, sizeof expected, "at least %" PRId64, low);
    else
        snprintf(expected, sizeof expected, "from %" PRId64 " to %" PRId64, low, high);
    if (!reader->tree->broken) {
        const struct node *n = &reader->tree->nodes[node];
        const struct node *place = n->key && n->begin == n->end ? &reader->tree->nodes[n->key] : n;
        char path[TREE_PATH_MAX + 4];

        findings_add_at(reader->findings, place->begin, place->end, NULL,
                        "%sfound %u items, expected %s", path_prefix(reader, node, path), count,
                        expected);
    }
    return false;
}

static bool reserve_items(struct reader *reader, const struct option *row, size_t at,
                          uint32_t count, size_t *items)
{
    struct ref ref = {.count = count};

    if (!reserve(reader, count * row->item_size, items))
        return false;
    ref.at = (uint32_t)*items;
    put(reader, at, &ref, sizeof ref);
    return true;
}

static void fill_list(struct reader *reader, const struct option *row, size_t at, uint32_t node)
{
    const struct node *nodes = reader->tree->nodes;
    uint32_t list = tree_resolve(reader->tree, node), count = nodes[list].count;
    bool one = nodes[list].kind != NODE_LIST && !tree_is_nothing(reader->tree, list);
    size_t items;

    if (one && !(row->flags & OPTION_ONE_OR_MORE)) {
        complain_of(reader, node, "a list",
                    "begin each item on its own line with `- `, or write [a, b]");
        return;
    }
    count = one ? 1 : nodes[list].kind == NODE_LIST ? count : 0;
    if (!count_fits(reader, row, node, count) || !reserve_items(reader, row, at, count, &items))
        return;
    for (uint32_t i = 0, item = one ? node : nodes[list].first; i < count; i++) {
        put_item(reader, items + i * row->item_size, item, 0);
        fill_item(reader, row, items + i * row->item_size, item);
        item = one ? 0 : nodes[item].next;
    }
}

static void fill_map(struct reader *reader, const struct option *row, size_t at, uint32_t node)
{
    const struct node *nodes = reader->tree->nodes;
    uint32_t map = tree_resolve(reader->tree, node), i = 0, count;
    size_t items;

    if (nodes[map].kind != NODE_MAP && !tree_is_nothing(reader->tree, map)) {
        complain_of(reader, node, "a mapping of names of your own",
                    "write `name: ...`, one below the other");
        return;
    }
    count = nodes[map].kind == NODE_MAP ? nodes[map].count : 0;
    if (count)
        check_keys(reader, map, row, false);
    if (!count_fits(reader, row, node, count) || !reserve_items(reader, row, at, count, &items))
        return;
    for (uint32_t key = nodes[map].first; key && i < count; i++) {
        check_name(reader, key);
        put_item(reader, items + i * row->item_size, nodes[key].next, key);
        fill_item(reader, row, items + i * row->item_size, nodes[key].next);
        key = nodes[nodes[key].next].next;
    }
}

/* A list's default: scalars, `a, b`. */
static void fill_default_list(struct reader *reader, const struct option *row, size_t at)
{
    const struct option *scalar = rows_scalar(row->rows);
    struct bytes rest = bytes_of_string(row->normal);
    uint32_t count = 1;
    size_t items;

    must(scalar != NULL);
    for (size_t i = 0; i < rest.len; i++)
        count += rest.at[i] == ',';
    if (!reserve_items(reader, row, at, count, &items))
        return;
    for (uint32_t i = 0; i < count; i++) {
        size_t comma = bytes_find(rest, ',');

        fill_default_scalar(reader, scalar, items + i * row->item_size + scalar->offset,
                            bytes_trim(bytes_take(rest, comma)));
        rest = bytes_skip(rest, comma < rest.len ? comma + 1 : comma);
    }
}

/* ---- sections ---- */

static void fill_default(struct reader *reader, const struct option *row, size_t at)
{
    if (row->type == OPTION_SECTION)
        push(reader, (struct task){row->rows, at, 0, NULL});
    else if (row->normal && row->type == OPTION_LIST)
        fill_default_list(reader, row, at);
    else if (row->normal)
        fill_default_scalar(reader, row, at, bytes_of_string(row->normal));
}

static void fill_written(struct reader *reader, const struct option *row, size_t at, uint32_t node)
{
    if (stands_for_nothing(reader->tree, node))
        return;
    if (row->type == OPTION_SECTION)
        push(reader, (struct task){row->rows, at, node, NULL});
    else if (row->type == OPTION_MAP)
        fill_map(reader, row, at, node);
    else if (row->type == OPTION_LIST)
        fill_list(reader, row, at, node);
    else
        fill_scalar(reader, row, at, node);
}

static uint32_t value_of(const struct reader *reader, const struct task *task,
                         const struct option *row)
{
    if (task->short_key)
        return strcmp(row->key, task->short_key) == 0 ? task->node : 0;
    return tree_find(reader->tree, tree_resolve(reader->tree, task->node),
                     bytes_of_string(row->key));
}

static void fill_section(struct reader *reader, const struct task *task)
{
    const struct tree *tree = reader->tree;
    uint32_t map = tree_resolve(tree, task->node);
    struct tour tour;
    const struct option *row;
    static const bool yes = true;

    if (tree->nodes[map].kind == NODE_MAP) {
        check_keys(reader, map, task->rows, true);
    } else if (!task->short_key && !tree_is_nothing(tree, map)) {
        expect_section(reader, task->node, task->rows);
        return;
    }
    tour_begin(&tour, task->rows);
    while ((row = tour_next(&tour))) {
        uint32_t node = value_of(reader, task, row);
        size_t at = task->base + tour.offset;

        if (node && row->flags & OPTION_PRESENCE)
            put(reader, at - row->offset + row->present, &yes, sizeof yes);
        if (node)
            fill_written(reader, row, at, node);
        else
            fill_default(reader, row, at);
        if (!node && task->node && row->flags & OPTION_REQUIRED && !tree->broken)
            missing_key(reader, task->node, row);
    }
}

static void fill_all(struct reader *reader)
{
    while (reader->head < reader->count && !reader->image->full) {
        /* A copy: the queue may move while it grows. */
        struct task task = reader->tasks[reader->head++];

        fill_section(reader, &task);
    }
}

static void fill(struct reader *reader, const struct option *rows, size_t root_size)
{
    uint32_t root = reader->tree->root;
    size_t at;

    must(reserve(reader, root_size, &at));
    if (!root || tree_is_nothing(reader->tree, root)) {
        if (!reader->tree->broken)
            findings_add(reader->findings, 0, 0, 0, NULL, "the file says nothing");
        return;
    }
    put_item(reader, 0, root, 0);
    push(reader, (struct task){rows, 0, root, NULL});
    fill_all(reader);
    if (reader->image->full)
        findings_add(reader->findings, 0, 0, 0, "use fewer aliases",
                     "what the aliases stand for is too large");
}

bool schema_read(const struct option *rows, size_t root_size, struct findings *findings,
                 struct buf *image)
{
    struct reader reader = {.findings = findings, .tree = &findings->tree, .image = image};

    must(root_size >= sizeof(struct item));
    buf_init(image, SCHEMA_IMAGE_MAX);
    tree_read(findings);
    fill(&reader, rows, root_size);
    free(reader.tasks);
    return findings->count == 0;
}

void schema_defaults(const struct option *rows, struct buf *image, size_t at)
{
    struct node nothing = {0};
    struct tree tree = {.nodes = &nothing, .count = 1};
    struct reader reader = {.tree = &tree, .image = image};

    push(&reader, (struct task){rows, at, 0, NULL});
    fill_all(&reader);
    free(reader.tasks);
}
