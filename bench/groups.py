"""Three nodes with a replicated Redis each, in network namespaces: under nines, and under Debian's Sentinel. And the client that judges both."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import measure
import peers
from peers import TOP, wait_until

REDIS, CLIENTS, SENTINEL = 6379, 6400, 26379
SENTINEL_HAS_NO = {"partition of the leader"}  # no lasting leader: one is chosen for each failover
BINARY = Path(os.environ.get("NINES", TOP / "build/nines"))


def redis_config(folder, address):
    """What both run: the same data service."""
    return f"""
bind {address} 127.0.0.1
protected-mode no
port {REDIS}
dir {folder}
appendonly yes
save ""
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-backlog-size 64mb
logfile {folder}/redis.log
"""


def speak(address, port, *words, timeout=1.0):
    """One command to a Redis, one answer as text."""
    with socket.create_connection((address, port), timeout=timeout) as stream:
        stream.settimeout(timeout)
        stream.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in (str(w).encode() for w in words)))
        reader = stream.makefile("rb")
        head = reader.readline().rstrip()
        if head[:1] == b"$" and head != b"$-1":
            return reader.read(int(head[1:]) + 2)[:-2].decode()
        if head[:1] == b"*" and head != b"*-1":
            return [reader.read(int(reader.readline()[1:]) + 2)[:-2].decode() for _ in range(int(head[1:]))]
        return head.decode()


def replication(address):
    return dict(line.split(":", 1) for line in speak(address, REDIS, "INFO", "replication").splitlines() if ":" in line)


class Nines(peers.Nines):
    port = CLIENTS

    def config(self):
        failover = {"default": "", "tight": "failover: {heartbeat: 50ms, election_timeout: 100ms, lease: 400ms}"}[self.profile]
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        (data / "redis.conf").write_text(redis_config(data, self.machine.address) + f"include {TOP}/engines/redis.conf\n")
        nodes = "\n".join(f"  {name}: {{address: {machine.address}}}" for name, machine in zip("abcde", self.machines))
        return f"""
cluster: bench
directory: {self.folder}/state
runtime_directory: {self.folder}/run
user: root
nodes:
{nodes}
peers: {{authority: {self.shared}/tls/ca.pem, certificate: {self.shared}/tls/{self.name}.pem, key: {self.shared}/tls/{self.name}.key}}
{failover}
groups:
  data:
    engine: script
    command: [{TOP}/engines/redis, {data}]
    process: [/usr/bin/redis-server, {data}/redis.conf]
    directory: {data}
    user: root
    port: {REDIS}
    mode: async
    probe: {{send: 'SET nines:probe {{epoch}}\\r\\n', expect: '+OK', timeout: {'1s' if self.profile == 'default' else '250ms'}}}
services:
  data: {{listen: "0.0.0.0:{CLIENTS}", protocol: tcp, group: data, hold: 10s}}
"""

    def group(self):
        return self.ask("GET", "/api/v1/groups")["groups"][0]

    def redis_pid(self):
        for pid in measure.family(self.child):
            if b"redis-server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise measure.Void(f"{self.name} runs no redis-server")

    def agent_pid(self):
        return self.agent()

    def mend(self):
        """The supervisor starts it again."""

    def primary(self):
        group = self.group()
        return group["primary"] if group["phase"] == "serving" else None

    def account(self):
        """What it says of itself, for whoever looks into a failure."""
        words = [["status"], ["group", "list"], ["events", "--since", "2m"]]
        said = [subprocess.run([BINARY, *word, "--socket", self.folder / "run/nines.sock"], capture_output=True, text=True, check=False)
                for word in words]
        return "\n".join(f"---- {self.name}\n{one.stdout}{one.stderr}" for one in said)

    def is_whole(self):
        group = self.group()
        return (group["phase"] == "serving" and len(group["members"]) == 3
                and all(member["in_sync"] and member["state"] == "running" for member in group["members"]))

    def switchover(self):
        peers.run([BINARY, "switchover", "data", "--socket", self.folder / "run/nines.sock"])


class Sentinel(peers.Node):
    title = "Sentinel"
    port = REDIS

    def __init__(self, machine, folder, machines, profile):
        super().__init__(machine, folder)
        self.machines = machines
        down, timeout = {"default": (30000, 180000), "tight": (500, 1000)}[profile]
        (folder / "redis.conf").write_text(redis_config(folder, machine.address))
        (folder / "sentinel.conf").write_text(f"""
