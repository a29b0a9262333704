"""Three nodes in network namespaces, and what goes wrong between them: cables, one-way loss, frozen processes, dead machines."""

import json
import os
import signal
import threading
import time

import pytest

import network as networks
from distributed import Distributed
from harness import wait_until

pytestmark = [
    pytest.mark.seconds(120),
    pytest.mark.skipif(not networks.available(), reason="network namespaces need root, ip and nft"),
]


@pytest.fixture
def three(system):
    with networks.Network(3) as network:
        cluster = Distributed(system, network).start()
        cluster.healthy()
        yield cluster
        for node in cluster:
            node.machine.heal()
        # The namespaces outlive what runs in them.
        for node in cluster:
            node.kill()


def another_leads(nodes, leader):
    return lambda: all(node.leader() not in (None, leader) for node in nodes)


def parts(three):
    leader = three.agreed()
    return three[leader], three.followers()


def test_a_leader_whose_cable_is_pulled_is_replaced_and_says_so_itself(three):
    leader, others = parts(three)
    leader.machine.unplug()
    wait_until(another_leads(others, leader.node), 20, "another leads")
    wait_until(lambda: not leader.view()["quorum"], 20, "the old leader knows that it is alone")
    wait_until(lambda: leader.view()["role"] != "leader", 20, "and leads no more")
    wait_until(
        lambda: "no quorum: 1 of 3 voters are heard" in leader.cli("status").stdout, 20, "status says so"
    )
    leader.said("status", code=6)
    leader.machine.plug()
    three.healthy()


def test_a_leader_that_nobody_hears_is_replaced(three):
    leader, others = parts(three)
    for other in others:
        other.machine.deafen(leader.machine)
    wait_until(another_leads(others, leader.node), 20, "another leads")
    for other in others:
        other.machine.heal()
    three.healthy()


def test_a_leader_that_hears_nobody_steps_down(three):
    leader, others = parts(three)
    leader.machine.deafen(*(other.machine for other in others))
    wait_until(another_leads(others, leader.node), 20, "another leads")
    leader.machine.heal()
    three.healthy()


def test_a_follower_that_was_cut_off_does_not_depose_the_leader(three):
    leader, (follower, other) = parts(three)
    term = leader.view()["term"]
    follower.machine.unplug()
    wait_until(lambda: not follower.view()["quorum"], 20, "it misses the others")
    follower.machine.plug()
    three.healthy()
    assert other.view()["term"] == term
    assert three.agreed() == leader.node


def test_two_nodes_that_do_not_hear_each_other_both_follow(three):
    leader, (one, two) = parts(three)
    one.machine.deafen(two.machine)
    two.machine.deafen(one.machine)
    wait_until(lambda: one.member(two.node)["state"] == "suspected", 20, "one misses two")
    assert leader.member(two.node)["state"] == "alive"
    assert one.leader() == two.leader() == leader.node
    one.said("override", "set", "still", "here")
    assert "still = here" in two.said("override", "list")


def test_half_of_all_packets_lost_keeps_the_cluster_usable_in_the_end(three):
    for node in three:
        node.machine.deafen(*(other.machine for other in three if other is not node), share=50)
    for node in three:
        node.machine.heal()
    three.healthy(30)
    three["a"].said("override", "set", "after", "loss")


def test_a_frozen_agent_is_replaced_and_its_lease_ends_before_another_takes_it(three):
    leader, others = parts(three)
    leader.said("lease", "take", "backup")
    agent = leader.agent()
    os.kill(agent, signal.SIGSTOP)
    try:
        wait_until(another_leads(others, leader.node), 20, "another leads")

        def taken():
            return others[0].cli("lease", "take", "backup", "--timeout", "2s").returncode == 0

        wait_until(taken, 30, "the lease has run out and is taken")
        # The monitor of the frozen node reads what the agent last wrote; time has run out all the same.
        (lease,) = leader.view()["leases"]
        assert lease["remaining_ms"] == 0
    finally:
        os.kill(agent, signal.SIGCONT)
    wait_until(lambda: leader.view()["leases"][0]["holder"] == others[0].node, 20, "it learns who holds the lease")
    three.healthy()


