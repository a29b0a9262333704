"""Clusters with a group: a real redis-server on each node, run by nines, and what watches them meanwhile."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import yaml

from clusters import Cluster, Node
from distributed import Distant, Distributed
from harness import BINARY, TOP, Process, command_of, processes, split, wait_until
from network import inside
from redises import Journal, verify

ENGINE = TOP / "engines/redis"
SERVER = "/usr/bin/redis-server"
TIMING = {"heartbeat": "100ms", "election_timeout": "400ms", "lease": "1s", "timeout": "4s"}
WITNESS = "witness"


class RedisError(Exception):
    """What a server answered instead."""


class Redis:
    """One connection to a server, in the namespace where it is."""

    def __init__(self, address, namespace=None, timeout=1.0):
        with inside(namespace) if namespace else contextlib.nullcontext():
            self.socket = socket.create_connection(split(address), timeout)
        self.file = self.socket.makefile("rb")

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("cut off")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            return RedisError(rest)
        if kind == b"$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def ask_all(self, *commands):
        out = b""
        for words in commands:
            out += b"*%d\r\n" % len(words)
            for word in words:
                out += b"$%d\r\n%s\r\n" % (len(str(word).encode()), str(word).encode())
        self.socket.sendall(out)
        return [self.answer() for _ in commands]

    def close(self):
        self.file.close()
        self.socket.close()


class Member:
    """Mixed into a node: its redis-servers, as somebody sees them who stands beside them."""

    namespace = None

    def endpoint(self, group="data"):
        return self.cluster.endpoint(group, self.node)

    def redis(self, *words, group="data"):
        """What the server here answers; an error of its own is raised."""
        connection = Redis(self.endpoint(group), self.namespace)
        try:
            (answer,) = connection.ask_all(words)
        finally:
            connection.close()
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def keys(self, pattern="*", group="data"):
        """None of a server that is not there."""
        try:
            return set(self.redis("KEYS", pattern, group=group))
        except (OSError, RedisError):
            return set()

    def run_of(self, kind="process", group="data"):
        """Ids of what nines runs here for the group, children included; the oldest first."""
        return sorted(self.tagged(f"/{kind}/", group))

    def tagged(self, kind="/", group=None):
        """By where they run, which is a folder of this node's: they have sessions of their own, and a redis-server wipes the environment that nines gave it."""
        places = {str(self.cluster.place_of(name, self.node)) for name in ([group] if group else self.cluster.groups)}
        for pid, stat in processes():
            with contextlib.suppress(OSError):
                if stat[0] == "Z" or os.readlink(f"/proc/{pid}/cwd") not in places:
                    continue
                program = b"/program/" in Path(f"/proc/{pid}/environ").read_bytes()
                if kind in ("/program/" if program else "/process/"):
                    yield pid

    def server(self, group="data"):
        (pid,) = wait_until(lambda: self.run_of("process", group)[:1], 20, f"{self.node} runs a server")
        return pid

    def hit(self, number, pid=None):
        pid = pid or self.server()
        self.timeline.note(self.node, f"{pid} gets {signal.Signals(number).name}")
        os.kill(pid, number)
        return pid

    def agent(self):
        (pid,) = self.roles("agent")
        return pid

    def kill(self):
        """The supervisor first: all that it runs is to die with it."""
        self.timeline.note(self.node, "is killed")
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
        super().kill()

    def leftovers(self):
        """After its end: what it should not have left; nothing is left then."""
        found = {pid: command_of(pid) for pid in self.tagged()}
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def group(self, name="data"):
        """As this node tells it."""
        return next(g for g in self.api("/api/v1/groups")["groups"] if g["name"] == name)

    def member_of(self, other, group="data"):
        return next(m for m in self.group(group)["members"] if m["node"] == other)

    def order(self, *words, code=0):
        """An order's answer."""
        done = self.cli(*words, "--json", within=40)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def start_order(self, *words):
        """An order in the background."""
        return Process(self.timeline, f"{self.node}-order", [BINARY, *words, "--json", "-c", self.file])

    def facts(self, *codes, group="data"):
        """Of the group, newest last; of any node, as this one knows them."""
        found = []
        for code in codes:
            found += self.api(f"/api/v1/events?limit=500&code={code}")["events"]
        return sorted((f for f in found if f["subject"]["name"] == group), key=lambda f: f["wall_ms"])


