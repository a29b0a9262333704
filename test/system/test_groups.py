"""Groups of real redis-servers: they come up, tell the same from every node, follow their file, and bear with bad engines."""

import json

import pytest

from groups import TIMING, Nearby, trial
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


# ---- the file ----


def rewritten(cluster, **changes):
    """All nodes read a file in which the group says something else."""
    cluster.groups["data"].update(changes)
    for name, node in cluster.nodes.items():
        node.reload(cluster.config(name))


def test_the_mode_changes_while_it_runs(build):
    cluster = build()
    primary = cluster.whole()
    assert primary.redis("CONFIG", "GET", "min-replicas-to-write")[1] == "1"
    rewritten(cluster, mode="async")
    wait_until(lambda: all(node.group()["mode"] == "async" for node in cluster), 20, "it is async")
    wait_until(lambda: primary.redis("CONFIG", "GET", "min-replicas-to-write")[1] == "0", 20, "its engine knows")
    rewritten(cluster, mode="semi-sync", acks=2)
    wait_until(lambda: all(node.group()["acks"] == 2 for node in cluster), 20, "two acknowledge")
    wait_until(lambda: primary.redis("CONFIG", "GET", "min-replicas-to-write")[1] == "2", 20, "its engine knows")
    assert cluster.whole() is primary
    assert len(primary.facts("mode-changed")) >= 2
    assert len(primary.facts("group-created")) == 1


def test_priorities_say_who_is_next(build):
    cluster = build()
    primary = cluster.whole()
    first, second = cluster.secondaries()

    def members(**priorities):
        return {n: {"endpoint": cluster.endpoint("data", n), "priority": priorities.get(n, 1)} for n in cluster.names}

    rewritten(cluster, members=members(**{second.node: 50}))
    wait_until(lambda: all(n.group()["next"]["primary"] == second.node for n in cluster), 20, "the second is next")
    rewritten(cluster, members=members(**{second.node: 0, first.node: 1}))
    wait_until(lambda: all(n.group()["next"]["primary"] == first.node for n in cluster), 20, "the first is next")
    assert "priority" in primary.member_of(second.node)["why_not"]
    assert "priority" in primary.order("switchover", "data", "--to", second.node, code=7)["error"]


def test_a_group_comes_and_goes(build):
    cluster = build()
    first = cluster.whole()
    servers = {node.node: node.server() for node in cluster}
    cluster.groups["more"] = {}
    rewritten(cluster)
    more = cluster.whole("more")
    assert more.redis("SET", "x", "1", group="more") == "OK"
    assert first.redis("GET", "x") is None
    del cluster.groups["more"]
    rewritten(cluster)
    cluster.groups["more"] = {}
    for node in cluster:
        wait_until(lambda node=node: not node.run_of("process", "more") + node.run_of("program", "more"), 20, "it ends")
        assert node.server() == servers[node.node]
    assert cluster.whole() is first


@pytest.mark.parametrize(
    "what, sentence",
    [
        ({"mode": "sometimes"}, "mode"),
        ({"acks": 0}, "acks"),
        ({"members": {"nobody": {}}}, "nobody"),
        ({"command": []}, "command"),
        ({"directory": "here"}, "begins with '/'"),
        ({"probe": {"send": "\\q", "expect": "+"}}, "backslash"),
        ({"engine": "magic"}, "engine"),
    ],
)
def test_a_wrong_group_is_refused_with_its_place_and_a_sentence(system, what, sentence):
    cluster = Nearby(system)
    cluster.refuses(what, sentence)


def test_a_reload_with_a_wrong_group_changes_nothing(build):
    cluster = build()
    primary = cluster.whole()
    cluster.groups["data"]["mode"] = "sometimes"
    primary.write(cluster.config(primary.node))
    assert "mode" in primary.said("reload", code=78)
    del cluster.groups["data"]["mode"]
    assert cluster.whole() is primary


# ---- engines that misbehave ----

ENGINES = {
    "hangs": "for line in sys.stdin: signal.pause()",
    "talks nonsense": "for line in sys.stdin: print('what?', flush=True)",
    "exits": "sys.exit(3)",
    "answers for another order": "for line in sys.stdin: print(json.dumps({'id': 1 << 40, 'outcome': 'done'}), flush=True)",
    "says no more than half": "for line in sys.stdin: print('{', end='', flush=True)",
    "forks away": "os.fork() and os._exit(0); os.setsid(); signal.pause()",
}


