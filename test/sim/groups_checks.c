/*
 * What must hold of groups, whatever happens. It sees every disk, every document and every acknowledgement at once.
 */
#include "groups_sim.h"

#include <string.h>

#define U(number) ((unsigned long long)(number))

/* ---- the newest document ---- */

static uint32_t host_of_member(const struct sim_truth *truth, uint32_t member)
{
    for (uint32_t i = 0; member && i < SIM_HOSTS_MAX; i++)
        if (truth->lives[i].member == member)
            return i;
    return SIM_HOSTS_MAX;
}

/* Does this run of its agent still go on, with whole data? */
static bool counts(struct groups_sim *g, uint32_t slot, struct life life)
{
    struct sim_truth *truth = &g->truth[slot];
    uint32_t host = host_of_member(truth, life.member);
    const struct cluster_view *view;

    if (host == SIM_HOSTS_MAX || !life_equal(truth->lives[host], life) || !g->host[host].groups ||
        g->engines[slot][host]->loading)
        return false;
    view = cluster_view(g->host[host].node->cluster);
    return view->state == CLUSTER_MEMBER && view->self == life.member &&
           view->incarnation == life.incarnation;
}

/* Under semi-sync one that says too little leaves the choice to those who have less; and so does one that lost what it had confirmed. */
enum { MISLEADING = 1u << LIE_BEHIND | 1u << LIE_SYNCED };

static uint32_t doubts(struct groups_sim *g, uint32_t slot)
{
    uint32_t all = 0;

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        all |= g->engines[slot][i]->doubts;
    return all;
}

static uint32_t lacking(struct groups_sim *g, uint32_t slot, const struct life_set *set)
{
    struct sim_truth *truth = &g->truth[slot];
    const struct sim_value *last = &truth->values[truth->last];
    uint32_t count = 0;

    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t host = host_of_member(truth, set->lives[i].member);

        if (host < SIM_HOSTS_MAX && !g->engines[slot][host]->doubts &&
            !engine_sim_holds(g->engines[slot][host], last->index, truth->last) &&
            counts(g, slot, set->lives[i]))
            count++;
    }
    return count;
}

/* So many of the set must have promised before one of them is named. */
static uint32_t needed(const struct group_body *body)
{
    uint32_t copies = body->degraded ? 0 : body->acks;

    if (body->mode != GROUP_SEMI_SYNC || body->in_sync.count <= copies + 1)
        return 1;
    return body->in_sync.count - copies;
}

/* Whoever may succeed, or some among those who choose, has what was acknowledged. */
static void check_cover(struct groups_sim *g, uint32_t slot, const char *when)
{
    struct sim_truth *truth = &g->truth[slot];
    const struct group_body *body = &truth->body;
    uint32_t lack;

    if (!truth->known || truth->last == 0 || body->mode == GROUP_ASYNC ||
        (body->mode == GROUP_SEMI_SYNC && (doubts(g, slot) & MISLEADING)))
        return;
    lack = lacking(g, slot, &body->in_sync);
    if (body->mode == GROUP_SYNC)
        lack += lacking(g, slot, &body->eligible);
    if (lack >= needed(body))
        sim_violated(g->sim, "the in-sync set has what was acknowledged",
                     "%s, in epoch %llu, version %llu (%s%s): %u of %u lack value %u, record %u",
                     when, U(truth->epoch), U(truth->version),
                     group_mode_name((enum group_mode)body->mode),
                     body->degraded ? ", degraded" : "", lack, body->in_sync.count, truth->last,
                     truth->values[truth->last].index);
}

static void learn_lives(struct groups_sim *g, uint32_t slot, const struct document *document)
{
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        char name[NODE_NAME];
        const struct member *member;

        node_name(i, name);
        member = document_member_named(document, name);
        g->truth[slot].lives[i] =
            member ? (struct life){member->id, member->incarnation} : (struct life){0};
    }
}

