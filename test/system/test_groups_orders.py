"""What people order of a group, at any of its nodes: another primary, at once or later, by force, and to be left alone."""

import json
import re
import signal
import time
from datetime import datetime

import pytest

from groups import Nearby, Stage, trial, watched
from harness import System, wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.seconds(120)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    def build():
        system = System(tmp_path_factory.mktemp("orders"))
        return Nearby(system, groups={"data": {}, "pair": {"on": "ab"}}).start()

    stage = Stage(build)
    try:
        yield stage
    finally:
        stage.close()


@pytest.fixture
def three(stage, request):
    cluster = stage.ready()
    request.node.timeline = cluster.system.timeline
    return cluster


def others(cluster, *names):
    return [node for node in cluster if node.node not in names]


def moved(cluster, node, *words):
    """The answer to an order that is carried out; a leader that is replaced meanwhile says so, and is asked again."""

    def ask():
        done = node.cli(*words, "--json", within=40)
        assert done.returncode in (0, 7), done.stdout + done.stderr
        answer = json.loads(done.stdout)
        assert done.returncode == 0 or "ask again" in answer["error"], answer
        return done.returncode == 0 and answer

    return wait_until(ask, 30, f"{words} is done")


def numbers(fact):
    return {number["kind"]: number["value"] for number in fact["numbers"]}


def test_a_switchover_to_each_in_turn_ordered_at_each_in_turn(three):
    """Every order goes to the leader, whoever is asked; nothing is lost, and nobody is refused for long."""
    with trial(three) as tried:
        for asked in three:
            target = three.secondaries()[0]
            answer = moved(three, asked, "switchover", "data", "--to", target.node)
            assert answer["by"] == three.agreed()
            assert three.primary() is target
            three.whole()
    done = three.primary().facts("switchover-done")
    assert len(done) >= 3
    assert not three.primary().facts("failover-began")


def test_a_switchover_to_whom_the_group_likes_best(three):
    before = three.primary()
    outlook = json.loads(before.said("switchover", "data", "--dry-run", "--json"))
    said = before.said("switchover", "data", "--dry-run")
    assert f"{outlook['primary']} would be the primary instead of {before.node}" in said
    assert three.primary() is before
    said = before.said("switchover", "data", within=40)
    assert "data has another primary (by " in said
    assert three.primary() is not before


def test_a_switchover_that_cannot_be_says_why(three):
    primary = three.primary()
    for node in three:
        assert "'nobody' holds no data" in node.said("switchover", "data", "--to", "nobody", code=7)
        assert "there is no group 'nothing'" in node.said("switchover", "nothing", code=7)
        refused = node.said("switchover", "data", "--to", primary.node, code=7)
        assert f"{primary.node} is the primary" in refused
        assert f"refused by {three.agreed()}" in refused
    assert "there is no group 'nothing'" in primary.said("switchover", "nothing", "--dry-run", code=7)
    assert "there is no group 'nothing'" in primary.said("failover", "nothing", "--yes-i-accept-loss", code=7)
    primary.said("switchover", code=2)
    primary.said("switchover", "data", "--to", code=2)
    primary.said("switchover", "data", "--at", "whenever", code=2)
    primary.said("switchover", "data", "--at", "2001-01-01T00:00", code=2)
    assert three.primary() is primary


def test_a_switchover_to_one_that_is_not_there(three):
    primary, gone = three.primary(), three.secondaries()[0]
    gone.kill()
    wait_until(lambda: gone.node in primary.said("group", "list") and primary.member_of(gone.node)["role"] == "unheard",
               20, "it is missed")
    answer = primary.order("switchover", "data", "--to", gone.node, code=7)
    assert gone.node in answer["error"]
    assert three.primary() is primary


def test_two_orders_at_once(three):
    """One is carried out; the other is told so, or is carried out after it."""
    primary = three.primary()
    first, second = others(three, primary.node)
    order = first.start_order("switchover", "data", "--to", first.node)
    answer = second.cli("switchover", "data", "--to", second.node, "--json", within=40)
    assert answer.returncode in (0, 7), answer.stdout
    assert order.wait(40) in (0, 7), order.output()
    assert three.whole() is not primary
    if answer.returncode == 7:
        assert json.loads(answer.stdout)["error"]


def test_a_planned_switchover_happens_at_its_time_and_once(three):
    before = three.primary()
    target = three.secondaries()[0]
    epoch = before.group()["epoch"]
    at = datetime.fromtimestamp(time.time() + 2).strftime("%Y-%m-%dT%H:%M:%S")
    assert "is planned" in before.said("switchover", "data", "--to", target.node, "--at", at)
    assert "switchover/data" in target.said("override", "list")
    wait_until(lambda: three.primary() is target, 20, "it happens")
    wait_until(lambda: "switchover/data" not in target.said("override", "list"), 10, "the plan is gone")
    three.whole()
    assert three.primary() is target
    assert target.group()["epoch"] <= epoch + 2


