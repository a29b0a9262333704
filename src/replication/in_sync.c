/*
 * The primary's books. It never lets a successor be chosen among members of whom none needs to have a write that was acknowledged.
 */
#include "replication/in_sync.h"

#include "base/must.h"

#include <stdio.h>
#include <string.h>

static void check(const struct in_sync *books)
{
    must(books->count <= GROUP_MEMBERS_MAX);
    must(books->self.member != 0);
    must(life_set_find(&books->needs.members, books->self.member) < 0);
}

static struct in_sync_follower *find(struct in_sync *books, uint32_t member)
{
    for (uint32_t i = 0; i < books->count; i++)
        if (books->followers[i].life.member == member)
            return &books->followers[i];
    return NULL;
}

static const struct in_sync_follower *look(const struct in_sync *books, uint32_t member)
{
    for (uint32_t i = 0; i < books->count; i++)
        if (books->followers[i].life.member == member)
            return &books->followers[i];
    return NULL;
}

/* ---- what is known ---- */

void in_sync_lives(struct in_sync *books, const struct life_set *lives, struct instant now)
{
    struct in_sync_follower before[GROUP_MEMBERS_MAX];
    struct in_sync old = *books;

    memcpy(before, books->followers, sizeof before);
    books->count = 0;
    memset(books->followers, 0, sizeof books->followers);
    for (uint32_t i = 0; i < lives->count; i++) {
        struct life life = lives->lives[i];
        const struct in_sync_follower *same = look(&old, life.member);

        if (life.member == books->self.member)
            continue;
        books->followers[books->count++] =
            same && life_equal(same->life, life)
                ? *same
                : (struct in_sync_follower){
                      .life = life, .known = now, .caught_up = now, .lag_bytes = UINT64_MAX};
    }
}

void in_sync_begin(struct in_sync *books, const struct replica_rules *rules, struct life self,
                   const struct life_set *lives, struct instant now)
{
    *books = (struct in_sync){.self = self};
    in_sync_configure(books, rules);
    in_sync_lives(books, lives, now);
}

void in_sync_configure(struct in_sync *books, const struct replica_rules *rules)
{
    books->max_lag_bytes = rules->max_lag_bytes;
    books->lag_ms = rules->lag_ms;
    books->degrade_ms = rules->degrade_ms;
}

static uint64_t lag(struct position ahead, struct position behind)
{
    if (ahead.epoch != behind.epoch)
        return UINT64_MAX;
    return ahead.offset > behind.offset ? ahead.offset - behind.offset : 0;
}

static void keep_mark(struct in_sync *books, struct position position, struct instant asked)
{
    uint32_t last = (books->mark_count + IN_SYNC_MARKS - 1) % IN_SYNC_MARKS;
    uint32_t next = books->mark_count % IN_SYNC_MARKS;

    if (books->mark_count &&
        !passed(after_ms(books->marks[last].at, books->lag_ms / IN_SYNC_MARKS), asked))
        return;
    books->marks[next].at = asked;
    books->marks[next].position = position;
    books->mark_count++;
}

/* An engine may hear of its secondaries once a second: what they are then heard to have is newer than what was waited for. */
static void look_back(const struct in_sync *books, struct in_sync_follower *follower)
{
    for (uint32_t i = 0; i < IN_SYNC_MARKS && i < books->mark_count; i++)
        if (books->marks[i].at.ns > follower->caught_up.ns &&
            position_compare(follower->position, books->marks[i].position) >= 0) {
            follower->caught_up = books->marks[i].at;
            follower->reached = true;
        }
}

/*
 * Under a steady load nobody ever has all that there is. Who has all that there was when last looked at, was caught up
 * then.
 */
static void measure(struct in_sync *books, struct in_sync_follower *follower,
                    const struct engine_status *status, bool async, struct instant asked,
                    struct instant now)
{
    bool near = async && follower->lag_bytes <= books->max_lag_bytes;

    if (!follower->attached)
        return;
    look_back(books, follower);
    if (position_compare(follower->position, status->position) >= 0 || near) {
        follower->caught_up = asked;
        follower->reached = true;
    } else if (follower->mark_at.ns != 0 &&
               position_compare(follower->position, follower->mark) >= 0) {
        if (follower->mark_at.ns > follower->caught_up.ns)
            follower->caught_up = follower->mark_at;
        follower->reached = true;
    } else if (follower->mark_at.ns != 0) {
        return;
    }
    follower->mark = status->position;
    follower->mark_at = now;
}

static void hear_one(struct in_sync *books, const struct engine_follower *said,
                     const struct engine_status *status, bool async, struct instant asked,
                     struct instant now)
{
    struct in_sync_follower *follower = find(books, said->member);

