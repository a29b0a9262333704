"""Three real daemons on this machine: who leads, who is missing, what each of them says, and what they refuse."""

import json
import shutil
import signal
import subprocess

import pytest

from clusters import FAST, Cluster
from harness import wait_until

pytestmark = pytest.mark.seconds(120)


@pytest.fixture
def three(system):
    cluster = Cluster(system).start()
    cluster.healthy()
    return cluster


# ---- what is seen ----


def test_status_names_the_leader_and_survives_one_failure(three):
    leader = three.agreed()
    for node in three:
        page = node.said("status")
        assert page.splitlines()[0] == "serving: yes; survives one more failure: yes"
        assert f"3 of 3 voters are heard, {leader} leads" in page
        assert f"{leader} *" in page
        status = json.loads(node.said("status", "--json"))
        assert status["membership"]["leader"] == leader
        assert [n["name"] for n in status["membership"]["nodes"]] == ["a", "b", "c"]
    metrics = three["a"].metrics()
    assert metrics["nines_cluster_has_leader"] == 1
    assert metrics["nines_cluster_voters_alive"] == 3
    assert sum(node.metrics()["nines_cluster_is_leader"] for node in three) == 1


def test_a_node_that_is_killed_is_seen_from_the_others(three):
    victim = three.followers()[0]
    victim.kill()
    for node in three.up():
        wait_until(
            lambda: node.member(victim.node)["state"] in ("suspected", "dead"), 20, "it is missed"
        )
        page = node.said("status")
        assert "survives one more failure: no" in page.splitlines()[0]
        assert "2 of 3 voters are heard" in page


def test_a_leader_that_is_killed_is_replaced(three):
    leader = three.agreed()
    three[leader].kill()
    wait_until(
        lambda: all(node.leader() not in (None, leader) for node in three.up()), 20, "another leads"
    )
    assert three.agreed() != leader
    three[leader].start()
    three.healthy()


def test_without_a_quorum_status_says_what_is_missing_and_ends_with_6(three):
    left, *others = three
    for node in others:
        node.kill()
    wait_until(lambda: not left.view()["quorum"], 20, "the quorum is missed")
    page = left.said("status", code=6)
    assert "no quorum: 1 of 3 voters are heard, 2 are needed; missing: b, c" in page
    assert "survives one more failure: no" in page.splitlines()[0]
    refused = left.said("lease", "take", "backup", "--timeout", "1s", code=6)
    assert "nines lease take: " in refused
    assert left.metrics()["nines_cluster_has_quorum"] == 0
    for node in others:
        node.start()
    three.healthy()
    left.said("status")


# ---- orders ----


def test_the_leadership_moves_where_an_operator_wants_it(three):
    leader = three.agreed()
    asked = next(node for name, node in three.nodes.items() if name != leader)
    wanted = next(name for name in three.nodes if name not in (leader, asked.node))
    assert f"{wanted} leads (by {leader})" in asked.said("leader", "transfer", wanted)
    wait_until(lambda: three.agreed() == wanted, 10, f"{wanted} leads")


def test_a_lease_is_held_by_one_node_until_it_is_released(three):
    a, b, c = three
    assert "backup is held by this node" in a.said("lease", "take", "backup")
    refused = b.said("lease", "take", "backup", code=7)
    assert "a" in refused
    for node in three:
        wait_until(
            lambda: [(x["lease"], x["holder"]) for x in node.view()["leases"]] == [("backup", "a")],
            10, "all know the holder",
        )
    assert json.loads(c.said("lease", "list", "--json"))[0]["holder"] == "a"
    assert a.metrics()['nines_cluster_lease_held{lease="backup"}'] == 1
    assert "backup is released" in a.said("lease", "release", "backup")
    assert "backup is held by this node" in b.said("lease", "take", "backup")


def test_a_dead_holders_lease_goes_to_another_node(three):
    holder, *others = three
    holder.said("lease", "take", "backup")
    holder.kill()

    def taken():
        return others[0].cli("lease", "take", "backup", "--timeout", "2s").returncode == 0

    wait_until(taken, 30, "the lease has run out and is taken")


def test_overrides_are_the_same_everywhere(three):
    a, b, _ = three
    a.said("override", "set", "pool/api/limit", "12 or so")
    wait_until(lambda: "pool/api/limit = 12 or so" in b.said("override", "list"), 10, "it arrives")
    b.said("override", "clear", "pool/api/limit")
    wait_until(lambda: a.said("override", "list") == "", 10, "it is gone")
    assert "the cluster's own" in a.said("override", "clear", "cluster/lease", code=1)


def test_a_node_is_removed_and_added_again(system):
    cluster = Cluster(system, "abcd").start()
    leader = cluster.healthy()
    gone = next(name for name in "dcb" if name != leader)
    asked = next(node for name, node in cluster.nodes.items() if name not in (leader, gone))
    assert f"{gone} is no longer a member" in asked.said("node", "remove", gone)
    wait_until(lambda: asked.member(gone)["role"] == "none", 10, f"{gone} is out")
    assert asked.view()["voters"] == 3
    assert "not a member" in asked.said("node", "list")
    said = asked.said("node", "add", gone, code=7)
    assert "blank" in said, "what it promised as a member it may not promise as another"
    cluster[gone].stop()
    shutil.rmtree(cluster[gone].folder / "state" / "cluster")
    cluster[gone].start()
    assert f"{gone} is a member" in asked.said("node", "add", gone, "--timeout", "20s", within=30)
    wait_until(lambda: asked.member(gone)["role"] == "voter", 20, f"{gone} votes")


