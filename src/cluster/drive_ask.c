#include "cluster/drive.h"

#include <stdio.h>
#include <stdlib.h>

enum { RETRY_MAX_MS = 1000 };

static void on_timer(struct timer *timer);
static void on_refusals(struct timer *timer);

bool ask_open(struct cluster *c)
{
    c->asks = calloc(CLUSTER_ASKS_MAX, sizeof *c->asks);
    c->proposals = calloc(DRIVE_PROPOSALS, sizeof *c->proposals);
    list_init(&c->asks_fresh);
    timer_init(&c->refusing, on_refusals);
    return c->asks && c->proposals;
}

/* ---- the end of one ---- */

/* Those in PENDING_APPLY are counted, however they leave it. */
static void enter(struct pending *p, enum pending_phase phase)
{
    p->cluster->ask_waits -= p->phase == PENDING_APPLY;
    p->cluster->ask_waits += phase == PENDING_APPLY;
    p->phase = phase;
}

static void finish(struct pending *p, enum cluster_outcome outcome, const char *by)
{
    struct cluster *c = p->cluster;
    struct cluster_answer answer = {.outcome = outcome, .sentence = "", .by = by};
    struct pending was = *p;

    list_remove(&p->node);
    timer_cancel(c->loop, &p->timer);
    free(p->command);
    enter(p, PENDING_FREE);
    c->ask_count--;
    if (outcome == CLUSTER_DONE) {
        answer.index = was.index;
        answer.term = was.term;
        answer.version = was.version;
    } else {
        answer.sentence = was.sentence[0] ? was.sentence : "no node has answered in time";
    }
    was.done(was.context, &answer);
}

static void refuse(struct pending *p, const char *sentence)
{
    (void)snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
    finish(p, CLUSTER_REFUSED, p->cluster->node);
}

/* This node will hear nothing more of it: an earlier try may have happened all the same. */
static void give_up(struct pending *p, const char *sentence)
{
    if (!p->unsure) {
        refuse(p, sentence);
        return;
    }
    (void)snprintf(p->sentence, sizeof p->sentence, "it may have happened: %.200s", sentence);
    finish(p, CLUSTER_UNKNOWN, "");
}

static void timed_out(struct pending *p)
{
    struct cluster *c = p->cluster;

    if (p->unsure || p->phase == PENDING_SENT)
        (void)snprintf(p->sentence, sizeof p->sentence,
                       "no answer from %s in time: it may have happened or still happen",
                       drive_name_of(c, p->sent_to));
    if (p->phase == PENDING_SENT || p->unsure || (p->phase == PENDING_APPLY && !p->refused))
        finish(p, CLUSTER_UNKNOWN, "");
    else if (!beat_quorum(c)) {
        (void)snprintf(p->sentence, sizeof p->sentence,
                       "no leader is known: no quorum of the voters is there, or not yet");
        finish(p, CLUSTER_NO_QUORUM, "");
    } else {
        finish(p, p->phase == PENDING_GRANT ? CLUSTER_UNKNOWN : CLUSTER_REFUSED,
               drive_name_of(c, c->raft.leader));
    }
}

/* ---- sending ---- */

static void arm(struct pending *p, struct instant at)
{
    timer_arm(p->cluster->loop, &p->timer, earlier(at, p->deadline));
}

/* To be tried again: soon, and at once when a leader is found. */
static void retry(struct pending *p, int64_t wait_ms)
{
    struct cluster *c = p->cluster;

    enter(p, PENDING_ASK);
    list_remove(&p->node);
    if (wait_ms < c->timing.heartbeat_ms / 8)
        wait_ms = c->timing.heartbeat_ms / 8;
    if (wait_ms > RETRY_MAX_MS)
        wait_ms = RETRY_MAX_MS;
    arm(p, after_ms(loop_now(c->loop), wait_ms + 1));
}