    if (!follower || asked.ns <= follower->known.ns)
        return;
    follower->attached = said->attached;
    follower->position = said->position;
    follower->lag_bytes = lag(status->position, said->position);
    if (books->told && follower->attached &&
        position_compare(follower->position, books->barrier) >= 0)
        follower->covered = true;
    measure(books, follower, status, async, asked, now);
}

static bool behind(const struct in_sync_follower *follower, int64_t ms, struct instant now)
{
    return passed(after_ms(follower->caught_up, ms), now);
}

static bool keeps_up(const struct in_sync *books, const struct in_sync_follower *follower,
                     struct instant now)
{
    return follower && follower->attached && follower->reached &&
           !behind(follower, books->lag_ms, now);
}

static uint32_t keeping_up(const struct in_sync *books, const struct life_set *set,
                           int64_t within_ms, struct instant now)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        const struct in_sync_follower *follower = look(books, set->lives[i].member);

        count += keeps_up(books, follower, now) && !behind(follower, within_ms, now);
    }
    return count;
}

void in_sync_heard(struct in_sync *books, const struct engine_status *status, struct instant asked,
                   const struct group_body *body, struct instant now)
{
    bool async = body->mode == GROUP_ASYNC || body->degraded;

    check(books);
    must(status->follower_count <= GROUP_MEMBERS_MAX);
    for (uint32_t i = 0; i < books->count; i++)
        if (asked.ns > books->followers[i].known.ns)
            books->followers[i].attached = false;
    for (uint32_t i = 0; i < status->follower_count; i++)
        hear_one(books, &status->followers[i], status, async, asked, now);
    keep_mark(books, status->position, asked);
    check(books);
}

void in_sync_asked(struct in_sync *books)
{
    books->told = false;
}

void in_sync_told(struct in_sync *books, const struct engine_needs *needs,
                  const struct engine_status *status)
{
    books->told = true;
    books->needs = *needs;
    books->barrier = status->position;
    for (uint32_t i = 0; i < books->count; i++)
        books->followers[i].covered = false;
}

/* ---- what the engine is to need ---- */

static bool same_needs(const struct engine_needs *a, const struct engine_needs *b)
{
    if (a->mode != b->mode || a->acks != b->acks || a->members.count != b->members.count)
        return false;
    for (uint32_t i = 0; i < a->members.count; i++)
        if (!life_equal(a->members.lives[i], b->members.lives[i]))
            return false;
    return true;
}

/* A group has no more members than a set; only one that was removed meanwhile could be one too many. */
static void add(struct life_set *set, struct life life)
{
    if (set->count < GROUP_MEMBERS_MAX || life_set_find(set, life.member) >= 0)
        life_set_put(set, life);
}

static void add_all(struct life_set *set, const struct life_set *more)
{
    for (uint32_t i = 0; i < more->count; i++)
        add(set, more->lives[i]);
}

static void needs_of(const struct group_body *body, enum group_mode mode, struct life self,
                     struct engine_needs *needs)
{
    *needs = (struct engine_needs){.mode = (uint8_t)mode};
    if (mode == GROUP_ASYNC)
        return;
    needs->members = body->in_sync;
    if (mode == GROUP_SYNC)
        add_all(&needs->members, &body->eligible);
    life_set_drop(&needs->members, self.member);
    needs->acks = mode == GROUP_SYNC ? (uint8_t)(body->min_in_sync - 1) : body->acks;
}

/* Until a proposal is settled, both the set before and the one after it may be the document's. */
static void allow_for(const struct group_body *body, const struct group_body *open,
                      struct life self, struct engine_needs *needs)
{
    if (!open)
        return;
    if (needs->mode == GROUP_SYNC) {
        add_all(&needs->members, &open->in_sync);
        add_all(&needs->members, &open->eligible);
        life_set_drop(&needs->members, self.member);
    }
    for (uint32_t i = 0; needs->mode == GROUP_SEMI_SYNC && i < body->in_sync.count; i++)
        if (!life_set_has(&open->in_sync, body->in_sync.lives[i]))
            life_set_drop(&needs->members, body->in_sync.lives[i].member);
}

void in_sync_first_needs(const struct group_body *body, const struct group_body *open,
                         struct life self, struct engine_needs *needs)
{
    bool degraded = body->degraded && (!open || open->degraded);

    needs_of(body, degraded ? GROUP_ASYNC : body->mode, self, needs);
    allow_for(body, open, self, needs);
}

static uint32_t secondaries(const struct group_body *body)
{
    return body->in_sync.count - 1;
}

/* Enough keep up that writes could be acknowledged as the mode says: by the measure that degraded it, lest it do so again at once. */
static bool can_heal(const struct in_sync *books, const struct group_body *body, struct instant now)
{
    int64_t within_ms = body->mode == GROUP_SEMI_SYNC ? books->degrade_ms : INT64_MAX;
    uint32_t able = keeping_up(books, &body->in_sync, within_ms, now);

    if (body->mode == GROUP_SYNC)
        return able == secondaries(body) && body->in_sync.count >= body->min_in_sync;
    return able >= body->acks;
}

