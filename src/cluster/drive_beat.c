#include "cluster/drive.h"

#include "base/pack.h"

/* ---- said ---- */

static void fill_row(struct cluster *c, struct links_row *row)
{
    struct instant now = loop_now(c->loop);

    row->from = drive_life(c);
    row->count = 0;
    for (uint32_t i = 0; c->member && i < c->document.member_count; i++) {
        uint32_t id = c->document.members[i].id;
        const struct detector_peer *peer = detector_peer_of(&c->detector, id);
        const struct place *place = peers_place_of(c, id);
        int64_t ago;

        if (id == c->self || !peer)
            continue;
        ago = ns_between(peer->last, now) / NS_PER_MS;
        row->cells[row->count++] = (struct links_cell){
            .member = id,
            .ago_ms = !place || place->heard.ns == 0 ? UINT32_MAX
                      : ago < 0                      ? 0
                      : ago > UINT32_MAX - 1         ? UINT32_MAX - 1
                                                     : (uint32_t)ago,
            .suspected = peer->suspected,
        };
    }
}

/* Nothing of it listened a moment ago, and its link was reset before. */
static bool is_refused(const struct cluster *c, const struct place *place)
{
    uint32_t paths = peers_link(c->peers, peers_number(c, place)).paths;

    return !place->linked && place->reset.member &&
           proof_refused_by_all(&c->proof, &place->refusals, paths, loop_now(c->loop));
}

/* A tilted node accuses nobody. */
static void fill_refused(const struct cluster *c, struct beat *beat)
{
    if (c->tilt.tilted)
        return;
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (c->places[i].name[0] && is_refused(c, &c->places[i]) &&
            beat->refused_count < CLUSTER_NODES_MAX)
            beat->refused[beat->refused_count++] = c->places[i].reset;
}

static void fill(struct cluster *c, struct beat *beat)
{
    *beat = (struct beat){.from = drive_life(c), .number = c->beat_number};
    found_say(&c->found, &beat->word);
    beat->config_hash = c->config_hash;
    beat->tilted = c->tilt.tilted;
    beat->level_max = COMMAND_LEVEL;
    if (c->events.moment) {
        struct moment moment = c->events.moment(c->context);

        beat->clock_ms = (uint64_t)moment.wall_ms;
        beat->clock_count = moment.counter;
    }
    beat->row.from = beat->from;
    if (!c->member)
        return;
    beat->term = c->raft.term;
    beat->leader = c->raft.leader;
    beat->leading = c->established;
    beat->ready = c->state == CLUSTER_MEMBER;
    beat->applied = c->document.index;
    beat->applied_hash = c->document.hash;
}

void beat_hello(struct cluster *c)
{
    uint8_t bytes[PEER_HELLO_MAX];
    struct buf out;

    fill(c, &c->said);
    buf_over(&out, bytes, sizeof bytes);
    beat_encode(&out, &c->said);
    must(!out.full);
    peers_say_hello(c->peers, buf_bytes(&out));
}

static void add_grants(struct cluster *c, const struct place *place,
                       const struct lease_grants *grants)
{
    c->said.lease_ms = grants ? (uint32_t)(grants->lease_ns / NS_PER_MS) : 0;
    for (uint32_t i = 0; grants && i < grants->count; i++)
        if (life_equal(grants->grants[i].holder, place->life))
            c->said.grants[c->said.grant_count++] =
                (struct beat_grant){.slot = (uint8_t)grants->grants[i].slot,
                                    .epoch = grants->grants[i].epoch,
                                    .request = grants->grants[i].request};
}

static void emit(struct cluster *c, struct place *place, bool counts)
{
    buf_clear(&c->frame);
    beat_encode(&c->frame, &c->said);
    (void)peers_say(c, place, counts ? FRAME_BEAT : FRAME_WORD, true);
}

void beat_send(struct cluster *c, struct place *place, bool counts,
               const struct lease_grants *grants)
{
    if (!place->linked)
        return;
    fill(c, &c->said);
    add_grants(c, place, grants);
    emit(c, place, counts);
}

void beat_ask_leases(struct cluster *c, struct place *leader)
{
    fill(c, &c->said);
    lease_request(c, &c->said);
    if (c->said.request_count > 0)
        emit(c, leader, false);
}

