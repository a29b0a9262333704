/*
 * Three ledgers over a network that loses, repeats, delays and reorders, on disks that forget what was not synced, under a controller that changes the primary at
 * random as the cluster would. After every step: what was executed anywhere is executed everywhere alike, what was acknowledged is never lost, and logs that
 * agree somewhere agree before. A seed that fails is printed; give it as the argument to see it alone.
 */
#include "base/hash.h"
#include "base/must.h"
#include "store/ledger_core.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    NODES = 3,
    RECORDS_MAX = 6000,
    MAIL_MAX = 1024,
    STEPS = 4000,
    SEEDS = 150,
};

struct mail {
    int64_t at_ms;
    uint64_t number;
    struct ledger_message message;
    struct history history; /* of a FOLLOW, and of a snapshot */
    bool snapshot;
    uint64_t hash;
    uint64_t ids[64]; /* of RECORDS */
};

struct node {
    bool alive;
    struct ledger_core core;
    struct ledger_actions actions;
    uint64_t ids[RECORDS_MAX]; /* by position; those up to `core.history.end` count */
    /* the disk */
    struct ledger_meta meta;
    struct history log;
    uint64_t disk_ids[RECORDS_MAX];
    struct ledger_point checkpoint;
    int64_t disk_at;
    /* the agent */
    bool asked;
    struct engine_order order;
    bool answered;
    struct engine_answer answer;
    uint64_t led; /* records were appended in this epoch */
};

/* The cluster's document, which never errs. */
struct controller {
    uint64_t epoch;
    int primary; /* -1: none */
    uint8_t mode;
    bool in_sync[NODES];
    bool needed[NODES]; /* what the primary was told */
    bool promoted, promised[NODES];
    uint64_t barrier[NODES];
    bool told[NODES]; /* the engine confirmed that this one is needed */
};

struct world {
    struct rng rng;
    int64_t now_ms;
    bool calm;
    struct node nodes[NODES];
    struct mail mail[MAIL_MAX];
    uint32_t mails;
    uint64_t posted;
    struct controller controller;
    uint64_t executed[RECORDS_MAX]; /* ids, by position: of the whole group */
    uint64_t hashes[RECORDS_MAX];
    uint64_t last_executed;
    uint64_t next_id, acknowledged, writer[4096];
};

static struct world *w;

static struct instant now(void)
{
    return (struct instant){(w->now_ms + 1) * NS_PER_MS};
}

static uint32_t id_of(int node)
{
    return (uint32_t)node + 1;
}

/* ---- the network ---- */

static void post(const struct ledger_message *message, const struct history *history,
                 const uint64_t *ids)
{
    uint32_t copies = w->calm ? 1 : rng_chance(&w->rng, 0.1) ? 0 : rng_chance(&w->rng, 0.1) ? 2 : 1;

    for (uint32_t i = 0; i < copies && w->mails < MAIL_MAX; i++) {
        struct mail *mail = &w->mail[w->mails++];

        memset(mail, 0, sizeof *mail);
        mail->number = ++w->posted;
        mail->at_ms = w->now_ms + 2;
        if (!w->calm)
            mail->at_ms += rng_between(&w->rng, -2, rng_chance(&w->rng, 0.1) ? 300 : 10);
        mail->message = *message;
        if (history)
            mail->history = *history;
        if (ids)
            memcpy(mail->ids, ids, message->count * sizeof *ids);
    }
}

/* ---- one node ---- */

static bool may_act(int number)
{
    const struct controller *c = &w->controller;

    return c->primary == number && w->nodes[number].core.epoch == c->epoch &&
           (w->calm || rng_chance(&w->rng, 0.8));
}

static void execute(int number)
{
    struct node *node = &w->nodes[number];
    struct ledger_core *core = &node->core;

    while (core->executed < node->actions.execute_to) {
        uint64_t position = core->executed + 1, id = node->ids[position];

        ledger_core_executed(core, bytes_of(&id, sizeof id), 0);
        if (position > w->last_executed) {
            must(position == w->last_executed + 1);
            w->last_executed = position;
            w->executed[position] = id;
            w->hashes[position] = core->hash;
        }
        must(w->executed[position] == id);
        must(w->hashes[position] == core->hash);
    }
}

