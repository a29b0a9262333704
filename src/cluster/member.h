/*
 * cluster/member: what the cluster knows of one member, and its encoding in charters, commands and snapshots.
 */
#pragma once

#include "base/address.h"
#include "base/pack.h"
#include "cluster/limits.h"

/* As in consensus. */
enum member_role { MEMBER_LEARNER, MEMBER_VOTER, MEMBER_WITNESS, MEMBER_ROLES };

struct member {
    uint32_t id; /* from 1, never used again */
    uint8_t role;
    uint8_t address_count;
    char name[CLUSTER_NAME_MAX]; /* here and below: the rest of the array is zero */
    char zone[CLUSTER_NAME_MAX]; /* may be empty */
    struct address addresses[CLUSTER_PATHS_MAX];
    uint64_t disk;
    uint64_t incarnation; /* 0: never started */
    uint64_t version;
};

static inline bool member_votes(const struct member *member)
{
    return member->role != MEMBER_LEARNER;
}

/* A node's or group's name: 1 to 63 letters, digits, `-`, `_`, `.`; begins with a letter or digit.
 * The name of a lease or mark may have `/`, `:`, `[` and `]` too. */
bool member_name_good(const char *name);
bool member_path_good(const char *name);
/* Everything a well-formed member must be; the decoder has it checked already. */
bool member_good(const struct member *member);
void member_encode(struct buf *out, const struct member *member);
/* False: cut off, or not well-formed. */
MUST_USE bool member_decode(struct unpack *in, struct member *member);
const char *member_role_name(enum member_role role);

/* Text of at most cap - 1 bytes without NUL, its length in a byte before it. The array is filled up with zeroes. */
void text_encode(struct buf *out, const char *text);
MUST_USE bool text_decode(struct unpack *in, char *text, size_t cap);
/* Likewise, with a length of two bytes (pack_bytes16 writes it). */
MUST_USE bool text16_decode(struct unpack *in, char *text, size_t cap);

/* The count in a byte, then family, port and IP of each. `addresses` has room for CLUSTER_PATHS_MAX, zeroed. */
void addresses_encode(struct buf *out, const struct address *addresses, uint32_t count);
MUST_USE bool addresses_decode(struct unpack *in, struct address *addresses, uint8_t *count);
