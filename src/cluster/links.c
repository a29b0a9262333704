/*
 * Puts the rows of all members together and finds who does not hear whom.
 *
 * It never takes the lack of a row for deafness: only what somebody said lately counts.
 */
#include "cluster/links.h"

#include "base/must.h"

_Static_assert(CLUSTER_NODES_MAX <= 16, "sets of places are bits of a uint16_t");

static void check(const struct links *links)
{
    must(links->count <= CLUSTER_NODES_MAX);
    must(links->stale_ns > 0);
    for (uint32_t i = 1; i < links->count; i++)
        must(links->known[i - 1].member.id < links->known[i].member.id);
}

static void forget_seeming(struct links *links)
{
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++)
        for (uint32_t j = 0; j < CLUSTER_NODES_MAX; j++)
            links->seems[i][j] = NEVER;
}

void links_init(struct links *links, uint32_t self, int64_t stale_ns)
{
    *links = (struct links){.self = self, .stale_ns = stale_ns, .quorum = true};
    forget_seeming(links);
    check(links);
}

static int place_of(const struct links *links, uint32_t member)
{
    for (uint32_t i = 0; i < links->count; i++)
        if (links->known[i].member.id == member)
            return (int)i;
    return -1;
}

/* ---- members ---- */

static void insert(struct links *links, const struct links_member *member)
{
    uint32_t place = links->count++;

    for (; place > 0 && links->known[place - 1].member.id > member->id; place--)
        links->known[place] = links->known[place - 1];
    links->known[place] = (struct links_known){.member = *member};
}

/* What was said by and of those that are in both. */
static void carry(struct links *links, const struct links *before)
{
    for (uint32_t i = 0; i < links->count; i++) {
        struct links_known *known = &links->known[i];
        int was = place_of(before, known->member.id);
        struct links_member member = known->member;

        if (was < 0)
            continue;
        *known = before->known[was];
        known->member = member;
        for (uint32_t j = 0; j < links->count; j++) {
            int peer = place_of(before, links->known[j].member.id);

            known->hears[j] = peer < 0 ? LINKS_UNKNOWN : before->known[was].hears[peer];
            known->ago_ms[j] = peer < 0 ? 0 : before->known[was].ago_ms[peer];
            if (peer >= 0)
                links->seems[i][j] = before->seems[was][peer];
            if (peer >= 0 && (before->one_way[was] >> peer & 1))
                links->one_way[i] |= (uint16_t)(1u << j);
        }
    }
}

void links_set_members(struct links *links, const struct links_member *members, uint32_t count)
{
    struct links before = *links;

    check(links);
    must(count <= CLUSTER_NODES_MAX);
    links->count = 0;
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++)
        links->one_way[i] = 0;
    forget_seeming(links);
    for (uint32_t i = 0; i < count; i++)
        insert(links, &members[i]);
    carry(links, &before);
    check(links);
}

/* ---- rows ---- */

static enum links_hearing hearing_of(const struct links_cell *cell)
{
    if (cell->suspected)
        return LINKS_DEAF;
    return cell->ago_ms == UINT32_MAX ? LINKS_UNKNOWN : LINKS_HEARS;
}

bool links_merge(struct links *links, const struct links_row *row, uint64_t beat,
                 struct instant now)
{
    int place = place_of(links, row->from.member);
    struct links_known *known = &links->known[place < 0 ? 0 : place];

    check(links);
    must(row->count <= CLUSTER_NODES_MAX);
    if (place < 0 || row->from.incarnation < known->incarnation)
        return false;
    if (row->from.incarnation == known->incarnation && beat <= known->beat)
        return false;
    known->incarnation = row->from.incarnation;
    known->beat = beat;
    known->told = now;
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++)
        known->hears[i] = LINKS_UNKNOWN;
    for (uint32_t i = 0; i < row->count; i++) {
        int peer = place_of(links, row->cells[i].member);

        if (peer < 0 || peer == place)
            continue;
        known->hears[peer] = (uint8_t)hearing_of(&row->cells[i]);
        known->ago_ms[peer] = row->cells[i].ago_ms;
    }
    return true;
}

static enum links_hearing hears(const struct links *links, uint32_t i, uint32_t j,
                                struct instant now)
{
    const struct links_known *known = &links->known[i];

    if (i == j)
        return LINKS_HEARS;
    if (known->incarnation == 0 || ns_between(known->told, now) > links->stale_ns)
        return LINKS_UNKNOWN;
    return known->hears[j];
}

enum links_hearing links_hears(const struct links *links, uint32_t who, uint32_t whom,
                               struct instant now)
{
    int i = place_of(links, who), j = place_of(links, whom);

    check(links);
    return i < 0 || j < 0 ? LINKS_UNKNOWN : hears(links, (uint32_t)i, (uint32_t)j, now);
}

