/*
 * Chooses a backend. It holds no list and no lock, allocates nothing, and reads no clock.
 *
 * Round-robin is the smooth weighted kind: each pick raises every candidate by its weight and lowers the winner by the sum, so that a
 * backend of weight 5 among ones of weight 1 is not asked five times in a row. Least-connections takes the lowest load per weight
 * and lets round-robin choose among equals. ip-hash is weighted rendezvous hashing: each backend scores every client, the best
 * score wins; a backend that goes or comes moves only its own clients.
 */
#include "balancer/pick.h"

#include <math.h>

enum { QUARANTINE_MIN_MS = 250, QUARANTINE_DOUBLINGS_MAX = 5, QUARANTINE_MAX_MS = 5000 };

/* Lower comes first. */
enum rank {
    RANK_PRIMARY,
    RANK_BACKUP,
    RANK_PRIMARY_QUARANTINED,
    RANK_BACKUP_QUARANTINED,
    RANK_TRIED,
    RANK_NEVER,
};

static enum rank rank_of(const struct pick *pick, uint32_t place)
{
    const struct balancer_backend *backend = &pick->backends[place];
    const struct pick_state *state = &pick->states[backend->slot];

    if (backend->weight == 0 || backend->drain || state->draining || state->down ||
        state->unresolved)
        return RANK_NEVER;
    if (pick->only && !(pick->only >> place & 1))
        return RANK_NEVER;
    if (pick->tried && pick_marked(pick->tried, place))
        return RANK_TRIED;
    if (!passed(state->quarantined_until, pick->now))
        return backend->backup ? RANK_BACKUP_QUARANTINED : RANK_PRIMARY_QUARANTINED;
    return backend->backup ? RANK_BACKUP : RANK_PRIMARY;
}

static enum rank best_rank(const struct pick *pick)
{
    enum rank best = RANK_NEVER;

    for (uint32_t i = 0; i < pick->count && best != RANK_PRIMARY; i++) {
        enum rank rank = rank_of(pick, i);

        if (rank < best)
            best = rank;
    }
    return best;
}

/* True when a's load per weight is lower than b's. The request that is to come counts, so that weights matter at rest too. */
static bool less_loaded(const struct pick *pick, uint32_t a, uint32_t b)
{
    const struct balancer_backend *one = &pick->backends[a], *other = &pick->backends[b];

    return (pick->states[one->slot].active + 1ULL) * (uint64_t)other->weight <
           (pick->states[other->slot].active + 1ULL) * (uint64_t)one->weight;
}

static uint32_t least_loaded(const struct pick *pick, enum rank rank)
{
    uint32_t least = PICK_NONE;

    for (uint32_t i = 0; i < pick->count; i++) {
        if (rank_of(pick, i) == rank && (least == PICK_NONE || less_loaded(pick, i, least)))
            least = i;
    }
    return least;
}

/* Among the rank's backends, and only those that are not more loaded than `like` where one is given. */
static uint32_t next_in_turn(const struct pick *pick, enum rank rank, uint32_t like)
{
    uint32_t chosen = PICK_NONE;
    int32_t total = 0;

    for (uint32_t i = 0; i < pick->count; i++) {
        const struct balancer_backend *backend = &pick->backends[i];
        struct pick_state *state = &pick->states[backend->slot];

        if (rank_of(pick, i) != rank || (like != PICK_NONE && less_loaded(pick, like, i)))
            continue;
        total += (int32_t)backend->weight;
        state->current += (int32_t)backend->weight;
        if (chosen == PICK_NONE ||
            state->current > pick->states[pick->backends[chosen].slot].current)
            chosen = i;
    }
    if (chosen != PICK_NONE)
        pick->states[pick->backends[chosen].slot].current -= total;
    return chosen;
}

/* The finalizer of splitmix64: every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* -weight / ln(u), u uniform in (0, 1): the chance to be the highest is in proportion to the weight. */
static double score(uint64_t client, uint64_t key, int64_t weight)
{
    double u = ((double)(mix(client ^ key) >> 11) + 0.5) / 9007199254740992.0;

    return -(double)weight / log(u);
}

static uint32_t highest_score(const struct pick *pick, enum rank rank)
{
    uint32_t chosen = PICK_NONE;
    double highest = 0;

    for (uint32_t i = 0; i < pick->count; i++) {
        const struct balancer_backend *backend = &pick->backends[i];
        double its;

        if (rank_of(pick, i) != rank)
            continue;
        its = score(pick->client, pick->states[backend->slot].key, backend->weight);
        if (chosen == PICK_NONE || its > highest) {
            chosen = i;
            highest = its;
        }
    }
    return chosen;
}

uint32_t pick_backend(const struct pick *pick)
{
    enum rank rank = best_rank(pick);

    if (rank == RANK_NEVER)
        return PICK_NONE;
    switch (pick->algorithm) {
    case ALGORITHM_ROUND_ROBIN:
        return next_in_turn(pick, rank, PICK_NONE);
    case ALGORITHM_LEAST_CONNECTIONS:
        return next_in_turn(pick, rank, least_loaded(pick, rank));
    case ALGORITHM_IP_HASH:
        return highest_score(pick, rank);
    }
    never("an algorithm that the schema does not know");
}

bool pick_untried(const struct pick *pick)
{
    return best_rank(pick) < RANK_TRIED;
}

void pick_refused(struct pick_state *state, struct instant now)
{
    uint32_t doublings =
        state->failures < QUARANTINE_DOUBLINGS_MAX ? state->failures : QUARANTINE_DOUBLINGS_MAX;
    int64_t ms = (int64_t)QUARANTINE_MIN_MS << doublings;

    state->failures++;
    state->quarantined_until = after_ms(now, ms < QUARANTINE_MAX_MS ? ms : QUARANTINE_MAX_MS);
}

void pick_connected(struct pick_state *state)
{
    state->failures = 0;
    state->quarantined_until = (struct instant){0};
}

static uint64_t hash(struct bytes bytes)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325); /* FNV-1a, then mixed */

    for (size_t i = 0; i < bytes.len; i++)
        sum = (sum ^ bytes.at[i]) * UINT64_C(0x100000001b3);
    return mix(sum);
}

uint64_t pick_key(struct bytes endpoint)
{
    return hash(endpoint);
}

uint64_t pick_client(const struct address *client)
{
    return mix(hash(bytes_of(client->ip, sizeof client->ip)) + client->family);
}