/* The mode that the engine is to keep now: while it heals, or may have, already the whole. */
static enum group_mode mode_now(const struct in_sync *books, const struct group_body *body,
                                const struct group_body *open, struct instant now)
{
    if (open && !open->degraded)
        return body->mode;
    return body->degraded && !can_heal(books, body, now) ? GROUP_ASYNC : body->mode;
}

static bool joins(const struct in_sync *books, const struct group_body *body,
                  const struct in_sync_follower *follower, struct instant now)
{
    return !life_set_has(&body->in_sync, follower->life) && keeps_up(books, follower, now);
}

/* How many of the set were caught up later than this one. */
static uint32_t ahead_of(const struct in_sync *books, const struct group_body *body, uint32_t place)
{
    int64_t caught_up = books->followers[place].caught_up.ns;
    uint32_t count = 0;

    for (uint32_t i = 0; i < books->count; i++)
        count += life_set_has(&body->in_sync, books->followers[i].life) &&
                 (books->followers[i].caught_up.ns > caught_up ||
                  (books->followers[i].caught_up.ns == caught_up && i < place));
    return count;
}

/* Those of the set that have not kept up for too long. A semi-sync set keeps as many as have to acknowledge; only a degraded one is smaller. */
static void find_leavers(const struct in_sync *books, const struct group_body *body,
                         struct instant now, struct life_set *leavers)
{
    bool semi_sync = body->mode == GROUP_SEMI_SYNC && !body->degraded;

    *leavers = (struct life_set){0};
    for (uint32_t i = 0; i < books->count; i++)
        if (life_set_has(&body->in_sync, books->followers[i].life) &&
            behind(&books->followers[i], books->lag_ms, now) &&
            (!semi_sync || ahead_of(books, body, i) >= body->acks))
            life_set_put(leavers, books->followers[i].life);
}

static void goal(const struct in_sync *books, const struct group_body *body,
                 const struct group_body *open, struct instant now, struct engine_needs *needs)
{
    enum group_mode mode = mode_now(books, body, open, now);
    struct life_set leavers;

    find_leavers(books, body, now, &leavers);
    needs_of(body, mode, books->self, needs);
    for (uint32_t i = 0; mode == GROUP_SYNC && i < books->count; i++)
        if (joins(books, body, &books->followers[i], now))
            add(&needs->members, books->followers[i].life);
    for (uint32_t i = 0; mode == GROUP_SEMI_SYNC && i < leavers.count; i++)
        life_set_drop(&needs->members, leavers.lives[i].member);
    allow_for(body, open, books->self, needs);
}

/* ---- advice ---- */

static void propose(struct in_sync_advice *advice, enum replica_fact fact, uint32_t about,
                    const char *sentence)
{
    advice->propose = true;
    advice->fact = fact;
    advice->about = about;
    (void)snprintf(advice->sentence, sizeof advice->sentence, "%s", sentence);
}

static uint32_t covered(const struct in_sync *books, const struct life_set *set)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        const struct in_sync_follower *follower = look(books, set->lives[i].member);

        count += follower && follower->covered;
    }
    return count;
}

/* Have too few been caught up for so long that writes wait for them? Who is, and not in the set, is about to join it. */
static bool too_few(const struct in_sync *books, const struct group_body *body, struct instant now)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < books->count; i++)
        count += !behind(&books->followers[i], books->degrade_ms, now);
    return count < body->acks;
}

static bool advise_mode(const struct in_sync *books, const struct group_body *body,
                        struct instant now, struct in_sync_advice *advice)
{
    const struct life_set *set = &books->needs.members;
    uint32_t enough = body->mode == GROUP_SYNC ? set->count : body->acks;

    if (body->mode == GROUP_SEMI_SYNC && !body->degraded && too_few(books, body, now)) {
        advice->body.degraded = true;
        propose(advice, REPLICA_DEGRADED, 0,
                "too few secondaries receive: writes are acknowledged with fewer copies");
    } else if (body->degraded && (body->mode == GROUP_ASYNC || (books->needs.mode == body->mode &&
                                                                covered(books, set) >= enough))) {
        advice->body.degraded = false;
        propose(advice, REPLICA_HEALED, 0, "enough secondaries have everything again");
    }
    return advice->propose;
}

static bool advise_eligible(const struct group_body *body, struct in_sync_advice *advice)
{
    if (body->eligible.count == 0 ||
        (body->mode == GROUP_SYNC && !body->degraded && body->in_sync.count < body->min_in_sync))
        return false;
    memset(&advice->body.eligible, 0, sizeof advice->body.eligible);
    propose(advice, REPLICA_LEFT_IN_SYNC, body->eligible.lives[0].member,
            "enough are in sync without those that were eligible");
    return true;
}

