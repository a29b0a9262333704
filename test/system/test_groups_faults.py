"""A group's faults, each under a client that writes down what it was promised and a witness that writes to every member: afterwards there is one primary, there
never were two, and what had been replicated is there. The group mends itself."""

import contextlib
import os
import signal
import subprocess

import pytest

import network as networks
from groups import Archipelago, Stage, trial
from harness import System, wait_until

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.seconds(120),
    pytest.mark.skipif(not networks.available(), reason="network namespaces need root, ip and nft"),
]

# Redis acknowledges before a replica has it: docs/engine-redis.md says for how long, and the client writes 200 a second.
UNREPLICATED = 3 * 200


class OnSmallDisks(Archipelago):
    """What the cluster writes goes to a disk of its own on each node, which can be filled."""

    def certify(self, *rest, **options):
        for name in self.address:
            state = self.disk(name)
            state.mkdir(parents=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", state], check=True)
        super().certify(*rest, **options)

    def disk(self, name):
        return self.system.folder / name / "state"

    def fill(self, name):
        with open(self.disk(name) / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)

    def empty(self, name):
        (self.disk(name) / "filler").unlink()

    def end(self):
        try:
            super().end()
        finally:
            for name in self.address:
                subprocess.run(["umount", "-l", self.disk(name)], check=False)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with networks.Network(3) as network:

        def build():
            system = System(tmp_path_factory.mktemp("faults"))
            # Each write is on the disk before it is acknowledged: whoever crashed still has what it had.
            return OnSmallDisks(system, network, groups={"data": {"durable": True}}).start()

        stage = Stage(build)
        try:
            yield stage
        finally:
            stage.close()


@pytest.fixture
def three(stage, request):
    cluster = stage.ready()
    request.node.timeline = cluster.system.timeline
    yield cluster
    for node in cluster:
        for pid in [*node.family(), *node.tagged()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    cluster.heal()


# ---- servers ----


def test_a_killed_server_of_the_primary(three):
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        tried.before.hit(signal.SIGKILL)
        tried.another()
    began = three.primary().facts("failover-began")[-1]
    assert tried.before.node in began["text"]


def test_a_killed_server_of_a_secondary(three):
    with trial(three) as tried:
        tried.strikes()
        secondary = three.secondaries()[0]
        gone = secondary.hit(signal.SIGKILL)
        wait_until(lambda: secondary.server() != gone, 20, "it is started again")
    assert three.primary() is tried.before


def test_a_stopped_server_of_the_primary(three):
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        stopped = tried.before.hit(signal.SIGSTOP)
        tried.another()
        wait_until(lambda: stopped not in tried.before.run_of(), 20, "it is killed")
    assert tried.before.facts("engine-stuck")


def test_a_stopped_server_of_a_secondary(three):
    with trial(three) as tried:
        tried.strikes()
        secondary = three.secondaries()[0]
        stopped = secondary.hit(signal.SIGSTOP)
        wait_until(lambda: secondary.server() != stopped, 20, "it is killed, and another one started")
    assert three.primary() is tried.before


# ---- nodes ----


def test_a_killed_node_of_the_primary(three):
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        tried.before.kill()
        tried.another()
        tried.client.goes_on()
        tried.before.start()


def test_a_killed_node_of_a_secondary(three):
    with trial(three) as tried:
        tried.strikes()
        secondary = three.secondaries()[0]
        secondary.kill()
        wait_until(lambda: not tried.before.member_of(secondary.node)["in_sync"], 20, "it is missed")
        tried.client.goes_on()
        secondary.start()
    assert three.primary() is tried.before


def test_all_nodes_killed_and_started_again(three):
    with trial(three, lost=UNREPLICATED) as tried:
        everywhere = set.intersection(*(node.keys(f"{tried.client.prefix}:*") for node in three))
        for node in three:
            node.kill()
        for node in three:
            node.start()
        three.whole()
        assert everywhere <= three.primary().keys(f"{tried.client.prefix}:*")


# ---- agents ----


def test_a_stopped_agent_of_the_primary(three):
    """Nobody is left who could step down, so the supervisor kills the server when its lease is over."""
    with trial(three, lost=UNREPLICATED) as tried:
        server, agent = tried.before.server(), tried.before.agent()
        tried.strikes()
        tried.before.hit(signal.SIGSTOP, agent)
        wait_until(lambda: server not in tried.before.run_of(), 20, "the supervisor kills the server")
        tried.another()
        tried.client.goes_on()
        tried.before.hit(signal.SIGCONT, agent)


def test_a_killed_agent_of_the_primary_costs_clients_nothing(three):
    with trial(three) as tried:
        server, agent = tried.before.server(), tried.before.agent()
        tried.strikes()
        tried.before.hit(signal.SIGKILL, agent)
        wait_until(lambda: tried.before.roles("agent") not in ([], [agent]), 20, "another agent runs")
    assert three.primary() is tried.before
    assert tried.before.server() == server
    assert tried.figures["errors"] == {}


# ---- networks ----


def test_a_primary_that_is_cut_off(three):
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        tried.before.machine.unplug()
        tried.another()
        tried.client.goes_on()
        wait_until(lambda: tried.before.group()["phase"] != "serving", 20, "it knows")
        assert "no leader is heard" in tried.before.said("status", code=6)
        tried.before.machine.plug()


def test_a_primary_that_nobody_hears(three):
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        for node in three.secondaries():
            node.machine.deafen(tried.before.machine)
        tried.another()
        tried.client.goes_on()
        three.heal()


def test_a_primary_that_hears_nobody(three):
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        tried.before.machine.deafen(*(node.machine for node in three.secondaries()))
        tried.another()
        tried.client.goes_on()
        three.heal()


def test_a_leader_of_the_consensus_that_is_cut_off_and_is_not_the_primary(three):
    leader = three[three.healthy()]
    if leader is three.primary():
        leader.order("switchover", "data", "--timeout", "20s")
        three.whole()
    with trial(three) as tried:
        leader = three[three.healthy()]
        tried.strikes()
        leader.machine.unplug()
        rest = [node for node in three if node is not leader]
        wait_until(lambda: all(node.leader() not in (None, leader.node) for node in rest), 20, "another leads")
        tried.client.goes_on()
        leader.machine.plug()


def test_a_link_of_the_primary_that_comes_and_goes(three):
    with trial(three, lost=UNREPLICATED) as tried:
        machine = tried.before.machine
        for _ in range(4):
            tried.strikes()
            machine.unplug()
            wait_until(lambda: not tried.before.view()["quorum"], 20, "it is alone")
            machine.plug()
            wait_until(lambda: tried.before.view()["quorum"], 20, "it is back")


# ---- disks ----


def test_a_full_disk_of_the_primary(three):
    name = three.primary().node
    with trial(three, lost=UNREPLICATED) as tried:
        tried.strikes()
        three.fill(name)
        try:
            tried.client.goes_on(400)
        finally:
            three.empty(name)