/* This node itself was kept from hearing: its timers are late, too. */
static bool was_stopped(const struct cluster *c)
{
    int64_t late_ns = ns_between(c->beat_due, loop_now(c->loop));

    return c->tilt.tilted || c->detector.score > 0 ||
           late_ns > c->timing.heartbeat_ms * NS_PER_MS / 2;
}

void beat_resigned(struct cluster *c)
{
    int64_t election_ns = c->timing.election_ms * NS_PER_MS;

    fill(c, &c->said);
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct instant heard;

        if (!c->places[i].linked)
            continue;
        emit(c, &c->places[i], false);
        heard = peers_link(c->peers, i).heard;
        if (!was_stopped(c) && ns_between(heard, loop_now(c->loop)) >= election_ns)
            peers_break(c->peers, i, "nothing came for as long as a leader waits for a quorum");
    }
}

/* The part that is the same for all is made once. */
static void send_to_all(struct cluster *c)
{
    struct place *leader = NULL;

    c->beat_number++;
    fill(c, &c->said);
    fill_row(c, &c->said.row);
    fill_refused(c, &c->said);
    if (c->member)
        (void)links_merge(&c->links, &c->said.row, c->beat_number, loop_now(c->loop));
    for (uint32_t i = 0; i < PEERS_MAX; i++) {
        struct place *place = &c->places[i];

        if (!place->linked)
            continue;
        if (c->member && place->life.member == c->raft.leader && c->raft.leader)
            leader = place;
        else
            emit(c, place, true);
    }
    /* Its requests are asked for last: nothing is to lie between asking and sending. */
    lease_request(c, &c->said);
    if (leader)
        emit(c, leader, true);
}

void beat_fire(struct timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, beat);
    struct instant now = loop_now(c->loop);
    int64_t period = c->timing.heartbeat_ms * NS_PER_MS;

    drive_look(c);
    detector_own_timer(&c->detector, ns_between(c->beat_due, now));
    c->beat_due = after_ns(c->beat_due, period);
    if (passed(c->beat_due, now))
        c->beat_due = after_ns(now, period);
    timer_arm(c->loop, &c->beat, c->beat_due);
    if (c->state == CLUSTER_HALTED)
        return;
    if (c->member)
        raft_tick(&c->raft, now);
    send_to_all(c);
    beat_step(c);
    lease_step(c);
    members_step(c);
    drive_stir(c);
}

/* ---- what is made of it ---- */

static void tell_node(struct cluster *c, enum fact_code code, uint32_t member, int64_t silent_ns,
                      double phi, const char *what)
{
    const char *name = drive_name_of(c, member);
    struct fact fact;

    fact_init(&fact, code, SUBJECT_NODE, name);
    fact_add(&fact, NUMBER_MEMBER, member);
    if (silent_ns > 0)
        fact_add(&fact, NUMBER_ELAPSED_MS, silent_ns / NS_PER_MS);
    if (phi > 0)
        fact_add(&fact, NUMBER_SUSPICION, (int64_t)(phi > 1e6 ? 1e8 : phi * 100));
    fact_say(&fact, "%s %s", name, what);
    drive_record(c, &fact);
    drive_changed(c);
}

static void suspicions(struct cluster *c, const struct detector_changes *changes)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct detector_change *change = &changes->changes[i];
        struct place *place = peers_place_of(c, change->life.member);

        tell_node(c, change->suspected ? FACT_NODE_SUSPECTED : FACT_NODE_CLEARED,
                  change->life.member, change->silent_ns, change->phi,
                  change->suspected ? "is suspected: its beats stay away" : "is heard again");
        if (change->suspected && place && place->in_list < CLUSTER_NODES_MAX)
            found_lost(&c->found, place->in_list);
    }
}

static void finding(struct cluster *c, const struct links_finding *found)
{
    const char *a = drive_name_of(c, found->a), *b = drive_name_of(c, found->b);
    struct fact fact;

    if (found->kind != LINKS_ONE_WAY && found->kind != LINKS_NOT_ONE_WAY)
        return;
    fact_init(&fact, found->kind == LINKS_ONE_WAY ? FACT_LINK_ASYMMETRIC : FACT_LINK_SYMMETRIC,
              SUBJECT_LINK, b);
    if (found->kind == LINKS_ONE_WAY)
        fact_say(&fact, "%s hears %s, and %s does not hear %s", a, b, b, a);
    else
        fact_say(&fact, "%s and %s no longer hear each other one way only", a, b);
    drive_record(c, &fact);
    drive_changed(c);
}