def test_a_machine_that_dies_silently_is_missed_and_comes_back(three):
    leader, others = parts(three)
    leader.machine.unplug()
    leader.kill()
    wait_until(another_leads(others, leader.node), 20, "another leads")
    leader.machine.plug()
    leader.start()
    three.healthy()


class Witness:
    """Asks all nodes all the time whether they hold a lease and for how long. They share this machine's clock, so ends can be compared."""

    def __init__(self, nodes):
        self.nodes = list(nodes)
        self.ends = {}  # of each node: until when, at the least, it may act by its own word
        self.wrong = []
        self.samples = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.is_set():
            for node in self.nodes:
                asked = time.monotonic()
                for lease in node.view()["leases"]:
                    if lease["here"] and lease["remaining_ms"]:
                        self.note(node.node, asked + lease["remaining_ms"] / 1000, time.monotonic())

    def note(self, holder, until, now):
        self.samples += 1
        self.ends[holder] = until
        for other, end in self.ends.items():
            if other != holder and end > now:
                self.wrong.append(f"{holder} holds it while {other} does for {end - now:.3f} s more")

    def stop(self):
        self.over.set()
        self.thread.join(20)


def test_no_lease_is_held_twice_while_cables_are_pulled(three):
    holder = three["a"]
    holder.said("lease", "take", "shared")
    witness = Witness(three)
    try:
        for _ in range(4):
            holder.machine.unplug()
            heir = next(node for node in three if node is not holder)
            wait_until(
                lambda heir=heir: heir.cli("lease", "take", "shared", "--timeout", "2s").returncode == 0,
                30, "the lease is taken over",
            )
            holder.machine.plug()
            three.healthy(30)
            holder = heir
    finally:
        witness.stop()
    assert witness.samples > 0
    assert not witness.wrong, witness.wrong[0]


def test_two_nodes_with_empty_disks_wait_for_an_operator(three):
    """What was promised by a majority is gone with it: nobody may go on as if it were not."""
    left, *others = three
    left.said("override", "set", "kept", "yes")
    for node in others:
        node.kill()
    for node in others:
        node.wipe()
        node.start()
    wait_until(lambda: all(node.view()["state"] == "blank" for node in others), 20, "they are blank")
    wait_until(lambda: "node recover" in left.cli("status").stdout, 20, "the operator is told what to do")
    left.said("status", code=6)
    for node in others:
        assert node.view()["leader"] is None
    left.said("node", "recover", "--yes-i-accept-loss", within=30)
    wait_until(lambda: left.leader() == left.node, 20, "it leads alone")
    assert "kept = yes" in left.said("override", "list")
    for node in others:
        wait_until(lambda node=node: left.cli("node", "add", node.node, "--timeout", "5s").returncode == 0
                   or (left.member(node.node) or {}).get("role") == "voter", 60, f"{node.node} is added")
    three.healthy(60)
    assert "kept = yes" in others[1].said("override", "list")


def test_a_node_that_lost_its_disk_comes_back_as_a_new_member(three):
    leader, (gone, other) = parts(three)
    before = other.member(gone.node)["member"]
    gone.kill()
    gone.wipe()
    gone.start()
    three.healthy(60)
    wait_until(lambda: other.member(gone.node)["member"] not in (0, before), 30, "it has a new number")
    assert other.member(gone.node)["role"] == "voter"


def test_events_tell_the_same_from_every_node(three):
    leader, others = parts(three)
    leader.kill()
    wait_until(another_leads(others, leader.node), 20, "another leads")

    def stories():
        return [node.api("/api/v1/events?limit=200&code=N-1101")["events"] for node in others]

    # It is told a moment after it can be seen.
    wait_until(lambda: all(stories()), 10, "the election is told")
    one, other = stories()
    assert json.dumps(one) == json.dumps(other)
