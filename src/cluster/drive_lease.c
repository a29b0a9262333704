#include "cluster/drive.h"

#include "base/text.h"

#include <stdio.h>

/* The override that says how long any leader may have granted a lease. */
#define LEASE_KEY CLUSTER_OWN "lease"

static void tell(struct cluster *c, enum fact_code code, uint32_t slot, const char *what)
{
    const char *name = c->lease_names[slot];
    struct fact fact;

    fact_init(&fact, code, SUBJECT_LEASE, name);
    fact.epoch = c->lease_epoch[slot];
    fact_say(&fact, "%s %s the lease of '%s'", c->node, what, name);
    drive_record(c, &fact);
    drive_changed(c);
}

/* The owner must not use it any more, as of now. */
static void withdraw(struct cluster *c, uint32_t slot, enum fact_code code, const char *what)
{
    if (!c->lease_told[slot])
        return;
    c->lease_told[slot] = false;
    if (c->events.lease)
        c->events.lease(c->context, slot, c->lease_names[slot], (struct instant){0});
    tell(c, code, slot, what);
}

static void extend(struct cluster *c, uint32_t slot)
{
    struct instant end = lease_end(&c->holder, slot);

    if (!lease_valid(&c->holder, slot, tilt_fast(&c->tilt)))
        return;
    if (c->events.lease)
        c->events.lease(c->context, slot, c->lease_names[slot], tilt_as_boot(&c->tilt, end));
    if (!c->lease_told[slot]) {
        c->lease_told[slot] = true;
        tell(c, FACT_LEASE_TAKEN, slot, "holds");
    }
    ask_granted(c, slot);
}

void lease_open(struct cluster *c)
{
    struct lease_rules rules = {.lease_ns = c->timing.lease_ms * NS_PER_MS,
                                .drift_ppm = c->timing.drift_ppm};

    lease_holder_init(&c->holder, &rules);
    lease_grantor_init(&c->grantor, &rules);
}

void lease_begin(struct cluster *c)
{
    lease_open(c);
    drive_look_again(c);
    c->led = tilt_slow(&c->tilt);
    c->voters_term = 0;
}

/* ---- what the document says ---- */

static void follow(struct cluster *c, uint32_t slot)
{
    const struct document_lease *lease = &c->document.leases[slot];
    bool ours = lease->name[0] && life_equal(lease->holder, drive_life(c));

    if (!lease->name[0] || !lease->holder.member)
        lease_grantor_vacant(&c->grantor, slot);
    else
        lease_grantor_holds(&c->grantor, slot, lease->holder, lease->epoch);
    if (c->lease_told[slot] && (!ours || lease->epoch != c->lease_epoch[slot]))
        withdraw(c, slot, FACT_LEASE_MOVED, "lost");
    if (!ours) {
        lease_holder_unwant(&c->holder, slot);
        c->lease_epoch[slot] = 0;
        return;
    }
    if (c->lease_epoch[slot] == lease->epoch)
        return;
    c->lease_epoch[slot] = lease->epoch;
    memcpy(c->lease_names[slot], lease->name, sizeof c->lease_names[slot]);
    lease_holder_want(&c->holder, slot, lease->epoch);
    c->lease_fresh = true;
}

/* What nobody can read may be long. */
static int64_t longest_ns(const struct document_override *override)
{
    int64_t ms;

    if (!override)
        return 0;
    if (!text_parse_duration(bytes_of_string(override->value), &ms) || ms < 1 ||
        ms > LEASE_NS_MAX / NS_PER_MS)
        return LEASE_NS_MAX;
    return ms * NS_PER_MS;
}

void lease_agree(struct cluster *c)
{
    const struct document_override *before = document_override(&c->document, LEASE_KEY);
    struct document_command command = {.kind = COMMAND_OVERRIDE_SET};
    int64_t wish_ns = lease_grantor_wishes(&c->grantor, tilt_slow(&c->tilt));

    if (wish_ns == 0 || c->lease_agreeing > c->applying)
        return;
    command.based_on = before ? before->version : 0;
    (void)snprintf(command.override.key, sizeof command.override.key, LEASE_KEY);
    (void)snprintf(command.override.value, sizeof command.override.value, "%lldms",
                   (long long)(wish_ns / NS_PER_MS));
    if (propose_own(c, &command))
        c->lease_agreeing = c->raft.last;
}

void lease_follow(struct cluster *c)
{
    lease_grantor_longest(&c->grantor, longest_ns(document_override(&c->document, LEASE_KEY)));
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        follow(c, slot);
}