bool beat_quorum(struct cluster *c)
{
    return c->member && raft_has_quorum(&c->raft, loop_now(c->loop));
}

static void tell_quorum(struct cluster *c, bool has)
{
    struct fact fact;

    fact_init(&fact, has ? FACT_QUORUM_REGAINED : FACT_QUORUM_LOST, SUBJECT_CLUSTER, c->name);
    fact_say(&fact,
             has ? "there is a quorum and a leader, as seen from %s"
                 : "no quorum or no leader, as seen from %s",
             c->node);
    drive_record(c, &fact);
    c->told_quorum = has;
}

/* A change of leaders is no loss of quorum: it becomes a fact when two elections would have ended it. */
static void quorum(struct cluster *c)
{
    bool has = beat_quorum(c);
    struct instant now = loop_now(c->loop);

    if (has != c->had_quorum) {
        c->quorum_changed = now;
        drive_changed(c);
    }
    c->had_quorum = has;
    if (has != c->told_quorum &&
        (has || passed(after_ms(c->quorum_changed, 2 * c->timing.election_ms), now)))
        tell_quorum(c, has);
}

void beat_step(struct cluster *c)
{
    struct detector_changes changes = {0};

    if (!c->member)
        return;
    detector_step(&c->detector, loop_now(c->loop), &changes);
    suspicions(c, &changes);
    links_judge(&c->links, loop_now(c->loop), &c->findings);
    for (uint32_t i = 0; i < c->findings.count; i++)
        finding(c, &c->findings.findings[i]);
    quorum(c);
}

/* ---- proofs of death ---- */

static void died(struct cluster *c, struct life life)
{
    struct place *place = peers_place_of(c, life.member);

    if (place && life_equal(place->life, life))
        place->dead = true;
    lease_holder_died(c, place, life);
    tell_node(c, FACT_NODE_DIED, life.member, 0, 0,
              "is dead: two voters were reset by it and are refused by its port");
}

static void report(struct cluster *c, uint32_t reporter, struct life about)
{
    const struct member *member = document_member(&c->document, reporter);
    struct proof_report report = {.kind = PROOF_REFUSED,
                                  .reporter = reporter,
                                  .votes = member && member_votes(member),
                                  .about = about};

    if (about.member != c->self && document_member(&c->document, about.member) &&
        proof_report(&c->proof, &report, loop_now(c->loop)))
        died(c, about);
}

void beat_refused(struct cluster *c, struct place *place, uint32_t path)
{
    bool before = is_refused(c, place);

    if (!c->member || place->linked || !place->reset.member || c->tilt.tilted)
        return;
    must(path < CLUSTER_PATHS_MAX);
    place->refusals.at[path] = loop_now(c->loop);
    if (!is_refused(c, place))
        return;
    for (uint32_t i = 0; i < PEERS_MAX && !before; i++)
        if (c->places[i].linked) {
            fill(c, &c->said);
            fill_refused(c, &c->said);
            emit(c, &c->places[i], false);
        }
    report(c, c->self, place->reset);
    drive_stir(c);
}

/* ---- heard ---- */

static void compare_config(struct cluster *c, struct place *place, const struct beat *beat)
{
    bool differs = beat->config_hash != c->config_hash;
    struct fact fact;

    place->config_hash = beat->config_hash;
    if (differs == place->config_differs)
        return;
    place->config_differs = differs;
    fact_init(&fact, differs ? FACT_CONFIGURATION_DIFFERS : FACT_CONFIGURATION_AGREES,
              SUBJECT_CONFIGURATION, place->name);
    fact_say(&fact,
             differs ? "%s runs another configuration than %s"
                     : "%s runs the same configuration as %s",
             place->name, c->node);
    drive_record(c, &fact);
    drive_changed(c);
}

/* Two histories at one index: the one that does not lead stops. */
static bool compare_document(struct cluster *c, const struct place *place, const struct beat *beat)
{
    uint64_t hash;
    struct fact fact;
    struct err err;

    if (!document_hash_at(&c->document, beat->applied, &hash) || hash == beat->applied_hash)
        return true;
    fact_init(&fact, FACT_DOCUMENT_DIFFERS, SUBJECT_DOCUMENT, place->name);
    fact_add(&fact, NUMBER_INDEX, (int64_t)beat->applied);
    fact_say(&fact, "%s and %s hold different documents at index %llu", place->name, c->node,
             (unsigned long long)beat->applied);
    drive_record(c, &fact);
    if (!beat->leading || beat->from.member != c->raft.leader || beat->term != c->raft.term)
        return true;
    err_record(&err, ERR_PEER, 0,
               "this node's document at index %llu is not the leader's: its disk or this program "
               "failed; empty its directory and let it join again",
               (unsigned long long)beat->applied);
    drive_halt(c, &err);
    return false;
}

