"""Three nodes on loopback of each store that bench/store compares: nines, Debian's Redis and Debian's etcd, on addresses of their own."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import redis

import measure
import peers
from peers import wait_until

PORT = 6379


class Loopback:
    """Where a node is: an address of its own within 127/8."""

    def __init__(self, cluster, number):
        pid = os.getpid()
        self.address = f"127.{150 + pid % 50}.{pid // 50 % 25 * 10 + cluster}.{number}"

    def inside(self, command):
        return [str(word) for word in command]


def speak(address):
    return redis.Redis(address, PORT, socket_timeout=5, socket_connect_timeout=1, decode_responses=True)


def answers(claim):
    """The same; what a server that is not up yet does to its client is a no."""

    def asked():
        with contextlib.suppress(redis.RedisError):
            return claim()
        return None

    return asked


class Nines(peers.Nines):
    """`rest` are further lines of the group."""

    def __init__(self, machine, folder, machines, rest=""):
        self.rest = rest
        super().__init__(machine, folder, machines, "default")

    def config(self):
        return f"""{super().config()}admin: {{listen: "{self.machine.address}:7900"}}
groups:
  data:
    engine: store
    mode: sync
    port: {PORT}
{self.rest}"""

    def group(self):
        return self.ask("GET", "/api/v1/groups")["groups"][0]

    def store(self):
        """The process that keeps the data, once it is there."""

        def found():
            return next((pid for pid in measure.family(self.child) if b"nines: store" in Path(f"/proc/{pid}/cmdline").read_bytes()), None)

        return wait_until(found, f"{self.name} runs a store")

    def is_whole(self):
        group = self.group()
        return (group["phase"] == "serving" and len(group["members"]) == 3
                and all(member["in_sync"] and member["state"] == "running" and not member["loading"] for member in group["members"]))

    def info(self):
        return speak(self.machine.address).info("everything")

    @staticmethod
    def ready(nodes, within=60):
        """All is in sync; the primary first."""

        def agreed():
            names = {node.group()["primary"] for node in nodes}
            return names.pop() if len(names) == 1 and all(node.is_whole() for node in nodes) else None

        name = wait_until(agreed, "nines: all members are in sync", within, every=0.02)
        return sorted(nodes, key=lambda node: node.name != name)


class Redis(peers.Node):
    """The first is the primary. No RDB files and no rewriting of the append-only file: it does less than it would."""

    title = "Redis"

    def __init__(self, machine, folder, machines):
        super().__init__(machine, folder)
        self.primary = machines[0]
        follows = "" if machine is self.primary else f"replicaof {self.primary.address} {PORT}"
        (folder / "redis.conf").write_text(f"""
bind {machine.address}
port {PORT}
dir {folder}
protected-mode no
appendonly yes
appendfsync always
auto-aof-rewrite-percentage 0
save ""
repl-diskless-sync-delay 0
loglevel warning
{follows}
""")

    @staticmethod
    def version():
        done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
        return "Redis " + done.stdout.split("v=")[1].split()[0]

    def command(self):
        return ["redis-server", self.folder / "redis.conf"]

    def store(self):
        return self.child.pid

    @staticmethod
    def ready(nodes, within=60):
        def attached():
            found = speak(nodes[0].machine.address).info("replication")
            return found["connected_slaves"] == 2 and all(found[f"slave{number}"]["state"] == "online" for number in (0, 1))

        wait_until(answers(attached), "Redis: both replicas are online", within, every=0.02)
        return nodes


class Etcd(peers.Etcd):
    def __init__(self, machine, folder, machines):
        super().__init__(machine, folder, machines, "default")

    @staticmethod
    def ready(nodes, within=60):
        del within
        return peers.settled(nodes)


KINDS = {"nines": Nines, "Redis": Redis, "etcd": Etcd}


@contextlib.contextmanager
def running(kind, folder, number, *rest):
    """Three of a kind, the primary first; clusters that run at a time have numbers of their own, 0 to 9."""
    machines = [Loopback(number, place) for place in (1, 2, 3)]
    nodes = []
    try:
        for machine in machines:
            nodes.append(kind(machine, folder / str(number) / machine.address, machines, *rest))
        for node in nodes:
            node.start()
        yield kind.ready(nodes)
    finally:
        for node in nodes:
            node.end()


def cpu_us(nodes):
    """Of all processes of all three so far."""
    return sum(measure.cpu_ns(node.child) for node in nodes) / 1000


def resident(pid):
    """Bytes: all that is resident, and what of it is no file's."""
    fields = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount, *_ = line.split()
        fields[name.rstrip(":")] = int(amount) * 1024
    return {"rss": fields["Rss"], "anonymous": fields["Anonymous"]}


def killed(node):
    """All its processes at once, as when the power goes."""
    os.kill(node.child.pid, signal.SIGSTOP)  # it starts nothing again meanwhile
    node.kill()


def steady(pid, field="anonymous", quiet_s=1.0):
    """Once it has not changed by more than 64 KiB for a while."""
    last, since = resident(pid)[field], time.monotonic()
    deadline = since + 30
    while time.monotonic() < min(deadline, since + quiet_s):
        now = resident(pid)[field]
        if abs(now - last) > 64 << 10:
            last, since = now, time.monotonic()
        time.sleep(0.05)
    return resident(pid)
