"""What happened, as three real daemons tell it: merged, kept over restarts, and followed without a gap."""

import contextlib
import json

import pytest

from harness import BINARY, SPOKE_UP, Process, wait_until
from test_cluster import Cluster

pytestmark = pytest.mark.seconds(120)


@pytest.fixture
def three(system):
    cluster = Cluster(system).start()
    cluster.healthy()
    return cluster


class Follower(Process):
    """`nines events --follow` on a node."""

    def __init__(self, node, *words):
        self.node = node
        super().__init__(
            node.timeline, "follower", [BINARY, "events", "--follow", *words, "-c", node.file]
        )

    def events(self):
        found = []
        for line in self.timeline.said(self.name):
            with contextlib.suppress(json.JSONDecodeError):
                found.append(json.loads(line))
        return found

    def saw(self, code, node):
        return any(e["code"] == code and e["node"] == node for e in self.events())


def assert_without_gap(events):
    """Each once, in the order of its node. A kill may cost the last that were told: their numbers are then given again, by another origin."""
    last = {}
    for event in events:
        origin, sequence = event["origin"], event["sequence"]
        before = last.get(event["node"])
        if before and before[0] == origin:
            assert sequence == before[1] + 1, event
        else:
            assert sequence <= (before[1] if before else 0) + 1, event
            assert all(o != origin for o, _ in last.values()), event
        last[event["node"]] = (origin, sequence)
    places = [(e["node"], e["origin"], e["sequence"]) for e in events]
    assert len(places) == len(set(places))


@pytest.fixture
def following(three):
    follower = Follower(three["b"], "--json", "--since", "1h")
    yield follower
    follower.kill()


def test_a_follower_sees_each_event_once_while_nodes_die_and_come_back(three, following):
    wait_until(lambda: following.saw("N-1001", "a"), 20, "the beginning is seen")
    three["a"].kill()
    wait_until(lambda: following.saw("N-1302", "c"), 20, "the loss of a is seen from c")
    three["a"].start()
    wait_until(lambda: following.saw("N-1003", "a"), 20, "what a says of itself is seen")
    three.healthy()
    assert_without_gap(following.events())


def test_a_follower_outlives_the_node_that_it_asks(three, following):
    wait_until(lambda: following.saw("N-1001", "b"), 20, "the beginning is seen")
    three["b"].kill()
    wait_until(lambda: "trying again" in following.output(), 40, "it says that it waits")
    three["b"].start()
    wait_until(lambda: following.saw("N-1003", "b"), 40, "it goes on")
    assert_without_gap(following.events())


def test_who_is_missing_is_named_and_the_rest_is_told(three):
    three["c"].kill()
    a = three["a"]
    wait_until(lambda: "c is missing" in a.said("events"), 20, "c is missed")
    events = a.api("/api/v1/events?limit=500")
    assert {e["node"] for e in events["events"]} == {"a", "b"}
    assert [m["node"] for m in events["missing"]] == ["c"]


def test_an_orderly_stop_and_a_kill_are_told_apart(three):
    three["a"].stop()
    three["c"].kill()
    three["a"].start()
    three["c"].start()
    three.healthy()
    begun = [
        (e["node"], e["name"])
        for e in three["b"].api("/api/v1/events?limit=500")["events"]
        if e["name"].startswith("agent-")
    ]
    assert [name for node, name in begun if node == "a"] == [
        "agent-started", "agent-stopped", "agent-started",
    ]
    assert [name for node, name in begun if node == "c"] == ["agent-started", "agent-was-killed"]


def test_filters_leave_others_out(three):
    b = three["b"]
    elected = json.loads(b.said("events", "--code", "leader-elected", "--since", "1h", "--json"))
    assert elected["events"] and {e["code"] for e in elected["events"]} == {"N-1101"}
    alone = json.loads(b.said("events", "--node", "c", "--json"))
    assert {e["node"] for e in alone["events"]} == {"c"}
    never = b.cli("events", "--code", "group-created")
    assert (never.returncode, never.stdout) == (0, "")
    assert not any(word in never.stderr for word in SPOKE_UP), never.stderr
    assert "there is no such node" in b.said("events", "--node", "nobody", code=1)
    assert "expected" in b.said("events", "--since", "soon", code=2)


def test_every_event_can_be_explained(three):
    for code in {e["code"] for e in three["b"].api("/api/v1/events?limit=500")["events"]}:
        explained = Process(three["b"].timeline, f"explain {code}", [BINARY, "explain", code])
        assert explained.wait() == 0
        assert f"{code} " in explained.output()
