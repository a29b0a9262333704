/*
 * Private to role*.c: descriptors that were lent, and generations as they arrive.
 */
#pragma once

#include "process/process.h"
#include "role/role.h"

enum {
    ROLE_HELD_MAX =
        2 * (LISTENERS_MAX + WORKERS_MAX + CONFIG_PATHS_MAX + 4), /* of two generations */
    /* A listener that went is drained soon after `configure`; only then may its descriptor be closed. */
    ROLE_LINGER_MS = 200,
};

/* The same open file always has the same number here, however often it is sent: what runs on it goes on. */
struct role_held {
    int fd;
    uint64_t device, inode;
    uint64_t generation;     /* the last that it came with */
    struct instant close_at; /* NEVER: it stays */
};

/* Takes what a frame brings for the generation to come. False: the supervisor and this process do not understand each other. */
MUST_USE bool role_take_listeners(struct role *role, struct frame *frame, struct err *err);
MUST_USE bool role_take_logs(struct role *role, struct frame *frame, struct err *err);
MUST_USE bool role_take_generation(struct role *role, struct frame *frame, struct err *err);
/* Makes the complete `next` the current generation, and lets descriptors that it does not name linger. */
void role_promote_generation(struct role *role);
/* At a drain: what listens is closed soon, so that new clients are refused instead of left waiting for nobody. */
void role_close_listeners_soon(struct role *role);
/* Marks the access log's successor, and lets the old one linger. */
void role_replace_access_log(struct role *role, struct frame *frame);
const char *role_node_name(const struct role_generation *generation);
void role_close_lingering(struct role *role);
/* Unmaps and closes everything, at the end. */
void role_drop_everything(struct role *role);
