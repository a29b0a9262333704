/*
 * What a few cores do in the situations that the literature and its regressions are about. Time is the network's: a message takes 1 ms, a disk job 2 ms,
 * a beat 100 ms, an election timeout a second.
 */
#include "network.h"
#include "unit.h"

static struct network w;

static const uint8_t with_witness[] = {RAFT_VOTER, RAFT_VOTER, RAFT_WITNESS};

static struct raft *raft_of(uint32_t id)
{
    return &w.node[id].raft;
}

/* Makes this one lead, whoever else could. */
static void elect(uint32_t id)
{
    for (int i = 0; i < 40 && leader_now(&w) != id; i++) {
        uint32_t leader = leader_now(&w);

        if (leader != 0) {
            raft_transfer(raft_of(leader), id, w.now);
            turn(&w, leader);
        }
        run_for(&w, 100);
    }
    assert_int_equal(leader_now(&w), id);
}

static void begin(uint32_t count, uint32_t leader)
{
    network_begin(&w, count, NULL);
    run_for(&w, 2000);
    assert_true(leader_now(&w) != 0);
    if (leader != 0)
        elect(leader);
}

static void propose_many(uint32_t id, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_true(propose(&w, id));
        run_for(&w, 10);
    }
}

static void assert_all_applied(uint64_t index)
{
    for (uint32_t i = 1; i <= w.count; i++) {
        assert_int_equal(raft_of(i)->applied, index);
        assert_true(w.node[i].hash == w.node[1].hash);
    }
}

/* ---- elections ---- */

static void three_elect_one_and_keep_it(void **state)
{
    uint64_t term;
    uint32_t leader;

    (void)state;
    begin(3, 0);
    leader = leader_now(&w);
    term = raft_of(leader)->term;
    run_for(&w, 60000);
    assert_int_equal(leader_now(&w), leader);
    assert_int_equal(raft_of(leader)->term, term);
}

static void one_alone_leads_at_once(void **state)
{
    (void)state;
    network_begin(&w, 1, NULL);
    run_for(&w, 10);
    assert_int_equal(leader_now(&w), 1);
    assert_true(propose(&w, 1));
    run_for(&w, 10);
    assert_int_equal(raft_of(1)->applied, 3);
    assert_int_equal(ask_read(&w, 1), RAFT_ACCEPTED);
    assert_int_equal(w.node[1].reads_confirmed, 1);
}

static void what_is_proposed_is_applied_by_all_before_the_next_beat(void **state)
{
    uint64_t last;

    (void)state;
    begin(3, 1);
    run_for(&w, 1);
    assert_true(propose(&w, 1));
    last = raft_of(1)->last;
    run_for(&w, 10);
    assert_all_applied(last);
}

static void a_vote_survives_a_restart(void **state)
{
    (void)state;
    network_begin(&w, 3, NULL);
    while (w.node[2].disk.vote == 0 && w.node[3].disk.vote == 0 && w.node[1].disk.vote == 0)
        network_step(&w);
    for (uint32_t i = 1; i <= 3; i++) {
        crash(&w, i, 0);
        start(&w, i);
        assert_int_equal(raft_of(i)->vote, w.node[i].disk.vote);
    }
    run_for(&w, 3000);
    assert_true(leader_now(&w) != 0);
}

/* Neither a vote nor a request for one leaves before the disk has it: network.h compares each with the disk. Here the disk never finishes. */
static void no_vote_is_given_or_asked_for_while_the_disk_is_busy(void **state)
{
    (void)state;
    network_begin(&w, 3, NULL);
    w.disk_ns = 3600 * NS_PER_S;
    run_for(&w, 30000);
    assert_int_equal(leader_now(&w), 0);
    for (uint32_t i = 1; i <= 3; i++)
        assert_int_equal(w.node[i].disk.vote, 0);
}

static void a_returning_node_does_not_depose(void **state)
{
    uint64_t term;

    (void)state;
    begin(3, 1);
    term = raft_of(1)->term;
    separate(&w, 3, true);
    run_for(&w, 20000);
    assert_int_equal(raft_of(3)->term, term);
    separate(&w, 3, false);
    run_for(&w, 5000);
    assert_int_equal(leader_now(&w), 1);
    assert_int_equal(raft_of(1)->term, term);
}

