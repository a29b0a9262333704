#include "cluster/drive.h"

#include <stdio.h>

const char *cluster_state_name(enum cluster_state state)
{
    static const char *const names[CLUSTER_STATES] = {"opening", "blank",   "founding",
                                                      "member",  "removed", "halted"};

    return names[state];
}

const char *cluster_role_name(enum cluster_role role)
{
    static const char *const names[] = {"none", "learner", "follower", "candidate", "leader"};

    return names[role];
}

const char *cluster_health_name(enum cluster_health health)
{
    static const char *const names[] = {"unheard", "alive", "suspected", "dead"};

    return names[health];
}

/* ---- members ---- */

static struct cluster_member_view *row_of(struct cluster_view *view, const struct member *node)
{
    struct cluster_member_view *row;

    for (uint32_t i = 0; i < view->member_count; i++)
        if (strcmp(view->members[i].name, node->name) == 0)
            return &view->members[i];
    row = &view->members[view->member_count++];
    *row = (struct cluster_member_view){.heard_ms = -1};
    (void)snprintf(row->name, sizeof row->name, "%s", node->name);
    (void)snprintf(row->zone, sizeof row->zone, "%s", node->zone);
    return row;
}

static int by_name(const void *a, const void *b)
{
    const struct cluster_member_view *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static void list_members(struct cluster *c, struct cluster_view *view)
{
    for (uint32_t i = 0; c->member && i < c->document.member_count; i++) {
        const struct member *member = &c->document.members[i];
        struct cluster_member_view *row = row_of(view, member);

        row->member = member->id;
        row->voter = member_votes(member);
        row->witness = member->role == MEMBER_WITNESS;
        row->learner = member->role == MEMBER_LEARNER;
        row->incarnation = member->incarnation;
    }
    for (uint32_t i = 0; i < c->node_count; i++)
        row_of(view, &c->nodes[i])->in_file = true;
    qsort(view->members, view->member_count, sizeof view->members[0], by_name);
}

static enum cluster_role role_of(const struct cluster *c, const struct cluster_member_view *row)
{
    if (!row->member || !c->member)
        return CLUSTER_NONE;
    if (row->member == c->raft.leader)
        return CLUSTER_LEADER;
    if (row->learner)
        return CLUSTER_LEARNER;
    if (row->member == c->self &&
        (c->raft.role == RAFT_CANDIDATE || c->raft.role == RAFT_PRECANDIDATE))
        return CLUSTER_CANDIDATE;
    return CLUSTER_FOLLOWER;
}

static void fill_self(const struct cluster *c, struct cluster_member_view *row)
{
    row->health = CLUSTER_ALIVE;
    row->linked = true;
    row->heard_ms = 0;
    row->blank = !c->member;
    row->tilted = c->tilt.tilted;
    row->incarnation = c->store.incarnation;
    row->applied = c->applying;
    row->level = COMMAND_LEVEL;
    row->disk_full = c->store.was_full;
    row->match = c->member && c->raft.role == RAFT_LEADER ? c->raft.stored : 0;
}

static void fill_place(struct cluster *c, const struct place *place,
                       struct cluster_member_view *row)
{
    struct peer_link link = peers_link(c->peers, peers_number(c, place));
    struct instant now = loop_now(c->loop);
    double phi = detector_phi(&c->detector, row->member, now);

    row->linked = place->linked;
    row->blank = place->known && place->word.blank;
    row->config_differs = place->config_differs;
    row->tilted = place->tilted;
    row->applied = place->applied;
    row->level = place->level_max;
    row->rtt_us = link.rtt_ns / NS_PER_US;
    row->phi_hundredths = phi > 1e6 ? 100000000 : (int64_t)(phi * 100);
    (void)address_print(&link.address, row->address);
    (void)snprintf(row->sentence, sizeof row->sentence, "%.*s", CLUSTER_SENTENCE_MAX - 1,
                   place->foreign   ? "it is a member of another cluster"
                   : !place->linked ? link.sentence
                                    : "");
    if (place->life.incarnation)
        row->incarnation = place->life.incarnation;
    if (place->heard.ns != 0)
        row->heard_ms = ns_between(place->heard, now) / NS_PER_MS;
    if (place->dead)
        row->health = CLUSTER_DEAD;
    else if (row->member && detector_suspects(&c->detector, row->member))
        row->health = CLUSTER_SUSPECTED;
    else if (place->linked && place->known)
        row->health = CLUSTER_ALIVE;
    else
        row->health = place->heard.ns ? CLUSTER_SUSPECTED : CLUSTER_UNHEARD;
}

static void fill_members(struct cluster *c, struct cluster_view *view)
{
    list_members(c, view);
    for (uint32_t i = 0; i < view->member_count; i++) {
        struct cluster_member_view *row = &view->members[i];
        const struct place *place = peers_place_named(c, row->name);
        const struct raft_progress *progress;

        row->role = role_of(c, row);
        if (strcmp(row->name, c->node) == 0)
            fill_self(c, row);
        else if (place && c->peers)
            fill_place(c, place, row);
        progress = c->member && row->member != c->self && row->member
                       ? raft_progress_of(&c->raft, row->member)
                       : NULL;
        if (progress) {
            row->match = progress->match;
            row->disk_full = progress->full;
        }
    }
}

/* ---- links and leases ---- */

static const struct links_known *known_of(const struct cluster *c, uint32_t member)
{
    for (uint32_t i = 0; member && i < c->links.count; i++)
        if (c->links.known[i].member.id == member)
            return &c->links.known[i];
    return NULL;
}

static void fill_link(struct cluster *c, const struct links_known *who, uint32_t whom,
                      struct cluster_link_view *link)
{
    const struct links_known *other = known_of(c, whom);

    link->heard_ms = -1;
    if (!who || !other || who == other)
        return;
    switch (links_hears(&c->links, who->member.id, whom, loop_now(c->loop))) {
    case LINKS_UNKNOWN:
        return;
    case LINKS_DEAF:
        link->suspected = true;
        break;
    case LINKS_HEARS:
        break;
    }
    link->known = true;
    if (who->ago_ms[other - c->links.known] != UINT32_MAX)
        link->heard_ms = who->ago_ms[other - c->links.known];
}

static void fill_links(struct cluster *c, struct cluster_view *view)
{
    for (uint32_t i = 0; i < view->member_count && i < CLUSTER_NODES_MAX; i++)
        for (uint32_t k = 0; k < view->member_count && k < CLUSTER_NODES_MAX; k++)
            fill_link(c, c->member ? known_of(c, view->members[i].member) : NULL,
                      view->members[k].member, &view->links[i][k]);
}

static void fill_leases(const struct cluster *c, struct cluster_view *view)
{
    for (uint32_t slot = 0; c->member && slot < CLUSTER_LEASES_MAX; slot++) {
        const struct document_lease *lease = &c->document.leases[slot];
        struct cluster_lease_view *row = &view->leases[slot];

        if (!lease->name[0])
            continue;
        row->exists = true;
        (void)snprintf(row->resource, sizeof row->resource, "%s", lease->name);
        (void)snprintf(row->holder, sizeof row->holder, "%s",
                       document_current(&c->document, lease->holder)
                           ? drive_name_of(c, lease->holder.member)
                           : "");
        row->here = life_equal(lease->holder, drive_life(c)) &&
                    lease_valid(&c->holder, slot, tilt_fast(&c->tilt));
        if (row->here)
            row->until = tilt_as_boot(&c->tilt, lease_end(&c->holder, slot));
    }
}

/* ---- would one more failure be survived ---- */

static void survival(struct cluster *c, struct cluster_view *view)
{
    const char *missing = "";

    for (uint32_t i = 0; i < view->member_count; i++) {
        const struct cluster_member_view *row = &view->members[i];

        if (!row->voter)
            continue;
        view->voters++;
        if (row->health == CLUSTER_ALIVE && !row->blank)
            view->voters_alive++;
        else
            missing = row->name;
    }
    view->voters_needed = view->voters / 2 + 1;
    view->survives = view->quorum && view->voters_alive > view->voters_needed;
    if (view->survives)
        return;
    if (!c->member)
        (void)snprintf(view->survives_not, sizeof view->survives_not, "this node is no member");
    else if (!view->quorum)
        (void)snprintf(view->survives_not, sizeof view->survives_not,
                       "there is no quorum: %u of %u voters are heard from here and %u are needed; "
                       "start the others, or run `nines node recover` if they are gone for good",
                       view->voters_alive, view->voters, view->voters_needed);
    else if (missing[0])
        (void)snprintf(view->survives_not, sizeof view->survives_not,
                       "%s is missing, and %u of %u voters are needed: bring it back first",
                       missing, view->voters_needed, view->voters);
    else
        (void)snprintf(view->survives_not, sizeof view->survives_not,
                       "%u voters survive no failure: add nodes until there are 3", view->voters);
}

static void fill_consensus(struct cluster *c, struct cluster_view *view)
{
    struct level_verdict verdict;

    level_look(c, &verdict);
    view->level = c->document.level;
    view->level_next = verdict.next;
    view->self = c->self;
    view->leader_member = c->raft.leader;
    (void)snprintf(view->leader, sizeof view->leader, "%s", drive_name_of(c, c->raft.leader));
    view->term = c->raft.term;
    view->commit = c->raft.commit;
    view->applied = c->applying;
    view->last = c->raft.last;
    view->stored = c->raft.stored;
    view->document_version = c->document.changes;
    view->document_hash = c->document.hash;
    view->established = c->established;
    view->quorum = beat_quorum(c);
}

const struct cluster_view *cluster_view(struct cluster *c)
{
    struct cluster_view *view = &c->view;

    *view = (struct cluster_view){.state = c->state,
                                  .cluster_id = c->charter.cluster,
                                  .disk_id = c->store.disk_id,
                                  .incarnation = c->store.incarnation,
                                  .tilted = c->tilt.tilted,
                                  .asks = c->ask_count};
    (void)snprintf(view->sentence, sizeof view->sentence, "%s", c->sentence);
    (void)snprintf(view->cluster, sizeof view->cluster, "%s", c->name);
    (void)snprintf(view->node, sizeof view->node, "%s", c->node);
    if (c->member)
        fill_consensus(c, view);
    fill_members(c, view);
    for (uint32_t i = 0; i < view->member_count; i++)
        if (strcmp(view->members[i].name, c->node) == 0)
            view->role = view->members[i].role;
    fill_links(c, view);
    fill_leases(c, view);
    survival(c, view);
    c->dirty = c->view_told = false;
    return view;
}
