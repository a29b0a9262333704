/*
 * cli/group_orders: what the commands about groups ask, and what they say of a dry run. Pure; drive_groups.c asks.
 */
#pragma once

#include "cli/client.h"

enum { GROUP_KEY_MAX = 64 }; /* characters of an override's key, by the API */

/* When to switch over: `03:00` (tomorrow, when it is past), `2026-12-01T03:00`, or `30m` from now. False: it is none of these. */
MUST_USE bool group_read_moment(const char *text, int64_t now_ms, int64_t *ms);

/* The URL of an order, into `target`. */
void group_order_target(const struct client_options *options, const char *verb, bool accept_loss,
                        struct buf *target);
/* ... of a switchover that the cluster keeps for later: the override `switchover/GROUP`. */
MUST_USE bool group_plan_target(const struct client_options *options, int64_t now_ms,
                                struct buf *target, struct err *err);
/* ... of `failover.pause`, or `failover.pause/GROUP` where one is named. */
MUST_USE bool group_pause_target(const struct client_options *options, int64_t now_ms,
                                 struct buf *target, struct err *err);
MUST_USE bool group_resume_target(const struct client_options *options, struct buf *target,
                                  struct err *err);

const json_t *group_named(const json_t *groups, const char *name); /* NULL: there is none */
/* What would happen, for people. `to`: the node that was asked for; NULL: whoever is best. False: nobody could, or not that one. */
MUST_USE bool group_print_outlook(const json_t *group, const char *to, struct buf *out);
