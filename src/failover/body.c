/*
 * The changes of the document that failover asks for, each from the body that is there.
 */
#include "failover/parts.h"

#include "base/must.h"

static bool is_current(const struct failover_view *view, struct life life)
{
    uint32_t place = view_place(view, life.member);

    return place != NOBODY_WINS && life_equal(view->members[place].life, life);
}

/* The document itself renames or drops all that begin again, but the primary. */
void body_isolated(const struct failover_view *view, struct group_body *body)
{
    struct life primary = group_primary(&view->body);

    *body = view->body;
    body->primary = 0;
    body->serving = false;
    body->target = 0;
    if (primary.member && !is_current(view, primary))
        group_forget(body, primary.member);
}

/* Would it only have to follow? Who has more must first take it back, and comes back when it has. */
static bool follows(const struct failover *f, const struct failover_view *view,
                    const struct failover_member *m, struct position winner)
{
    int order = position_compare(m->report.position, winner);

    if (!member_well(m) || !member_frozen(view, m) || member_short(f, view, m))
        return false;
    return view->body.mode == GROUP_SEMI_SYNC ? order == 0 : order <= 0;
}

/* As long as fewer than min_in_sync are in sync nothing is acknowledged: who was in sync still has all. */
static void keep_eligible(const struct failover_view *view, const struct life_set *from,
                          struct group_body *body)
{
    for (uint32_t i = 0; i < from->count; i++)
        if (life_set_find(&body->in_sync, from->lives[i].member) < 0 &&
            is_current(view, from->lives[i]))
            life_set_put(&body->eligible, from->lives[i]);
}

void body_named(const struct failover *f, const struct failover_view *view, uint32_t place,
                bool unclean, struct group_body *body)
{
    const struct group_body *before = &view->body;
    const struct failover_member *winner = &view->members[place];

    *body = *before;
    body->primary = winner->life.member;
    body->in_sync = body->eligible = (struct life_set){0};
    body->degraded = false;
    body->serving = false;
    body->target = 0;
    body->unclean = before->unclean || unclean;
    life_set_put(&body->in_sync, winner->life);
    if (unclean)
        return;
    for (uint32_t i = 0; i < view->count; i++) {
        const struct failover_member *m = &view->members[i];

        if ((life_set_has(&before->in_sync, m->life) || life_set_has(&before->eligible, m->life)) &&
            follows(f, view, m, winner->report.position))
            life_set_put(&body->in_sync, m->life);
    }
    if (before->mode == GROUP_SYNC && body->in_sync.count < before->min_in_sync) {
        keep_eligible(view, &before->in_sync, body);
        keep_eligible(view, &before->eligible, body);
    }
}

static bool stricter(const struct group_body *before, const struct group_body *wanted)
{
    if (wanted->mode != before->mode)
        return wanted->mode < before->mode;
    return wanted->mode == GROUP_SEMI_SYNC && wanted->acks > before->acks;
}

/* Who is in sync by a weaker rule may lack what the stricter one takes for granted: the primary takes them in again, one by one. */
static void set_mode(const struct group_body *wanted, struct group_body *body)
{
    struct life primary = group_primary(body);

    if (stricter(body, wanted)) {
        body->in_sync = (struct life_set){0};
        life_set_put(&body->in_sync, primary);
    }
    if (wanted->mode != GROUP_SYNC || body->in_sync.count >= wanted->min_in_sync)
        body->eligible = (struct life_set){0};
    if (wanted->mode != GROUP_SEMI_SYNC)
        body->degraded = false;
    body->mode = wanted->mode;
    body->acks = wanted->acks;
    body->min_in_sync = wanted->min_in_sync;
}

static void drop_strangers(const struct failover_view *view, struct group_body *body)
{
    const struct life_set sets[] = {body->in_sync, body->eligible};

    for (uint32_t set = 0; set < ARRAY_LEN(sets); set++)
        for (uint32_t i = 0; i < sets[set].count; i++) {
            uint32_t member = sets[set].lives[i].member;

            if (member != body->primary && view_place(view, member) == NOBODY_WINS)
                group_forget(body, member);
        }
}

static bool all_followed(const struct failover_view *view, const struct group_body *body)
{
    for (uint32_t i = 0; i < view->count; i++)
        if (!life_set_has(&body->in_sync, view->members[i].life))
            return false;
    return true;
}

bool body_settled(const struct failover_view *view, struct group_body *body)
{
    const struct group_body *before = &view->body, *wanted = &view->wanted;

    *body = *before;
    drop_strangers(view, body);
    if (body->mode != wanted->mode || body->acks != wanted->acks ||
        body->min_in_sync != wanted->min_in_sync)
        set_mode(wanted, body);
    if (body->unclean && all_followed(view, body))
        body->unclean = false;
    return body->in_sync.count != before->in_sync.count ||
           body->eligible.count != before->eligible.count || body->mode != before->mode ||
           body->acks != before->acks || body->min_in_sync != before->min_in_sync ||
           body->unclean != before->unclean || body->degraded != before->degraded;
}
