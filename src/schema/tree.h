/*
 * Inside the room: a YAML document as nodes in one array, which refer to each other by index. Index 0 is no node.
 *
 * An alias knows the node it stands for, and merge keys have been resolved: what reads the tree sees mappings alone. Whatever the
 * file says, the number of nodes, anchors and levels is bounded.
 */
#pragma once

#include "schema/schema.h"

enum node_kind { NODE_NOTHING, NODE_SCALAR, NODE_MAP, NODE_LIST, NODE_ALIAS };

struct node {
    enum node_kind kind;
    bool quoted; /* a scalar that is text, whatever it looks like */
    bool flow;   /* a container in brackets */
    uint32_t parent;
    uint32_t key;                    /* of a value in a mapping; keys have none */
    uint32_t first, last, next;      /* children; a mapping's are key, value, key, value */
    uint32_t count;                  /* items of a list, pairs of a mapping */
    uint32_t begin, end;             /* bytes of the source */
    uint32_t target;                 /* of an alias; never an alias itself; 0: of nothing known */
    const struct option *checked_by; /* the table that its keys were last compared with */
    struct ref text;                 /* of a scalar, in `texts` */
};

struct tree {
    struct node *nodes;
    uint32_t count, cap;
    struct buf texts;
    uint32_t root;
    bool
        broken; /* the document could not be read to its end: what is missing may have been written */
};

/* Reads the text of `findings` into its tree. */
void tree_read(struct findings *findings);
void tree_fini(struct tree *tree);

/* The node that a node stands for. */
uint32_t tree_resolve(const struct tree *tree, uint32_t node);
struct bytes tree_text(const struct tree *tree, uint32_t node);
/* Nothing, or a plain `~` or `null`. */
bool tree_is_nothing(const struct tree *tree, uint32_t node);
/* The value of a key in a mapping (the first of several), or 0. */
uint32_t tree_find(const struct tree *tree, uint32_t map, struct bytes key);
/* `pools.api.backends[1].weight`, cut where it does not fit; "" for the root. Returns `into`. */
enum { TREE_PATH_MAX = 256 };
char *tree_path(const struct tree *tree, uint32_t node, char *into);

/* Inside the tree's own two files. */
uint32_t tree_add(struct tree *tree, uint32_t parent, const struct node *node);
/* Replaces the `<<` of a mapping by what it names; called when the mapping is complete. */
void tree_merge(struct findings *findings, uint32_t map);