static void ship(int number)
{
    struct node *node = &w->nodes[number];

    for (uint32_t i = 0; i < node->core.follower_count; i++) {
        struct ledger_follower *follower = &node->core.followers[i];
        struct ledger_message message;

        if (node->core.role != ENGINE_PRIMARY || !follower->attached ||
            follower->sent >= node->actions.ship_to)
            continue;
        ledger_core_records(&node->core, follower, follower->sent + 1,
                            node->actions.ship_to < follower->sent + 40 ? node->actions.ship_to
                                                                        : follower->sent + 40,
                            &message);
        must(message.count <= 40);
        post(&message, NULL, &node->ids[message.first]);
        ledger_core_shipped(&node->core, follower, message.first + message.count - 1, now());
    }
}

static void put_record(int number, uint64_t position)
{
    struct node *node = &w->nodes[number];
    uint64_t epoch = node->core.epoch;

    must(position < RECORDS_MAX && epoch < 4096);
    must(w->writer[epoch] == 0 || w->writer[epoch] == id_of(number)); /* I1 */
    w->writer[epoch] = id_of(number);
    node->ids[position] = ++w->next_id;
}

static void turn(int number)
{
    struct node *node = &w->nodes[number];
    struct ledger_actions *actions = &node->actions;

    if (!node->alive)
        return;
    ledger_core_ready(&node->core, may_act(number), now(), actions);
    if (actions->begin)
        put_record(number, node->core.history.end);
    if (actions->disk.kind != LEDGER_DISK_NONE)
        node->disk_at = w->now_ms + rng_between(&w->rng, 0, w->calm ? 2 : 20);
    for (uint32_t i = 0; i < actions->sends; i++)
        post(&actions->send[i], actions->send[i].type == LEDGER_FOLLOW ? &node->core.history : NULL,
             NULL);
    ship(number);
    execute(number);
    if (actions->answer) {
        node->asked = false;
        node->answered = true;
        node->answer = actions->answered;
    }
}

/* ---- its disk ---- */

static void apply_disk(struct node *node, const struct ledger_disk *disk)
{
    switch ((enum ledger_disk_kind)disk->kind) {
    case LEDGER_DISK_WRITE:
        must(disk->from == node->log.end + 1);
        for (uint64_t at = disk->from; at <= disk->to; at++) {
            history_extend(&node->log, history_epoch(&node->core.history, at), at);
            node->disk_ids[at] = node->ids[at];
        }
        break;
    case LEDGER_DISK_META:
        node->meta = disk->meta;
        break;
    case LEDGER_DISK_CUT:
        history_cut(&node->log, disk->to);
        break;
    case LEDGER_DISK_RESET:
        history_init(&node->log, disk->meta.base);
        node->meta = disk->meta;
        break;
    case LEDGER_DISK_NONE:
        break;
    }
}

static void disk_done(int number)
{
    struct node *node = &w->nodes[number];
    enum ledger_end end = LEDGER_OK;

    if (!node->alive || node->core.disk.kind == LEDGER_DISK_NONE || node->disk_at > w->now_ms)
        return;
    if (!w->calm && rng_chance(&w->rng, 0.02) && node->core.disk.kind != LEDGER_DISK_META)
        end = LEDGER_NO_SPACE;
    if (end == LEDGER_OK)
        apply_disk(node, &node->core.disk);
    ledger_core_disk_done(&node->core, end, now());
}

static void boot(int number)
{
    struct node *node = &w->nodes[number];
    struct ledger_restored restored = {
        .meta = node->meta, .history = node->log, .state = node->checkpoint};
    uint32_t others[NODES], count = 0;

    ledger_core_init(&node->core, id_of(number), rng_next(&w->rng), &restored);
    memcpy(node->ids, node->disk_ids, sizeof node->ids);
    for (int i = 0; i < NODES; i++)
        if (i != number)
            others[count++] = id_of(i);
    ledger_core_members(&node->core, others, count);
    for (uint32_t i = 0; i < count; i++)
        ledger_core_link(&node->core, others[i], true);
    node->alive = true;
    node->asked = node->answered = false;
}