static void on_timer(struct timer *timer)
{
    struct pending *p = container_of(timer, struct pending, timer);
    struct cluster *c = p->cluster;

    drive_look(c);
    if (passed(p->deadline, loop_now(c->loop))) {
        timed_out(p);
        return;
    }
    arm(p, p->deadline);
    if (p->phase == PENDING_ASK) {
        list_remove(&p->node);
        list_push_back(&c->asks_fresh, &p->node);
        drive_stir(c);
    }
}

/* Into the scratch of the cluster. */
static struct bytes encode(struct pending *p, const struct document_command *command)
{
    struct cluster *c = p->cluster;
    struct document_command own = *command;
    struct buf out;

    own.proposer = drive_life(c);
    own.number = p->number;
    buf_over(&out, c->ask_bytes, sizeof c->ask_bytes);
    command_encode(&out, &own);
    must(!out.full);
    return buf_bytes(&out);
}

static void set_command(struct pending *p, const struct document_command *command)
{
    struct bytes bytes = encode(p, command);

    p->len = (uint32_t)bytes.len;
    p->command = malloc(p->len);
    must(p->command);
    memcpy(p->command, bytes.at, p->len);
}

static void set_text(struct pending *p, const char *text)
{
    const char *used = text && text[0] ? text : "-";

    p->len = (uint32_t)strnlen(used, CLUSTER_RESOURCE_MAX - 1);
    p->command = calloc(1, (size_t)p->len + 1);
    must(p->command);
    memcpy(p->command, used, p->len);
}

static void wait_for_grant(struct pending *p, uint32_t slot)
{
    enter(p, PENDING_GRANT);
    p->slot = slot;
    arm(p, p->deadline);
    (void)snprintf(p->sentence, sizeof p->sentence, "the lease is ours, and not granted yet");
    if (lease_valid(&p->cluster->holder, slot, tilt_fast(&p->cluster->tilt)))
        finish(p, CLUSTER_DONE, p->cluster->node);
}

/* A lease's command follows from the document as it is now. False: nothing is to be sent. */
static bool compose_lease(struct pending *p, struct bytes *command)
{
    static const char *const not_ours = "this node does not hold that lease";
    struct cluster *c = p->cluster;
    struct document_command made = {.kind = COMMAND_LEASE_TAKE};
    char name[CLUSTER_RESOURCE_MAX];
    uint32_t slot;
    const struct document_lease *lease;

    (void)bytes_to_string(bytes_of(p->command, p->len), name, sizeof name);
    lease = document_lease(&c->document, name, &slot);
    if (p->kind == CLUSTER_LEASE_TAKE && !document_current(&c->document, drive_life(c))) {
        (void)snprintf(p->sentence, sizeof p->sentence, "this start is not known to all yet");
        retry(p, 0);
        return false;
    }
    if (p->kind == CLUSTER_LEASE_RELEASE) {
        if (!lease || !life_equal(lease->holder, drive_life(c))) {
            /* Not any more, when it was asked for before. */
            if (p->unsure)
                finish(p, CLUSTER_DONE, p->by);
            else
                refuse(p, not_ours);
            return false;
        }
        made.kind = COMMAND_LEASE_RELEASE;
        lease_let_go(c, slot);
    } else if (lease && life_equal(lease->holder, drive_life(c))) {
        if (c->holder.slots[slot].released) {
            (void)snprintf(p->sentence, sizeof p->sentence, "the lease is being given up");
            retry(p, c->timing.heartbeat_ms / 2);
            return false;
        }
        wait_for_grant(p, slot);
        return false;
    }
    (void)snprintf(made.lease.name, sizeof made.lease.name, "%s", name);
    made.lease.holder = drive_life(c);
    made.based_on = lease ? lease->version : 0;
    *command = encode(p, &made);
    return true;
}

static bool is_lease(const struct pending *p)
{
    return p->kind == CLUSTER_LEASE_TAKE || p->kind == CLUSTER_LEASE_RELEASE;
}

static void recover(struct pending *p)
{
    char sentence[CLUSTER_SENTENCE_MAX] = "";

    if (members_recover(p->cluster, sentence, sizeof sentence)) {
        enter(p, PENDING_GRANT);
        p->slot = CLUSTER_LEASES_MAX;
    } else if (sentence[0]) {
        refuse(p, sentence);
    } else {
        retry(p, 10);
    }
}