static void tell_body(struct groups_sim *g, uint32_t slot)
{
    const struct sim_truth *truth = &g->truth[slot];
    const struct group_body *body = &truth->body;
    char set[100] = "";

    if (!g->sim->world.story)
        return;
    for (uint32_t i = 0; i < body->in_sync.count; i++)
        (void)snprintf(set + strlen(set), sizeof set - strlen(set), " %u.%llu",
                       body->in_sync.lives[i].member, U(body->in_sync.lives[i].incarnation));
    for (uint32_t i = 0; i < body->eligible.count; i++)
        (void)snprintf(set + strlen(set), sizeof set - strlen(set), " (%u.%llu)",
                       body->eligible.lives[i].member, U(body->eligible.lives[i].incarnation));
    SIM_TELL(&g->sim->world, -1, "= g%u epoch %llu v%llu: %u%s%s%s target %u, %s %u/%u, in sync%s",
             slot, U(truth->epoch), U(truth->version), body->primary,
             body->serving ? " serving" : "", body->degraded ? " degraded" : "",
             body->unclean ? " unclean" : "", body->target,
             group_mode_name((enum group_mode)body->mode), body->acks, body->min_in_sync, set);
}

static void learn_group(struct groups_sim *g, uint32_t slot, const struct document *document)
{
    struct sim_truth *truth = &g->truth[slot];
    const struct document_group *group;
    char name[] = {'g', (char)('0' + slot), 0};

    if (document->index <= truth->index)
        return;
    truth->index = document->index;
    learn_lives(g, slot, document);
    group = document_group(document, name);
    if (!group || group->version == truth->version)
        return;
    if (group->epoch < truth->epoch || group->version < truth->version)
        sim_violated(g->sim, "epochs only grow", "group %u went from epoch %llu to %llu", slot,
                     U(truth->epoch), U(group->epoch));
    if (truth->known && group->epoch != truth->epoch)
        truth->failovers++;
    /* A person or the file chose to lose: what is left is known when the new primary begins. */
    if (group->body.unclean && group->epoch != truth->epoch)
        truth->last = 0;
    truth->before = truth->body;
    truth->body = group->body;
    truth->epoch = group->epoch;
    truth->version = group->version;
    truth->known = true;
    tell_body(g, slot);
    check_cover(g, slot, "the document has changed");
}

void groups_look_at(struct groups_sim *g, struct groups_host *host)
{
    const struct document *document =
        host->node->cluster ? cluster_document(host->node->cluster) : NULL;

    if (!document || document->index == 0 || document->index == host->seen)
        return;
    host->seen = document->index;
    for (uint32_t slot = 0; slot < g->groups; slot++)
        learn_group(g, slot, document);
}

/* ---- what engines do ---- */

static void check_epoch_of_ack(struct groups_sim *g, const struct engine_sim *e)
{
    struct sim_truth *truth = &g->truth[e->slot];
    uint32_t host = host_of_member(truth, truth->body.primary);

    if (e->epoch < truth->acked_epoch)
        sim_violated(g->sim, "epochs of acknowledged writes only grow",
                     "host %u acknowledges in epoch %llu, after epoch %llu did", e->index + 1,
                     U(e->epoch), U(truth->acked_epoch));
    truth->acked_epoch = e->epoch;
    if (e->epoch < truth->epoch && host != e->index)
        sim_violated(
            g->sim, "nobody acknowledges after it was replaced",
            "host %u acknowledges in epoch %llu, and the document is in epoch %llu, primary %u",
            e->index + 1, U(e->epoch), U(truth->epoch), truth->body.primary);
    if (e->fence <= sim_clock_read(e->host, LOOP_BOOT) || e->fence == INT64_MAX)
        sim_violated(g->sim, "nobody takes writes past its fence",
                     "host %u acknowledges with a fence of %lld at %lld", e->index + 1,
                     (long long)e->fence, (long long)sim_clock_read(e->host, LOOP_BOOT));
}

void groups_check_acked(struct engine_sim *e, uint32_t index)
{
    struct groups_sim *g = groups_of(e->sim);
    struct sim_truth *truth = &g->truth[e->slot];
    uint32_t number = e->log[index - 1].value;
    struct sim_value *value = &truth->values[number];

    if (value->acked)
        sim_violated(g->sim, "a write is acknowledged once", "value %u", number);
    check_epoch_of_ack(g, e);
    value->acked = true;
    value->index = index;
    value->epoch = e->epoch;
    value->bound = truth->body.mode != GROUP_ASYNC;
    truth->acked++;
    sim_mix(&g->sim->world, (uint64_t)number << 8 | e->index);
    if (g->sim->calm && value->client)
        truth->calm_acked |= 1u << (value->client - 1);
    if (!value->bound)
        return;
    if (index > truth->values[truth->last].index)
        truth->last = number;
    check_cover(g, e->slot, "a write is acknowledged");
}