/* What was under way to the disk is there, or not. */
static void crash(int number)
{
    struct node *node = &w->nodes[number];

    if (node->core.disk.kind != LEDGER_DISK_NONE && node->core.disk.kind != LEDGER_DISK_RESET &&
        rng_chance(&w->rng, 0.5))
        apply_disk(node, &node->core.disk);
    node->alive = false;
}

static void save_checkpoint(int number)
{
    struct node *node = &w->nodes[number];
    uint64_t position = node->core.executed, keep;

    if (!node->alive || ledger_core_loading(&node->core))
        return;
    node->checkpoint = (struct ledger_point){
        {history_epoch(&node->core.history, position), position}, node->core.hash};
    if (rng_chance(&w->rng, 0.7) || position < 50 || node->core.disk.kind != LEDGER_DISK_NONE)
        return;
    keep = position - rng_below(&w->rng, 50);
    if (keep > node->log.base.offset + 1) {
        ledger_core_dropped(&node->core, keep);
        history_drop(&node->log, keep);
    }
}

/* ---- what comes ---- */

/* A primary sends what it has executed. */
static void serve_copy(int number, const struct ledger_message *asked)
{
    struct node *node = &w->nodes[number];
    struct mail *mail;

    if (node->core.role != ENGINE_PRIMARY || node->core.epoch != asked->epoch ||
        w->mails == MAIL_MAX || node->core.executed == 0)
        return;
    mail = &w->mail[w->mails++];
    memset(mail, 0, sizeof *mail);
    mail->at_ms = w->now_ms + rng_between(&w->rng, 0, 100);
    mail->message = (struct ledger_message){
        .from = asked->to, .to = asked->from, .epoch = asked->epoch, .session = asked->session};
    mail->snapshot = true;
    mail->history = node->core.history;
    history_cut(&mail->history, node->core.executed);
    mail->hash = node->core.hash;
}

static void take_snapshot(int number, const struct mail *mail)
{
    struct node *node = &w->nodes[number];

    if (!ledger_core_copy_begun(&node->core, mail->message.session))
        return;
    if (!w->calm && rng_chance(&w->rng, 0.2)) {
        ledger_core_copy_failed(&node->core, "the line was cut", now());
        return;
    }
    node->checkpoint = (struct ledger_point){history_last(&mail->history), mail->hash};
    ledger_core_copy_installed(&node->core, &mail->history, mail->hash);
}

static void deliver(const struct mail *mail)
{
    int number = (int)mail->message.to - 1;
    struct node *node = &w->nodes[number];
    uint64_t taken, last;

    if (!node->alive)
        return;
    if (mail->snapshot) {
        take_snapshot(number, mail);
        return;
    }
    ledger_core_receive(&node->core, &mail->message,
                        mail->message.type == LEDGER_FOLLOW ? &mail->history : NULL, now(), &taken);
    if (mail->message.type == LEDGER_COPY)
        serve_copy(number, &mail->message);
    last = mail->message.first + mail->message.count - 1;
    for (uint64_t i = 0; i < taken; i++)
        node->ids[last - i] = mail->ids[mail->message.count - 1 - i];
}

/* In the order of posting while it is calm, else in any. */
static void deliver_due(void)
{
    for (;;) {
        uint32_t next = w->mails;
        struct mail mail;

        for (uint32_t i = 0; i < w->mails; i++)
            if (w->mail[i].at_ms <= w->now_ms &&
                (next == w->mails || (w->calm && w->mail[i].number < w->mail[next].number)))
                next = i;
        if (next == w->mails)
            return;
        mail = w->mail[next];
        w->mail[next] = w->mail[--w->mails];
        deliver(&mail);
    }
}

