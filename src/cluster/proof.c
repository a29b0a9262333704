/*
 * Collects what proves a member's run to be dead.
 *
 * It never takes one voter's word for it, the word of a non-voter, or that of the member about its own port.
 */
#include "cluster/proof.h"

#include "base/must.h"

static void check(const struct proof *proof)
{
    must(proof->window_ns > 0);
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        const struct proof_subject *subject = &proof->subjects[i];

        must(subject->count <= PROOF_REPORTERS_MAX);
        must(subject->life.member != 0 || (subject->count == 0 && !subject->exited));
        for (uint32_t j = 0; j < subject->count; j++)
            must(subject->reports[j].reporter != subject->life.member);
    }
}

void proof_init(struct proof *proof, int64_t window_ns)
{
    *proof = (struct proof){.window_ns = window_ns};
    check(proof);
}

bool proof_refused_by_all(const struct proof *proof, const struct proof_refusals *refusals,
                          uint32_t paths, struct instant now)
{
    must(paths <= CLUSTER_PATHS_MAX);
    for (uint32_t i = 0; i < paths; i++)
        if (refusals->at[i].ns == 0 || ns_between(refusals->at[i], now) > proof->window_ns)
            return false;
    return paths > 0;
}

static int find(const struct proof *proof, uint32_t member)
{
    for (int i = 0; i < CLUSTER_NODES_MAX; i++)
        if (proof->subjects[i].life.member == member)
            return i;
    return -1;
}

static bool is_dead(const struct proof *proof, const struct proof_subject *subject,
                    struct instant now)
{
    uint32_t fresh = 0;

    for (uint32_t i = 0; i < subject->count; i++)
        fresh += ns_between(subject->reports[i].at, now) <= proof->window_ns;
    return subject->exited || fresh >= PROOF_REPORTERS_NEEDED;
}

bool proof_dead(const struct proof *proof, struct life life, struct instant now)
{
    int place = life.member ? find(proof, life.member) : -1;

    check(proof);
    return place >= 0 && life_equal(proof->subjects[place].life, life) &&
           is_dead(proof, &proof->subjects[place], now);
}

static bool counts(const struct proof_report *report)
{
    if (report->about.member == 0 || report->about.incarnation == 0)
        return false;
    if (report->kind == PROOF_EXITED)
        return report->reporter == report->about.member;
    return report->votes && report->reporter != 0 && report->reporter != report->about.member;
}

/* The oldest report goes when there are too many: voters are few, but they change. */
static void note(struct proof_subject *subject, uint32_t reporter, struct instant now)
{
    uint32_t place = 0, oldest = 0;

    while (place < subject->count && subject->reports[place].reporter != reporter) {
        if (subject->reports[place].at.ns < subject->reports[oldest].at.ns)
            oldest = place;
        place++;
    }
    if (place == PROOF_REPORTERS_MAX)
        place = oldest;
    else if (place == subject->count)
        subject->count++;
    subject->reports[place].reporter = reporter;
    subject->reports[place].at = now;
}

bool proof_report(struct proof *proof, const struct proof_report *report, struct instant now)
{
    int place = report->about.member ? find(proof, report->about.member) : -1;
    struct proof_subject *subject;
    bool before;

    check(proof);
    if (!counts(report))
        return false;
    if (place < 0)
        place = find(proof, 0);
    if (place < 0)
        return false;
    subject = &proof->subjects[place];
    if (report->about.incarnation < subject->life.incarnation)
        return false;
    if (!life_equal(subject->life, report->about))
        *subject = (struct proof_subject){.life = report->about};
    before = is_dead(proof, subject, now);
    if (report->kind == PROOF_EXITED)
        subject->exited = true;
    else
        note(subject, report->reporter, now);
    check(proof);
    return !before && is_dead(proof, subject, now);
}

void proof_beat(struct proof *proof, struct life life)
{
    int place = life.member ? find(proof, life.member) : -1;

    check(proof);
    if (place >= 0 && life_equal(proof->subjects[place].life, life))
        proof->subjects[place] = (struct proof_subject){.life = life};
}

void proof_forget(struct proof *proof, uint32_t member)
{
    int place = member ? find(proof, member) : -1;

    check(proof);
    if (place >= 0)
        proof->subjects[place] = (struct proof_subject){0};
}