class Neighbour(Member, Node):
    """A node on loopback."""


class Islander(Member, Distant):
    """A node on a machine of its own."""

    @property
    def namespace(self):
        return self.machine.namespace


class Grouped:
    """Mixed into a cluster: `groups` are names and what differs from what every group here has; `on` are the nodes that hold its data, else all."""

    def __init__(self, system, *rest, groups=None, members=None, **options):
        self.groups = {"data": {}} if groups is None else groups
        self.members = members or {}  # of a node: what its engine has instead
        self.endpoints = {}
        self.journals = itertools.count(1)
        super().__init__(system, *rest, **{"failover": TIMING, **options})

    def endpoint(self, group, name):
        return self.endpoints.setdefault((group, name), self.listen(group, name))

    def config(self, name):
        return {**super().config(name), "groups": {group: self.group_of(group, name) for group in self.groups}}

    def group_of(self, group, name):
        folder = self.place_of(group, name)
        own = dict(self.groups[group])
        return {
            "members": {other: {"endpoint": self.endpoint(group, other)} for other in own.pop("on", self.names)},
            "durable": False,
            "restart": {"attempts": 100},
            "directory": str(folder),
            "command": [str(ENGINE), str(folder)],
            "process": [SERVER, str(self.redis_conf(folder, self.endpoint(group, name), own.get("durable", False)))],
            "probe": {"send": "SET nines:probe {epoch}\\r\\n", "expect": "+OK", "timeout": "1s"},
            **own,
            **self.members.get(name, {}),
        }

    def place_of(self, group, name):
        """The folder in which a member's programs run."""
        return self.system.folder / name / group

    def redis_conf(self, folder, address, durable=False):
        folder.mkdir(exist_ok=True)
        host, port = split(address)
        file = folder / "redis.conf"
        file.write_text(
            f"bind {host}\nport {port}\ndir {folder}\nsave ''\nprotected-mode no\nloglevel warning\n"
            f"include {TOP}/engines/redis.conf\nappendfsync {'always' if durable else 'everysec'}\n"
        )
        return file

    def refuses(self, what, sentence, group="data"):
        """Such a group is refused before anything runs, with a sentence and its place in the file."""
        self.groups[group] = what
        file = self.system.folder / "wrong.yaml"
        file.write_text(yaml.safe_dump({"cluster": "test", **self.config("a")}))
        done = subprocess.run([BINARY, "check", "-c", file, "--node", "a"], capture_output=True, text=True, timeout=20)
        assert done.returncode == 78
        assert sentence in done.stderr
        assert re.search(r"wrong\.yaml:\d+:\d+$", done.stderr, re.M), done.stderr

    # ---- what they are ----

    def addresses(self, group="data"):
        """The primary's first: a client that is well answered stays there."""
        primary = self.primary(group)
        return [node.endpoint(group) for node in [primary, *(node for node in self if node is not primary)]]

    def primary(self, group="data", within=30):
        """The one that all nodes which run call the primary, once it serves."""

        def agree():
            seen = {(g["phase"], g.get("primary")) for g in (node.group(group) for node in self.up())}
            phase, name = seen.pop()
            return not seen and phase == "serving" and name

        return self[wait_until(agree, within, "all name one primary")]

    def secondaries(self, group="data"):
        primary = self.primary(group)
        return [node for node in self.up() if node is not primary]

    def is_whole(self, group="data"):
        told = [node.group(group) for node in self.up()]
        return (
            all(g["phase"] == "serving" for g in told)
            and len({(g["epoch"], g["primary"]) for g in told}) == 1
            and all(not g["degraded"] and not g["unclean"] for g in told)
            and all(m["in_sync"] and m["state"] == "running" for g in told for m in g["members"])
            and all(
                m["role"] == "primary" if m["node"] == g["primary"] else m["role"] == "secondary" and not m["why_not"]
                for g in told for m in g["members"]
            )
        )

    def whole(self, group="data", within=40):
        """The primary, once every node says that all members are in sync with it."""
        try:
            wait_until(lambda: self.is_whole(group), within, f"{group} is whole")
        except AssertionError:
            for node in self.up():
                self.system.timeline.note(node.node, json.dumps(node.group(group)))
            raise
        return self.primary(group)

    # ---- what watches them ----

    def journal(self, *options, group="data"):
        file = self.system.folder / f"journal-{next(self.journals)}"
        return Client(self, file, group, options)

    def end(self):
        """Kills all; nothing that nines ran for a group may be left."""
        for node in self:
            node.kill()
        left = []
        for node in self:
            with contextlib.suppress(AssertionError):
                wait_until(lambda node=node: not list(node.tagged()), 5)
            left += node.leftovers().items()
        assert not left, f"left behind: {left}"