def bad_engine(system, name, begins=""):
    file = system.folder / f"bad-{len(list(system.folder.glob('bad-*')))}"
    file.write_text(f"#!/usr/bin/python3\nimport json, os, signal, sys\n{begins}\n{ENGINES[name]}\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize("how", ENGINES)
def test_a_bad_engine_is_told_of_and_never_chosen(build, system, how):
    """On the third node alone: the group does without it, says why, and takes it in when it is mended."""
    cluster = build(start=False, members={"c": {"command": [bad_engine(system, how)], "timeout": "300ms"}})
    cluster.start()
    primary = cluster.primary()
    others = [node for node in cluster if node.node != "c"]
    wait_until(lambda: {m["node"] for m in primary.group()["members"] if m["in_sync"]} == {"a", "b"}, 30, "two are in sync")
    wait_until(lambda: all(node.member_of("c")["why_not"] for node in cluster), 20, "all say why not")
    assert primary.node != "c"
    assert primary.redis("SET", "x", "1") == "OK"
    refused = primary.order("switchover", "data", "--to", "c", code=7)
    assert "c " in refused["error"]
    assert cluster.primary() is primary
    assert "c" not in {node.group()["next"]["primary"] for node in others}
    cluster.members.clear()
    cluster["c"].reload(cluster.config("c"))
    cluster.whole()


def test_nobody_has_an_engine_and_the_status_says_why(build, system):
    bad = bad_engine(system, "exits")
    cluster = build(groups={"data": {"command": [bad], "timeout": "300ms"}})
    for node in cluster:
        wait_until(lambda node=node: node.group()["next"]["why_nobody"], 20, "it says why")
        wait_until(lambda node=node: all(m["why_not"] for m in node.group()["members"]), 20, "of each")
        assert "nobody could follow" in node.said("status")
        assert node.group()["primary"] is None
    del cluster.groups["data"]["command"]
    rewritten(cluster)
    cluster.whole()


@pytest.mark.parametrize("process", [["/nonexistent/server"], ["/bin/false"], ["/bin/sleep", "0.01"]])
def test_a_server_that_cannot_be_kept_up_waits_and_says_so(build, process):
    """Its restarts are bounded, and it is tried again by itself when their window has passed."""
    cluster = build(start=False, members={"c": {"process": process, "restart": {"attempts": 2, "window": "3s"}}})
    cluster.start()
    c = cluster["c"]
    primary = cluster.primary()
    wait_until(lambda: c.group()["state"] == "waiting", 30, "it waits")
    assert c.group()["sentence"]
    wait_until(lambda: primary.member_of("c")["state"] == "failed", 20, "all know that it failed")
    assert primary.member_of("c")["why_not"]
    wait_until(lambda: len(primary.facts("engine-given-up")) >= 2, 20, "it was tried again, and given up again")
    cluster.members.clear()
    c.reload(cluster.config("c"))
    assert cluster.whole()


# ---- ends in order ----


# A lease that runs out on a busy machine is a failover, and rightly: here it is long, so that only what was not handed over would be one.
UNHURRIED = {**TIMING, "election_timeout": "2s", "lease": "6s", "timeout": "20s"}


def test_a_primary_whose_node_stops_hands_over(build):
    cluster = build(failover=UNHURRIED)
    before = cluster.whole()
    with trial(cluster) as tried:
        before.stop()
        another = tried.another()
        before.start()
    assert not another.facts("failover-began")


def test_nodes_that_are_restarted_one_by_one_lose_nothing(build):
    cluster = build(failover=UNHURRIED)
    cluster.whole()
    with trial(cluster) as tried:
        for node in cluster:
            tried.strikes()
            before = node.member(node.node)["incarnation"]
            node.stop()
            node.start()
            # Until then what is told of it is of the run that has ended.
            wait_until(
                lambda node=node, before=before: all(n.member(node.node)["incarnation"] > before for n in cluster),
                20, f"all know that {node.node} began again")
            cluster.whole()
    assert not cluster["a"].facts("failover-began")
