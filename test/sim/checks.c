#include "sim.h"

#include "consensus/raft.h"

#include <stdlib.h>
#include <string.h>

enum { SLOWEST_MS = 6000 };

void checks_init(struct checks *checks)
{
    *checks = (struct checks){0};
}

void checks_fini(struct checks *checks)
{
    free(checks->terms);
    free(checks->indexes);
}

/* ---- the ledger ---- */

static void *grown(void *at, uint64_t *cap, uint64_t needed, size_t size)
{
    uint64_t to = *cap ? *cap : 256;
    uint8_t *grown;

    if (needed < *cap)
        return at;
    while (to <= needed)
        to *= 2;
    grown = realloc(at, to * size);
    must(grown != NULL);
    memset(grown + *cap * size, 0, (to - *cap) * size);
    *cap = to;
    return grown;
}

static struct term_record *term_of(struct checks *checks, uint64_t term)
{
    checks->terms = grown(checks->terms, &checks->terms_cap, term, sizeof *checks->terms);
    return &checks->terms[term];
}

static struct index_record *index_of(struct checks *checks, uint64_t index)
{
    checks->indexes = grown(checks->indexes, &checks->indexes_cap, index, sizeof *checks->indexes);
    return &checks->indexes[index];
}

#define VIOLATED(sim, invariant, ...) sim_violated(sim, invariant, __VA_ARGS__)
#define U(number) ((unsigned long long)(number))

/* ---- a start ---- */

static void check_restart(struct sim *sim, uint32_t host, const struct raft *raft)
{
    const struct checked_host *was = &sim->checks.host[host];

    if (was->member != raft->options.self)
        return;
    if (raft->term < was->durable_term)
        VIOLATED(sim, "durable terms stay",
                 "member %u starts in term %llu, but term %llu was durable", was->member,
                 U(raft->term), U(was->durable_term));
    if (raft->term == was->durable_term && was->durable_vote && raft->vote != was->durable_vote)
        VIOLATED(sim, "durable votes stay",
                 "member %u starts term %llu with a vote for %u, but had voted for %u", was->member,
                 U(raft->term), raft->vote, was->durable_vote);
    /* A snapshot whose last entry is of a later term than what was stored contradicts that: it may be installed, and this not be told yet, when a host dies. */
    if (raft->last < was->stored && raft->snapshot_term <= was->stored_term)
        VIOLATED(sim, "durable entries stay",
                 "member %u starts with %llu entries, but %llu were durable", was->member,
                 U(raft->last), U(was->stored));
    else if (raft->last >= was->stored && raft_term_at(raft, was->stored) &&
             raft_term_at(raft, was->stored) != was->stored_term)
        VIOLATED(sim, "durable entries stay",
                 "member %u starts with term %llu at %llu, but term %llu was durable", was->member,
                 U(raft_term_at(raft, was->stored)), U(was->stored), U(was->stored_term));
}

/* ---- elections ---- */

static void check_completeness(struct sim *sim, const struct raft *raft)
{
    struct checks *checks = &sim->checks;
    uint64_t from = raft->first > 1 ? raft->first : 1;

    for (uint64_t i = from; i <= checks->committed; i++) {
        const struct index_record *record = index_of(checks, i);

        if (record->term == 0 || record->by_term >= raft->term)
            continue;
        if (raft_term_at(raft, i) != record->term) {
            VIOLATED(
                sim, "leader completeness",
                "member %u leads term %llu without entry %llu, which was committed in term %llu",
                raft->options.self, U(raft->term), U(i), U(record->by_term));
            return;
        }
    }
}

static void check_leader(struct sim *sim, uint32_t host, struct checked_host *was,
                         const struct raft *raft)
{
    struct term_record *record = term_of(&sim->checks, raft->term);
    bool led = was->leads && was->term == raft->term;

    if (record->leader && record->leader != raft->options.self)
        VIOLATED(sim, "election safety", "members %u and %u both lead term %llu", record->leader,
                 raft->options.self, U(raft->term));
    record->leader = raft->options.self;
    if (!led) {
        sim->checks.elections++;
        check_completeness(sim, raft);
        was->heard_majority = sim_host_awake(&sim->world.host[host]);
        return;
    }
    if (raft->last < was->last ||
        (raft_term_at(raft, was->last) && raft_term_at(raft, was->last) != was->last_term))
        VIOLATED(sim, "leader append-only", "member %u leads term %llu and gave up entry %llu",
                 raft->options.self, U(raft->term), U(was->last));
}