/* ---- components ---- */

/* What is known to be connected, or what may be: not denied by either end. */
enum view { SURE, POSSIBLE };

static bool connected(const struct links *links, uint32_t i, uint32_t j, enum view view,
                      struct instant now)
{
    enum links_hearing there = hears(links, i, j, now), back = hears(links, j, i, now);

    if (there == LINKS_DEAF || back == LINKS_DEAF)
        return false;
    return view == POSSIBLE || there == LINKS_HEARS || back == LINKS_HEARS;
}

/* Each place's neighbours. */
struct neighbours {
    uint16_t of[CLUSTER_NODES_MAX];
};

static void find_neighbours(const struct links *links, enum view view, struct instant now,
                            struct neighbours *out)
{
    *out = (struct neighbours){0};
    for (uint32_t i = 0; i < links->count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (connected(links, i, j, view, now)) {
                out->of[i] |= (uint16_t)(1u << j);
                out->of[j] |= (uint16_t)(1u << i);
            }
}

/* The places that can be reached from one. */
static uint16_t component(const struct neighbours *neighbours, uint32_t start)
{
    uint16_t reached = (uint16_t)(1u << start), seen = 0;

    while (reached != seen) {
        uint32_t next = (uint32_t)__builtin_ctz((uint32_t)(reached & ~seen));

        seen |= (uint16_t)(1u << next);
        reached |= neighbours->of[next];
    }
    return reached;
}

static uint16_t component_of(const struct links *links, uint32_t place, struct instant now)
{
    struct neighbours neighbours;

    find_neighbours(links, SURE, now, &neighbours);
    return component(&neighbours, place);
}

static bool is_majority(const struct links *links, uint16_t places)
{
    uint32_t voters = 0, there = 0;

    for (uint32_t i = 0; i < links->count; i++) {
        voters += links->known[i].member.votes;
        there += links->known[i].member.votes && (places >> i & 1);
    }
    return there * 2 > voters;
}

uint32_t links_component(const struct links *links, uint32_t member, struct instant now,
                         uint32_t *out)
{
    int place = place_of(links, member);
    uint16_t reached = place < 0 ? 0 : component_of(links, (uint32_t)place, now);
    uint32_t count = 0;

    check(links);
    for (uint32_t i = 0; i < links->count; i++)
        if (reached >> i & 1)
            out[count++] = links->known[i].member.id;
    return count;
}

bool links_sees_quorum(const struct links *links, uint32_t member, struct instant now)
{
    int place = place_of(links, member);

    check(links);
    return place >= 0 && is_majority(links, component_of(links, (uint32_t)place, now));
}

/* ---- findings ---- */

static void find(struct links_findings *out, enum links_finding_kind kind, uint32_t a, uint32_t b)
{
    must(out->count < LINKS_FINDINGS_MAX);
    out->findings[out->count++] = (struct links_finding){.kind = (uint8_t)kind, .a = a, .b = b};
}

static void judge_pair(struct links *links, uint32_t i, uint32_t j, struct instant now,
                       struct links_findings *out)
{
    bool before = links->one_way[i] >> j & 1;
    bool seems = hears(links, i, j, now) == LINKS_HEARS && hears(links, j, i, now) == LINKS_DEAF;
    struct instant *since = &links->seems[i][j];
    bool one_way;

    *since = seems ? earlier(*since, now) : NEVER;
    one_way = seems && (before || ns_between(*since, now) >= links->stale_ns);
    if (i == j || one_way == before)
        return;
    links->one_way[i] ^= (uint16_t)(1u << j);
    find(out, one_way ? LINKS_ONE_WAY : LINKS_NOT_ONE_WAY, links->known[i].member.id,
         links->known[j].member.id);
}

void links_judge(struct links *links, struct instant now, struct links_findings *out)
{
    bool quorum = links->count == 0;
    struct neighbours neighbours;

    check(links);
    find_neighbours(links, POSSIBLE, now, &neighbours);
    out->count = 0;
    for (uint32_t i = 0; i < links->count; i++)
        for (uint32_t j = 0; j < links->count; j++)
            judge_pair(links, i, j, now, out);
    for (uint32_t i = 0; i < links->count; i++) {
        struct links_known *known = &links->known[i];
        bool cut_off = !is_majority(links, component(&neighbours, i));

        quorum |= !cut_off;
        if (cut_off != known->cut_off)
            find(out, cut_off ? LINKS_CUT_OFF : LINKS_REJOINED, known->member.id, 0);
        known->cut_off = cut_off;
    }
    if (quorum != links->quorum)
        find(out, quorum ? LINKS_QUORUM_SEEN : LINKS_QUORUM_LOST, 0, 0);
    links->quorum = quorum;
    check(links);
}