port {SENTINEL}
bind {machine.address} 127.0.0.1
protected-mode no
dir {folder}
logfile {folder}/sentinel.log
sentinel monitor data {machines[0].address} {REDIS} 2
sentinel down-after-milliseconds data {down}
sentinel failover-timeout data {timeout}
""")
        self.redis = self.sentinel = None

    @staticmethod
    def version():
        done = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True)
        return "Redis " + done.stdout.split("v=")[1].split()[0]

    def spawn(self, *command):
        return subprocess.Popen(self.machine.inside(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def start_redis(self):
        follows = [] if self.machine is self.machines[0] and not self.redis else ["--replicaof", *self.elsewhere()]
        self.redis = self.spawn("redis-server", self.folder / "redis.conf", *follows)

    def elsewhere(self):
        """Whom a Redis that comes back has to follow: what a runbook says, and what Sentinel would tell it a moment later."""
        for machine in self.machines:
            with contextlib.suppress(OSError, ValueError, IndexError):
                if machine is not self.machine or not self.redis:
                    host, port = speak(machine.address, SENTINEL, "SENTINEL", "get-master-addr-by-name", "data")
                    if host != self.machine.address:
                        return [host, port]
        return [self.machines[0].address, str(REDIS)]

    def start(self):
        if not self.redis or self.redis.poll() is not None:
            self.start_redis()
        if not self.sentinel or self.sentinel.poll() is not None:
            self.sentinel = self.spawn("redis-sentinel", self.folder / "sentinel.conf")

    def mend(self):
        self.start()

    def redis_pid(self):
        return self.redis.pid

    def agent_pid(self):
        return self.sentinel.pid

    def processes(self):
        return [process for process in (self.redis, self.sentinel) if process]

    def kill(self):
        for process in self.processes():
            process.kill()
            process.wait()

    def end(self):
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
        self.kill()

    def primary(self):
        host, _ = speak(self.machine.address, SENTINEL, "SENTINEL", "get-master-addr-by-name", "data")
        name = next(name for name, machine in zip("abcde", self.machines) if machine.address == host)
        return name if replication(host)["role"] == "master" else None

    def leader(self):
        return self.primary()

    def account(self):
        with contextlib.suppress(OSError):
            return f"---- {self.name}\n{speak(self.machine.address, REDIS, 'INFO', 'replication')}"
        return f"---- {self.name} does not answer"

    def is_whole(self):
        if speak(self.machine.address, SENTINEL, "SENTINEL", "ckquorum", "data")[:3] != "+OK":
            return False
        found = replication(self.machine.address)
        if found["role"] == "master":
            return True  # Sentinel may leave one replica behind another: data flows all the same
        return found["master_link_status"] == "up"

    def switchover(self):
        for machine in self.machines:
            with contextlib.suppress(OSError):
                if speak(machine.address, SENTINEL, "SENTINEL", "failover", "data").startswith("+"):
                    return


def leader_of(nodes):
    """The node that leads consensus, where the kind has such a thing."""
    if not isinstance(nodes[0], Nines):
        return None
    name = nodes[0].leader()
    return next((node for node in nodes if node.name == name), None)


def whole(nodes, within=90):
    """All agree on a primary, and everything follows it; the primary first."""

    def agree():
        names = {node.primary() for node in nodes}
        return names.pop() if len(names) == 1 and all(node.is_whole() for node in nodes) else None

    try:
        name = wait_until(agree, f"{nodes[0].title}: one primary, and all follow it", within)
    except measure.Void as void:
        raise measure.Void("\n".join([str(void), *(node.account() for node in nodes)])) from None
    return sorted(nodes, key=lambda node: node.name != name)


@contextlib.contextmanager
def running(kind, profile, network, folder):
    nodes = [kind(machine, folder / machine.address, network.machines, profile) for machine in network.machines]
    try:
        with network.seen_from_hub():
            for node in nodes:
                node.start()
            whole(nodes)
            yield nodes
    finally:
        for node in nodes:
            node.end()
        network.heal()


class Load:
    """The client: asks a node that is to survive first, and the others when that does not answer."""

    def __init__(self, network, nodes, journal, seconds, first):
        order = [*first, *(node for node in nodes if node not in first)]
        hosts = ",".join(f"{node.machine.address}:{node.port}" for node in order)
        command = [BINARY, "load", f"redis://{hosts}", "--journal", journal, "--rate", 100, "--for", f"{round(seconds * 1000)}ms",
                   "--timeout", "10s", "--attempt", "300ms", "--json"]
        self.network, self.journal = network, journal
        self.seconds = seconds
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", network.hub_name, *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait(self):
        self.said = self.process.communicate(timeout=self.seconds + 60)

    def verify(self, primary):
        """What was acknowledged, and what of it is there now that all is healed, at whoever is the primary then."""
        out, err = subprocess.Popen(
            ["ip", "netns", "exec", self.network.hub_name, BINARY, "load", "verify", str(self.journal),
             f"redis://{primary.machine.address}:{REDIS}", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).communicate(timeout=60)
        if not out.strip():
            raise measure.Void(f"the journal cannot be verified: {err}")
        return json.loads(out.strip().splitlines()[-1])["verdict"]

    def result(self):
        out, err = self.said
        if not out.strip():
            raise measure.Void(f"the client said nothing: {err}")
        return json.loads(out.strip().splitlines()[-1])