static void a_leader_without_a_majority_steps_down(void **state)
{
    (void)state;
    begin(3, 1);
    separate(&w, 1, true);
    run_for(&w, 1300);
    assert_int_equal(raft_of(1)->role == RAFT_LEADER, false);
    run_for(&w, 2000);
    assert_true(leader_now(&w) > 1);
}

static void one_way_loss_does_not_keep_a_deaf_leader(void **state)
{
    (void)state;
    begin(3, 1);
    w.cut[2][1] = w.cut[3][1] = true;
    run_for(&w, 5000);
    assert_true(leader_now(&w) > 1);
}

static void loses_leader(uint32_t id, uint32_t leader)
{
    raft_peer_lost(raft_of(id), leader, w.now);
    turn(&w, id);
}

static void a_reset_elects_within_half_a_beat(void **state)
{
    (void)state;
    for (uint32_t again = 0; again < 40; again++) {
        uint32_t first = 2 + again % 2;

        begin(3, 1);
        run_for(&w, 37 * again);
        crash(&w, 1, 0);
        loses_leader(first, 1);
        run_for(&w, again % 8);
        loses_leader(5 - first, 1);
        run_for(&w, 50);
        assert_true(leader_now(&w) > 1);
    }
}

static void a_reset_link_alone_deposes_nobody(void **state)
{
    uint64_t term;

    (void)state;
    begin(3, 1);
    term = raft_of(1)->term;
    raft_peer_lost(raft_of(2), 1, w.now);
    raft_peer_lost(raft_of(1), 2, w.now);
    turn(&w, 2);
    turn(&w, 1);
    run_for(&w, 3000);
    assert_int_equal(leader_now(&w), 1);
    assert_int_equal(raft_of(1)->term, term);
}

/* Its followers hear it until it says so itself: the second timeout is spared. */
static void a_leader_that_hears_nobody_resigns_and_says_so(void **state)
{
    (void)state;
    for (uint32_t again = 0; again < 20; again++) {
        begin(3, 1);
        run_for(&w, 17 * again);
        w.cut[2][1] = w.cut[3][1] = true;
        run_for(&w, 915);
        assert_int_equal(leader_now(&w), 1);
        run_for(&w, 110 + 100);
        assert_true(leader_now(&w) > 1);
    }
}

static void a_resignation_of_another_term_or_member_deposes_nobody(void **state)
{
    struct instant due;

    (void)state;
    begin(3, 1);
    due = raft_of(2)->deadline;
    raft_leader_left(raft_of(2), 1, raft_of(2)->term - 1, w.now);
    raft_leader_left(raft_of(2), 3, raft_of(2)->term, w.now);
    assert_true(raft_of(2)->deadline.ns == due.ns);
    raft_leader_left(raft_of(2), 1, raft_of(2)->term, w.now);
    assert_true(raft_of(2)->deadline.ns < due.ns);
    turn(&w, 2);
    run_for(&w, 3000);
    assert_int_equal(leader_now(&w), 1);
}

/* What a node says of itself reaches the others with its beats. */
static void tilt(uint32_t id, bool tilted)
{
    raft_tilt(raft_of(id), tilted, w.now);
    for (uint32_t i = 1; i <= w.count; i++)
        if (i != id)
            raft_peer_tilted(raft_of(i), id, tilted);
    turn(&w, id);
}

static void of_nodes_that_are_all_tilted_one_leads(void **state)
{
    uint32_t leader;
    uint64_t term;

    (void)state;
    begin(3, 1);
    tilt(2, true);
    tilt(3, true);
    crash(&w, 1, 0);
    for (int i = 0; i < 1500; i++) {
        run_for(&w, 1);
        raft_peer_tilted(raft_of(2), 3, true); /* whichever leads */
        raft_peer_tilted(raft_of(3), 2, true);
    }
    leader = leader_now(&w);
    assert_true(leader > 1);
    term = raft_of(leader)->term;
    run_for(&w, 30000);
    assert_int_equal(leader_now(&w), leader);
    assert_int_equal(raft_of(leader)->term, term);
    assert_int_equal(raft_of(leader)->transfer_to, 0);
    tilt(5 - leader, false);
    run_for(&w, 300);
    assert_int_equal(leader_now(&w), 5 - leader);
}

