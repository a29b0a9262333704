#include "cluster/drive.h"

#include "base/pack.h"

#include <errno.h>
#include <stdio.h>

uint32_t peers_number(const struct cluster *c, const struct place *place)
{
    return (uint32_t)(place - c->places);
}

struct place *peers_place_named(struct cluster *c, const char *name)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (c->places[i].name[0] && strcmp(c->places[i].name, name) == 0)
            return &c->places[i];
    return NULL;
}

struct place *peers_place_of(struct cluster *c, uint32_t member)
{
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (member && c->places[i].life.member == member && !c->places[i].foreign)
            return &c->places[i];
    return NULL;
}

struct buf *peers_frame(struct cluster *c)
{
    buf_clear(&c->frame);
    pack_u64(&c->frame, c->charter.cluster);
    return &c->frame;
}

bool peers_say(struct cluster *c, const struct place *place, enum drive_frame type, bool urgent)
{
    uint32_t peer = peers_number(c, place);

    must(!c->frame.full);
    if (!place->linked || c->state == CLUSTER_HALTED)
        return false;
    return urgent ? peers_send_urgent(c->peers, peer, (uint16_t)type, buf_bytes(&c->frame))
                  : peers_send(c->peers, peer, (uint16_t)type, buf_bytes(&c->frame));
}

/* ---- who is connected to ---- */

struct following {
    struct peer_place places[PEERS_MAX];
    uint32_t count;
};

static void follow_one(const struct cluster *c, struct following *following,
                       const struct member *member)
{
    struct peer_place *place;

    if (strcmp(member->name, c->node) == 0 || following->count == PEERS_MAX)
        return;
    for (uint32_t i = 0; i < following->count; i++)
        if (strcmp(following->places[i].name, member->name) == 0)
            return;
    place = &following->places[following->count++];
    *place = (struct peer_place){.name = member->name, .count = member->address_count};
    for (uint32_t i = 0; i < member->address_count; i++)
        place->addresses[i] = member->addresses[i];
}

static uint32_t list_place(const struct cluster *c, const char *name)
{
    for (uint32_t i = 0; i < c->node_count; i++)
        if (strcmp(c->nodes[i].name, name) == 0)
            return i;
    return CLUSTER_NODES_MAX;
}

/* Its link is closed without a word, and nothing more comes from it. */
static void gone(struct cluster *c, struct place *place)
{
    place->linked = false;
    ask_link_lost(c, place);
    request_peer_gone(c, place);
}

void peers_follow(struct cluster *c)
{
    struct following following = {0};
    struct place places[PEERS_MAX] = {0};

    for (uint32_t i = 0; i < c->node_count; i++)
        follow_one(c, &following, &c->nodes[i]);
    for (uint32_t i = 0; c->member && i < c->document.member_count; i++)
        follow_one(c, &following, &c->document.members[i]);
    peers_configure(c->peers, following.places, following.count);
    for (uint32_t i = 0; i < following.count; i++) {
        uint32_t number = peers_find(c->peers, following.places[i].name);
        const struct place *was = peers_place_named(c, following.places[i].name);

        must(number < PEERS_MAX);
        if (was && peers_number(c, was) == number)
            places[number] = *was;
        (void)snprintf(places[number].name, sizeof places[number].name, "%s",
                       following.places[i].name);
        places[number].in_list = list_place(c, following.places[i].name);
    }
    for (uint32_t i = 0; i < PEERS_MAX; i++)
        if (c->places[i].name[0] && strcmp(c->places[i].name, places[i].name) != 0)
            gone(c, &c->places[i]);
    memcpy(c->places, places, sizeof places);
}

/* ---- links ---- */

static void tell_link(struct cluster *c, const struct place *place, bool up, const char *sentence)
{
    struct fact fact;

    fact_init(&fact, up ? FACT_LINK_UP : FACT_LINK_DOWN, SUBJECT_LINK, place->name);
    if (up)
        fact_say(&fact, "the link to %s is up", place->name);
    else
        fact_say(&fact, "the link to %s is down: %s", place->name, sentence);
    drive_record(c, &fact);
    drive_changed(c);
}

