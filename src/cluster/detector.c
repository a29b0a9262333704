/*
 * Suspects peers by their silence.
 *
 * Sums are of whole microseconds and exact, so a window that is renewed for years loses nothing. It never suspects before the silence is
 * longer than 2.5 heartbeats, and never learns from an interval in which it did.
 */
#include "cluster/detector.h"

#include "base/must.h"

#include <math.h>

enum {
    FLOORS = 4, /* the least deviation is this part of a heartbeat, and the greatest a whole one */
    INTERVAL_S_MAX = 60,
    SAMPLES_MIN = 2, /* with fewer the peer is taken for regular */
};

static const double BEATS_MIN = 2.5; /* one lost beat makes a silence of two */

static void check(const struct detector *detector)
{
    must(detector->rules.heartbeat_ns >= NS_PER_MS);
    must(detector->rules.heartbeat_ns <= INTERVAL_S_MAX * NS_PER_S);
    must(detector->rules.beats > 0);
    must(detector->score <= DETECTOR_SCORE_MAX);
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        const struct detector_peer *peer = &detector->peers[i];

        must(peer->count <= DETECTOR_WINDOW);
        must(peer->next < DETECTOR_WINDOW);
        must(peer->squares >= 0);
        must(peer->life.member != 0 || peer->count == 0);
    }
}

void detector_init(struct detector *detector, const struct detector_rules *rules)
{
    *detector = (struct detector){.rules = *rules};
    check(detector);
}

static int find(const struct detector *detector, uint32_t member)
{
    for (int i = 0; i < CLUSTER_NODES_MAX; i++)
        if (detector->peers[i].life.member == member)
            return i;
    return -1;
}

const struct detector_peer *detector_peer_of(const struct detector *detector, uint32_t member)
{
    int place = member ? find(detector, member) : -1;

    return place < 0 ? NULL : &detector->peers[place];
}

void detector_watch(struct detector *detector, uint32_t member, struct instant now)
{
    int place = find(detector, 0);

    check(detector);
    if (member == 0 || place < 0 || find(detector, member) >= 0)
        return;
    detector->peers[place] =
        (struct detector_peer){.life = {.member = member}, .last = now, .skip = true};
    check(detector);
}

void detector_forget(struct detector *detector, uint32_t member)
{
    int place = member ? find(detector, member) : -1;

    check(detector);
    if (place >= 0)
        detector->peers[place] = (struct detector_peer){0};
}

/* ---- the distribution ---- */

static double mean_ns(const struct detector *detector, const struct detector_peer *peer)
{
    double mean = (double)detector->rules.heartbeat_ns;

    if (peer->count >= SAMPLES_MIN)
        mean += (double)peer->sum / peer->count * (double)NS_PER_US;
    return mean > 0 ? mean : 0;
}

static double deviation_ns(const struct detector *detector, const struct detector_peer *peer)
{
    double most = (double)detector->rules.heartbeat_ns, least = most / FLOORS;
    double mean, variance, deviation;

    if (peer->count < SAMPLES_MIN)
        return least;
    mean = (double)peer->sum / peer->count;
    variance = (double)peer->squares / peer->count - mean * mean;
    deviation = variance > 0 ? sqrt(variance) * (double)NS_PER_US : 0;
    return fmin(fmax(deviation, least), most);
}

/* ln(1 / P) = y (1.5976 + 0.070566 y^2) + ln(1 + e): never the quotient of two numbers that have vanished. */
static double phi_at(double y)
{
    double x = y * (1.5976 + 0.070566 * y * y);

    return (x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))) / log(10);
}

double detector_phi_of(double silence, double mean, double deviation)
{
    must(deviation > 0);
    return phi_at((silence - mean) / deviation);
}

/* In deviations past the mean, for a regular peer: one whose deviation is the least. */
static double threshold_y(const struct detector *detector)
{
    double beats = fmax(detector->rules.beats, BEATS_MIN) * (1 + detector->score);

    return (beats - 1) * FLOORS;
}

double detector_threshold(const struct detector *detector)
{
    return phi_at(threshold_y(detector));
}