/* ---- the controller ---- */

static void give(int number, struct engine_order order)
{
    struct node *node = &w->nodes[number];

    if (!node->alive || node->asked)
        return;
    order.epoch = w->controller.epoch;
    order.timeout_ms = 800;
    node->asked = true;
    node->answered = false;
    node->order = order;
    ledger_core_order(&node->core, &order, now());
}

static void begin_election(void)
{
    struct controller *c = &w->controller;

    c->epoch++;
    c->primary = -1;
    c->promoted = false;
    memset(c->promised, 0, sizeof c->promised);
    for (int i = 0; i < NODES; i++)
        w->nodes[i].asked = false; /* a newer order takes its place */
}

/* Of a sync group any member of the set will do; of a semi-sync one the longest of two. */
static int choose(void)
{
    const struct controller *c = &w->controller;
    int count = 0, best = -1;

    for (int i = 0; i < NODES; i++) {
        const struct node *node = &w->nodes[i];
        struct position mine, other;

        if (!c->promised[i] || !node->alive || (c->mode == GROUP_SYNC && !c->in_sync[i]))
            continue;
        count++;
        mine = node->answer.status.position;
        other = best < 0 ? (struct position){0} : w->nodes[best].answer.status.position;
        if (best < 0 || position_compare(mine, other) > 0 ||
            (c->mode == GROUP_SYNC && rng_chance(&w->rng, 0.5)))
            best = i;
    }
    return c->mode == GROUP_SEMI_SYNC && count < 2 ? -1 : best;
}

static void elect(void)
{
    struct controller *c = &w->controller;

    for (int i = 0; i < NODES; i++) {
        struct node *node = &w->nodes[i];

        if (node->answered && node->answer.verb == ENGINE_PROMISE &&
            node->answer.epoch == c->epoch && node->answer.outcome == ENGINE_DONE &&
            !node->answer.status.loading)
            c->promised[i] = true;
        if (!c->promised[i] && !node->asked)
            give(i, (struct engine_order){.verb = ENGINE_PROMISE});
    }
    if (!w->calm && rng_chance(&w->rng, 0.7))
        return;
    c->primary = choose();
    if (c->primary < 0)
        return;
    for (int i = 0; i < NODES; i++) {
        c->needed[i] = c->mode == GROUP_SEMI_SYNC || c->in_sync[i];
        c->told[i] = c->needed[i];
    }
}

static struct engine_needs needs_of(void)
{
    const struct controller *c = &w->controller;
    struct engine_needs needs = {.mode = c->mode, .acks = c->mode == GROUP_SYNC ? 0 : 1};

    for (int i = 0; i < NODES; i++)
        if (i != c->primary && c->needed[i])
            needs.members.lives[needs.members.count++] = (struct life){id_of(i), 1};
    return needs;
}

static void lead(void)
{
    struct controller *c = &w->controller;
    struct node *node = &w->nodes[c->primary];

    if (node->answered && node->answer.verb == ENGINE_PROMOTE && node->answer.epoch == c->epoch) {
        node->answered = false;
        if (node->answer.outcome != ENGINE_DONE) {
            begin_election();
            return;
        }
        c->promoted = true;
        for (int i = 0; i < NODES; i++)
            if (c->needed[i] && !c->told[i]) {
                c->told[i] = true;
                c->barrier[i] = node->core.durable;
            }
    }
    if ((!c->promoted || node->core.role != ENGINE_PRIMARY) && !node->asked)
        give(c->primary, (struct engine_order){.verb = ENGINE_PROMOTE, .needs = needs_of()});
}

