/*
 * What the files of the sorted sets' commands know of each other.
 */
#pragma once

#include "store/call.h"
#include "store/value.h"

/* NULL: there is none; *wrong: of another type, which has been replied. */
const struct sorted *sorted_look(struct call *call, uint32_t word, bool *wrong);
struct sorted *sorted_make(struct call *call);
/* A member, and its score, as replies to ZRANGE and its like have it. */
void sorted_reply_one(struct call *call, struct scored scored, bool with_scores);

/* commands_range.c */
void run_zcount(struct call *call);
void run_zlexcount(struct call *call);
void run_zrange(struct call *call);
void run_zrangebylex(struct call *call);
void run_zrangebyscore(struct call *call);
void run_zrangestore(struct call *call);
void run_zremrangebylex(struct call *call);
void run_zremrangebyrank(struct call *call);
void run_zremrangebyscore(struct call *call);
void run_zrevrange(struct call *call);
void run_zrevrangebylex(struct call *call);
void run_zrevrangebyscore(struct call *call);

/* commands_combine.c */
void run_zdiff(struct call *call);
void run_zdiffstore(struct call *call);
void run_zinter(struct call *call);
void run_zintercard(struct call *call);
void run_zinterstore(struct call *call);
void run_zunion(struct call *call);
void run_zunionstore(struct call *call);
