"""The embedded store as a group: three nodes of nines and nothing else, real Redis clients, and faults under a client that writes down what it was promised."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess

import network as networks
import pytest
import redis
from harness import wait_until
from stores import Stores, client_of, store_of

pytestmark = [pytest.mark.heavy, pytest.mark.seconds(120)]

MODES = ["sync", "semi-sync", "async"]


@pytest.fixture
def build(system):
    built = []

    def build(**group):
        cluster = Stores(system, groups={"data": group})
        built.append(cluster)
        return cluster.start()

    yield build
    for cluster in built:
        cluster.end()


def judged(cluster, fault, lost=0):
    """A fault under load: nobody fails, everybody is in sync again, and no more is missing than may be."""
    client = cluster.journal()
    try:
        before = cluster.whole()
        fault(before)
        client.goes_on()
        cluster.whole()
        client.goes_on()
        return client.ends(lost)
    finally:
        client.kill()


def test_any_member_takes_any_command_and_all_come_to_the_same(build):
    cluster = build()
    primary = cluster.whole()
    clients = [client_of(node) for node in cluster]
    for number, client in enumerate(clients):
        assert client.set(f"key{number}", number)
        assert client.incr("count") == number + 1
        assert client.hset("hash", mapping={f"field{number}": "x"}) == 1
        assert client.zadd("sorted", {f"member{number}": number}) == 1
        assert client.rpush("list", number) == number + 1
        assert client.sadd("set", number) == 1
    for client in clients:  # a read is strong, wherever it is asked
        assert client.mget("key0", "key1", "key2") == ["0", "1", "2"]
        assert client.hgetall("hash") == {"field0": "x", "field1": "x", "field2": "x"}
        assert client.zrange("sorted", 0, -1, withscores=True) == [("member0", 0.0), ("member1", 1.0), ("member2", 2.0)]
        assert client.lrange("list", 0, -1) == ["0", "1", "2"]
        assert client.smembers("set") == {"0", "1", "2"}
    with clients[0].pipeline(transaction=True) as pipe:
        pipe.watch("count")
        pipe.multi()
        pipe.incr("count")
        assert clients[1].incr("count") == 4
        with pytest.raises(redis.WatchError):
            pipe.execute()
    roles = [client_of(node).info("replication")["role"] for node in cluster]
    assert sorted(roles) == ["master", "slave", "slave"]
    assert client_of(primary).info("replication")["role"] == "master"


@pytest.mark.parametrize("mode", MODES)
def test_a_primary_whose_store_is_killed_loses_nothing_that_the_mode_promises(build, mode):
    cluster = build(mode=mode)
    judged(cluster, lambda primary: primary.hit(signal.SIGKILL, store_of(primary)), 10**6 if mode == "async" else 0)


def test_a_switchover_loses_nothing(build):
    cluster = build()
    judged(cluster, lambda primary: primary.order("switchover", "data"))
    assert cluster["a"].facts("switchover-done")


def test_a_node_that_is_killed_and_comes_back_loses_nothing(build):
    cluster = build()

    def fault(primary):
        primary.kill()
        cluster.primary()
        primary.start()

    judged(cluster, fault)


def test_a_frozen_agent_does_not_let_its_store_go_on(build):
    cluster = build()

    def fault(primary):
        agent = primary.agent()
        primary.hit(signal.SIGSTOP, agent)
        try:
            others = [node for node in cluster if node is not primary]
            wait_until(lambda: all(n.group()["primary"] not in (None, primary.node) for n in others), 30, "another is primary")
        finally:
            os.kill(agent, signal.SIGCONT)

    judged(cluster, fault)


def test_what_was_acknowledged_is_there_after_all_were_killed_at_once(build):
    cluster = build()
    cluster.whole()
    client = client_of(cluster["b"])
    for number in range(200):
        assert client.set(f"key{number}", number)
    for node in cluster:
        node.kill()
    for node in cluster:
        node.start()
    cluster.whole()
    client = client_of(cluster["c"])
    assert client.mget([f"key{number}" for number in range(200)]) == [str(number) for number in range(200)]


def filled(client, megabytes, name="large"):
    """So much log, by values that replace one another."""
    for number in range(megabytes):
        assert client.set(f"{name}{number % 8}", chr(ord("a") + number % 26) * 2**20)


def directory_of(node):
    return node.cluster.system.folder / node.node / "state/store/data"


def segments_of(node):
    """The log's, the oldest first."""
    return sorted((directory_of(node) / "log").glob("records-0*"))


def log_of(node):
    return sum(file.stat().st_size for file in segments_of(node))


def early(client):
    """A key of each kind, users, and many small ones: what stands before all that fills the log."""
    for number in range(500):
        assert client.set(f"early{number}", number)
    client.set("n" * 3000, "a long name")
    client.rpush("list", *range(1000))
    client.zadd("sorted", {f"member{number}": number for number in range(1000)})
    client.set("goes", "away", px=10**8)
    client.acl_setuser("reader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+get"])


