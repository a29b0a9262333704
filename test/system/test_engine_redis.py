"""The example engine `engines/redis` against real redis-servers, driven by its seven words alone."""

import contextlib
import json
import select
import signal
import socket
import subprocess
import threading

import pytest

from harness import TOP, Process, accepts, wait_until

GROUP = "sessions"
SECONDS = 10


class Redis(Process):
    """A redis-server with the fragment that is shipped, and its engine's program."""

    def __init__(self, system, name, address):
        self.folder = system.folder / name
        self.folder.mkdir()
        self.address = address
        host, port = address.split(":")
        (self.folder / "redis.conf").write_text(
            f"bind {host}\nport {port}\ndir {self.folder}\nsave ''\n"
            f"include {TOP}/engines/redis.conf\n"
        )
        self.members = {}
        self.program = None
        self.number = 0
        super().__init__(system.timeline, name, self.command())
        wait_until(lambda: accepts(address), 10, f"{name} listens")

    def command(self):
        return ["/usr/bin/redis-server", self.folder / "redis.conf"]

    def restart(self):
        self.kill()
        Process.__init__(self, self.timeline, self.name, self.command())
        wait_until(lambda: accepts(self.address), 10, f"{self.name} listens again")

    # ---- as a client ----

    def say(self, *words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            out += b"$%d\r\n%s\r\n" % (len(str(word)), str(word).encode())
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(out)
            file = connection.makefile("rb")
            line = file.readline().decode().rstrip("\r\n")
            if line.startswith("$") and line != "$-1":
                return file.read(int(line[1:])).decode()
            return line

    def info(self, key):
        found = dict(line.split(":", 1) for line in self.say("INFO").split("\r\n") if ":" in line)
        return found.get(key)

    # ---- as nines ----

    def close_program(self):
        if self.program:
            self.program.stdin.close()
            self.program.stdout.close()
            self.program.wait(SECONDS)
        self.program = None

    def ask(self, command, epoch=None, timeout_ms=5000, **more):
        if self.program is None:
            self.program = subprocess.Popen(
                [str(TOP / "engines/redis"), str(self.folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        self.number += 1
        order = {"id": self.number, "command": command, "timeout_ms": timeout_ms, "group": GROUP}
        order.update(self=self.name, members=self.members, **more)
        if epoch is not None:
            order["epoch"] = epoch
        self.program.stdin.write(json.dumps(order).encode() + b"\n")
        self.program.stdin.flush()
        ready, _, _ = select.select([self.program.stdout], [], [], timeout_ms / 1000)
        assert ready, f"{self.name} answers {command} in time"
        answer = json.loads(self.program.stdout.readline())
        self.timeline.note(self.name, f"{command} {epoch} -> {answer}")
        assert answer["id"] == self.number
        return answer

    def status(self):
        answer = self.ask("status")
        assert answer["outcome"] == "done"
        return answer["status"]

    def do(self, command, epoch, **more):
        answer = self.ask(command, epoch, **more)
        assert answer["outcome"] == "done", answer
        return answer["status"]

    def promote(self, epoch, needs=()):
        return self.do("promote", epoch, mode="semi-sync" if needs else "async", acks=1, needs=list(needs))

    def position(self):
        found = self.status()["position"]
        return found["epoch"], found["offset"]

    def kill(self):
        self.close_program()
        super().kill()


@pytest.fixture
def three(system):
    with contextlib.ExitStack() as stack:
        servers = []
        for name in "abc":
            servers.append(Redis(system, name, system.address()))
            stack.callback(servers[-1].kill)
        members = {server.name: {"address": server.address} for server in servers}
        for server in servers:
            server.members = members
        yield servers


def follow(primary, epoch, *secondaries):
    for server in secondaries:
        server.do("follow", epoch, primary=primary.name)
    for server in secondaries:
        wait_until(lambda server=server: server.status()["linked"], SECONDS, f"{server.name} is linked")


def caught_up(primary, *secondaries):
    for server in secondaries:
        wait_until(lambda server=server: server.position() == primary.position(), SECONDS, f"{server.name} has all")


def test_a_server_begins_read_only_and_belongs_to_nobody(three):
    a, _, _ = three
    assert a.say("SET", "k", "v").startswith("-READONLY")
    status = a.status()
    assert (status["state"], status["role"], status["writable"]) == ("running", "none", False)
    assert (status["epoch"], status["promised"]) == (0, 0)


def test_a_primary_is_followed_and_its_secondaries_are_seen(three):
    a, b, c = three
    status = a.promote(1)
    assert (status["role"], status["writable"], status["epoch"]) == ("primary", True, 1)
    assert a.say("SET", "k", "v") == "+OK"
    follow(a, 1, b, c)
    caught_up(a, b, c)
    assert b.say("GET", "k") == "v"
    assert b.say("SET", "k", "w").startswith("-READONLY")
    wait_until(lambda: {n: f["attached"] for n, f in a.status()["followers"].items()} == {"b": True, "c": True}, SECONDS)
    wait_until(
        lambda: all(f["position"] == a.status()["position"] for f in a.status()["followers"].values()),
        SECONDS,
        "both have confirmed all",
    )


def test_who_loads_a_copy_follows_already_without_whole_data(three):
    a, b, _ = three
    a.promote(1)
    for i in range(300):
        assert a.say("SET", f"k{i}", "x" * 100) == "+OK"
    assert b.say("CONFIG", "SET", "key-load-delay", 3000, "loading-process-events-interval-bytes", 1024) == "+OK"
    b.do("follow", 1, primary="a")
    answers = []

    def loads():
        answers.append(b.do("copy", 1, primary="a"))
        return answers[-1]["state"] == "starting"

    wait_until(loads, SECONDS, "b loads what it was sent")
    assert answers[-1]["loading"]
    assert (answers[-1]["role"], answers[-1]["epoch"], answers[-1]["primary"]) == ("secondary", 1, "a")
    wait_until(lambda: b.status().get("linked"), SECONDS, "b is linked")
    assert not b.status()["loading"]


def test_needs_refuse_writes_that_no_secondary_would_get(three):
    a, b, _ = three
    assert not a.promote(1, needs=["b"])["writable"]
    assert a.say("SET", "k", "v").startswith("-NOREPLICAS")
    follow(a, 1, b)
    wait_until(lambda: a.status()["writable"], SECONDS, "b counts")
    assert a.say("SET", "k", "v") == "+OK"
    assert a.promote(1)["writable"]  # asked again, when the needs have changed
    b.kill()
    assert a.say("SET", "k", "w") == "+OK"


def test_a_promise_freezes_and_is_remembered(three):
    a, b, _ = three
    a.promote(1)
    follow(a, 1, b)
    caught_up(a, b)
    assert b.do("promise", 2)["promised"] == 2
    frozen = b.position()
    assert a.say("SET", "k", "v") == "+OK"
    assert a.position() > frozen
    assert b.position() == frozen
    assert b.do("promise", 2)["position"]["offset"] == frozen[1]  # twice: nothing
    b.close_program()
    refused = b.ask("follow", 1, primary="a")
    assert refused["outcome"] == "refused"
    assert "epoch 2 was promised" in refused["sentence"]
    assert b.status()["promised"] == 2
    # The primary itself: from now on it takes no writes.
    assert a.do("promise", 2)["role"] == "none"
    assert a.say("SET", "k", "w").startswith("-READONLY")


def test_the_next_epoch_goes_on_from_the_most_advanced_without_copies(three):
    a, b, c = three
    a.promote(1)
    follow(a, 1, b, c)
    for i in range(100):
        assert a.say("SET", f"k{i}", i) == "+OK"
    caught_up(a, b, c)
    copies = [server.info("sync_full") for server in three]
    for server in three:
        server.do("promise", 2)
    assert len({server.position() for server in three}) == 1
    assert b.promote(2)["epoch"] == 2
    follow(b, 2, a, c)
    assert b.say("SET", "k", "v") == "+OK"
    caught_up(b, a, c)
    assert a.say("GET", "k99") == "99"
    assert [server.info("sync_full") for server in three] == copies  # nobody copied anything
    assert int(b.info("sync_partial_ok")) == 2


def test_the_wrong_side_of_a_fork_is_older_however_long_it_is(three):
    a, b, _ = three
    a.promote(1)
    follow(a, 1, b)
    caught_up(a, b)
    b.do("promise", 2)
    for i in range(200):  # nobody but a gets these
        assert a.say("SET", f"lost{i}", "x" * 100) == "+OK"
    b.promote(2)
    assert b.say("SET", "k", "v") == "+OK"
    a.do("promise", 2)
    assert a.position()[1] > b.position()[1]
    assert a.position() < b.position()
    follow(b, 2, a)
    caught_up(b, a)
    assert a.say("GET", "k") == "v"
    assert a.say("GET", "lost0") == "$-1"


def write_until_refused(server, acknowledged):
    """On one connection, as fast as it goes; counts up what was acknowledged."""
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        file = connection.makefile("rb")
        while True:
            number = b"%d" % len(acknowledged)
            connection.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\nk%s\r\n$1\r\nv\r\n" % (len(number) + 1, number))
            if not file.readline().startswith(b"+OK"):
                return
            acknowledged.append(number.decode())


def test_a_planned_demotion_loses_nothing_while_clients_write(three):
    a, b, c = three
    a.promote(1)
    follow(a, 1, b, c)
    acknowledged = []
    client = threading.Thread(target=write_until_refused, args=(a, acknowledged))
    client.start()
    wait_until(lambda: len(acknowledged) > 1000, SECONDS, "a client writes")
    assert a.do("demote", 1, target="b")["writable"] is False
    client.join(SECONDS)
    assert a.say("SET", "k", "late").startswith("-READONLY")
    assert b.position() >= a.position()
    b.promote(2)
    assert b.say("DBSIZE") == f":{len(acknowledged) + 1}"  # and the epoch
    follow(b, 2, a, c)
    caught_up(b, a, c)
    assert b.info("sync_full") == "0"  # nobody copied anything


def test_a_target_that_is_not_there_leaves_the_primary_as_it_was(three):
    a, b, _ = three
    a.promote(1)
    refused = a.ask("demote", 1, target="b", timeout_ms=1000)
    assert refused["outcome"] == "refused"
    assert "b is not attached" in refused["sentence"]
    assert a.say("SET", "k", "v") == "+OK"
    assert a.status()["writable"]


def test_a_target_that_cannot_catch_up_gets_its_time_and_no_more(three):
    a, b, _ = three
    a.promote(1)
    follow(a, 1, b)
    b.signal(signal.SIGSTOP)
    assert a.say("SET", "k", "v") == "+OK"
    refused = a.ask("demote", 1, target="b", timeout_ms=1000)
    assert refused["outcome"] == "refused"
    assert "b lacked " in refused["sentence"]
    assert a.say("SET", "k", "w") == "+OK"
    b.signal(signal.SIGCONT)
    a.do("demote", 1, target="b")
    assert b.position() >= a.position()
    assert b.say("GET", "k") == "w"


def test_a_primary_that_began_again_belongs_to_nobody_and_has_its_data(three):
    a, b, _ = three
    a.promote(1)
    follow(a, 1, b)
    assert a.say("SET", "k", "v") == "+OK"
    caught_up(a, b)
    a.restart()
    wait_until(lambda: a.status()["state"] == "running", SECONDS, "it has loaded")
    status = a.status()
    assert (status["role"], status["writable"], status["epoch"]) == ("none", False, 0)
    assert status["position"]["epoch"] == 1
    assert a.position() <= b.position()
    assert a.say("SET", "k", "w").startswith("-READONLY")
    assert a.promote(2)["epoch"] == 2
    assert a.say("GET", "k") == "v"


def test_a_server_that_is_gone_or_frozen_is_said(three):
    a, _, _ = three
    a.status()
    a.signal(signal.SIGSTOP)
    status = a.ask("status", timeout_ms=500)["status"]
    assert status["state"] == "stuck"
    assert a.ask("promise", 3, timeout_ms=500)["outcome"] == "refused"
    a.signal(signal.SIGCONT)
    wait_until(lambda: a.status()["state"] == "running", SECONDS, "it goes on")
    assert a.status()["promised"] == 3  # it was remembered before anything was done
    Process.kill(a)
    assert a.status()["state"] == "stopped"
