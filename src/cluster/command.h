/*
 * cluster/command: one change of the replicated document, and its encoding.
 *
 * A command carries the format's level that is needed to understand it, who proposed it under which number, and the version of the object
 * that it was based on. Its fields are (tag, length, bytes) with rising tags; a field that this version does not know is skipped, so a newer
 * minor may add what an older one can do without. What an older one cannot do without needs a new kind, and a higher level.
 */
#pragma once

#include "cluster/member.h"
#include "cluster/version.h"

/* Numbers are on disk: never reused. */
enum command_kind {
    COMMAND_NOTHING = 0,
    COMMAND_MEMBER_ADD = 1, /* as a learner; `member.id` must be the document's next */
    COMMAND_MEMBER_REMOVE = 2,
    COMMAND_MEMBER_ROLE = 3,        /* promote or demote */
    COMMAND_MEMBER_INCARNATION = 4, /* an agent started; greater than the one before */
    COMMAND_MEMBER_ADDRESSES = 5,   /* and zone */
    COMMAND_GROUP_CREATE = 10,
    COMMAND_GROUP_UPDATE = 11,
    COMMAND_GROUP_DELETE = 12,
    COMMAND_DRAIN_SET = 20,
    COMMAND_DRAIN_CLEAR = 21,
    COMMAND_MAINTENANCE_SET = 22,
    COMMAND_MAINTENANCE_CLEAR = 23,
    COMMAND_LEASE_TAKE = 30,    /* a vacant one (based on 0), or away from its holder */
    COMMAND_LEASE_RELEASE = 31, /* the holder gives it up itself */
    COMMAND_LEASE_EXPEL = 32,   /* the holder loses it */
    COMMAND_OVERRIDE_SET = 40,
    COMMAND_OVERRIDE_CLEAR = 41,
    COMMAND_LEVEL_RAISE = 50,
};

struct command_group {
    char name[CLUSTER_NAME_MAX];
    uint64_t epoch; /* UPDATE, DELETE: based on */
    struct group_body body;
};

/* What is drained or maintained: `node/b`, `pool/api/10.0.0.1:80`. */
struct command_mark {
    char name[CLUSTER_RESOURCE_MAX];
    char reason[CLUSTER_VALUE_MAX]; /* may be empty */
    uint64_t
        until_ms; /* wall clock; 0: until it is cleared. Nothing in the document happens by itself then */
};

struct command_lease {
    char name[CLUSTER_RESOURCE_MAX];
    struct life holder; /* TAKE: the new one. RELEASE, EXPEL: the present one */
};

struct command_override {
    char key[CLUSTER_KEY_MAX];
    char value[CLUSTER_VALUE_MAX];
};

/*
 * Of `member` count, in ADD: all but incarnation and version; in REMOVE: the id; in ROLE: id and role; in INCARNATION: id, disk,
 * incarnation; in ADDRESSES: id, zone, addresses. `based_on` is the member's version there, and the level before in LEVEL_RAISE.
 */
struct document_command {
    uint16_t kind;  /* enum command_kind */
    uint16_t level; /* set by command_encode */
    struct life proposer;
    uint64_t number;   /* of the proposer: how it recognises its own */
    uint64_t based_on; /* version of the object; 0: it must not exist */
    bool
        clean; /* MEMBER_INCARNATION: since the run that the document knows nothing was lost: what it said it had, it has */
    bool
        unclean; /* GROUP_UPDATE: an operator, or the file, accepts that acknowledged writes may be lost */
    bool
        kept; /* GROUP_UPDATE by the primary's own member, in a later run of its agent: its engine has all that it had */
    bool
        yields; /* GROUP_UPDATE by the primary's own member: its engine takes no writes, or goes on under this one */
    union {
        struct member member;
        struct command_group group;
        struct command_mark mark;
        struct command_lease lease;
        struct command_override override;
        uint16_t raise_to;
    };
};

/* Into `out`, at most CLUSTER_COMMAND_MAX. */
void command_encode(struct buf *out, const struct document_command *command);

enum command_reading {
    COMMAND_READ,
    COMMAND_MALFORMED, /* cut off, out of bounds, or not well-formed in itself */
    COMMAND_UNKNOWN, /* of a kind or level that this version does not know: kind, level, proposer and number are filled in */
};

/* The whole of `bytes` is one command. Unused parts of the result are zero. */
enum command_reading command_decode(struct bytes bytes, struct document_command *command);
/* Does it change who consensus counts? The driver proposes these as changes of members. */
bool command_changes_members(const struct document_command *command);
/* `lease take`; for sentences and facts. */
const char *command_name(uint16_t kind);