/* The answer was given before it came: so the moment that is meant was not later than this. */
void lease_vote(struct cluster *c, const struct raft_message *message)
{
    struct instant led;

    if (message->type != RAFT_VOTE_REPLY || !message->granted || message->term != c->raft.term ||
        c->raft.role != RAFT_CANDIDATE)
        return;
    drive_look_again(c);
    led = before_ns(tilt_slow(&c->tilt), message->unled_ns);
    c->voters_led = c->voters_term == c->raft.term ? latest(led, c->voters_led) : led;
    c->voters_term = c->raft.term;
}

void lease_led(struct cluster *c, const struct raft_message *message)
{
    if ((message->type != RAFT_APPEND && message->type != RAFT_SNAPSHOT) ||
        c->raft.leader != message->from || c->raft.term != message->term)
        return;
    drive_look_again(c);
    c->led = tilt_slow(&c->tilt);
}

static struct instant last_led(const struct cluster *c)
{
    return c->voters_term == c->raft.term ? latest(c->voters_led, c->led) : c->led;
}

void lease_role(struct cluster *c, bool leads, bool established)
{
    struct lease_grantor *grantor = &c->grantor;

    if (!leads) {
        if (grantor->leading)
            lease_grantor_lost(grantor);
        return;
    }
    if (!grantor->leading || grantor->term != c->raft.term) {
        if (grantor->leading)
            lease_grantor_lost(grantor);
        c->lease_agreeing = c->level_raising = 0;
        lease_grantor_won(grantor, c->raft.term, last_led(c));
    }
    if (established && !grantor->established)
        lease_grantor_established(grantor, c->raft.term);
    /* Told in every turn in which something may be granted, after its requests were received. */
    c->led = tilt_slow(&c->tilt);
}

/* ---- asking and granting ---- */

static void own_grants(struct cluster *c, const struct lease_grants *grants)
{
    for (uint32_t i = 0; i < grants->count; i++) {
        const struct lease_grant *grant = &grants->grants[i];

        if (life_equal(grant->holder, drive_life(c)) &&
            lease_holder_granted(&c->holder, grant->slot, grant->epoch, grant->request,
                                 grants->lease_ns))
            extend(c, grant->slot);
    }
}

static void take_requests(struct cluster *c, struct life from, const struct beat *beat)
{
    if (!c->established || beat->request_count == 0)
        return;
    drive_look_again(c);
    for (uint32_t i = 0; i < beat->request_count; i++)
        (void)lease_grantor_asked(&c->grantor, beat->requests[i].slot, from,
                                  beat->requests[i].epoch, beat->request, tilt_slow(&c->tilt));
    drive_stir(c);
}

void lease_request(struct cluster *c, struct beat *beat)
{
    beat->request = 0;
    beat->request_count = 0;
    if (!c->member || c->tilt.tilted || !c->raft.leader || c->leaving)
        return;
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        if (c->holder.slots[slot].wanted)
            beat->requests[beat->request_count++] =
                (struct beat_request){.slot = (uint8_t)slot, .epoch = c->holder.slots[slot].epoch};
    if (beat->request_count == 0)
        return;
    beat->request = lease_holder_ask(&c->holder, tilt_fast(&c->tilt));
    if (c->raft.leader == c->self)
        take_requests(c, drive_life(c), beat);
}

/* What was taken a moment ago is asked for at once. */
void lease_ask_now(struct cluster *c)
{
    struct place *leader;

    if (!c->lease_fresh || !c->raft.leader)
        return;
    c->lease_fresh = false;
    leader = peers_place_of(c, c->raft.leader);
    if (leader)
        beat_ask_leases(c, leader);
    else if (c->raft.leader == c->self)
        lease_request(c, &c->said);
}

void lease_asked(struct cluster *c, const struct beat *beat)
{
    take_requests(c, beat->from, beat);
}

void lease_granted(struct cluster *c, const struct beat *beat)
{
    for (uint32_t i = 0; i < beat->grant_count; i++) {
        const struct beat_grant *grant = &beat->grants[i];

        if (lease_holder_granted(&c->holder, grant->slot, grant->epoch, grant->request,
                                 beat->lease_ms * NS_PER_MS))
            extend(c, grant->slot);
    }
}

void lease_confirmed(struct cluster *c, uint64_t term, uint64_t round)
{
    struct lease_grants grants = {0};

    lease_grantor_confirmed(&c->grantor, term, round, &grants);
    if (grants.count == 0)
        return;
    own_grants(c, &grants);
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct place *place = &c->places[i];

        for (uint32_t k = 0; k < grants.count && place->linked; k++)
            if (life_equal(grants.grants[k].holder, place->life)) {
                beat_send(c, place, false, &grants);
                break;
            }
    }
}

/* ---- the end of leases ---- */

void lease_drop(struct cluster *c)
{
    lease_holder_drop(&c->holder);
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        withdraw(c, slot, FACT_LEASE_DROPPED, "dropped");
}

void lease_let_go(struct cluster *c, uint32_t slot)
{
    lease_holder_release(&c->holder, slot);
    withdraw(c, slot, FACT_LEASE_RELEASED, "released");
}