static void send(struct pending *p)
{
    struct cluster *c = p->cluster;
    struct ask ask = {.number = p->number, .from = drive_life(c)};
    const struct place *place;
    struct buf *frame;

    if (c->state == CLUSTER_REMOVED || c->state == CLUSTER_HALTED) {
        give_up(p, c->sentence);
        return;
    }
    if (c->member && p->kind == CLUSTER_RECOVER) {
        recover(p);
        return;
    }
    if (!c->member || !c->raft.leader) {
        retry(p, RETRY_MAX_MS);
        return;
    }
    ask.command = bytes_of(p->command, p->len);
    if (is_lease(p) && !compose_lease(p, &ask.command))
        return;
    enter(p, PENDING_SENT);
    p->sent_to = c->raft.leader;
    if (c->raft.leader == c->self) {
        propose_asked(c, PROPOSE_SELF, (uint8_t)p->kind, &ask);
        return;
    }
    place = peers_place_of(c, c->raft.leader);
    frame = peers_frame(c);
    buf_add_byte(frame, (uint8_t)p->kind);
    ask_encode(frame, &ask);
    if (!place || !peers_say(c, place, FRAME_ASK, false))
        retry(p, RETRY_MAX_MS);
}

/* Those that wait for an index of this node's own. */
static void look_at_applied(struct cluster *c)
{
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX && c->ask_waits > 0; i++) {
        struct pending *p = &c->asks[i];

        if (p->phase != PENDING_APPLY || p->index > c->applying)
            continue;
        if (p->refused && p->passed)
            give_up(p, "its entry, if there was one, is behind a snapshot");
        else if (p->refused)
            finish(p, CLUSTER_REFUSED, p->by);
        else
            finish(p, CLUSTER_DONE, p->by);
    }
}

void ask_turn(struct cluster *c)
{
    struct list batch, *node;

    if (c->ask_waits > 0)
        look_at_applied(c);
    if (list_empty(&c->asks_fresh))
        return;
    list_move(&batch, &c->asks_fresh);
    while ((node = list_pop_front(&batch)))
        send(container_of(node, struct pending, node));
}

/* ---- what comes back ---- */

static struct pending *find(struct cluster *c, uint64_t number)
{
    struct pending *p = &c->asks[number % CLUSTER_ASKS_MAX];

    return number && p->phase != PENDING_FREE && p->number == number ? p : NULL;
}

static void wait_for(struct pending *p, uint64_t index, bool refused)
{
    enter(p, PENDING_APPLY);
    p->index = index;
    p->refused = refused;
    arm(p, p->deadline);
    drive_stir(p->cluster);
}

/* The document has answered. */
static void decided(struct pending *p, enum document_outcome outcome, const char *sentence,
                    const char *by)
{
    struct cluster *c = p->cluster;
    char name[CLUSTER_RESOURCE_MAX];
    uint32_t slot;

    /* Removed by the first try, whose answer was lost. */
    if (p->kind == CLUSTER_NODE_REMOVE && p->unsure && outcome == DOCUMENT_MISSING)
        outcome = DOCUMENT_APPLIED;
    if (outcome != DOCUMENT_APPLIED) {
        (void)snprintf(p->sentence, sizeof p->sentence, "%s", sentence);
        /* What a lease is based on is this node's own reading, and may have been too old. */
        if (p->kind == CLUSTER_LEASE_TAKE && outcome != DOCUMENT_INVALID &&
            outcome != DOCUMENT_FULL)
            retry(p, c->timing.heartbeat_ms / 2);
        else
            finish(p, CLUSTER_REFUSED, by);
        return;
    }
    if (p->kind != CLUSTER_LEASE_TAKE) {
        finish(p, CLUSTER_DONE, by);
        return;
    }
    (void)bytes_to_string(bytes_of(p->command, p->len), name, sizeof name);
    if (document_lease(&c->document, name, &slot) &&
        life_equal(c->document.leases[slot].holder, drive_life(c)))
        wait_for_grant(p, slot);
    else
        retry(p, c->timing.heartbeat_ms / 2);
}