class Nearby(Grouped, Cluster):
    """On loopback."""

    node = Neighbour
    outside = ()

    def listen(self, group, name):
        return self.system.address()


class Archipelago(Grouped, Distributed):
    """On machines of their own; clients are on the hub."""

    node = Islander

    def __init__(self, system, network, **rest):
        self.network = network
        super().__init__(system, network, **rest)

    @property
    def outside(self):
        return ["ip", "netns", "exec", self.network.hub_name]

    def listen(self, group, name):
        return f"{self.machines[name].address}:{6379 + list(self.groups).index(group)}"

    def heal(self):
        for machine in self.machines.values():
            machine.heal()


class Client(Journal):
    """A client of the group that writes down what it was promised."""

    def __init__(self, cluster, file, group, options):
        self.cluster, self.group = cluster, group
        self.prefix = f"{file.name}k"
        super().__init__(
            cluster.system, file, *cluster.addresses(group), wrapper=cluster.outside,
            options=("--for", "1h", "--rate", "200", "--attempt", "500ms", "--timeout", "30s",
                     "--prefix", self.prefix, *options),
        )
        self.has_acknowledged(20)

    def replicated(self):
        """Keys that some secondary has; whoever becomes primary must have them."""
        found = set()
        for node in self.cluster.secondaries(self.group):
            found |= node.keys(f"{self.prefix}:*", self.group)
        return found

    def goes_on(self, count=30):
        """It is promised more than it was."""
        self.has_acknowledged(self.acknowledged() + count)

    def ends(self, lost=0, kept=()):
        """Ends it, and holds its book against the primary's data: every request was answered, and no more than `lost` of what was promised is missing,
        none of it in `kept`."""
        self.signal(signal.SIGINT)
        self.wait(40)
        figures = json.loads([line for line in self.output().splitlines() if line.startswith("{")][-1])
        assert figures["failed"] == 0, figures
        primary = self.cluster.whole(self.group)
        _, verdict, said = verify(self.file, primary.endpoint(self.group), wrapper=self.cluster.outside)
        assert verdict and verdict["verdict"], said
        assert verdict["verdict"]["phantom"] == 0
        assert verdict["verdict"]["lost"] <= lost, verdict["verdict"]
        missing = set(kept) - primary.keys(f"{self.prefix}:*", self.group)
        assert not missing, f"{len(missing)} that were replicated are gone"
        return figures, verdict