static uint32_t host_of_member(const struct sim *sim, uint32_t member)
{
    for (uint32_t i = 0; i < sim->world.hosts; i++)
        if (sim->checks.host[i].member == member)
            return i;
    return SIM_HOSTS_MAX;
}

/* No voter is counted by two candidates of one term. */
static void check_votes(struct sim *sim, const struct raft *raft)
{
    struct term_record *record = term_of(&sim->checks, raft->term);

    for (uint32_t i = 0; i < raft->config.count; i++) {
        uint32_t host = host_of_member(sim, raft->config.members[i].id);

        if (!(raft->granted >> i & 1) || host == SIM_HOSTS_MAX)
            continue;
        if (record->voted_for[host] && record->voted_for[host] != raft->options.self)
            VIOLATED(sim, "one vote per term", "member %u voted for %u and for %u in term %llu",
                     raft->config.members[i].id, record->voted_for[host], raft->options.self,
                     U(raft->term));
        record->voted_for[host] = raft->options.self;
    }
}

/* A leader that can have heard from no majority for long must know. */
static void check_quorum(struct sim *sim, uint32_t host, struct checked_host *was,
                         const struct raft *raft)
{
    int64_t limit = (sim->plan.election_ms * 2 + sim->plan.heartbeat_ms) * NS_PER_MS;
    int64_t now = sim_host_awake(&sim->world.host[host]);
    uint32_t voters = 0, heard = 0;

    /* What was sent before may still be under way. */
    if (sim->plan.kinds >> FAULT_DELAY & 1)
        limit += SLOWEST_MS * NS_PER_MS;
    for (uint32_t i = 0; i < raft->config.count; i++) {
        uint32_t from = host_of_member(sim, raft->config.members[i].id);

        if (raft->config.members[i].role == RAFT_LEARNER)
            continue;
        voters++;
        heard +=
            from == host || (from < SIM_HOSTS_MAX && sim->world.host[from].running &&
                             !sim->world.host[from].paused && !sim->world.link[from][host].cut);
    }
    if (heard * 2 > voters || sim->world.host[host].paused)
        was->heard_majority = now;
    else if (now - was->heard_majority > limit)
        VIOLATED(sim, "no leader without a quorum",
                 "member %u leads term %llu and has heard from no majority for %lld ms",
                 raft->options.self, U(raft->term),
                 (long long)((now - was->heard_majority) / NS_PER_MS));
}

/* ---- logs ---- */

/* A term's entries begin at one place, after one other: by induction, logs that share an entry share all before it. */
static void check_matching(struct sim *sim, const struct raft *raft)
{
    for (uint32_t i = 0; i < raft->runs; i++) {
        struct term_record *record = term_of(&sim->checks, raft->run[i].term);

        if (i == 0 && record->first && raft->run[0].first < record->first)
            VIOLATED(sim, "log matching",
                     "member %u has term %llu from %llu on, before it began at %llu",
                     raft->options.self, U(raft->run[0].term), U(raft->run[0].first),
                     U(record->first));
        if (i == 0)
            continue;
        if (record->first &&
            (record->first != raft->run[i].first || record->before != raft->run[i - 1].term))
            VIOLATED(sim, "log matching",
                     "member %u has term %llu from %llu on after term %llu; elsewhere it begins at "
                     "%llu after term %llu",
                     raft->options.self, U(raft->run[i].term), U(raft->run[i].first),
                     U(raft->run[i - 1].term), U(record->first), U(record->before));
        record->first = raft->run[i].first;
        record->before = raft->run[i - 1].term;
    }
}

static void check_commit(struct sim *sim, const struct checked_host *was, const struct raft *raft)
{
    struct checks *checks = &sim->checks;
    uint64_t from = was->present ? was->commit + 1 : raft->first;

    if (was->present && raft->commit < was->commit)
        VIOLATED(sim, "commit never falls", "member %u went from %llu to %llu", raft->options.self,
                 U(was->commit), U(raft->commit));
    for (uint64_t i = from; i <= raft->commit; i++) {
        struct index_record *record = index_of(checks, i);
        uint64_t term = raft_term_at(raft, i);

        if (term == 0)
            continue;
        if (record->term && record->term != term) {
            VIOLATED(sim, "committed entries stay",
                     "member %u takes entry %llu of term %llu for committed; it is of term %llu",
                     raft->options.self, U(i), U(term), U(record->term));
            return;
        }
        if (!record->term)
            *record =
                (struct index_record){.term = term, .by_term = raft->term, .hash = record->hash};
    }
    if (raft->commit > checks->committed)
        checks->committed = raft->commit;
}

