"""The embedded store under `sync` with strong reads: what clients of all members saw under faults is linearizable (histories.py)."""

import contextlib
import os
import random
import signal

import pytest

import network as networks
from harness import wait_until
from histories import Recorder, judge
from stores import StoreIslands, Stores, store_of

pytestmark = [pytest.mark.heavy, pytest.mark.seconds(150)]

# What the clients write fills it a few times.
GROUPS = {"data": {"checkpoint": "1MiB"}}


@pytest.fixture
def cluster(system):
    cluster = Stores(system, groups=GROUPS).start()
    yield cluster
    cluster.end()


@pytest.fixture
def islands(system):
    with networks.Network(3) as network:
        cluster = StoreIslands(system, network, groups=GROUPS).start()
        yield cluster
        cluster.heal()
        cluster.end()


def recorder_of(cluster, **options):
    """Two clients of each member, one patient and one not, beside it."""
    places = [(node.node, node.endpoint(), node.namespace) for node in cluster]
    return Recorder(places * 2, int(os.environ.get("SEED") or random.randrange(10**6)), **options)


def linearizable(cluster, *faults):
    """One fault after the other, each at whoever is the primary then. What was seen is judged also when the cluster does not come back."""
    cluster.whole()
    recorder = recorder_of(cluster)
    try:
        with recorder:
            for fault in faults:
                recorder.goes_on()
                fault(Struck(cluster, recorder))
                cluster.whole()
            recorder.goes_on()
    finally:
        print(recorder)
        counts = judge(recorder)
    for kind in ("get", "set", "cas"):
        assert counts[f"{kind} done"] > 100, recorder


class Struck:
    """A whole cluster right before a fault."""

    def __init__(self, cluster, recorder):
        self.cluster, self.recorder = cluster, recorder
        self.primary = cluster.primary()
        self.others = [node for node in cluster if node is not self.primary]
        self.epoch = self.primary.group()["epoch"]

    def moves_on(self):
        """The others name one primary of a newer epoch (the same one perhaps, if its store is a new one), and clients are answered by it."""

        def agreed():
            seen = {(g["phase"], g["epoch"], g["primary"]) for g in (node.group() for node in self.others)}
            return len(seen) == 1 and all(phase == "serving" and epoch > self.epoch for phase, epoch, _ in seen)

        wait_until(agreed, 30, "a newer epoch is served")
        self.recorder.some_go_on()

    @contextlib.contextmanager
    def stopped(self, *pids):
        """The first one wakes first, and has time to do wrong before the others do."""
        for pid in pids:
            self.primary.hit(signal.SIGSTOP, pid)
        try:
            yield
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    self.primary.hit(signal.SIGCONT, pid)
                self.recorder.some_go_on()
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


# ---- faults ----


def store_killed(struck):
    struck.primary.hit(signal.SIGKILL, store_of(struck.primary))
    struck.moves_on()


def node_killed(struck):
    struck.primary.kill()
    struck.moves_on()
    struck.primary.start()


def all_killed(struck):
    for node in struck.cluster:
        node.kill()
    for node in struck.cluster:
        node.start()


def switchover(struck):
    struck.primary.order("switchover", "data")


def store_stopped(struck):
    """Until it is killed for it."""
    with struck.stopped(store_of(struck.primary)):
        struck.moves_on()


def store_stopped_for_a_moment(struck):
    """Until clients have given it up; nobody else has."""
    with struck.stopped(store_of(struck.primary)):
        struck.recorder.gives_up(6)


def agent_stopped(struck):
    """The store itself goes on, as long as its lease."""
    with struck.stopped(struck.primary.agent()):
        struck.moves_on()


def node_stopped(struck):
    """All of it, as a machine that is paused: its store wakes first, finds questions that were asked meanwhile, and has only the lease to tell it."""
    node = struck.primary
    store = store_of(node)
    with struck.stopped(store, node.pid, *(pid for pid in node.family() if pid not in (store, node.pid))):
        struck.moves_on()


def cable_pulled(struck):
    """Its clients are beside it and go on asking."""
    struck.primary.machine.unplug()
    struck.moves_on()
    struck.primary.machine.plug()


def nobody_heard(struck):
    """It is heard, and hears nobody."""
    struck.primary.machine.deafen(*(node.machine for node in struck.others))
    struck.moves_on()
    struck.cluster.heal()


# ---- claims ----


def test_reads_that_may_be_old_are_found_out(cluster):
    """What the other tests stand on: the same clients, and reads that ask for less."""
    cluster.whole()
    with recorder_of(cluster, consistency="eventual", timeouts=(10.0,), pause=0.002) as recorder:
        recorder.goes_on(300, 60)
    with pytest.raises(AssertionError, match="not linearizable"):
        judge(recorder)


def test_when_the_primary_is_killed(cluster):
    linearizable(cluster, store_killed, node_killed, all_killed)


def test_when_the_primary_is_stopped_and_wakes(cluster):
    linearizable(cluster, store_stopped_for_a_moment, agent_stopped, store_stopped)


def test_when_the_primarys_machine_is_paused(cluster):
    linearizable(cluster, node_stopped, node_stopped)


def test_when_the_primary_changes_by_order(cluster):
    linearizable(cluster, switchover, switchover, switchover)


@pytest.mark.skipif(not networks.available(), reason="network namespaces need root, ip and nft")
def test_when_the_primary_is_cut_off_with_its_clients(islands):
    linearizable(islands, cable_pulled, nobody_heard)