def test_a_node_that_nobody_knows_is_not_added(three):
    leader = three.agreed()
    for name in "abc":
        said = three[name].said("node", "add", "zeta", code=7)
        assert "zeta" in said and f"(refused by {leader})" in said


def test_a_refusal_names_the_node_that_refused(three):
    leader = three.agreed()
    asked = next(node for name, node in three.nodes.items() if name != leader)
    asked.said("override", "set", "limit", "1")
    said = asked.said("override", "clear", "another", code=7)
    assert f"(refused by {leader})" in said


def test_recovering_needs_a_word_of_its_own(three):
    said = three["a"].said("node", "recover", code=7)
    assert "--yes-i-accept-loss" in said


# ---- what is refused, and what differs ----


def test_a_certificate_of_another_authority_is_refused(system):
    cluster = Cluster(system)
    cluster.certify("foreign", names="c")
    cluster.start("a", "b", "c")
    for node in (cluster["a"], cluster["b"]):
        wait_until(lambda: not node.member("c")["linked"] and node.member("b"), 10, "c is out")
    wait_until(lambda: cluster["a"].member("b")["linked"] or cluster["b"].member("a")["linked"], 20)
    assert not cluster["c"].member("a")["linked"]
    wait_until(lambda: "authority" in cluster["a"].output(), 20, "a says why")
    assert not cluster["a"].view()["quorum"], "three blank nodes found a cluster together or not at all"


def test_without_a_certificate_it_serves_and_says_why_it_takes_no_part(system):
    cluster = Cluster(system)
    (system.folder / "a" / "state" / "tls" / "a.pem").unlink()
    cluster.start("a")
    said = cluster["a"].said("status", code=6)
    assert said.startswith("serving: yes; survives one more failure: no")
    assert "a.pem" in said
    cluster.certify("again")
    cluster["a"].signal(signal.SIGHUP)
    wait_until(lambda: cluster["a"].view()["state"] != "halted", 20, "it opens with its certificate")


def test_a_node_whose_log_is_gone_serves_and_takes_no_part_until_it_comes_back_as_a_new_one(three):
    leader = three.agreed()
    lost = next(name for name in "cba" if name != leader)
    folder = three[lost].folder / "state" / "cluster"
    three[lost].stop()
    for file in folder.glob("log-*"):
        file.unlink()
    three[lost].start()
    said = three[lost].said("status", code=6)
    assert said.startswith("serving: yes")
    assert "none of its segments is there" in said
    assert not list(folder.glob("log-*")), "no empty log takes its place"
    wait_until(lambda: not three[leader].member(lost)["linked"], 10, "the leader shows that it is gone")
    three[lost].stop()
    shutil.rmtree(folder)
    three[lost].start()
    wait_until(lambda: three[leader].member(lost)["role"] == "voter", 30, f"{lost} votes")


def test_certificates_are_renewed_without_a_restart(three):
    leader = three.agreed()
    made = three.system.folder / "authority"
    three["a"].said("cert", "renew", "--authority", str(made), "--out", str(made), "--days", "9")
    for name, node in three.nodes.items():
        for part in (f"{name}.pem", f"{name}.key"):
            (node.folder / "state" / "tls" / part).write_bytes((made / part).read_bytes())
        node.reload()
    for name, node in three.nodes.items():
        for said in ("uses a new certificate, good for ", " more days"):
            wait_until(lambda: said in node.output(), 10, f"{name}: {said}")
    assert three.healthy() == leader, "nobody had to elect anew"


def test_another_configuration_is_reported(three):
    cluster = three
    different = cluster.config("c")
    different["failover"] = {**FAST, "lease": "1600ms"}
    cluster["c"].reload(different)
    wait_until(lambda: cluster["a"].member("c")["configuration_differs"], 10, "a sees that c differs")
    assert "another configuration" in cluster["a"].said("status")
    cluster["c"].reload(cluster.config("c"))
    wait_until(lambda: not cluster["a"].member("c")["configuration_differs"], 10, "they agree again")


def test_every_node_tells_the_same_story(three):
    leader = three.agreed()
    stories = []
    for node in three:
        events = node.api("/api/v1/events?limit=500")["events"]
        stories.append({(e["node"], e["sequence"]) for e in events if e["code"] == "N-1101"})
    assert stories[0] and stories[0] == stories[1] == stories[2]
    assert leader in three["b"].said("events")


# ---- one node, or none ----


def test_a_node_alone_leads_itself(system):
    cluster = Cluster(system, "a").start()
    assert cluster.agreed() == "a"
    a = cluster["a"]
    assert "survives one more failure: no" in a.said("status").splitlines()[0]
    assert "backup is held by this node" in a.said("lease", "take", "backup")


def test_without_nodes_there_is_no_cluster(system):
    nines, _ = system.balance(system.echo())
    assert nines.api("/api/v1/cluster")["state"] == "none"
    done = nines.cli("lease", "take", "x")
    assert done.returncode == 1
    assert "there is no cluster" in done.stderr
    assert not (nines.folder / "state").exists()


def test_a_stop_in_order_is_told_and_hands_the_leadership_over(three):
    leader = three.agreed()
    three[leader].stop()
    wait_until(
        lambda: all(node.leader() not in (None, leader) for node in three.up()), 10, "another leads"
    )
    three[leader].start()
    three.healthy()
    events = three[leader].api("/api/v1/events?limit=500&code=N-1002")["events"]
    assert [e["node"] for e in events] == [leader]
