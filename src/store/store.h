/*
 * store: the embedded replicated store, one process per member (docs/store.md). This header is its face to role/store.c and to the configuration.
 *
 *     store_service_open(&store, &options, &err)     from then on it answers clients, members and its agent
 *     store_service_close(store)                     in order: what is acknowledged is on disk anyway
 */
#pragma once

#include "base/address.h"
#include "base/err.h"
#include "base/instant.h"
#include "schema/schema.h"
#include "store/consistency.h"
#include "topology/group.h"

struct loop;
struct store_service;
struct tls_context; /* net/tls.h */

/* ---- the configuration: part of a group's section; it takes effect when the store is next started ---- */

enum store_eviction { STORE_REFUSE, STORE_EVICT_LRU, STORE_EVICT_LFU, STORE_EVICT_TTL };

enum { STORE_USERS_MAX = 256 };   /* in the file */
enum { STORE_LINK_PORT = 10000 }; /* members speak to each other at the group's port and so many */

/* Files in PEM, by which clients know this member, and it knows them. */
struct store_tls {
    struct ref certificate, key;
    struct ref authority; /* absent: clients show no certificate */
    int64_t port;         /* 0: instead of the clear */
};

/* A user of the file. */
struct store_user {
    struct item item;
    struct ref password; /* until the file is compiled: then it is hashed, and the text is gone */
    struct ref password_hash, rules;
};

struct store_config {
    int64_t max_memory; /* bytes; 0: no limit */
    int32_t eviction;   /* enum store_eviction */
    int64_t max_clients;
    int64_t hold_ms;          /* a write waits so long for a primary */
    int32_t consistency;      /* enum store_consistency, of a connection that says nothing */
    int64_t bound_ms;         /* of STORE_BOUNDED */
    int64_t checkpoint_bytes; /* of log, after which the state is written down */
    bool covered;             /* the section `tls` was written */
    struct store_tls tls;
    struct ref users; /* struct store_user */
};

extern const struct option
    store_options[]; /* rows of struct store_config, for OPTION_INCLUDE in a group */

/* Its rules as ACL SETUSER has them, the hash of its password among them. */
void store_user_rules(struct image image, const struct store_user *user, struct buf *out);

/* ---- running ---- */

struct store_member {
    const char *name;
    struct address clients, links;
};

struct store_options {
    struct loop *loop;
    const char *cluster, *group, *self;
    const char *directory;              /* exists, and is this process's alone */
    const struct store_member *members; /* `self` among them */
    uint32_t member_count;
    /* Listening; borrowed. For clients in the clear, and for those that speak TLS (-1: there is none); and for the other members. */
    int door, tls_door, links;
    struct tls_context *tls;         /* between members; NULL: in the clear, in tests */
    struct tls_context *clients_tls; /* of tls_door; borrowed */
    const struct store_config *config;
    struct image image; /* that `config` is of; borrowed until store_service_open returns */
    uint64_t seed;
    bool (*may_act)(void *context); /* the lease holds now */
    void (*failed)(
        void *context,
        const char *sentence); /* nothing is to be believed any more: the process has to end */
    void (*said)(void *context, const char *sentence); /* for a line of the log */
    void (*closed)(void *context); /* after store_service_close, in a later turn: it is freed */
    void *context;
};

/* Everything but `config` is copied or borrowed for as long as it is open (loop, tls). */
MUST_USE bool store_service_open(struct store_service **store, const struct store_options *options,
                                 struct err *err);
/* A connected stream to the agent, which is the callee's: orders come on it (docs/engines.md), and no longer on the one before. */
void store_service_take_orders(struct store_service *store, int fd);
/* Other certificates from now on, between members and for clients; those before are no longer used. */
void store_service_use_tls(struct store_service *store, struct tls_context *tls);
void store_service_use_clients_tls(struct store_service *store, struct tls_context *tls);
/* The file has these users from now on. */
void store_service_use_users(struct store_service *store, struct image image,
                             const struct store_config *config);
void store_service_close(struct store_service *store);