void ask_applied(struct cluster *c, uint64_t index, uint64_t term,
                 const struct document_reply *reply)
{
    struct pending *p;

    if (!life_equal(reply->command.proposer, drive_life(c)))
        return;
    p = find(c, reply->command.number);
    if (!p || p->phase == PENDING_GRANT || (p->kind != CLUSTER_COMMAND && !is_lease(p)))
        return;
    p->index = index;
    p->term = term;
    p->version = reply->version;
    decided(p, reply->outcome, reply->sentence, drive_name_of(c, c->raft.leader));
}

static void answered(struct pending *p, const char *by, const struct ask_reply *reply)
{
    (void)snprintf(p->by, sizeof p->by, "%s", by);
    p->index = reply->index;
    p->term = p->cluster->raft.term;
    p->version = reply->version;
    if (p->kind == CLUSTER_READ)
        wait_for(p, reply->index, false);
    /* A lease's end is seen when it is applied here: only then is its slot known. */
    else if (!is_lease(p) || p->cluster->applying >= reply->index)
        decided(p, reply->document, reply->sentence, by);
}

void ask_replied(struct cluster *c, const char *by, const struct ask_reply *reply)
{
    struct pending *p = find(c, reply->number);

    if (!p || p->phase != PENDING_SENT)
        return;
    if (reply->sentence[0])
        (void)snprintf(p->sentence, sizeof p->sentence, "%s", reply->sentence);
    switch ((enum ask_outcome)reply->outcome) {
    case ASK_DONE:
        answered(p, by, reply);
        break;
    case ASK_NOT_LEADER:
        retry(p, c->timing.heartbeat_ms);
        break;
    case ASK_LATER:
        retry(p, reply->wait_ms);
        break;
    case ASK_REFUSED:
        (void)snprintf(p->by, sizeof p->by, "%s", by);
        if (p->unsure)
            wait_for(p, reply->index, true);
        else
            decided(p, reply->document, reply->sentence, by);
        break;
    case ASK_UNKNOWN:
    case ASK_OUTCOMES:
        p->unsure = true;
        if (p->again)
            retry(p, c->timing.heartbeat_ms);
        break;
    }
}

void ask_granted(struct cluster *c, uint32_t slot)
{
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX && c->ask_count > 0; i++)
        if (c->asks[i].phase == PENDING_GRANT && c->asks[i].slot == slot)
            finish(&c->asks[i], CLUSTER_DONE, c->node);
}

void ask_recovered(struct cluster *c)
{
    ask_granted(c, CLUSTER_LEASES_MAX);
}

bool ask_is_pending(const struct cluster *c, enum cluster_ask_kind kind)
{
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX && c->ask_count > 0; i++)
        if (c->asks[i].phase != PENDING_FREE && c->asks[i].kind == kind)
            return true;
    return false;
}

/* ---- when the world changes ---- */

void ask_leader_changed(struct cluster *c)
{
    if (c->ask_count == 0 || !c->member || !c->raft.leader)
        return;
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX; i++) {
        struct pending *p = &c->asks[i];

        /* A leader that was asked and leads no longer says itself what became of it, as long as it can. */
        if (p->phase != PENDING_ASK)
            continue;
        list_remove(&p->node);
        list_push_back(&c->asks_fresh, &p->node);
    }
    drive_stir(c);
}

void ask_snapshot_installed(struct cluster *c)
{
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX && c->ask_count > 0; i++) {
        struct pending *p = &c->asks[i];

        p->passed |= p->phase != PENDING_FREE && (p->unsure || p->phase == PENDING_SENT);
    }
}

void ask_link_lost(struct cluster *c, const struct place *place)
{
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX && c->ask_count > 0; i++) {
        struct pending *p = &c->asks[i];

        if (p->phase != PENDING_SENT || p->sent_to != place->life.member)
            continue;
        p->unsure = p->kind != CLUSTER_READ;
        if (p->again)
            retry(p, c->timing.heartbeat_ms / 2);
    }
}