def assert_early(node):
    client = client_of(node)
    assert client.mget([f"early{number}" for number in range(500)]) == [str(number) for number in range(500)]
    assert client.get("n" * 3000) == "a long name"
    assert client.lrange("list", 0, -1) == [str(number) for number in range(1000)]
    assert client.zscore("sorted", "member999") == 999
    assert 0 < client.pttl("goes") <= 10**8
    assert client_of(node, username="reader", password="secret").get("early7") == "7"


def test_a_restart_begins_at_the_checkpoint_and_the_log_before_it_goes(build):
    cluster = build(checkpoint="1MiB")
    cluster.whole()
    client = client_of(cluster["a"])
    early(client)
    filled(client, 72)
    for number in range(500):
        assert client.hset("late", f"field{number}", number)
    wait_until(lambda: all(log_of(node) <= 48 * 2**20 for node in cluster), 20, "the log's beginning is gone everywhere")
    for node in cluster:
        node.kill()
    for node in cluster:
        node.start()
    cluster.whole()
    for node in cluster:
        assert_early(node)
        assert client_of(node).hlen("late") == 500
        assert client_of(node).get("large7") == "t" * 2**20


def test_a_member_that_lost_its_disk_takes_a_copy(build):
    cluster = build(checkpoint="1MiB", mode="semi-sync")
    primary = cluster.whole()
    lost = next(node for node in cluster if node is not primary)
    client = client_of(primary)
    early(client)
    filled(client, 72)
    wait_until(lambda: log_of(primary) <= 48 * 2**20, 20, "the log does not reach back to the beginning")
    lost.kill()
    shutil.rmtree(directory_of(lost))
    filled(client, 8, "meanwhile")
    lost.start()
    cluster.whole()
    late = client_of(lost)
    assert late.set("late", 1)
    wait_until(lambda: late.info("replication")["master_link_status"] == "up", 20, "it follows")
    late.execute_command("CLIENT", "CONSISTENCY", "eventual")  # what it has itself
    wait_until(lambda: late.get("late") == "1", 20, "it has what was written last")
    assert late.get("meanwhile7") == "h" * 2**20
    primary.order("switchover", "data", "--to", lost.node)
    wait_until(lambda: cluster.whole() is lost, 60, f"{lost.node} is primary")
    for node in cluster:
        assert_early(node)


@contextlib.contextmanager
def small_disk(folder, size):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.skipif(not networks.available(), reason="to mount needs root")
def test_a_checkpoint_that_finds_no_room_is_said_and_made_when_there_is(build):
    cluster = build(checkpoint="1MiB", mode="semi-sync")
    primary = cluster.whole()
    full = next(node for node in cluster if node is not primary)
    full.kill()  # its log is whole: nothing was so long that it would have been dropped
    with small_disk(directory_of(full) / "state", "24m"):
        full.start()
        cluster.whole()
        client = client_of(primary)
        for name in "abcdef":
            filled(client, 8, name)
        wait_until(lambda: "write the checkpoint: No space left on device" in full.output(), 20, "it says that its disk is full")
        assert client.get("f7") == "h" * 2**20  # all goes on
        cluster.whole()
        oldest = segments_of(full)[0].name
        client.delete(*[f"{name}{number}" for name in "abcdef" for number in range(8)])
        early(client)
        wait_until(lambda: segments_of(full)[0].name > oldest, 30, "a checkpoint was made, and the log before it went")
        cluster.whole()
        full.kill()
        full.start()
        cluster.whole()
        assert_early(full)


@pytest.mark.parametrize(
    "what, sentence",
    [
        ({"command": ["/bin/true"]}, "has no `command`"),
        ({"unit": "x.service"}, "has no `unit`"),
        ({"eviction": "everything"}, "eviction"),
        ({"max_memory": "-1"}, "max_memory"),
    ],
)
def test_what_a_store_cannot_have_is_refused_with_a_sentence(system, what, sentence):
    cluster = Stores(system)
    cluster.refuses(what, sentence)


LINKS = 10000  # members hear each other at their port and so many


def shown_to_members(cluster, node):
    """The serial number of the certificate that its store shows."""
    folder = cluster.system.folder / "authority"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(folder / "ca.pem")
    context.load_cert_chain(folder / "a.pem", folder / "a.key")
    host, port = node.endpoint().rsplit(":", 1)
    with socket.create_connection((host, int(port) + LINKS), 10) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert()["serialNumber"]


def test_certificates_between_members_are_renewed_without_a_restart(build):
    cluster = build()
    cluster.whole()
    before = {node.node: (store_of(node), shown_to_members(cluster, node)) for node in cluster}
    made = cluster.system.folder / "authority"
    cluster["a"].said("cert", "renew", "--authority", str(made), "--out", str(made), "--days", "9")
    for node in cluster:
        for part in (f"{node.node}.pem", f"{node.node}.key"):
            (node.folder / "state" / "tls" / part).write_bytes((made / part).read_bytes())
        node.reload()
    for node in cluster:
        pid, serial = before[node.node]
        wait_until(lambda node=node, serial=serial: shown_to_members(cluster, node) != serial, 10, f"{node.node} shows another")
        assert store_of(node) == pid
    judged(cluster, lambda primary: primary.hit(signal.SIGKILL, store_of(primary)))
