/*
 * Nodes: how they hang together, what they are called, and what `<<` means.
 */
#include "schema/tree.h"

#include "schema/findings.h"

#include <stdio.h>
#include <stdlib.h>

enum { MERGE_SOURCES_MAX = 16, MERGE_KEYS_MAX = 256 };

uint32_t tree_add(struct tree *tree, uint32_t parent, const struct node *node)
{
    uint32_t index = tree->count;

    if (tree->count == tree->cap) {
        tree->cap = tree->cap ? 2 * tree->cap : 256;
        tree->nodes = realloc(tree->nodes, tree->cap * sizeof *tree->nodes);
        must(tree->nodes != NULL);
    }
    tree->nodes[index] = *node;
    tree->nodes[index].parent = parent;
    tree->count++;
    if (parent) {
        struct node *up = &tree->nodes[parent];

        if (up->last)
            tree->nodes[up->last].next = index;
        else
            up->first = index;
        up->last = index;
    }
    return index;
}

void tree_fini(struct tree *tree)
{
    free(tree->nodes);
    buf_fini(&tree->texts);
    *tree = (struct tree){0};
}

uint32_t tree_resolve(const struct tree *tree, uint32_t node)
{
    return tree->nodes[node].kind == NODE_ALIAS ? tree->nodes[node].target : node;
}

struct bytes tree_text(const struct tree *tree, uint32_t node)
{
    struct ref text = tree->nodes[node].text;

    return bytes_take(bytes_skip(buf_bytes(&tree->texts), text.at), text.count);
}

bool tree_is_nothing(const struct tree *tree, uint32_t node)
{
    const struct node *n = &tree->nodes[node];
    struct bytes text = tree_text(tree, node);

    return n->kind == NODE_NOTHING ||
           (n->kind == NODE_SCALAR && !n->quoted &&
            (bytes_equal(text, BYTES("~")) || bytes_equal(text, BYTES("null"))));
}

uint32_t tree_find(const struct tree *tree, uint32_t map, struct bytes key)
{
    const struct node *nodes = tree->nodes;

    if (nodes[map].kind != NODE_MAP)
        return 0;
    for (uint32_t at = nodes[map].first; at; at = nodes[nodes[at].next].next) {
        if (nodes[at].kind == NODE_SCALAR && bytes_equal(tree_text(tree, at), key))
            return nodes[at].next;
        if (!nodes[at].next)
            break;
    }
    return 0;
}

/* ---- paths ---- */

static uint32_t position(const struct tree *tree, uint32_t node)
{
    uint32_t count = 0;

    for (uint32_t at = tree->nodes[tree->nodes[node].parent].first; at != node;
         at = tree->nodes[at].next)
        count++;
    return count;
}

char *tree_path(const struct tree *tree, uint32_t node, char *into)
{
    uint32_t line[SCHEMA_DEPTH_MAX + 2];
    unsigned depth = 0;
    size_t len = 0;

    for (uint32_t at = node; at && at != tree->root; at = tree->nodes[at].parent) {
        must(depth < ARRAY_LEN(line));
        line[depth++] = at;
    }
    into[0] = '\0';
    while (depth-- > 0 && len < TREE_PATH_MAX - 1) {
        const struct node *n = &tree->nodes[line[depth]];
        struct bytes key = tree_text(tree, n->key);
        int more = 0;

        if (tree->nodes[n->parent].kind == NODE_LIST)
            more = snprintf(into + len, TREE_PATH_MAX - len, "[%u]", position(tree, line[depth]));
        else if (n->key)
            more = snprintf(into + len, TREE_PATH_MAX - len, "%s%.*s", len ? "." : "",
                            (int)bytes_take(key, 64).len, (const char *)key.at);
        len += (size_t)more;
    }
    return into;
}

/* ---- merge keys ---- */

static bool is_merge(const struct tree *tree, uint32_t key)
{
    return tree->nodes[key].kind == NODE_SCALAR && !tree->nodes[key].quoted &&
           bytes_equal(tree_text(tree, key), BYTES("<<"));
}

/* Takes the pair of `<<` out of the mapping. Returns its value, or 0. */
static uint32_t unlink_merge(struct tree *tree, uint32_t map)
{
    struct node *nodes = tree->nodes;
    uint32_t before = 0;

    for (uint32_t key = nodes[map].first; key && nodes[key].next;) {
        uint32_t value = nodes[key].next, after = nodes[value].next;

        if (is_merge(tree, key)) {
            *(before ? &nodes[before].next : &nodes[map].first) = after;
            if (nodes[map].last == value)
                nodes[map].last = before;
            nodes[map].count--;
            return value;
        }
        before = value;
        key = after;
    }
    return 0;
}

static void add_pair(struct tree *tree, uint32_t map, uint32_t key, uint32_t value)
{
    struct node new_key = tree->nodes[key], new_value = tree->nodes[value];

    new_key.next = 0;
    new_value.target = tree_resolve(tree, value);
    new_value.kind = NODE_ALIAS;
    new_value.first = new_value.last = new_value.next = new_value.count = 0;
    new_value.key = tree_add(tree, map, &new_key);
    tree_add(tree, map, &new_value);
    tree->nodes[map].count++;
}

static void merge_one(struct findings *findings, uint32_t map, uint32_t source)
{
    struct tree *tree = &findings->tree;
    uint32_t from = tree_resolve(tree, source);
    const struct node *given = &tree->nodes[source];

    if (tree->nodes[from].kind != NODE_MAP || tree->nodes[from].count > MERGE_KEYS_MAX) {
        findings_add_at(findings, given->begin, given->end,
                        "write `<<: *name`, where `&name` stands before a mapping",
                        tree->nodes[from].kind == NODE_MAP ? "this mapping is too large to merge"
                                                           : "only a mapping can be merged");
        return;
    }
    for (uint32_t key = tree->nodes[from].first; key; key = tree->nodes[tree->nodes[key].next].next)
        if (tree->nodes[key].kind == NODE_SCALAR && !tree_find(tree, map, tree_text(tree, key)))
            add_pair(tree, map, key, tree->nodes[key].next);
}

void tree_merge(struct findings *findings, uint32_t map)
{
    struct tree *tree = &findings->tree;
    uint32_t value = unlink_merge(tree, map), merged = 0;
    uint32_t given = tree_resolve(tree, value);

    if (!value)
        return;
    if (tree->nodes[given].kind != NODE_LIST) {
        merge_one(findings, map, value);
        return;
    }
    for (uint32_t at = tree->nodes[given].first; at && merged < MERGE_SOURCES_MAX; merged++) {
        merge_one(findings, map, at);
        at = tree->nodes[at].next;
    }
}