static void on_up(void *context, uint32_t peer, struct bytes hello, uint16_t version)
{
    struct cluster *c = context;
    struct place *place = &c->places[peer];

    (void)version;
    drive_look(c);
    place->linked = true;
    place->refusals = (struct proof_refusals){0};
    place->sentence[0] = '\0';
    place->reset = (struct life){0};
    tell_link(c, place, true, "");
    beat_heard(c, place, hello, false);
    if (drive_living(c))
        beat_send(c, place, false, NULL);
    ask_leader_changed(c);
}

static void on_down(void *context, uint32_t peer, enum peer_why why, const char *sentence)
{
    struct cluster *c = context;
    struct place *place = &c->places[peer];

    drive_look(c);
    place->linked = false;
    (void)snprintf(place->sentence, sizeof place->sentence, "%s", sentence);
    tell_link(c, place, false, sentence);
    if (place->in_list < CLUSTER_NODES_MAX)
        found_lost(&c->found, place->in_list);
    /* The kernel of the other end took part: its process is gone, or its network is. */
    if (why == PEER_RESET || why == PEER_CUT) {
        place->reset = place->life;
        if (c->member && place->life.member)
            raft_peer_lost(&c->raft, place->life.member, loop_now(c->loop));
    }
    ask_link_lost(c, place);
    request_link_lost(c, place);
    drive_stir(c);
}

static void on_refused(void *context, uint32_t peer, uint32_t path, int error)
{
    struct cluster *c = context;

    drive_look(c);
    if (error == ECONNREFUSED)
        beat_refused(c, &c->places[peer], path);
}

static void on_stranger(void *context, const char *sentence, uint32_t unsaid)
{
    struct cluster *c = context;
    struct fact fact;

    fact_init(&fact, FACT_STRANGER_REFUSED, SUBJECT_STRANGER, "");
    if (unsaid)
        fact_add(&fact, NUMBER_COUNT, unsaid);
    fact_say(&fact, "%s", sentence);
    drive_record(c, &fact);
}

/* ---- frames ---- */

static void take(struct cluster *c, struct place *place, enum drive_frame type, struct unpack *in)
{
    struct ask ask;
    struct ask_reply reply;
    uint8_t kind;

    switch (type) {
    case FRAME_RAFT:
        log_receive(c, place, in->left);
        break;
    case FRAME_FETCH:
        fetch_asked(c, place, in);
        break;
    case FRAME_CHUNK:
        fetch_chunk(c, place, in);
        break;
    case FRAME_ASK:
        kind = unpack_u8(in);
        if (ask_decode(in->left, &ask) && life_equal(ask.from, place->life))
            propose_asked(c, peers_number(c, place), kind, &ask);
        break;
    case FRAME_REPLY:
        if (ask_reply_decode(in->left, &reply))
            ask_replied(c, place->name, &reply);
        break;
    case FRAME_REMOVED:
        members_removed(c, place, in);
        break;
    case FRAME_REQUEST:
        request_asked(c, place, in);
        break;
    case FRAME_ANSWER:
        request_answered(c, place, in);
        break;
    case FRAME_BEAT:
    case FRAME_WORD:
    case FRAME_CHARTER:
        break;
    }
}

static void on_received(void *context, uint32_t peer, uint16_t type, struct bytes body)
{
    struct cluster *c = context;
    struct place *place = &c->places[peer];
    struct unpack in = unpack_of(body);
    uint64_t cluster;

    if (!drive_living(c))
        return;
    drive_look(c);
    if (type == FRAME_BEAT || type == FRAME_WORD) {
        beat_heard(c, place, body, type == FRAME_BEAT);
        return;
    }
    cluster = unpack_u64(&in);
    if (in.bad)
        return;
    if (type == FRAME_CHARTER)
        members_charter(c, place, &in);
    else if (c->charter.cluster != 0 && cluster == c->charter.cluster && !place->foreign)
        take(c, place, type, &in);
}

static void on_closed(void *context)
{
    struct cluster *c = context;

    c->peers = NULL;
    must(c->ending > 0);
    c->ending--;
    timer_arm(c->loop, &c->farewell, loop_now(c->loop));
}

const struct peers_events drive_peers_events = {
    .up = on_up,
    .down = on_down,
    .received = on_received,
    .refused = on_refused,
    .stranger = on_stranger,
    .closed = on_closed,
};
