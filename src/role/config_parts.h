/*
 * Private to role/config*.c: the configuration while it is being compiled.
 */
#pragma once

#include "role/config.h"

struct config_work {
    const struct config_request *request;
    struct findings *findings;
    struct buf warnings; /* sentences of a file that is good all the same */
    struct buf *image;   /* written in place; it does not grow after config_settle_pools */
};

static inline struct image config_image(const struct config_work *work)
{
    return (struct image){work->image->at, work->image->len};
}

/* The items of a ref, to be written to. */
static inline void *config_items(const struct config_work *work, struct ref ref, size_t item_size)
{
    (void)image_items(config_image(work), ref, item_size);
    return work->image->at + ref.at;
}

static inline struct config *config_root(const struct config_work *work)
{
    return (struct config *)(void *)work->image->at;
}

/* Contradictions, references between sections, and what one key alone cannot show. Writes pool_index, kinds and bits. */
void config_sense(struct config_work *work);
/* Parses the nodes' addresses, and checks what only all nodes together show, and the timings. */
void config_settle_nodes(struct config_work *work);
/* Parses virtual addresses, and finds their nodes and conditions. */
void config_settle_addresses(struct config_work *work);
/* Who is in which group, and what only a group as a whole shows. */
void config_settle_groups(struct config_work *work);
/* Hashes passwords, and tries rules. The image may grow. */
void config_settle_users(struct config_work *work);
/* Chooses this node. */
void config_choose_node(struct config_work *work);
/* What a group may not say. */
void config_check_groups(struct config_work *work);
/* Gives every group its slot. */
void config_number_groups(struct config_work *work);
/* Gives each group that a service names a pool with its members, after the written ones. */
void config_settle_pools(struct config_work *work);
uint32_t config_find_group(const struct config_work *work,
                           struct ref name); /* its place; UINT32_MAX: there is none */
/* At the end of the image, which may move; {0, 0}: it is full. */
struct ref config_append_text(struct config_work *work, const char *text);
/* Gives every service and backend its slot of the scoreboard, and every listener its index. */
void config_number(struct config_work *work);
/* Looks up every name, all at once; what does not resolve in five seconds is a finding. */
void config_resolve(struct config_work *work);

/* Adds a finding at a key of an item, or at the item where the key was not written. */
void config_find(struct config_work *work, const struct item *item, const char *key,
                 const char *fix, const char *format, ...) PRINTF(5, 6);
/* Something that works, and that whoever wrote it may not have meant. */
void config_warn(struct config_work *work, const char *format, ...) PRINTF(2, 3);