static bool advise_leaving(const struct in_sync *books, const struct group_body *body,
                           struct instant now, struct in_sync_advice *advice)
{
    bool sync = body->mode == GROUP_SYNC && !body->degraded;
    struct life_set leavers;

    find_leavers(books, body, now, &leavers);
    if (leavers.count == 0)
        return false;
    /* What they alone acknowledged is on enough of the others before they are not asked for any more. */
    if (body->mode == GROUP_SEMI_SYNC && !body->degraded &&
        covered(books, &books->needs.members) < body->acks)
        return false;
    for (uint32_t i = 0; i < leavers.count; i++) {
        life_set_drop(&advice->body.in_sync, leavers.lives[i].member);
        if (body->target == leavers.lives[i].member)
            advice->body.target = 0;
    }
    if (sync && advice->body.in_sync.count < body->min_in_sync)
        add_all(&advice->body.eligible, &leavers);
    propose(advice, REPLICA_LEFT_IN_SYNC, leavers.lives[0].member, "it has not kept up");
    return true;
}

static bool advise_joining(const struct in_sync *books, const struct group_body *body,
                           struct instant now, struct in_sync_advice *advice)
{
    for (uint32_t i = 0; i < books->count; i++) {
        const struct in_sync_follower *follower = &books->followers[i];

        if (!joins(books, body, follower, now))
            continue;
        /* In sync it is needed by now as sync needs it: what a laxer mode acknowledged without it is behind the barrier. */
        if (!follower->covered || (mode_now(books, body, NULL, now) == GROUP_SYNC &&
                                   (books->needs.mode != GROUP_SYNC ||
                                    !life_set_has(&books->needs.members, follower->life))))
            continue;
        life_set_drop(&advice->body.eligible, follower->life.member);
        add(&advice->body.in_sync, follower->life);
        if (advice->body.in_sync.count >= body->min_in_sync)
            memset(&advice->body.eligible, 0, sizeof advice->body.eligible);
        propose(advice, REPLICA_JOINED_IN_SYNC, follower->life.member, "it has everything");
        return true;
    }
    return false;
}

void in_sync_advise(const struct in_sync *books, const struct group_body *body,
                    const struct group_body *open, struct instant now,
                    struct in_sync_advice *advice)
{
    check(books);
    *advice = (struct in_sync_advice){.body = *body};
    goal(books, body, open, now, &advice->needs);
    advice->ask = !books->told || !same_needs(&advice->needs, &books->needs);
    /* Who is eligible has to have everything: needed until the document has let it go. */
    if (advice->needs.mode != GROUP_SYNC && body->eligible.count > 0)
        advice->ask = false;
    if (open || !books->told)
        return;
    if (advise_eligible(body, advice) || (advice->ask && body->mode != GROUP_SYNC))
        return;
    if (!advise_mode(books, body, now, advice) && !advise_leaving(books, body, now, advice))
        (void)advise_joining(books, body, now, advice);
}

bool in_sync_flows(const struct in_sync *books, int64_t within_ms, struct instant now)
{
    const struct life_set *set = &books->needs.members;
    uint32_t able = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        const struct in_sync_follower *follower = look(books, set->lives[i].member);

        able += follower && follower->attached && !behind(follower, within_ms, now);
    }
    if (books->needs.mode == GROUP_SYNC)
        return able == set->count && able >= books->needs.acks;
    return books->needs.mode == GROUP_ASYNC || able >= books->needs.acks;
}

uint32_t in_sync_heir(const struct in_sync *books, const struct group_body *body,
                      struct instant now)
{
    const struct in_sync_follower *best = NULL;

    for (uint32_t i = 0; i < books->count; i++) {
        const struct in_sync_follower *follower = &books->followers[i];

        if (!life_set_has(&body->in_sync, follower->life) || !keeps_up(books, follower, now))
            continue;
        if (!best || position_compare(follower->position, best->position) > 0)
            best = follower;
    }
    return best ? best->life.member : 0;
}

struct instant in_sync_next_deadline(const struct in_sync *books, const struct group_body *body,
                                     struct instant now)
{
    struct instant deadline = NEVER;
    int64_t waits[] = {books->lag_ms,
                       body->mode == GROUP_SEMI_SYNC ? books->degrade_ms : INT64_MAX};

    for (uint32_t i = 0; i < books->count; i++)
        for (uint32_t w = 0; w < 2; w++) {
            struct instant at = after_ms(books->followers[i].caught_up, waits[w]);

            if (!passed(at, now))
                deadline = earlier(deadline, at);
        }
    return deadline;
}
