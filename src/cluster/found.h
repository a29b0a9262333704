/*
 * cluster/found: how blank nodes become one cluster, once.
 *
 * A node with an empty directory is blank. When all nodes of the file are blank, hear each other and have the same list of nodes, the first by name
 * founds: it writes the charter, syncs it, and sends it to the others. A blank node takes one charter that names its own disk, from a sender
 * whose disk it names too, and syncs it before it says that it is a member. Every member sends the founding charter again to blank nodes that
 * it names. Nobody founds beside a node that is not blank.
 *
 * Nodes are numbered by their place in the list in the order of names. The driver feeds what hellos and beats say, and does what is ordered.
 */
#pragma once

#include "base/instant.h"
#include "cluster/charter.h"

enum found_phase {
    FOUND_BLANK,
    FOUND_WRITING, /* a charter is being written and synced; to others this is still blank */
    FOUND_MEMBER,
};

/* What a node says of itself in hellos and beats. */
struct found_word {
    bool blank;
    uint64_t disk;
    uint64_t cluster;   /* zero when blank */
    uint64_t list_hash; /* of its list of nodes */
    uint32_t
        hears; /* bit i: it hears node i (itself included), which is blank and has the same list */
};

struct found_peer {
    bool heard; /* and not lost since */
    struct found_word word;
    struct instant sent; /* the charter, last time; {0}: never */
};

struct found_options {
    uint32_t self, count;
    struct member nodes
        [CLUSTER_NODES_MAX]; /* of the file, by rising name; role, name, zone, addresses; the rest zero */
    uint64_t list_hash; /* found_list_hash */
    uint64_t disk;
    uint64_t cluster; /* random: the id that this node gives when it founds */
    int64_t resend_ns;
};

struct found {
    struct found_options options;
    enum found_phase phase;
    bool ordered;           /* WRITING: the order was given */
    bool founder;           /* this node wrote the charter itself */
    struct charter charter; /* WRITING: what is being written; MEMBER: what it is a member by */
    struct found_peer peers[CLUSTER_NODES_MAX];
};

enum found_outcome {
    FOUND_TAKEN,         /* write it: the order is in the next found_step */
    FOUND_HAD,           /* member already, of this cluster; or it is being written */
    FOUND_NOT_ME,        /* it does not name this disk */
    FOUND_OTHER_CLUSTER, /* member of another one, or another charter is being written */
    FOUND_STRANGER,      /* the sender is not in it with the disk that it announced */
};

struct found_orders {
    bool
        write; /* the charter in the state: write it as the identity and (unless `welcome`) the snapshot at 1, sync, then found_written */
    uint32_t send_count;
    uint32_t send[CLUSTER_NODES_MAX]; /* places of nodes to which the charter goes */
};

/* Of names, roles, zones and addresses: equal lists, equal hash. */
uint64_t found_list_hash(const struct member *nodes, uint32_t count);
/* `had`: the founding charter that the disk holds; NULL: the node is blank. A member by a welcome hands in that one, and never sends it. */
void found_init(struct found *found, const struct found_options *options,
                const struct charter *had);
/* A hello or beat of node `peer` came; its name is authenticated. */
void found_heard(struct found *found, uint32_t peer, const struct found_word *word);
/* The link to it is down, or it is suspected. */
void found_lost(struct found *found, uint32_t peer);
/* A charter came from node `peer`. Any answer but TAKEN changes nothing. */
enum found_outcome found_charter(struct found *found, uint32_t peer, const struct charter *charter);
/* The charter that was ordered to be written is durable. */
void found_written(struct found *found);
/* At every heartbeat and after every event. An order to write is given once; one that failed ends the process. */
void found_step(struct found *found, struct instant now, struct found_orders *out);
/* What this node says of itself. */
void found_say(const struct found *found, struct found_word *word);
/* What it waits for, for `nines status`: one sentence, or nothing when it is a member and every node it hears is, too. */
void found_sentence(const struct found *found, struct buf *out);