static void lose(struct groups_sim *g, const struct engine_sim *e, uint32_t number, bool forgiven)
{
    struct sim_truth *truth = &g->truth[e->slot];
    struct sim_value *value = &truth->values[number];

    value->lost = true;
    truth->losses++;
    if (value->bound && !forgiven)
        sim_violated(g->sim, "what was acknowledged is in every later primary",
                     "host %u takes writes in epoch %llu without value %u, record %u of epoch %llu",
                     e->index + 1, U(e->epoch), number, value->index, U(value->epoch));
}

/* A planned change loses nothing in any mode: it comes without {primary 0} between. */
static bool planned(const struct sim_truth *truth)
{
    return truth->before.primary != 0 && truth->before.target == truth->body.primary;
}

/* May this one have become primary by a lie, its own or under semi-sync another's? In sync everybody has all: a position decides nothing. */
static bool misled(struct groups_sim *g, const struct engine_sim *e)
{
    if (g->truth[e->slot].body.mode == GROUP_SEMI_SYNC)
        return e->doubts || (doubts(g, e->slot) & MISLEADING);
    return e->doubts & (1u << LIE_SYNCED);
}

void groups_check_promoted(struct engine_sim *e)
{
    struct groups_sim *g = groups_of(e->sim);
    struct sim_truth *truth = &g->truth[e->slot];
    uint32_t *owner = &truth->owner[e->epoch % SIM_EPOCHS];
    bool forgiven =
        truth->body.unclean || misled(g, e) || (truth->body.mode == GROUP_ASYNC && !planned(truth));

    SIM_TELL(&g->sim->world, (int)e->index, "group %u: takes writes in epoch %llu, from record %u",
             e->slot, U(e->epoch), e->count);
    if (*owner && *owner != e->index + 1)
        sim_violated(g->sim, "one primary an epoch", "hosts %u and %u take writes in epoch %llu",
                     *owner, e->index + 1, U(e->epoch));
    *owner = e->index + 1;
    truth->uncleans += truth->body.unclean;
    if (truth->epoch != e->epoch)
        return;
    truth->stamp++;
    truth->last = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        struct sim_value *value = &truth->values[e->log[i].value];

        value->stamp = truth->stamp;
        if (value->acked && value->bound && !value->lost)
            truth->last = e->log[i].value;
    }
    for (uint32_t i = 1; i <= truth->next_value; i++)
        if (truth->values[i].acked && !truth->values[i].lost &&
            truth->values[i].stamp != truth->stamp)
            lose(g, e, i, forgiven);
}

void groups_check_dropping(struct engine_sim *e, uint32_t left, bool copy)
{
    struct groups_sim *g = groups_of(e->sim);
    struct sim_truth *truth = &g->truth[e->slot];

    if (left < e->count)
        SIM_TELL(&g->sim->world, (int)e->index, "group %u: drops records %u to %u%s", e->slot,
                 left + 1, e->count, copy ? " for a copy" : "");
    for (uint32_t i = left; i < e->count && !copy; i++) {
        const struct sim_value *value = &truth->values[e->log[i].value];

        if (value->acked && value->bound && !value->lost && value->index == i + 1)
            sim_violated(g->sim, "nothing acknowledged is cut off",
                         "host %u cuts off value %u, record %u", e->index + 1, e->log[i].value,
                         i + 1);
    }
}

static void check_doors(struct groups_sim *g, uint32_t slot)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        open += groups_open_here(&g->host[i], slot);
    if (open > 1)
        sim_violated(g->sim, "one host takes clients for itself",
                     "the workers of %u hosts pass clients of group %u on to their own engines",
                     open, slot);
}