/* Who joins is needed first; who leaves, leaves the set first. */
static void keep_books(void)
{
    struct controller *c = &w->controller;
    struct node *node = &w->nodes[c->primary];

    if (!c->promoted || node->core.role != ENGINE_PRIMARY || node->core.epoch != c->epoch ||
        c->mode != GROUP_SYNC)
        return;
    for (int i = 0; i < NODES; i++) {
        const struct ledger_follower *follower;

        if (i == c->primary)
            continue;
        follower = ledger_core_follower(&node->core, id_of(i));
        if (c->in_sync[i] && !follower->attached && rng_chance(&w->rng, 0.05) && !node->asked) {
            c->in_sync[i] = c->needed[i] = c->told[i] = false;
            give(c->primary, (struct engine_order){.verb = ENGINE_PROMOTE, .needs = needs_of()});
        } else if (!c->needed[i] && follower->attached && !node->asked) {
            c->needed[i] = true;
            give(c->primary, (struct engine_order){.verb = ENGINE_PROMOTE, .needs = needs_of()});
        } else if (c->told[i] && !c->in_sync[i] && follower->attached &&
                   follower->confirmed >= c->barrier[i] &&
                   follower->confirmed >= node->core.start) {
            c->in_sync[i] = true;
        }
    }
}

static void lead_others(int number)
{
    struct controller *c = &w->controller;
    struct node *node = &w->nodes[number];
    enum engine_verb verb = ENGINE_FOLLOW;

    if (number == c->primary || !node->alive || node->asked)
        return;
    if (node->core.attached && node->core.epoch == c->epoch) {
        node->answered = false; /* what it needed is done */
        return;
    }
    if (node->answered && node->answer.epoch == c->epoch) {
        if (node->answer.outcome == ENGINE_DIVERGED)
            verb = ENGINE_REWIND;
        if (node->answer.outcome == ENGINE_BEHIND ||
            (node->answer.verb == ENGINE_COPY && node->answer.outcome != ENGINE_DONE))
            verb = ENGINE_COPY;
    }
    if (ledger_core_loading(&node->core))
        verb = ENGINE_COPY;
    give(number, (struct engine_order){.verb = verb, .primary = id_of(c->primary)});
}

static void control(void)
{
    struct controller *c = &w->controller;

    if (c->primary >= 0 && !w->calm && rng_chance(&w->rng, 0.004))
        begin_election();
    /* One that comes back soon is asked to be primary again, which it must refuse. */
    if (c->primary >= 0 && !w->nodes[c->primary].alive && rng_chance(&w->rng, 0.02))
        begin_election();
    if (c->primary < 0) {
        if (c->epoch == 0 || c->promoted)
            begin_election();
        elect();
        return;
    }
    lead();
    if (c->primary < 0)
        return;
    keep_books();
    for (int i = 0; i < NODES; i++)
        lead_others(i);
}

/* ---- what has to hold ---- */

static void check_logs(int a, int b)
{
    const struct node *one = &w->nodes[a], *other = &w->nodes[b];
    uint64_t common, from;

    if (one->meta.copying || other->meta.copying ||
        !history_common(&one->log, &other->log, &common))
        return;
    from = one->log.base.offset > other->log.base.offset ? one->log.base.offset
                                                         : other->log.base.offset;
    for (uint64_t at = from + 1; at <= common; at++) {
        must(history_epoch(&one->log, at) == history_epoch(&other->log, at)); /* I2 */
        must(one->disk_ids[at] == other->disk_ids[at]);
    }
}

static void check_sets(void)
{
    const struct controller *c = &w->controller;

    for (int i = 0; i < NODES && c->mode == GROUP_SYNC; i++) {
        const struct node *node = &w->nodes[i];

        if (!c->in_sync[i])
            continue;
        must(!node->meta.copying && node->log.end >= w->last_executed); /* I3 */
        for (uint64_t at = node->log.base.offset + 1; at <= w->last_executed; at++)
            must(node->disk_ids[at] == w->executed[at]);
    }
}

static void check_all(bool thorough)
{
    uint32_t primaries = 0;

    for (int i = 0; i < NODES; i++) {
        const struct ledger_core *core = &w->nodes[i].core;

        must(!w->nodes[i].alive || !core->spoilt);
        primaries +=
            w->nodes[i].alive && core->role == ENGINE_PRIMARY && core->epoch == w->controller.epoch;
    }
    must(primaries <= 1);
    if (!thorough)
        return;
    check_logs(0, 1);
    check_logs(0, 2);
    check_logs(1, 2);
    check_sets();
}