static struct instant deadline_of(const struct detector *detector, const struct detector_peer *peer)
{
    double ns = mean_ns(detector, peer) + threshold_y(detector) * deviation_ns(detector, peer);

    return after_ns(peer->last, (int64_t)ns);
}

double detector_phi(const struct detector *detector, uint32_t member, struct instant now)
{
    const struct detector_peer *peer = detector_peer_of(detector, member);

    if (!peer)
        return 0;
    return detector_phi_of((double)ns_between(peer->last, now), mean_ns(detector, peer),
                           deviation_ns(detector, peer));
}

bool detector_suspects(const struct detector *detector, uint32_t member)
{
    const struct detector_peer *peer = detector_peer_of(detector, member);

    return peer && peer->suspected;
}

/* ---- what happens ---- */

static void learn(struct detector *detector, struct detector_peer *peer, int64_t interval_ns)
{
    int64_t most_ns = INTERVAL_S_MAX * NS_PER_S;
    int64_t capped_ns = interval_ns < most_ns ? interval_ns : most_ns;
    int32_t sample = (int32_t)((capped_ns - detector->rules.heartbeat_ns) / NS_PER_US);
    int64_t old = peer->window[peer->next];

    if (peer->count == DETECTOR_WINDOW) {
        peer->sum -= old;
        peer->squares -= old * old;
    } else {
        peer->count++;
    }
    peer->window[peer->next] = sample;
    peer->next = (uint16_t)((peer->next + 1) % DETECTOR_WINDOW);
    peer->sum += sample;
    peer->squares += (int64_t)sample * sample;
}

static void tell(struct detector_changes *out, const struct detector_peer *peer, double phi,
                 struct instant now)
{
    must(out->count < CLUSTER_NODES_MAX);
    out->changes[out->count++] = (struct detector_change){
        .life = peer->life,
        .suspected = peer->suspected,
        .phi = phi,
        .silent_ns = ns_between(peer->last, now),
    };
}

void detector_heard(struct detector *detector, struct life life, struct instant now,
                    struct detector_changes *out)
{
    int place = life.member ? find(detector, life.member) : -1;
    struct detector_peer *peer = &detector->peers[place < 0 ? 0 : place];
    bool was = peer->suspected;

    check(detector);
    out->count = 0;
    if (place < 0 || life.incarnation < peer->life.incarnation)
        return;
    if (life.incarnation > peer->life.incarnation)
        *peer = (struct detector_peer){.life = life, .last = peer->last, .skip = true};
    if (!was && !peer->skip && now.ns >= peer->last.ns)
        learn(detector, peer, ns_between(peer->last, now));
    peer->suspected = peer->skip = false;
    if (was)
        tell(out, peer, 0, now);
    peer->last = now.ns > peer->last.ns ? now : peer->last;
    check(detector);
}

void detector_step(struct detector *detector, struct instant now, struct detector_changes *out)
{
    check(detector);
    out->count = 0;
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        struct detector_peer *peer = &detector->peers[i];

        if (peer->life.member == 0 || peer->suspected || !passed(deadline_of(detector, peer), now))
            continue;
        peer->suspected = true;
        tell(out, peer, detector_phi(detector, peer->life.member, now), now);
    }
    check(detector);
}

struct instant detector_next_deadline(const struct detector *detector)
{
    struct instant next = NEVER;

    check(detector);
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        const struct detector_peer *peer = &detector->peers[i];

        if (peer->life.member != 0 && !peer->suspected)
            next = earlier(next, deadline_of(detector, peer));
    }
    return next;
}

void detector_own_timer(struct detector *detector, int64_t late_ns)
{
    check(detector);
    if (late_ns > detector->rules.heartbeat_ns / 2)
        detector->score += detector->score < DETECTOR_SCORE_MAX;
    else
        detector->score -= detector->score > 0;
    check(detector);
}

void detector_pardon(struct detector *detector, struct instant now)
{
    check(detector);
    for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
        struct detector_peer *peer = &detector->peers[i];

        if (peer->life.member == 0)
            continue;
        peer->last = now.ns > peer->last.ns ? now : peer->last;
        peer->skip = true;
    }
}