/* Its timers ran out while it did not listen. */
static void who_was_stopped_listens_before_it_asks(void **state)
{
    (void)state;
    begin(3, 1);
    raft_of(2)->deadline = w.now;
    raft_tilt(raft_of(2), true, w.now);
    turn(&w, 2);
    assert_int_equal(raft_of(2)->role, RAFT_FOLLOWER);
    assert_true(ns_between(w.now, raft_of(2)->deadline) >= raft_of(2)->options.heartbeat_ns);
}

static void a_tilted_leader_hands_over_to_who_is_not(void **state)
{
    uint32_t leader;

    (void)state;
    begin(3, 1);
    raft_tilt(raft_of(1), true, w.now);
    turn(&w, 1);
    run_for(&w, 30);
    leader = leader_now(&w);
    assert_true(leader > 1);
    crash(&w, leader, 0);
    run_for(&w, 5000);
    assert_int_equal(leader_now(&w), 5 - leader);
}

static void a_witness_hands_over_to_who_has_caught_up(void **state)
{
    (void)state;
    network_begin(&w, 3, with_witness);
    run_for(&w, 3000);
    assert_true(leader_now(&w) == 1 || leader_now(&w) == 2);
    elect(1);
    separate(&w, 2, true);
    propose_many(1, 5);
    crash(&w, 1, 0);
    separate(&w, 2, false);
    run_for(&w, 6000); /* only the witness has the last entries */
    assert_int_equal(leader_now(&w), 2);
    assert_int_equal(w.node[2].hash == w.node[3].hash, true);
}

/* ---- handing over ---- */

static void a_transfer_takes_a_few_messages(void **state)
{
    (void)state;
    begin(3, 1);
    assert_int_equal(raft_transfer(raft_of(1), 3, w.now), RAFT_ACCEPTED);
    turn(&w, 1);
    assert_false(propose(&w, 1));
    run_for(&w, 15);
    assert_int_equal(leader_now(&w), 3);
    assert_int_equal(raft_transfer(raft_of(3), 3, w.now), RAFT_INVALID);
    assert_int_equal(raft_transfer(raft_of(3), 9, w.now), RAFT_INVALID);
    assert_int_equal(raft_transfer(raft_of(1), 2, w.now), RAFT_NOT_LEADER);
}

static void a_transfer_waits_for_who_lags(void **state)
{
    (void)state;
    begin(3, 1);
    separate(&w, 3, true);
    for (int i = 0; i < 200; i++)
        assert_true(propose(&w, 1));
    run_for(&w, 300);
    separate(&w, 3, false);
    assert_int_equal(raft_transfer(raft_of(1), 3, w.now), RAFT_ACCEPTED);
    turn(&w, 1);
    run_for(&w, 300);
    assert_int_equal(leader_now(&w), 3);
}

static void a_transfer_to_the_dead_is_given_up(void **state)
{
    (void)state;
    begin(3, 1);
    crash(&w, 3, 0);
    assert_int_equal(raft_transfer(raft_of(1), 3, w.now), RAFT_ACCEPTED);
    turn(&w, 1);
    run_for(&w, 1200);
    assert_int_equal(leader_now(&w), 1);
    assert_true(propose(&w, 1));
}

/* ---- the log ---- */

