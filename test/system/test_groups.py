"""Groups of real redis-servers: they come up, tell the same from every node, follow their file, and bear with bad engines."""

import contextlib
import json

import pytest

from groups import Nearby, watched
from harness import wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.seconds(120)]


@pytest.fixture
def build(system):
    built = []

    def build(*rest, start=True, **options):
        cluster = Nearby(system, *rest, **options)
        built.append(cluster)
        return cluster.start() if start else cluster

    yield build
    for cluster in built:
        cluster.end()


def test_it_comes_up_with_one_primary_and_tells_the_same_from_every_node(build):
    cluster = build()
    primary = cluster.whole()
    assert primary.redis("SET", "hello", "world") == "OK"
    for node in cluster:
        wait_until(lambda node=node: node.redis("GET", "hello") == "world", 10, "it arrives")
        told = node.group()
        assert (told["primary"], told["phase"], told["mode"]) == (primary.node, "serving", "semi-sync")
        assert told["next"]["primary"] not in (None, primary.node)
        assert told["next"]["why_nobody"] == ""
        assert f"{primary.node} is the primary" in node.said("status")
        listed = json.loads(node.said("group", "list", "--json"))
        assert [m["role"] for m in listed[0]["members"]].count("primary") == 1
        text = node.said("group", "list")
        assert text.count("in sync") == 3
        assert text.count("secondary") == 2
    (created,) = primary.facts("group-created")
    assert created["epoch"] == 1
