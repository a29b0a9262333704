"""Virtual addresses on machines of their own: what moves them, what does not, and that two never have one."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import threading

import pytest

import network as networks
from distributed import Distributed
from groups import Archipelago
from harness import BINARY, EchoServer, wait_until

pytestmark = [
    pytest.mark.seconds(120),
    pytest.mark.skipif(not networks.available(), reason="network namespaces need root, ip and nft"),
]

FRONT, BACK, SIX = "10.77.0.100", "10.77.0.101", "fd77::100"
# Slow enough for a machine that does much else: an agent that is stopped for a quarter of the lease gives everything up, as it should.
TIMING = {"heartbeat": "200ms", "election_timeout": "1s", "lease": "4s"}


def interfaces(machine):
    """What `ip` says of the addresses there; "" when the namespace is busy."""
    return subprocess.run(machine.inside(["ip", "-o", "addr", "show", "dev", "eth0"]),
                          capture_output=True, text=True).stdout


def has(node, address):
    return address in node.machine.addresses()


class Balancers(Distributed):
    def holders(self, address):
        return [node for node in self if has(node, address)]

    def holder(self, address, within=20):
        """The one that has it, once one does."""
        return wait_until(lambda: self.holders(address), within, f"{address} is somewhere")[0]

    def others(self, *nodes):
        return [node for node in self if node not in nodes]


class Watch:
    """Looks at all interfaces all the time: two at once are noted. Reading one after the other could see an address that moves twice, so what was seen on two
    is looked at once more on the first."""

    def __init__(self, nodes, *addresses):
        self.nodes, self.addresses = list(nodes), addresses
        self.twice, self.looks = [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.is_set():
            for address in self.addresses:
                seen = [node for node in self.nodes if has(node, address)]
                self.looks += 1
                self.over.wait(0.005)
                if len(seen) > 1 and has(seen[0], address) and has(seen[1], address):
                    self.twice.append((address, [node.node for node in seen]))

    def stop(self):
        wait_until(lambda: self.looks > 3, 10, "it has looked some times")
        self.over.set()
        self.thread.join(20)
        assert not self.twice, self.twice[0]


@pytest.fixture
def network():
    with networks.Network(3) as network:
        yield network


@pytest.fixture
def build(system, network):
    """A cluster with these addresses, whole."""
    built = []

    def build(addresses, **rest):
        cluster = Balancers(system, network, addresses=addresses, **{"failover": TIMING, **rest})
        built.append(cluster)
        cluster.start()
        cluster.healthy()
        return cluster

    yield build
    for cluster in built:
        for node in cluster:
            node.machine.heal()
        for node in cluster:
            node.kill()


def neighbour(network, address):
    """The hardware address that the hub has for it, by what it was told."""
    said = subprocess.run(["ip", "netns", "exec", network.hub_name, "ip", "neigh", "show", address],
                          capture_output=True, text=True).stdout
    found = re.search(r"lladdr (\S+)", said)
    return found and found.group(1)


def hardware(node):
    return re.search(r"ether (\S+)", node.machine.run("ip", "link", "show", "dev", "eth0").stdout).group(1)


def answers(network, address, port=80, within=1.0):
    """Through the address, from a third host."""
    with network.seen_from_hub():
        connection = http.client.HTTPConnection(address, port, timeout=within)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()


def web(network, name="web"):
    """A service that listens on the address, and its backend on the hub."""
    with network.seen_from_hub():
        backend = EchoServer("echo", "10.77.0.254:9000")
    return backend, {
        "services": {name: {"listen": f"{FRONT}:80", "pool": "site"}},
        "pools": {"site": {"backends": ["10.77.0.254:9000"],
                           "health_check": {"interval": "100ms", "timeout": "50ms"}}},
    }


def test_an_address_is_on_one_node_answers_and_follows_when_that_dies(build, network):
    backend, rest = web(network)
    cluster = build({"front": f"{FRONT}/24"}, **rest)
    first = cluster.holder(FRONT)
    wait_until(lambda: answers(network, FRONT) == 200, 10, "it answers")
    assert neighbour(network, FRONT) == hardware(first)
    watch = Watch(cluster, FRONT)
    first.machine.unplug()
    first.kill()
    (second,) = wait_until(lambda: [n for n in cluster.others(first) if has(n, FRONT)], 20, "another has it")
    wait_until(lambda: answers(network, FRONT) == 200, 10, "it answers there")
    assert neighbour(network, FRONT) == hardware(second)
    watch.stop()
    wait_until(lambda: "N-1803" in second.said("events", "--code", "N-1803"), 20, "the leader says that it moved")
    backend.kill()


def test_all_killed_at_once_the_kernel_takes_the_address_away_before_another_gets_it(build):
    """The cable stays: the others see resets and a refused port, and still wait."""
    cluster = build({"front": f"{FRONT}/24", "six": {"address": f"{SIX}/64", "interface": "eth0"}})
    holders = [cluster.holder(FRONT), cluster.holder(SIX)]
    watch = Watch(cluster, FRONT, SIX)
    holders[0].kill()
    wait_until(lambda: any(has(n, FRONT) for n in cluster.others(holders[0])), 20, "another has it")
    assert not has(holders[0], FRONT)
    watch.stop()


def test_a_frozen_agent_keeps_no_address(build):
    cluster = build({"front": f"{FRONT}/24"})
    holder = cluster.holder(FRONT)
    watch = Watch(cluster, FRONT)
    os.kill(holder.agent(), signal.SIGSTOP)
    try:
        wait_until(lambda: not has(holder, FRONT), 20, "its supervisor withdraws it")
        wait_until(lambda: "a virtual address was withdrawn" in holder.output(), 20, "and says so")
        wait_until(lambda: any(has(n, FRONT) for n in cluster.others(holder)), 20, "another has it")
    finally:
        os.kill(holder.agent(), signal.SIGCONT)
    watch.stop()
    cluster.healthy()
    assert len(cluster.holders(FRONT)) == 1


def test_a_frozen_nines_as_a_whole_keeps_no_address(build):
    cluster = build({"front": f"{FRONT}/24"})
    holder = cluster.holder(FRONT)
    watch = Watch(cluster, FRONT)
    stopped = holder.family()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: any(has(n, FRONT) for n in cluster.others(holder)), 20, "another has it")
        assert not has(holder, FRONT)
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)
    watch.stop()


def test_two_never_have_it_while_a_partition_comes_and_heals(build, network):
    cluster = build({"front": f"{FRONT}/24"})
    watch = Watch(cluster, FRONT)
    for _ in range(3):
        holder = cluster.holder(FRONT)
        holder.machine.unplug()
        (next_one,) = wait_until(lambda: [n for n in cluster.others(holder) if has(n, FRONT)], 20, "another has it")
        assert not has(holder, FRONT)
        holder.machine.plug()
        cluster.healthy()
        assert cluster.holders(FRONT) == [next_one]
    watch.stop()


def test_after_a_heal_it_is_announced_again(build, network):
    cluster = build({"front": f"{FRONT}/24"})
    holder = cluster.holder(FRONT)
    (far, _) = cluster.others(holder)
    wait_until(lambda: answers(network, FRONT, within=0.2) or neighbour(network, FRONT), 10, "the hub knows it")
    far.machine.unplug()
    wait_until(lambda: far.member(holder.node)["state"] == "suspected", 20, "it is cut off")
    network.hub("ip", "neigh", "replace", FRONT, "lladdr", "02:00:00:00:00:99", "dev", "bridge", "nud", "stale")
    assert neighbour(network, FRONT) == "02:00:00:00:00:99"
    far.machine.plug()
    wait_until(lambda: neighbour(network, FRONT) == hardware(holder), 20, "the hub was told again")


def moved(node, *words):
    """The answer, once the order is carried out; a leader that is replaced meanwhile says so, and is asked again."""

    def ask():
        done = node.cli("address", "move", *words, "--json", within=20)
        assert done.returncode in (0, 5, 7), done.stdout + done.stderr
        return done.returncode == 0 and json.loads(done.stdout)

    return wait_until(ask, 40, f"{words} is done")


def test_an_address_moves_when_told_and_says_who_did_it(build):
    cluster = build({"front": {"address": f"{FRONT}/24", "nodes": ["a", "b", "c"], "preempt": True}})
    assert cluster.holder(FRONT).node == "a"
    watch = Watch(cluster, FRONT)
    said = moved(cluster["b"], "front", "--to", "c")
    assert said["node"] == "c"
    assert [n.node for n in cluster.holders(FRONT)] == ["c"]
    said = moved(cluster["c"], "front")
    assert said["by"] == cluster.agreed()
    assert [n.node for n in cluster.holders(FRONT)] == [said["node"]] != ["c"]
    watch.stop()
    assert "no such virtual address" in cluster["a"].said("address", "move", "nothing", code=7)
    assert "no such node" in cluster["a"].said("address", "move", "front", "--to", "d", code=7)
    assert "front is on" in cluster["b"].said("address", "move", "front", "--to", said["node"])
    (row,) = json.loads(cluster["a"].said("address", "list", "--json"))
    assert row["holder"] == said["node"]
    assert row["well_here"]
    assert f"addresses: front on {said['node']}" in cluster["a"].said("status")
    node = cluster[said["node"]]
    assert 'nines_address_held{address="front"} 1' in node.fetch("/metrics").body.decode()
    assert json.loads(node.fetch("/api/v1/addresses").body)["addresses"][0]["here"]


def test_a_node_that_stops_in_order_hands_over_first(build):
    cluster = build({"front": f"{FRONT}/24"})
    holder = cluster.holder(FRONT)
    watch = Watch(cluster, FRONT)
    holder.stop()
    assert not has(holder, FRONT)
    wait_until(lambda: any(has(n, FRONT) for n in cluster.others(holder)), 20, "another has it")
    watch.stop()
    assert "N-1202" not in cluster.others(holder)[0].said("events", "--code", "N-1202")


def test_a_pool_that_fails_on_one_node_moves_the_address_and_it_comes_back_with_preempt(build, network):
    backend, rest = web(network)
    cluster = build(
        {"front": {"address": f"{FRONT}/24", "nodes": ["a", "b"], "preempt": True, "require": ["site", "web"]}}, **rest)
    assert cluster.holder(FRONT).node == "a"
    watch = Watch(cluster, FRONT)
    time_of_both = wait_until(lambda: all(
        json.loads(n.said("address", "list", "--json"))[0]["well_here"] for n in cluster), 20, "all are well")
    assert time_of_both
    # Only a loses its way to the backend.
    cluster["a"].machine.run("nft", "-f", "-", input="add rule ip nines input ip saddr 10.77.0.254 tcp sport 9000 drop\n")
    wait_until(lambda: has(cluster["b"], FRONT), 20, "the other one has it")
    assert "no backend of the pool 'site' is up" in cluster["a"].said("address", "list")
    cluster["a"].machine.heal()
    wait_until(lambda: has(cluster["a"], FRONT), 30, "it goes back")
    watch.stop()
    backend.kill()


def test_spread_addresses_are_even_over_three_nodes(build):
    names = {f"x{i}": f"10.77.0.{110 + i}/24" for i in range(6)}
    cluster = build(names)

    def shares():
        found = {node.node: [ip for ip in names.values() if has(node, ip.split("/")[0])] for node in cluster}
        return sorted(map(len, found.values()))

    wait_until(lambda: shares() == [2, 2, 2], 20, "two each")
    cluster["c"].kill()
    wait_until(lambda: shares() == [0, 3, 3], 20, "three each")
    cluster["c"].start()
    wait_until(lambda: shares() == [2, 2, 2], 40, "two each again")


def test_an_address_that_goes_from_the_file_goes_from_the_interface(build):
    cluster = build({"front": f"{FRONT}/24", "back": f"{BACK}/24"})
    cluster.holder(FRONT)
    cluster.holder(BACK)
    for name, node in cluster.nodes.items():
        node.write({**cluster.config(name), "addresses": {"front": f"{FRONT}/24"}})
        node.said("reload")
    wait_until(lambda: not cluster.holders(BACK), 20, "it is nowhere")
    assert len(cluster.holders(FRONT)) == 1
    wait_until(lambda: [x["lease"] for x in cluster["a"].view()["leases"]] == ["address/front"], 20, "and its lease is free")


def test_a_node_that_cannot_add_it_is_passed_over_each_time_that_it_is_tried(build, network):
    """Half a minute after it failed it is tried again, since it is preferred; and then it fails for the same reason."""
    network.machines[1].run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8")
    network.machines[1].run("ip", "link", "set", "eth9", "up")
    cluster = build({"front": {"address": "10.88.0.100/24", "interface": "eth9", "nodes": ["a", "b"], "preempt": True}})
    for times in (1, 2):
        wait_until(lambda times=times: len(cluster["c"].api("/api/v1/events?code=N-1804")["events"]) >= times, 60,
                   f"a could not add it, {times} times")
        wait_until(lambda: has(cluster["b"], "10.88.0.100"), 30, "the other one has it")
    assert cluster["c"].api("/api/v1/events?code=N-1804")["events"][-1]["text"].startswith("a could not add 10.88.0.100")


def test_what_somebody_else_put_there_is_neither_used_nor_removed(system, network):
    cluster = Balancers(system, network, addresses={"front": f"{FRONT}/24"}, failover=TIMING)
    machine = cluster.machines["a"]
    machine.run("ip", "address", "add", f"{FRONT}/24", "dev", "eth0")
    folder = system.folder / "a"
    file = folder / "refused.yaml"
    file.write_text(json.dumps({"cluster": "test", **cluster.config("a")}))
    done = subprocess.run(machine.inside([BINARY, "run", "-c", file, "--node", "a"]),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 78
    assert "nines did not put it there" in done.stderr
    assert f" {FRONT}/24" in interfaces(machine)


def test_without_the_right_to_it_the_start_is_refused_with_a_sentence(system, network):
    cluster = Balancers(system, network, addresses={"front": f"{FRONT}/24"}, failover=TIMING)
    machine = cluster.machines["a"]
    file = system.folder / "a" / "unable.yaml"
    file.write_text(json.dumps({"cluster": "test", **cluster.config("a")}))
    drop = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
    assert shutil.which("setpriv")
    done = subprocess.run(machine.inside([*drop, BINARY, "run", "-c", file, "--node", "a"]),
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 78
    assert "CAP_NET_ADMIN" in done.stderr


def test_what_a_killed_run_left_is_removed_at_the_next_start(build):
    cluster = build({"front": {"address": f"{FRONT}/24", "nodes": ["a"]}}, failover={**TIMING, "lease": "30s"})
    assert cluster.holder(FRONT).node == "a"
    cluster["a"].kill()
    assert has(cluster["a"], FRONT)
    cluster["a"].start()
    assert "that an earlier run left was removed" in cluster["a"].output()


def test_a_group_behind_an_address_is_taken_over_on_nodes_that_do_not_have_it(system, network):
    """A new primary tries a write through a door of its own node: that address is another node's, and the other door wants a PROXY header first."""
    cluster = Archipelago(system, network, addresses={"front": f"{FRONT}/24"},
                          services={"db": {"listen": f"{FRONT}:80", "protocol": "tcp", "group": "data"},
                                    "behind": {"listen": "0.0.0.0:81", "protocol": "tcp", "group": "data",
                                               "accept_proxy": True}})
    try:
        cluster.start()
        cluster.whole()
        (holder,) = wait_until(lambda: [n for n in cluster if has(n, FRONT)], 20, f"{FRONT} is somewhere")
        for node in cluster:
            if node is not cluster.whole():
                cluster["a"].order("switchover", "data", "--to", node.node)
        assert has(holder, FRONT)
    finally:
        cluster.end()