/* Figure 8 of the paper: an entry of an older term on a majority is not committed by that. */
static void an_older_term_is_not_committed_by_counting(void **state)
{
    uint64_t index, commit;

    (void)state;
    begin(5, 1);
    separate(&w, 1, true);
    w.cut[1][2] = w.cut[2][1] = false;
    assert_true(propose(&w, 1)); /* (a) on 1 and 2 alone */
    index = raft_of(1)->last;
    run_for(&w, 20);
    assert_int_equal(raft_of(2)->stored, index);
    crash(&w, 1, 0);
    crash(&w, 2, 0);
    run_for(&w, 4000); /* (b) another leader, with another entry there, which stays alone */
    for (uint32_t i = 3; i <= 5; i++)
        crash(&w, i, 9);
    for (uint32_t i = 3; i <= 5; i++) {
        struct disk *disk = &w.node[i].disk;

        disk->last = i == 5 ? index : index - 1;
        if (i == 5)
            disk->log[index] = (struct item){.entry = {.term = disk->term}, .body = 999};
    }
    memset(w.committed + index, 0, (LOG - index) * sizeof w.committed[0]);
    w.committed_to = index - 1;
    for (uint32_t i = 1; i <= 5; i++)
        separate(&w, i, false);
    start(&w, 1);
    start(&w, 2);
    start(&w, 3);
    for (uint32_t i = 1; i <= 3;
         i++) /* (c) 1 copies the old entry to a majority, and no entry of its own term */
        w.node[i].full = i != 3;
    w.flights = 0;
    while (raft_of(3)->stored < index)
        network_step(&w);
    run_for(&w, 20);
    commit = raft_of(1)->commit > raft_of(2)->commit ? raft_of(1)->commit : raft_of(2)->commit;
    assert_true(commit < index);
    crash(&w, 1, 0);
    crash(&w, 2, 0);
    start(&w, 5);
    run_for(&w, 10); /* (d) it may still be replaced */
    w.node[1].full = w.node[2].full = false;
    start(&w, 2);
    run_for(&w, 10000);
    assert_int_equal(leader_now(&w) != 0, true);
}

static void a_conflicting_tail_is_replaced(void **state)
{
    uint32_t leader;

    (void)state;
    begin(3, 1);
    propose_many(1, 3);
    separate(&w, 1, true);
    for (int i = 0; i < 100; i++)
        assert_true(propose(&w, 1)); /* reach nobody */
    run_for(&w, 4000);
    leader = leader_now(&w);
    assert_true(leader > 1);
    propose_many(leader, 5);
    separate(&w, 1, false);
    run_for(&w, 1000);
    assert_all_applied(raft_of(leader)->last);
    assert_int_equal(raft_of(1)->last, raft_of(leader)->last);
    assert_int_equal(w.node[1].disk.last, raft_of(leader)->last);
}

static void a_full_disk_of_a_follower_stops_its_acknowledgements_only(void **state)
{
    uint64_t stored;

    (void)state;
    begin(3, 1);
    w.node[3].full = true;
    stored = raft_of(3)->stored;
    propose_many(1, 10);
    run_for(&w, 3000);
    assert_int_equal(raft_of(1)->commit, raft_of(1)->last);
    assert_int_equal(raft_of(3)->stored, stored);
    assert_true(raft_progress_of(raft_of(1), 3)->full);
    assert_int_equal(raft_progress_of(raft_of(1), 3)->match, stored);
    crash(&w, 1, 0); /* it still votes */
    run_for(&w, 3000);
    assert_int_equal(raft_of(2)->role, RAFT_LEADER);
    assert_int_equal(leader_now(&w), 0); /* it cannot commit */
    w.node[3].full = false;
    run_for(&w, 2000);
    assert_int_equal(raft_of(3)->applied, raft_of(2)->last);
    assert_false(raft_progress_of(raft_of(2), 3)->full);
}

static void a_leader_with_a_full_disk_hands_over(void **state)
{
    uint32_t leader;

    (void)state;
    begin(3, 1);
    w.node[1].full = true;
    assert_true(propose(&w, 1));
    run_for(&w, 40);
    leader = leader_now(&w);
    assert_true(leader > 1);
    propose_many(leader, 3);
    assert_int_equal(raft_of(leader)->commit, raft_of(leader)->last);
}

static void a_leader_with_a_full_disk_and_no_heir_steps_down(void **state)
{
    (void)state;
    begin(3, 1);
    for (uint32_t i = 1; i <= 3; i++)
        w.node[i].full = true;
    assert_true(propose(&w, 1));
    run_for(&w, 1500);
    assert_true(raft_of(1)->role != RAFT_LEADER);
    run_for(&w, 20000);
    assert_int_equal(leader_now(&w), 0);
    for (uint32_t i = 1; i <= 3; i++)
        w.node[i].full = false;
    run_for(&w, 5000);
    assert_true(leader_now(&w) != 0);
}