/* After every step, of engines that take writes: there is one, and it may. */
void groups_check_step(struct groups_sim *g)
{
    for (uint32_t slot = 0; slot < g->groups; slot++)
        check_doors(g, slot);
    for (uint32_t slot = 0; slot < g->groups; slot++)
        for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
            const struct engine_sim *e = g->engines[slot][i];

            if (e->writable &&
                (e->fence == INT64_MAX ||
                 (e->host->stepped && e->fence < sim_clock_read(e->host, LOOP_BOOT))))
                sim_violated(g->sim, "nobody takes writes past its fence",
                             "host %u takes writes of group %u, and its fence is %lld", i + 1, slot,
                             (long long)e->fence);
        }
}

/* ---- recovery ---- */

/* How many may be heard, by the document's newest words, who have all that they had. */
bool groups_nobody_left(struct groups_sim *g, uint32_t slot)
{
    const struct sim_truth *truth = &g->truth[slot];
    const struct group_body *body = &truth->body;
    const struct sim_file *file = &g->file[slot][g->files[slot] - 1];
    uint32_t left = 0, able = 0;

    for (uint32_t i = 0; i < body->in_sync.count; i++) {
        uint32_t host = host_of_member(truth, body->in_sync.lives[i].member);

        if (!counts(g, slot, body->in_sync.lives[i]) || !(file->members >> host & 1))
            continue;
        left++;
        able += file->priority[host] > 0;
    }
    for (uint32_t i = 0; body->mode == GROUP_SYNC && i < body->eligible.count; i++) {
        uint32_t host = host_of_member(truth, body->eligible.lives[i].member);

        if (!counts(g, slot, body->eligible.lives[i]) || !(file->members >> host & 1))
            continue;
        left++;
        able += file->priority[host] > 0;
    }
    return left < needed(body) || able == 0;
}

static bool in_sync_all(struct groups_sim *g, uint32_t slot, char sentence[SIM_SENTENCE])
{
    const struct sim_truth *truth = &g->truth[slot];
    const struct sim_file *file = &g->file[slot][g->files[slot] - 1];

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if ((file->members >> i & 1) && !life_set_has(&truth->body.in_sync, truth->lives[i])) {
            (void)snprintf(sentence, SIM_SENTENCE,
                           "group %u: host %u is not in sync, in epoch %llu", slot, i + 1,
                           U(truth->epoch));
            return false;
        }
    return true;
}

static bool views_well(struct groups_sim *g, uint32_t slot, char sentence[SIM_SENTENCE])
{
    const struct sim_file *file = &g->file[slot][g->files[slot] - 1];

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        struct groups_view view;
        bool leads;

        if (!g->host[i].groups) {
            (void)snprintf(sentence, SIM_SENTENCE, "host %u has no agent", i + 1);
            return false;
        }
        leads = cluster_view(g->host[i].node->cluster)->role == CLUSTER_LEADER;
        groups_view(g->host[i].groups, slot, &view);
        if ((file->members >> i & 1) && view.state != REPLICA_SERVING &&
            view.state != REPLICA_FOLLOWING) {
            (void)snprintf(sentence, SIM_SENTENCE, "group %u: host %u is %s: %.120s", slot, i + 1,
                           replica_state_name(view.state), view.sentence);
            return false;
        }
        if (leads && view.failover != FAILOVER_WATCHING) {
            (void)snprintf(sentence, SIM_SENTENCE, "group %u: its leader is %s: %.150s", slot,
                           failover_phase_name((enum failover_phase)view.failover),
                           view.why_nobody);
            return false;
        }
    }
    return true;
}

static bool is_stranded(struct groups_sim *g, uint32_t slot)
{
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++) {
        struct groups_view view;

        if (!g->host[i].groups || cluster_view(g->host[i].node->cluster)->role != CLUSTER_LEADER)
            continue;
        groups_view(g->host[i].groups, slot, &view);
        return view.failover == FAILOVER_STRANDED;
    }
    return false;
}

static struct position position_at(const struct engine_sim *e)
{
    return (struct position){e->count ? e->log[e->count - 1].epoch : 0, e->count};
}

