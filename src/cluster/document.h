/*
 * cluster/document: the one small value on which all members agree.
 *
 * It changes only by commands, in the order of the log, and by the same rules everywhere: there is no clock, no randomness and no
 * floating point in it. Every object has a version, which is the document's count of changes at its last one, so a version is never used twice,
 * also when an object was deleted and made again; a command that is based on another version is refused as stale. Epochs are drawn from one
 * counter too: a group or lease that gets a new holder gets an epoch that nobody ever had.
 *
 * The running hash covers every command that was applied, refused ones included: equal histories, equal hashes.
 */
#pragma once

#include "base/err.h"
#include "cluster/charter.h"
#include "cluster/command.h"

struct document_group {
    char name[CLUSTER_NAME_MAX]; /* its lease is `group/NAME` */
    uint64_t epoch, version;
    struct group_body body;
};

/* A drain or a maintenance. */
struct document_mark {
    char name[CLUSTER_RESOURCE_MAX];
    char reason[CLUSTER_VALUE_MAX];
    uint64_t until_ms;
    uint64_t version;
};

struct document_marks {
    uint32_t count;
    struct document_mark marks[CLUSTER_MARKS_MAX]; /* in the order in which they were first set */
};

/* A slot of the table of leases. Its place is its number in cluster/lease.h and stays while the resource lives. */
struct document_lease {
    char name[CLUSTER_RESOURCE_MAX]; /* empty: the slot is free */
    bool of_group;                   /* held by the group's primary, and changed only with it */
    struct life
        holder; /* member 0: vacant (of a group without primary; any other vacant lease is deleted) */
    uint64_t epoch, version;
};

struct document_override {
    char key[CLUSTER_KEY_MAX];
    char value[CLUSTER_VALUE_MAX];
    uint64_t version;
};

enum { DOCUMENT_TRAIL = 1024 };

struct document {
    uint64_t cluster;
    uint16_t level;       /* commands that need a higher one are refused */
    uint64_t index;       /* of the last entry applied */
    uint64_t hash;        /* of all commands applied */
    uint64_t changes;     /* commands that changed something: the newest version */
    uint64_t epochs;      /* the newest epoch */
    uint32_t next_member; /* id of the next one */
    uint32_t member_count, group_count, override_count;
    struct member members[CLUSTER_NODES_MAX]; /* by rising id */
    struct document_group groups[CLUSTER_GROUPS_MAX];
    struct document_lease leases[CLUSTER_LEASES_MAX];
    struct document_marks drains, maintenances;
    struct document_override overrides[CLUSTER_OVERRIDES_MAX];
    /* Not part of the value: hash after index i at i % DOCUMENT_TRAIL. */
    struct {
        uint64_t index, hash;
    } trail[DOCUMENT_TRAIL];
};

enum document_outcome {
    DOCUMENT_APPLIED,
    DOCUMENT_STALE, /* based on another version than the object has now: read again, then ask again */
    DOCUMENT_EXISTS,  /* based on nothing, and there is one */
    DOCUMENT_MISSING, /* there is no such object (any more) */
    DOCUMENT_INVALID, /* it would break a rule of the document, or is malformed */
    DOCUMENT_FULL,
    DOCUMENT_TOO_NEW, /* a proposal that needs a higher level than the document has */
    DOCUMENT_HALT, /* met in the log and not understood: this node is too old for what the cluster agreed on, and must stop */
    DOCUMENT_OUTCOMES,
};

struct document_reply {
    enum document_outcome outcome;
    struct document_command command;     /* as decoded */
    uint64_t version;                    /* APPLIED: of the object now (0: deleted) */
    uint64_t epoch;                      /* APPLIED, of a group or lease: its epoch now */
    char sentence[CLUSTER_SENTENCE_MAX]; /* empty when APPLIED; else why not, for whoever asked */
};

/* The value at index 1, from the founding charter (`welcome` is false): every member voter or witness as the file said. */
void document_found(struct document *document, const struct charter *charter);
/* What document_apply would say now; nothing changes. TOO_NEW instead of HALT. For the leader, before it proposes. */
enum document_outcome document_would(const struct document *document,
                                     const struct document_command *command,
                                     struct document_reply *reply);
/* The entry at `index` (the next one) is committed. The reply is the same on every node. */
enum document_outcome document_apply(struct document *document, uint64_t index, struct bytes body,
                                     struct document_reply *reply);
/* The entry at `index` is committed and has no command (a leader's first). */
void document_pass(struct document *document, uint64_t index);

struct document_loss {
    uint32_t slot;
    struct life from;
    uint64_t epoch;
    bool
        voluntary; /* the holder asks for it itself: nothing to wait for, once it is told (lease_grantor_released) */
};
/* An operator made this member the whole cluster, under a new id: who else was there is forgotten, with what they held. `survivor` may be gone from the
 * document by what was never committed. */
void document_survive(struct document *document, const struct member *survivor, uint64_t cluster);

/* Would this command, now, take a lease away from somebody? Then the leader asks cluster/lease.h when it may be proposed. */
bool document_takes_away(const struct document *document, const struct document_command *command,
                         struct document_loss *loss);

/* The hash after `index`; false when that is too long ago or to come. */
bool document_hash_at(const struct document *document, uint64_t index, uint64_t *hash);

/* ---- lookups; NULL: there is none ---- */
const struct member *document_member(const struct document *document, uint32_t id);
const struct member *document_member_named(const struct document *document, const char *name);
const struct document_group *document_group(const struct document *document, const char *name);
const struct document_lease *document_lease(const struct document *document, const char *name,
                                            uint32_t *slot);
const struct document_mark *document_mark(const struct document_marks *marks, const char *name);
const struct document_override *document_override(const struct document *document, const char *key);
/* Is this the run of the member that the document knows of now? */
bool document_current(const struct document *document, struct life life);
uint32_t document_voters(const struct document *document);

/* ---- snapshots (document_snapshot.c) ---- */
/* At most CLUSTER_SNAPSHOT_MAX bytes; equal values, equal bytes. The file's checksum is the log's business. */
void document_encode(const struct document *document, struct buf *out);
/* Trusts nothing: every count, name, reference and invariant is checked. False: why is in `err`, *document is not to be used. */
MUST_USE bool document_decode(struct bytes bytes, struct document *document, struct err *err);
/* The first rule that is broken anywhere in it; NULL when none is. Looks at everything: for decoders and tests. */
const char *document_fault(const struct document *document);