static void a_slow_disk_delays_acknowledgements_and_not_beats(void **state)
{
    uint64_t term;

    (void)state;
    begin(3, 1);
    term = raft_of(1)->term;
    w.disk_ns = 1500 * NS_PER_MS;
    for (int i = 0; i < 20; i++) {
        propose(&w, 1);
        run_for(&w, 300);
    }
    run_for(&w, 4000);
    assert_int_equal(leader_now(&w), 1);
    assert_int_equal(raft_of(1)->term, term);
    assert_int_equal(raft_of(1)->commit, raft_of(1)->last);
}

static void commands_share_a_disk_job(void **state)
{
    uint64_t tickets;

    (void)state;
    begin(3, 1);
    tickets = raft_of(2)->tickets;
    for (int i = 0; i < 100; i++)
        assert_true(propose(&w, 1));
    run_for(&w, 100);
    assert_all_applied(raft_of(1)->last);
    assert_true(raft_of(2)->tickets - tickets < 10);
}

/* ---- snapshots ---- */

static void who_is_behind_the_log_gets_a_snapshot(void **state)
{
    (void)state;
    begin(3, 1);
    separate(&w, 3, true);
    propose_many(1, 20);
    assert_true(save_snapshot(&w, 1, 0));
    propose_many(1, 5);
    separate(&w, 3, false);
    run_for(&w, 3000);
    assert_true(w.node[3].shot.index > 1);
    assert_all_applied(raft_of(1)->last);
}

static void kept_entries_spare_a_snapshot(void **state)
{
    (void)state;
    begin(3, 1);
    separate(&w, 3, true);
    propose_many(1, 20);
    assert_true(save_snapshot(&w, 1, 100));
    separate(&w, 3, false);
    run_for(&w, 3000);
    assert_int_equal(w.node[3].shot.index, 1);
    assert_all_applied(raft_of(1)->last);
}

static void many_terms_ask_for_a_snapshot(void **state)
{
    (void)state;
    begin(3, 1);
    for (uint32_t i = 0; !raft_wants_snapshot(raft_of(1)); i++) {
        assert_true(i < RAFT_RUNS_MAX);
        elect(1 + (i + 1) % 3);
    }
    run_for(&w, 100);
    for (uint32_t i = 1; i <= 3; i++)
        save_snapshot(&w, i, 0);
    assert_false(raft_wants_snapshot(raft_of(1)));
    elect(2);
}

/* ---- members ---- */

static void a_learner_catches_up_and_is_promoted(void **state)
{
    (void)state;
    begin(3, 1);
    propose_many(1, 10);
    assert_true(save_snapshot(&w, 1, 0));
    add_blank(&w);
    assert_int_equal(change(&w, 1, RAFT_SET, 4, RAFT_VOTER), RAFT_INVALID);
    assert_int_equal(change(&w, 1, RAFT_SET, 4, RAFT_LEARNER), RAFT_ACCEPTED);
    assert_int_equal(change(&w, 1, RAFT_SET, 4, RAFT_VOTER), RAFT_CHANGING);
    run_for(&w, 500);
    assert_int_equal(change(&w, 1, RAFT_SET, 4, RAFT_VOTER), RAFT_ACCEPTED);
    run_for(&w, 500);
    assert_true(raft_is_voter(&raft_of(4)->config, 4));
    assert_all_applied(raft_of(1)->last);
    assert_true(raft_config_at(raft_of(1), raft_of(1)->config_index - 1)->count == 4);
    assert_false(raft_is_voter(raft_config_at(raft_of(1), raft_of(1)->config_index - 1), 4));
}

static void one_change_at_a_time(void **state)
{
    (void)state;
    begin(5, 1);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 5, 0), RAFT_ACCEPTED);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 4, 0), RAFT_CHANGING);
    run_for(&w, 20);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 5, 0), RAFT_INVALID);
    assert_int_equal(change(&w, 1, RAFT_SET, 4, RAFT_VOTER), RAFT_INVALID);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 4, 0), RAFT_ACCEPTED);
    assert_int_equal(change(&w, 2, RAFT_REMOVE, 3, 0), RAFT_NOT_LEADER);
}

