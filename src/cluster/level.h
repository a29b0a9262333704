/*
 * cluster/level: when the document's level rises, and who holds it back.
 *
 * The level says what every member understands of what may stand in the log. It rises only when all of them are heard and say that they
 * understand more, the one that decides among them; it never falls.
 */
#pragma once

#include "cluster/limits.h"

/* Of one member, this node included. */
struct level_member {
    bool heard;           /* its link is up, and it said what it understands */
    uint16_t understands; /* as it last said; 0: unknown */
};

struct level_verdict {
    uint16_t raise_to; /* 0: not now */
    uint16_t next; /* the highest that anybody understands; the document's when nobody knows more */
};

/* Of a node that has no document yet: level and count are 0. */
void level_judge(uint16_t level, const struct level_member *members, uint32_t count,
                 struct level_verdict *verdict);
