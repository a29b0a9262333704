"""Versions one minor apart: nines and nines-next (test/next) in one cluster, upgraded and taken back while orders go on."""

import pytest

from clusters import Cluster, Node
from harness import BINARY, Process, wait_until

NEXT = BINARY.parent / "test/next/nines-next"
UNKNOWN = b"what only the next version knows"
TOO_OLD = "this node must be upgraded before it can go on"

pytestmark = pytest.mark.seconds(180)


class Versioned(Node):
    """A node that is stopped and started again as another version, on the same directories."""

    def becomes(self, binary):
        self.stop()
        self.use(binary)
        self.start()

    def use(self, binary):
        self.command = [binary if word in (BINARY, NEXT) else word for word in self.command]

    def holds(self, words):
        logs = (self.folder / "state" / "cluster").glob("log-*")
        return any(words in log.read_bytes() for log in logs)

    def overrides(self):
        lines = self.said("override", "list").splitlines()
        return dict(line.split(" = ", 1) for line in lines)


class Versions(Cluster):
    node = Versioned

    def __init__(self, system):
        super().__init__(system)
        self.ordered = {}

    def order(self, *names):
        """Something from each node, which all of them come to know."""
        for name in names or self.names:
            key, value = f"pool/{name}/limit", str(len(self.ordered))
            self[name].said("override", "set", key, value, "--timeout", "20s", within=30)
            self.ordered[key] = value
        for name in names or self.names:
            wait_until(lambda: self[name].overrides() == self.ordered, 20, f"{name} knows all orders")

    def led_by(self, name):
        self.healthy()
        self["a"].said("leader", "transfer", name, "--timeout", "20s", within=30)
        wait_until(lambda: self.agreed() == name, 20, f"{name} leads")

    def works_whoever_leads(self):
        for name in self.names:
            self.led_by(name)
            self.order()

    def levels(self):
        return [node.view()["level"] for node in self.up()]

    def codes(self):
        return [e["code"] for e in self["b"].api("/api/v1/events?limit=1000")["events"]]


@pytest.fixture
def versions(system):
    cluster = Versions(system).start()
    cluster.healthy()
    return cluster


def test_a_rolling_upgrade_raises_the_level_when_the_last_node_is_new(versions):
    versions.order()
    for name, waits in (("c", "a's upgrade, b's upgrade"), ("b", "a's upgrade")):
        versions[name].becomes(NEXT)
        versions.works_whoever_leads()
        assert versions.levels() == [1, 1, 1]
        for node in versions:
            line = f"level: 1, and 2 waits for {waits}\n"
            wait_until(lambda: line in node.said("status"), 10, f"{node.node}: {line}")
    assert "N-1504" not in versions.codes()
    assert versions["a"].holds(UNKNOWN), "it keeps what it skips"

    versions["a"].becomes(NEXT)
    wait_until(lambda: versions.levels() == [2, 2, 2], 20, "the level is raised")
    versions.works_whoever_leads()
    assert "level:" not in versions["a"].said("status")
    wait_until(lambda: versions.codes().count("N-1504") == 1, 10, "it is a fact, once")
    assert "N-1503" not in versions.codes(), "all documents were equal all the time"


def test_before_the_level_is_raised_every_node_can_go_back(versions):
    for name in "cb":
        versions[name].becomes(NEXT)
    versions.led_by("c")
    versions.order()
    for name in "cb":
        versions[name].becomes(BINARY)
        versions.healthy()
        versions.order()
    versions.works_whoever_leads()
    assert versions.levels() == [1, 1, 1]
    assert "level:" not in versions["a"].said("status")
    assert not {"N-1503", "N-1504", "N-1505"} & set(versions.codes())


def test_after_it_an_older_version_stops_and_loses_nothing(versions):
    for name in "abc":
        versions[name].becomes(NEXT)
        versions.healthy()
    wait_until(lambda: versions.levels() == [2, 2, 2], 20, "the level is raised")
    versions.order()

    old = versions["a"]
    old.stop()
    old.use(BINARY)
    Process.__init__(old, old.timeline, old.node, old.command)
    wait_until(lambda: TOO_OLD in old.output(), 30, "it says why it stops")
    wait_until(lambda: versions["b"].member("a")["too_old"], 20, "the others show it")
    versions.order("b", "c")

    old.becomes(NEXT)
    versions.healthy()
    wait_until(lambda: old.overrides() == versions.ordered, 20, "it has what it had, and the rest")
    versions.works_whoever_leads()
    assert "N-1505" in versions.codes(), "its timeline kept why"
    assert "N-1503" not in versions.codes()