static void check_state(struct sim *sim, uint32_t host, const struct raft *raft)
{
    struct index_record *record = index_of(&sim->checks, raft->applied);
    uint64_t hash = sim->subject->hash(sim, host);

    if (record->hash && hash && record->hash != hash)
        VIOLATED(sim, "state machine safety", "member %u has another state than others at %llu",
                 raft->options.self, U(raft->applied));
    if (hash)
        record->hash = hash;
}

static void check_steady(struct sim *sim, uint32_t host, const struct raft *raft)
{
    struct checks *checks = &sim->checks;

    if (!checks->steady || host != checks->steady_host)
        return;
    if (!raft || raft->role != RAFT_LEADER || raft->term != checks->steady_term)
        VIOLATED(sim, "a leader with a quorum stays",
                 "the leader of term %llu was deposed, though it had a quorum all the time",
                 U(checks->steady_term));
}

static void tell_changes(struct sim *sim, uint32_t host, const struct checked_host *was,
                         const struct raft *raft)
{
    static const char *const roles[] = {"follows", "asks for pre-votes", "stands", "leads"};

    if (!sim->world.story)
        return;
    if (!was->present || was->term != raft->term || was->leads != (raft->role == RAFT_LEADER))
        SIM_TELL(&sim->world, (int)host, "member %u %s in term %llu, log to %llu, commit %llu",
                 raft->options.self, roles[raft->role], U(raft->term), U(raft->last),
                 U(raft->commit));
}

void checks_step(struct sim *sim, uint32_t host)
{
    struct checked_host *was = &sim->checks.host[host];
    const struct raft *raft = sim->subject->raft(sim, host);

    check_steady(sim, host, raft);
    if (!raft) {
        was->present = false;
        return;
    }
    if (!was->present)
        check_restart(sim, host, raft);
    else if (raft->term < was->term)
        VIOLATED(sim, "terms never fall", "member %u", raft->options.self);
    tell_changes(sim, host, was, raft);
    if ((was->term != raft->term && raft->role == RAFT_CANDIDATE) ||
        (was->config_index != raft->config_index && raft->role == RAFT_LEADER))
        faults_provoke(sim);
    was->member = raft->options.self;
    if (raft->role == RAFT_CANDIDATE ||
        (raft->role == RAFT_LEADER && !(was->leads && was->term == raft->term)))
        check_votes(sim, raft);
    if (raft->role == RAFT_LEADER) {
        check_leader(sim, host, was, raft);
        check_quorum(sim, host, was, raft);
    }
    if (raft->last != was->last || raft->term != was->term || !was->present)
        check_matching(sim, raft);
    if (!was->present || raft->commit != was->commit)
        check_commit(sim, was, raft);
    if (!was->present || raft->applied != was->applied)
        check_state(sim, host, raft);
    *was = (struct checked_host){
        .present = true,
        .leads = raft->role == RAFT_LEADER,
        .member = raft->options.self,
        .term = raft->term,
        .commit = raft->commit,
        .applied = raft->applied,
        .last = raft->last,
        .last_term = raft_term_at(raft, raft->last),
        .durable_term = raft->durable_term,
        .durable_vote = raft->durable_vote,
        .stored = raft->stored,
        .config_index = raft->config_index,
        .stored_term = raft_term_at(raft, raft->stored),
        .heard_majority = was->heard_majority,
    };
}

void checks_forget(struct checks *checks, uint32_t host)
{
    checks->host[host] = (struct checked_host){0};
}

void checks_steady(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->world.hosts; i++) {
        const struct raft *raft = sim->subject->raft(sim, i);

        if (!raft || raft->role != RAFT_LEADER || raft->commit < raft->noop)
            continue;
        sim->checks.steady = true;
        sim->checks.steady_host = i;
        sim->checks.steady_term = raft->term;
    }
}
