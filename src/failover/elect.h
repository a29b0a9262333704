/*
 * failover/elect: who would win, who would not and why not, in words. Looks only.
 *
 *     sync        every member of the in-sync set has all that was acknowledged, and so has every eligible one: any of them that has promised; the longest
 *     semi-sync   an acknowledged write is on the primary and on `acks` more of the n members in sync: n - acks of them must have promised, for then one of
 *                 these has it, and the most advanced of these has all. Of a degraded group all n
 *     async       whoever has promised and is in sync; the most advanced, no more than `max_lag_bytes` behind what is known
 *
 * Positions count only when they are frozen in this epoch. A member whose frozen position is behind what it had itself as a secondary or primary
 * has lost data (an engine that began again empty): it is no candidate, and its promise is not counted.
 */
#pragma once

#include "failover/failover_state.h"

enum elect_question {
    ELECT_NOW,      /* there is no primary */
    ELECT_UNCLEAN,  /* likewise, and acknowledged writes may be lost */
    ELECT_OUTLOOK,  /* there is one: who would follow it if it were gone now */
    ELECT_HANDOVER, /* there is one, and it helps */
};

#define NOBODY_WINS UINT32_MAX

struct elected {
    uint32_t counted, needed; /* holders that have promised (or, in an outlook, would) */
    bool enough;
    bool pending; /* somebody who may still promise has not */
    struct failover_outlook outlook;
};

void elect(const struct failover *failover, const struct failover_view *view,
           enum elect_question question, struct instant now, struct elected *out);

/* ---- what the others need of it ---- */

/* Place of a member; NOBODY_WINS: the file does not name it. */
uint32_t view_place(const struct failover_view *view, uint32_t member);
/* `b`; of one that the file does not name, `member 7`, into `text`. */
enum { MEMBER_TEXT_MAX = GROUP_NAME_MAX };
const char *view_name(const struct failover_view *view, uint32_t member, char *text);
/* Its position does not move any more, in the epoch of the view, and it is of this run. */
bool member_frozen(const struct failover_view *view, const struct failover_member *member);
/* It is frozen behind what it had. */
bool member_short(const struct failover *failover, const struct failover_view *view,
                  const struct failover_member *member);
bool member_well(const struct failover_member *member); /* alive, heard, and its engine runs */
bool member_flaps(const struct failover *failover, uint32_t member, struct instant now);
/* How far it is behind what anybody was known to have; UINT64_MAX: not known. */
uint64_t member_behind(const struct failover *failover, struct position position);