static void other_cluster(struct cluster *c, struct place *place)
{
    struct fact fact;

    if (place->foreign)
        return;
    place->foreign = true;
    fact_init(&fact, FACT_CLUSTER_FOREIGN, SUBJECT_NODE, place->name);
    fact_say(&fact, "%s is a member of another cluster: empty its directory to let it join",
             place->name);
    drive_record(c, &fact);
    drive_changed(c);
}

static void remember(struct cluster *c, struct place *place, const struct beat *beat)
{
    bool differs = place->word.blank != beat->word.blank || place->word.disk != beat->word.disk ||
                   !life_equal(place->life, beat->from) || place->level_max != beat->level_max;

    if (!life_equal(place->life, beat->from))
        place->dead = false;
    place->word = beat->word;
    place->known = true;
    place->life = beat->from;
    place->applied = beat->applied;
    place->level_max = beat->level_max;
    place->tilted = beat->tilted;
    if (differs)
        drive_changed(c);
}

/* What a member says to a member. */
static void from_member(struct cluster *c, struct place *place, const struct beat *beat,
                        bool counts)
{
    struct instant now = loop_now(c->loop);
    const struct member *member = document_member(&c->document, beat->from.member);
    struct detector_changes changes = {0};

    if (!member) {
        if (beat->from.member < c->document.next_member)
            members_tell_removed(c, place);
        return;
    }
    proof_beat(&c->proof, beat->from);
    place->dead = false;
    if (life_equal(place->late, beat->from)) /* the proof is void */
        place->late = (struct life){0};
    raft_peer_tilted(&c->raft, beat->from.member, beat->tilted);
    if (beat->leader != beat->from.member)
        raft_leader_left(&c->raft, beat->from.member, beat->term, now);
    if (counts) {
        place->heard = now;
        detector_heard(&c->detector, beat->from, now, &changes);
        suspicions(c, &changes);
        (void)links_merge(&c->links, &beat->row, beat->number, now);
    }
    for (uint32_t i = 0; i < beat->refused_count && !beat->tilted; i++)
        report(c, beat->from.member, beat->refused[i]);
    if (!compare_document(c, place, beat))
        return;
    if (beat->request_count > 0)
        lease_asked(c, beat);
    if (beat->grant_count > 0)
        lease_granted(c, beat);
}

/* Speaks for a member whose name or disk is not its own: nothing of it is believed. A number that the document does not know may be of one who
 * is further. */
static bool is_impostor(const struct cluster *c, const struct place *place, const struct beat *beat)
{
    const struct member *member = NULL;

    if (c->member && beat->from.member)
        member = document_member(&c->document, beat->from.member);
    return member && (member->disk != beat->word.disk || strcmp(member->name, place->name) != 0);
}

void beat_heard(struct cluster *c, struct place *place, struct bytes bytes, bool counts)
{
    struct beat *beat = &c->heard;

    if (!beat_decode(bytes, beat)) {
        peers_break(c->peers, peers_number(c, place), "a beat that nobody could have sent");
        return;
    }
    if (c->member && beat->word.cluster && beat->word.cluster != c->charter.cluster) {
        other_cluster(c, place);
        return;
    }
    place->foreign = false;
    if (is_impostor(c, place, beat)) {
        place->life = (struct life){0};
        return;
    }
    remember(c, place, beat);
    if (c->events.heard_moment && beat->clock_ms)
        c->events.heard_moment(
            c->context, place->name,
            (struct moment){.wall_ms = (int64_t)beat->clock_ms, .counter = beat->clock_count});
    if (place->in_list < CLUSTER_NODES_MAX)
        found_heard(&c->found, place->in_list, &beat->word);
    compare_config(c, place, beat);
    if (c->member && beat->from.member)
        from_member(c, place, beat, counts);
    if (!c->member || beat->word.blank)
        members_step(c);
    drive_stir(c);
}