static void the_last_voter_stays(void **state)
{
    (void)state;
    network_begin(&w, 1, NULL);
    run_for(&w, 10);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 1, 0), RAFT_INVALID);
    assert_int_equal(change(&w, 1, RAFT_SET, 1, RAFT_LEARNER), RAFT_INVALID);
}

static void an_uncommitted_change_falls_back(void **state)
{
    uint32_t leader;

    (void)state;
    begin(3, 1);
    separate(&w, 1, true);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 2, 0), RAFT_ACCEPTED);
    assert_int_equal(raft_of(1)->config.count, 2);
    run_for(&w, 4000);
    leader = leader_now(&w);
    assert_true(leader > 1);
    propose_many(leader, 2);
    separate(&w, 1, false);
    run_for(&w, 1000);
    assert_int_equal(raft_of(1)->config.count, 3);
    assert_all_applied(raft_of(leader)->last);
}

static void a_leader_that_is_removed_leaves_when_that_is_committed(void **state)
{
    uint32_t leader;

    (void)state;
    begin(3, 1);
    assert_int_equal(change(&w, 1, RAFT_REMOVE, 1, 0), RAFT_ACCEPTED);
    assert_int_equal(raft_of(1)->role, RAFT_LEADER);
    run_for(&w, 40);
    leader = leader_now(&w);
    assert_true(leader > 1);
    assert_int_equal(raft_of(leader)->config.count, 2);
    run_for(&w, 20000); /* and bothers nobody */
    assert_int_equal(leader_now(&w), leader);
}

/* The only copy of a change that takes its own vote away: it has to stand all the same. */
static void who_lost_its_vote_in_an_uncommitted_change_still_stands(void **state)
{
    (void)state;
    begin(2, 1);
    crash(&w, 1, 0);
    start(&w, 1);
    run_for(&w, 3000);
    elect(1);
    w.disk_ns = 3600 * NS_PER_S; /* of the leader alone: the other one's is done by hand */
    assert_int_equal(change(&w, 1, RAFT_SET, 2, RAFT_LEARNER), RAFT_ACCEPTED);
    run_for(&w, 5);
    w.disk_ns = 2 * NS_PER_MS;
    finish_job(&w, 2);
    crash(&w, 1, 0);
    start(&w, 1);
    assert_true(raft_of(1)->last < raft_of(2)->last);
    run_for(&w, 8000);
    assert_int_equal(leader_now(&w), 1);
    assert_false(raft_is_voter(&raft_of(1)->config, 2));
}

/* ---- reads ---- */

static void a_read_is_confirmed_by_a_round_that_began_after_it(void **state)
{
    (void)state;
    begin(3, 1);
    run_for(&w, 30);
    assert_int_equal(ask_read(&w, 1), RAFT_ACCEPTED);
    assert_int_equal(w.node[1].reads_confirmed, 0);
    run_for(&w, 3);
    assert_int_equal(w.node[1].reads_confirmed, 1);
    assert_int_equal(ask_read(&w, 2), RAFT_NOT_LEADER);
}

static void a_deposed_leader_confirms_nothing(void **state)
{
    (void)state;
    begin(3, 1);
    separate(&w, 1, true);
    w.flights = 0;
    assert_int_equal(ask_read(&w, 1), RAFT_ACCEPTED);
    run_for(&w, 5000);
    assert_true(leader_now(&w) > 1);
    separate(&w, 1, false);
    run_for(&w, 1000);
    assert_int_equal(w.node[1].reads_confirmed, 0);
    assert_int_equal(w.node[1].reads_lost, 1);
}

/* What the leaders before it have committed it knows only when an entry of its own is. */
static void a_new_leader_confirms_nothing_before_its_first_entry(void **state)
{
    (void)state;
    begin(3, 1);
    propose_many(1, 3);
    crash(&w, 1, 0);
    w.disk_ns = 300 * NS_PER_MS;
    while (raft_of(2)->role != RAFT_LEADER && raft_of(3)->role != RAFT_LEADER)
        network_step(&w);
    assert_int_equal(leader_now(&w), 0);
    assert_int_equal(ask_read(&w, raft_of(2)->role == RAFT_LEADER ? 2 : 3), RAFT_BUSY);
    run_for(&w, 1000);
    assert_int_equal(ask_read(&w, leader_now(&w)), RAFT_ACCEPTED);
}