class Witness:
    """Writes to all members all the time, from beside each of them, and notes who took it, when, and in which epoch of the data.

    Epochs never go back in time: a write that one member took in an old epoch, begun after another had taken one in a newer, is a second primary.
    """

    def __init__(self, cluster, group="data"):
        self.cluster, self.group = cluster, group
        self.taken = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=(node,), daemon=True) for node in cluster]
        for thread in self.threads:
            thread.start()

    def watch(self, node):
        connection, number = None, 0
        while not self.over.wait(0.003):
            number += 1
            try:
                connection = connection or Redis(node.endpoint(self.group), node.namespace, timeout=5)
                self.write(node.node, connection, number)
            except OSError:
                if connection:
                    connection.close()
                connection = None
        if connection:
            connection.close()

    def write(self, name, connection, number):
        begun = time.monotonic()
        answer = connection.ask_all(
            ("MULTI",), ("SET", f"{WITNESS}:{name}", number), ("GET", f"nines:epoch:{self.group}"), ("EXEC",)
        )[-1]
        if isinstance(answer, list) and answer[0] == "OK":
            self.taken.append((begun, time.monotonic(), int(answer[1] or 0), name))

    def wrong(self):
        """What no single primary could have done; None: nothing."""
        holder = {}
        for _, _, epoch, name in self.taken:
            if holder.setdefault(epoch, name) != name:
                return f"{holder[epoch]} and {name} took writes in epoch {epoch}"
        by_end = sorted(self.taken, key=lambda write: write[1])
        at, newest = 0, (0, "", 0)
        for begun, _, epoch, name in sorted(self.taken):
            while by_end[at][1] <= begun:
                if by_end[at][2] > newest[0]:
                    newest = (by_end[at][2], by_end[at][3], by_end[at][1])
                at += 1
            if epoch < newest[0]:
                return (f"{name} took a write of epoch {epoch}, {begun - newest[2]:.3f} s after "
                        f"{newest[1]} had taken one of epoch {newest[0]}")
        return None

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(20)

    def saw(self, node):
        """So many writes of one member."""
        return sum(1 for write in self.taken if write[3] == node.node)


@contextlib.contextmanager
def watched(cluster, group="data"):
    """A witness meanwhile; in the end it has seen no two primaries."""
    witness = Witness(cluster, group)
    try:
        yield witness
    finally:
        witness.stop()
    assert witness.taken, "nobody took a write"
    wrong = witness.wrong()
    assert not wrong, wrong


class Stage:
    """One cluster for many tests: it has to be whole again after each. One that is not is made anew, so that a failure is of one test alone."""

    def __init__(self, build):
        self.build, self.cluster = build, None

    def ready(self):
        if self.cluster and not self.recovers():
            self.close()
        if not self.cluster:
            self.cluster = self.build()
        self.cluster.whole()
        return self.cluster

    def recovers(self):
        with contextlib.suppress(AssertionError, OSError):
            for node in self.cluster:
                if node.status is not None:
                    node.start()
            return self.cluster.whole(within=20)
        return None

    def close(self):
        cluster, self.cluster = self.cluster, None
        if cluster:
            try:
                cluster.end()
            finally:
                cluster.system.close()


class Trial:
    """A client's journal and a witness, and a fault between them: what a failover is judged by."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.client = cluster.journal()
        self.before = cluster.primary()
        self.kept = set()

    def strikes(self):
        """To be called right before the fault."""
        self.kept |= self.client.replicated()

    def another(self, within=30):
        """Somebody else is primary, as all tell who can be asked and are in the majority."""
        others = [node for node in self.cluster.up() if node is not self.before]

        def agreed():
            seen = {(g["phase"], g["primary"]) for g in (node.group() for node in others)}
            phase, name = seen.pop()
            return not seen and phase == "serving" and name != self.before.node and name

        return self.cluster[wait_until(agreed, within, "another is primary")]


@contextlib.contextmanager
def trial(cluster, lost=0):
    """Afterwards the group is whole by itself, goes on, and has lost at most so many acknowledged writes, and none that had been replicated before the fault."""
    with watched(cluster) as witness:
        tried = Trial(cluster)
        tried.witness = witness
        try:
            yield tried
            cluster.whole()
            tried.client.goes_on()
            tried.figures, tried.verdict = tried.client.ends(lost, tried.kept)
        finally:
            tried.client.kill()