/* ---- a story ---- */

static void write_some(void)
{
    for (int i = 0; i < NODES; i++) {
        struct node *node = &w->nodes[i];
        enum ledger_refusal why;
        uint64_t count = rng_below(&w->rng, 4);

        for (uint64_t j = 0; j < count && node->alive && w->next_id < RECORDS_MAX - 2000; j++) {
            uint64_t position = ledger_core_append(&node->core, &why);

            must((position == 0) == (why != LEDGER_TAKEN));
            if (position)
                put_record(i, position);
        }
    }
}

static void fault(void)
{
    int number = (int)rng_below(&w->rng, NODES);
    struct node *node = &w->nodes[number];

    if (w->calm)
        return;
    if (node->alive && rng_chance(&w->rng, 0.004))
        crash(number);
    else if (!node->alive && rng_chance(&w->rng, 0.02))
        boot(number);
    if (node->alive && rng_chance(&w->rng, 0.01))
        save_checkpoint(number);
    if (node->alive && rng_chance(&w->rng, 0.003)) {
        uint32_t other = id_of((number + 1) % NODES);

        ledger_core_link(&node->core, other, false);
        ledger_core_link(&node->core, other, true);
    }
}

static void step_world(uint32_t step)
{
    w->now_ms += rng_between(&w->rng, 1, 5);
    fault();
    control();
    write_some();
    deliver_due();
    for (int i = 0; i < NODES; i++) {
        disk_done(i);
        turn(i);
    }
    check_all(step % 16 == 0);
}

static bool is_calm(void)
{
    const struct ledger_core *cores[NODES];

    for (int i = 0; i < NODES; i++) {
        cores[i] = &w->nodes[i].core;
        if (!w->nodes[i].alive || cores[i]->executed != cores[0]->executed ||
            cores[i]->executed != cores[i]->history.end || ledger_core_loading(cores[i]) ||
            cores[i]->hash != cores[0]->hash)
            return false;
    }
    return w->controller.primary >= 0 && cores[0]->executed >= w->last_executed;
}

static void live(uint64_t seed)
{
    uint32_t step = 0;

    memset(w, 0, sizeof *w);
    fprintf(stderr, "seed %llu\n",
            (unsigned long long)seed); /* a claim that fails ends the program */
    rng_seed(&w->rng, seed);
    w->controller.primary = -1;
    w->controller.mode = seed % 2 ? GROUP_SYNC : GROUP_SEMI_SYNC;
    for (int i = 0; i < NODES; i++) {
        w->controller.in_sync[i] = true;
        boot(i);
    }
    for (; step < STEPS; step++)
        step_world(step);
    w->calm = true;
    for (int i = 0; i < NODES; i++)
        if (!w->nodes[i].alive)
            boot(i);
    w->next_id = w->next_id > RECORDS_MAX - 2000 ? w->next_id : RECORDS_MAX - 2000;
    for (; step < 2 * STEPS && !is_calm(); step++)
        step_world(step);
    assert_true(is_calm());
    check_all(true);
    assert_true(w->last_executed > 50);
}

static void nothing_that_is_committed_is_lost_and_all_come_to_the_same(void **state)
{
    uint64_t executed = 0, epochs = 0;

    (void)state;
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        live(seed);
        executed += w->last_executed;
        epochs += w->controller.epoch;
    }
    fprintf(stderr, "%d seeds: %llu records in %llu epochs\n", SEEDS, (unsigned long long)executed,
            (unsigned long long)epochs);
    free(w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_is_committed_is_lost_and_all_come_to_the_same),
    };

    if (argc > 1) {
        w = calloc(1, sizeof *w);
        must(w);
        live(strtoull(argv[1], NULL, 10));
        printf("executed %llu, epoch %llu\n", (unsigned long long)w->last_executed,
               (unsigned long long)w->controller.epoch);
        free(w);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