def test_a_failover_by_hand_takes_the_primary_away(three):
    before = three.primary()
    assert "would be the primary" in before.said("failover", "data", "--dry-run")
    with watched(three):
        answer = moved(three, before, "failover", "data")
        assert answer["by"] == three.agreed()
        assert three.whole() is not before


def test_a_failover_with_nobody_to_follow_wants_the_loss_accepted_and_the_primary_gone(three):
    primary = three.whole("pair")
    (gone,) = others(three, primary.node, "c")
    gone.kill()
    wait_until(lambda: primary.group("pair")["next"]["why_nobody"], 20, "nobody could follow")
    assert gone.node in primary.said("failover", "pair", "--dry-run", code=7)
    assert "nobody could follow it without loss" in primary.order("failover", "pair", code=7)["error"]
    refused = primary.order("failover", "pair", "--yes-i-accept-loss", "--timeout", "20s", code=7)
    assert f"{primary.node} is alive and keeps its lease" in refused["error"]
    assert primary.redis("SET", "still", "here", group="pair") == "OK"
    gone.start()
    assert three.whole("pair") is primary


def test_an_order_that_is_not_answered_in_time_may_still_happen(three):
    target = three.secondaries()[0]
    stopped = target.hit(signal.SIGSTOP)
    done = three.primary().cli("switchover", "data", "--to", target.node, "--timeout", "200ms")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "it may still happen" in done.stderr
    wait_until(lambda: stopped not in target.run_of(), 20, "the server that hangs is killed")


def test_pause_and_resume(three):
    primary = three.primary()
    said = three.secondaries()[0].said("pause", "data")
    assert "automatic failover of data is paused" in said
    wait_until(lambda: all(node.group()["paused"] for node in three), 10, "all know")
    for node in three:
        assert "failover is paused" in node.said("status")
    began = len(primary.facts("failover-began"))
    epoch = primary.group()["epoch"]
    server = primary.server()
    primary.hit(signal.SIGKILL, server)
    wait_until(lambda: primary.run_of() not in ([], [server]), 20, "its server is started again")
    assert all(node.group()["primary"] in (None, primary.node) for node in three)
    assert "automatic failover of data is on again" in primary.said("resume", "data")
    three.whole()
    assert len(primary.facts("failover-paused")) == len(primary.facts("failover-resumed"))


def test_a_pause_ends_by_itself(three):
    before = three.primary()
    before.said("pause", "--for", "2s")
    wait_until(lambda: all(node.group()["paused"] for node in three), 10, "all know")
    before.hit(signal.SIGKILL)
    wait_until(lambda: not any(node.group()["paused"] for node in three), 10, "it is over")
    three.whole()


def test_no_quorum_no_order(three):
    left = three.primary()
    gone = others(three, left.node)
    for node in gone:
        node.kill()
    wait_until(lambda: not left.view()["quorum"], 20, "it is alone")
    assert "no leader" in left.said("switchover", "data", "--timeout", "3s", code=6)
    left.said("failover", "data", "--yes-i-accept-loss", "--timeout", "3s", code=6)
    left.said("pause", "data", "--timeout", "3s", code=6)
    assert left.order("switchover", "data", "--timeout", "3s", code=6)["error"]


def test_failovers_tell_what_took_how_long(three):
    before = three.primary()
    before.hit(signal.SIGKILL)
    wait_until(lambda: three.primary() is not before, 30, "another is primary")
    three.whole()
    node = three.primary()
    wait_until(lambda: before.node in node.facts("failover-done")[-1]["text"], 10, "it is told")
    told = json.loads(node.said("failovers", "--json"))
    assert told
    for fact in told:
        spent = numbers(fact)
        assert sum(spent.get(f"{phase}_ms", 0) for phase in
                   ("detect", "decide", "fence", "promise", "promote", "verify")) == spent["elapsed_ms"], fact
    text = node.said("failovers")
    assert re.search(r"DETECT +DECIDE +FENCE +PROMISE +PROMOTE +VERIFY +TOTAL", text)
    assert told[-1]["text"] in text
    used = {fact["code"] for fact in node.api("/api/v1/events?limit=500")["events"]}
    for code in sorted(code for code in used if code.startswith("N-20")):
        assert code in node.said("explain", code)


def test_a_node_that_leaves_the_members_and_comes_back_begins_anew(system):
    """In the middle of an order to its engine, too: whoever answers that then answers nobody."""
    patient = {"send": "SET nines:probe {epoch}\\r\\n", "expect": "+OK", "timeout": "10s"}
    cluster = Nearby(system, groups={"data": {"probe": patient}}).start()
    try:
        cluster.whole()
        away = cluster.secondaries()[0]
        agent = away.agent()
        away.hit(signal.SIGSTOP, away.run_of("program")[0])
        for members in 3 * [[node.node for node in cluster if node is not away], cluster.names]:
            cluster.groups["data"]["on"] = members
            away.reload(cluster.config(away.node))
        cluster.whole()
        assert away.agent() == agent
    finally:
        cluster.end()