/* ---- asking ---- */

static struct pending *take_place(struct cluster *c)
{
    for (uint32_t i = 0; i < CLUSTER_ASKS_MAX; i++) {
        struct pending *p = &c->asks[c->ask_next++ % CLUSTER_ASKS_MAX];

        if (p->phase == PENDING_FREE)
            return p;
    }
    return NULL;
}

/* One that was refused before it had a place. */
struct refusal {
    struct refusal *next;
    cluster_done *done;
    void *context;
};

static void tell_refused(struct cluster *c)
{
    struct cluster_answer answer = {.outcome = CLUSTER_REFUSED,
                                    .sentence = "too much is asked of this node at once, or it "
                                                "is closing",
                                    .by = c->node};
    struct refusal *refusal;

    while ((refusal = c->refusals)) {
        c->refusals = refusal->next;
        refusal->done(refusal->context, &answer);
        free(refusal);
    }
}

static void on_refusals(struct timer *timer)
{
    tell_refused(container_of(timer, struct cluster, refusing));
}

/* Told so from the loop, as every other answer is. */
static void too_many(struct cluster *c, cluster_done *done, void *context)
{
    struct refusal *refusal = calloc(1, sizeof *refusal);

    must(refusal);
    *refusal = (struct refusal){.next = c->refusals, .done = done, .context = context};
    c->refusals = refusal;
    timer_arm(c->loop, &c->refusing, loop_now(c->loop));
}

static struct pending *begin(struct cluster *c, enum cluster_ask_kind kind, int64_t timeout_ms,
                             cluster_done *done, void *context)
{
    struct pending *p = drive_living(c) ? take_place(c) : NULL;
    uint64_t place;

    if (!p) {
        too_many(c, done, context);
        return NULL;
    }
    place = (uint64_t)(p - c->asks);
    *p = (struct pending){.cluster = c, .kind = kind, .done = done, .context = context};
    p->number = ++c->ask_numbers * CLUSTER_ASKS_MAX + place;
    p->phase = PENDING_ASK;
    p->deadline = after_ms(loop_now(c->loop), timeout_ms);
    timer_init(&p->timer, on_timer);
    list_init(&p->node);
    timer_arm(c->loop, &p->timer, p->deadline);
    list_push_back(&c->asks_fresh, &p->node);
    c->ask_count++;
    drive_stir(c);
    return p;
}

void cluster_ask(struct cluster *c, const struct cluster_ask *ask, cluster_done *done,
                 void *context)
{
    struct pending *p;

    must(ask->kind < CLUSTER_ASK_KINDS);
    must(ask->timeout_ms > 0);
    must(ask->kind != CLUSTER_COMMAND || ask->command);
    p = begin(c, ask->kind, ask->timeout_ms, done, context);
    if (!p)
        return;
    p->again = true;
    if (ask->kind == CLUSTER_COMMAND) {
        p->again = ask->command->based_on != 0;
        set_command(p, ask->command);
    } else {
        set_text(p, ask->kind == CLUSTER_LEASE_TAKE || ask->kind == CLUSTER_LEASE_RELEASE
                        ? ask->resource
                        : ask->node);
    }
}

void ask_command(struct cluster *c, struct document_command *command, int64_t timeout_ms,
                 cluster_done *done)
{
    struct cluster_ask ask = {
        .kind = CLUSTER_COMMAND, .command = command, .timeout_ms = timeout_ms};

    cluster_ask(c, &ask, done, c);
}

void ask_close(struct cluster *c)
{
    for (uint32_t i = 0; c->asks && i < CLUSTER_ASKS_MAX; i++) {
        struct pending *p = &c->asks[i];

        if (p->phase == PENDING_FREE)
            continue;
        (void)snprintf(p->sentence, sizeof p->sentence, "this node stops");
        finish(p, CLUSTER_UNKNOWN, "");
    }
    timer_cancel(c->loop, &c->refusing);
    tell_refused(c);
}