static void reads_beyond_the_bound_are_refused(void **state)
{
    (void)state;
    begin(3, 1);
    for (uint32_t i = 0; i < RAFT_READS_MAX; i++)
        assert_int_equal(raft_confirm(raft_of(1), i, w.now), RAFT_ACCEPTED);
    assert_int_equal(raft_confirm(raft_of(1), 99, w.now), RAFT_BUSY);
    turn(&w, 1);
    run_for(&w, 10);
    assert_int_equal(w.node[1].reads_confirmed, RAFT_READS_MAX);
    assert_int_equal(raft_confirm(raft_of(1), 99, w.now), RAFT_ACCEPTED);
}

static void the_tail_is_bounded(void **state)
{
    struct raft *raft;
    uint64_t index;

    (void)state;
    begin(3, 1);
    raft = raft_of(1);
    for (uint32_t i = 0; i < RAFT_TAIL_MAX; i++)
        assert_int_equal(raft_propose(raft, w.now, &index), RAFT_ACCEPTED);
    assert_int_equal(raft_propose(raft, w.now, &index), RAFT_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_elect_one_and_keep_it),
        cmocka_unit_test(one_alone_leads_at_once),
        cmocka_unit_test(what_is_proposed_is_applied_by_all_before_the_next_beat),
        cmocka_unit_test(a_vote_survives_a_restart),
        cmocka_unit_test(no_vote_is_given_or_asked_for_while_the_disk_is_busy),
        cmocka_unit_test(a_returning_node_does_not_depose),
        cmocka_unit_test(a_leader_without_a_majority_steps_down),
        cmocka_unit_test(one_way_loss_does_not_keep_a_deaf_leader),
        cmocka_unit_test(a_reset_elects_within_half_a_beat),
        cmocka_unit_test(a_reset_link_alone_deposes_nobody),
        cmocka_unit_test(a_leader_that_hears_nobody_resigns_and_says_so),
        cmocka_unit_test(a_resignation_of_another_term_or_member_deposes_nobody),
        cmocka_unit_test(of_nodes_that_are_all_tilted_one_leads),
        cmocka_unit_test(who_was_stopped_listens_before_it_asks),
        cmocka_unit_test(a_tilted_leader_hands_over_to_who_is_not),
        cmocka_unit_test(a_witness_hands_over_to_who_has_caught_up),
        cmocka_unit_test(a_transfer_takes_a_few_messages),
        cmocka_unit_test(a_transfer_waits_for_who_lags),
        cmocka_unit_test(a_transfer_to_the_dead_is_given_up),
        cmocka_unit_test(an_older_term_is_not_committed_by_counting),
        cmocka_unit_test(a_conflicting_tail_is_replaced),
        cmocka_unit_test(a_full_disk_of_a_follower_stops_its_acknowledgements_only),
        cmocka_unit_test(a_leader_with_a_full_disk_hands_over),
        cmocka_unit_test(a_leader_with_a_full_disk_and_no_heir_steps_down),
        cmocka_unit_test(a_slow_disk_delays_acknowledgements_and_not_beats),
        cmocka_unit_test(commands_share_a_disk_job),
        cmocka_unit_test(who_is_behind_the_log_gets_a_snapshot),
        cmocka_unit_test(kept_entries_spare_a_snapshot),
        cmocka_unit_test(many_terms_ask_for_a_snapshot),
        cmocka_unit_test(a_learner_catches_up_and_is_promoted),
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(the_last_voter_stays),
        cmocka_unit_test(an_uncommitted_change_falls_back),
        cmocka_unit_test(a_leader_that_is_removed_leaves_when_that_is_committed),
        cmocka_unit_test(who_lost_its_vote_in_an_uncommitted_change_still_stands),
        cmocka_unit_test(a_read_is_confirmed_by_a_round_that_began_after_it),
        cmocka_unit_test(a_deposed_leader_confirms_nothing),
        cmocka_unit_test(a_new_leader_confirms_nothing_before_its_first_entry),
        cmocka_unit_test(reads_beyond_the_bound_are_refused),
        cmocka_unit_test(the_tail_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