/* Asynchronously: whoever is left in the set lacks more of what somebody has than the file lets one lack. */
static bool too_far_behind(struct groups_sim *g, uint32_t slot)
{
    const struct sim_truth *truth = &g->truth[slot];
    struct position most = {0};

    if (truth->body.mode != GROUP_ASYNC)
        return false;
    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        if (position_compare(position_at(g->engines[slot][i]), most) > 0)
            most = position_at(g->engines[slot][i]);
    for (uint32_t i = 0; i < truth->body.in_sync.count; i++) {
        uint32_t host = host_of_member(truth, truth->body.in_sync.lives[i].member);

        if (counts(g, slot, truth->body.in_sync.lives[i]) &&
            position_at(g->engines[slot][host]).offset + g->plan[slot].failover.max_lag_bytes >=
                most.offset)
            return false;
    }
    return true;
}

/* What a degraded primary acknowledged alone it alone has, and then the file took its priority away. */
static bool ahead_is_never_primary(struct groups_sim *g, uint32_t slot)
{
    const struct sim_truth *truth = &g->truth[slot];
    const struct sim_file *file = &g->file[slot][g->files[slot] - 1];
    const struct life_set *in_sync = &truth->body.in_sync;
    struct position most = {0};
    bool some = false, never_primary = false;

    for (uint32_t i = 0; truth->body.degraded && i < in_sync->count; i++) {
        uint32_t host = host_of_member(truth, in_sync->lives[i].member);
        int order = position_compare(position_at(g->engines[slot][host]), most);

        if (!counts(g, slot, in_sync->lives[i]) || (some && order < 0))
            continue;
        never_primary = file->priority[host] == 0 && (!some || order > 0 || never_primary);
        most = position_at(g->engines[slot][host]);
        some = true;
    }
    return never_primary;
}

/* Nobody may be named without a person, is believed what he has after a lie, or is near enough: then that is said, and a person says so. */
static void mend(struct groups_sim *g, uint32_t slot)
{
    struct sim_truth *truth = &g->truth[slot];

    uint32_t people = 0;

    for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
        people += g->host[i].people;
    if (!truth->known || people > 0 || counts(g, slot, group_primary(&truth->body)) ||
        (!groups_nobody_left(g, slot) &&
         !((truth->lied || too_far_behind(g, slot) || ahead_is_never_primary(g, slot)) &&
           is_stranded(g, slot))))
        return;
    truth->ordered_loss = groups_order_loss(g, slot);
}

static bool well(struct groups_sim *g, uint32_t slot, char sentence[SIM_SENTENCE])
{
    struct sim_truth *truth = &g->truth[slot];
    const struct group_body *body = &truth->body;
    uint32_t all = (1u << g->sim->plan.hosts) - 1;

    mend(g, slot);
    if (!truth->known || !body->serving || body->target || body->degraded || body->unclean ||
        body->eligible.count > 0) {
        struct groups_view view = {0};

        for (uint32_t i = 0; i < g->sim->plan.hosts; i++)
            if (g->host[i].groups && cluster_view(g->host[i].node->cluster)->role == CLUSTER_LEADER)
                groups_view(g->host[i].groups, slot, &view);
        (void)snprintf(sentence, SIM_SENTENCE,
                       "group %u: epoch %llu, primary %u%s%s%s, target %u, %u eligible; %s: %.120s",
                       slot, U(truth->epoch), body->primary, body->serving ? ", serving" : "",
                       body->degraded ? ", degraded" : "", body->unclean ? ", unclean" : "",
                       body->target, body->eligible.count,
                       failover_phase_name((enum failover_phase)view.failover), view.why_nobody);
        return false;
    }
    if (!in_sync_all(g, slot, sentence) || !views_well(g, slot, sentence))
        return false;
    if ((truth->calm_acked & all) != all && truth->next_value + 8 < SIM_GROUP_VALUES) {
        (void)snprintf(sentence, SIM_SENTENCE,
                       "group %u: writes were acknowledged through hosts %llx only", slot,
                       U(truth->calm_acked));
        return false;
    }
    return true;
}

bool groups_recovered(struct groups_sim *g, char sentence[SIM_SENTENCE])
{
    for (uint32_t slot = 0; slot < g->groups; slot++)
        if (!well(g, slot, sentence))
            return false;
    return true;
}