static void rest_released(void *context, const struct cluster_answer *answer)
{
    struct cluster *c = context;

    (void)answer;
    c->releasing = false;
}

/* What this life let go of and the document still calls its own, because the release was refused or lost: nobody would ever use it. */
static void release_rest(struct cluster *c)
{
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX && !c->releasing; slot++) {
        const struct document_lease *lease = &c->document.leases[slot];
        const struct lease_held *held = &c->holder.slots[slot];
        struct cluster_ask ask = {.kind = CLUSTER_LEASE_RELEASE,
                                  .resource = lease->name,
                                  .timeout_ms = 10 * c->timing.heartbeat_ms};

        if (!held->released || !lease->name[0] || lease->of_group || held->epoch != lease->epoch ||
            !life_equal(lease->holder, drive_life(c)) || ask_is_pending(c, CLUSTER_LEASE_RELEASE))
            continue;
        c->releasing = true;
        cluster_ask(c, &ask, rest_released, c);
    }
}

void lease_step(struct cluster *c)
{
    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++)
        if (c->lease_told[slot] && !lease_valid(&c->holder, slot, tilt_fast(&c->tilt)))
            withdraw(c, slot, FACT_LEASE_LOST, "could not renew");
    if (c->member && c->state == CLUSTER_MEMBER && c->raft.leader && !c->leaving)
        release_rest(c);
}

static void released(void *context, const struct cluster_answer *answer)
{
    (void)context;
    (void)answer;
}

static bool is_tied(const struct cluster *c, const char *resource)
{
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++)
        if (strcmp(c->tied[i], resource) == 0)
            return true;
    return false;
}

void cluster_tie(struct cluster *c, const char *resource, bool tied)
{
    if (is_tied(c, resource) == tied)
        return;
    for (uint32_t i = 0; i < CLUSTER_LEASES_MAX; i++)
        if (strcmp(c->tied[i], tied ? "" : resource) == 0) {
            (void)snprintf(c->tied[i], sizeof c->tied[i], "%s", tied ? resource : "");
            return;
        }
}

/*
 * A reset and a refused port come from a machine whose kernel lives: it keeps an address on its interface, and a group's engine may take writes until it is
 * fenced, where it is not tied to the process that held the port. Slots, by bit.
 */
static uint64_t outliving(const struct cluster *c, bool tied_too)
{
    uint64_t slots = 0;

    for (uint32_t slot = 0; slot < CLUSTER_LEASES_MAX; slot++) {
        const struct document_lease *lease = &c->document.leases[slot];

        if (lease->of_group ? tied_too || !is_tied(c, lease->name)
                            : strncmp(lease->name, CLUSTER_OUTLIVES, strlen(CLUSTER_OUTLIVES)) == 0)
            slots |= 1ULL << slot;
    }
    return slots;
}

void lease_holder_died(struct cluster *c, struct place *place, struct life life)
{
    lease_grantor_died(&c->grantor, life, outliving(c, true));
    if (!place)
        return;
    place->late = life;
    place->bury = after_ms(loop_now(c->loop), CLUSTER_GRACE_MS);
}

void lease_bury(struct cluster *c)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct place *place = &c->places[i];

        if (!place->late.member || !passed(place->bury, loop_now(c->loop)))
            continue;
        lease_grantor_died(&c->grantor, place->late, outliving(c, false));
        place->late = (struct life){0};
    }
}

struct instant lease_next_burial(const struct cluster *c)
{
    struct instant next = NEVER;

    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (c->places[i].late.member)
            next = earlier(next, c->places[i].bury);
    return next;
}

void lease_release_all(struct cluster *c)
{
    for (uint32_t slot = 0; c->member && slot < CLUSTER_LEASES_MAX; slot++) {
        const struct document_lease *lease = &c->document.leases[slot];
        struct cluster_ask ask = {.kind = CLUSTER_LEASE_RELEASE,
                                  .resource = lease->name,
                                  .timeout_ms = 2 * c->timing.heartbeat_ms};

        if (!lease->name[0] || !life_equal(lease->holder, drive_life(c)))
            continue;
        /* A group's moves with its primary only: it is let go here, and runs out there. */
        if (lease->of_group)
            lease_let_go(c, slot);
        else
            cluster_ask(c, &ask, released, NULL);
    }
}

void cluster_process_died(struct cluster *c)
{
    lease_release_all(c);
}

void cluster_let_go(struct cluster *c, const char *resource)
{
    uint32_t slot;
    const struct document_lease *lease = document_lease(&c->document, resource, &slot);

    if (c->member && lease && lease->of_group && life_equal(lease->holder, drive_life(c)) &&
        !c->holder.slots[slot].released)
        lease_let_go(c, slot);
}
