"""Three nodes with a replicated Redis each, in network namespaces: under nines, and under Debian's Sentinel. And the client that judges both."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import redis

import measure
import peers
from peers import TOP, wait_until

REDIS, CLIENTS, SENTINEL = 6379, 6400, 26379
PATIENCE_S = 75  # so long a group may take to be whole again by itself: a minute is nines's own patience with a process that dies again and again
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


def speak(address, port=REDIS, timeout=1.0):
    """A connection that is made when it is used, and asks once."""
    return redis.Redis(address, port, socket_timeout=timeout, socket_connect_timeout=timeout, decode_responses=True)


def replication(address):
    return speak(address).info("replication")


class Nines(peers.Nines):
    port = CLIENTS
    TIGHT_LEASE = "400ms"

    def config(self):
        data = self.folder / "redis"
        data.mkdir(exist_ok=True)
        (data / "redis.conf").write_text(redis_config(data, self.machine.address) + f"include {TOP}/engines/redis.conf\n")
        return f"""{super().config()}groups:
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
                and all(member["in_sync"] and member["state"] == "running" and not member["loading"] for member in group["members"])
                and all(member["linked"] or member["role"] == "primary" for member in group["members"]))

    def switchover(self):
        peers.run([BINARY, "switchover", "data", "--socket", self.folder / "run/nines.sock"])

    def load(self, hosts, journal, seconds):
        return [BINARY, "load", f"redis://{hosts}", "--journal", journal, "--rate", 100, "--for", f"{round(seconds * 1000)}ms",
                "--timeout", "10s", "--attempt", "300ms", "--json"]

    @staticmethod
    def prepare(nodes):
        """Nothing, before a fault."""

    @staticmethod
    def by_hand(nodes):
        """Nothing that a runbook has: it is looked at."""
        print("\n".join(node.account() for node in nodes), file=sys.stderr, flush=True)


class Sentinel(peers.Node):
    title = "Sentinel"
    port = SENTINEL
    timing = {"default": (30000, 180000), "tight": (500, 1000)}  # down-after and failover-timeout

    def __init__(self, machine, folder, machines, profile):
        super().__init__(machine, folder)
        self.machines = machines
        self.profile = profile
        down, timeout = self.timing[profile]
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
        """It follows whom the Sentinels name, unless that is itself: what a runbook says, and what they would tell it a moment later."""
        named = self.machines[0].address
        if self.redis:
            named = named_by([machine for machine in self.machines if machine is not self.machine]) or named
        follows = [] if named == self.machine.address else ["--replicaof", named, REDIS]
        self.redis = self.spawn("redis-server", self.folder / "redis.conf", *follows)

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
        host, _ = speak(self.machine.address, SENTINEL).sentinel_get_master_addr_by_name("data")
        name = next(name for name, machine in zip("abcde", self.machines) if machine.address == host)
        return name if replication(host)["role"] == "master" else None

    def leader(self):
        return self.primary()

    def account(self):
        try:
            return f"---- {self.name} names {self.primary()}; {replication(self.machine.address)}"
        except (redis.RedisError, TypeError) as error:
            return f"---- {self.name}: {error}"

    def is_whole(self):
        """Its Sentinel knows all and misses nobody; its Redis is the primary that this names, or hears one, perhaps through another."""
        sentinel = speak(self.machine.address, SENTINEL)
        known = sentinel.sentinel_master("data")
        replicas = [one for one in sentinel.sentinel_slaves("data") if not one["is_sdown"] and not one["is_disconnected"]]
        found = replication(self.machine.address)
        return (known["flags"] == "master" and known["num-other-sentinels"] == 2 and len(replicas) == 2
                and (self.primary() == self.name if found["role"] == "master" else found["master_link_status"] == "up"))

    def switchover(self):
        for machine in self.machines:
            with contextlib.suppress(redis.RedisError):
                speak(machine.address, SENTINEL).sentinel_failover("data")
                return

    def load(self, hosts, journal, seconds):
        return [sys.executable, TOP / "bench/sentinel-load", hosts, "--journal", journal, "--rate", 100, "--for", seconds,
                "--timeout", 10, "--attempt", 0.3]

    @staticmethod
    def prepare(nodes):
        """A Sentinel fails nobody over twice within two failover-timeouts, six minutes at the default: it forgets the last one."""
        if nodes[0].profile == "default":
            for node in nodes:
                speak(node.machine.address, SENTINEL).execute_command("SENTINEL RESET", "data")

    @staticmethod
    def by_hand(nodes):
        """What a runbook says: choose a primary, let the others follow it, and let every Sentinel watch that one anew."""
        machines = nodes[0].machines
        found = {machine.address: replication(machine.address) for machine in machines}
        masters = [address for address in found if found[address]["role"] == "master"]
        named = named_by(machines)
        chosen = named if named in masters else max(masters or found, key=lambda address: found[address]["master_repl_offset"])
        for address in found:
            speak(address).slaveof(*((chosen, REDIS) if address != chosen else ()))
        for machine in machines:
            watch(machine.address, chosen, *Sentinel.timing[nodes[0].profile])


def watch(address, primary, down_ms, timeout_ms):
    """The Sentinel at the address forgets what it knew, and watches this primary."""
    sentinel = speak(address, SENTINEL)
    with contextlib.suppress(redis.ResponseError):
        sentinel.execute_command("SENTINEL REMOVE", "data")
    sentinel.execute_command("SENTINEL MONITOR", "data", primary, REDIS, 2)
    sentinel.execute_command("SENTINEL SET", "data", "down-after-milliseconds", down_ms, "failover-timeout", timeout_ms)


def named_by(machines):
    """Whom most of their Sentinels name; None when nobody answers."""
    named = []
    for machine in machines:
        with contextlib.suppress(redis.RedisError, TypeError):
            named.append(speak(machine.address, SENTINEL).sentinel_get_master_addr_by_name("data")[0])
    return max(named, key=named.count, default=None)


def leader_of(nodes):
    """The node that leads consensus, where the kind has such a thing."""
    if not isinstance(nodes[0], Nines):
        return None
    name = nodes[0].leader()
    return next((node for node in nodes if node.name == name), None)


def agreed(nodes):
    """The name of the primary when all agree on it, and everything follows it."""
    with contextlib.suppress(redis.RedisError, TypeError, StopIteration):
        names = {node.primary() for node in nodes}
        if len(names) == 1 and all(node.is_whole() for node in nodes):
            return names.pop()
    return None


def whole(nodes, within=90):
    """Waits until all agree and all is there; the primary first."""
    try:
        name = wait_until(lambda: agreed(nodes), f"{nodes[0].title}: one primary, and all follow it", within, every=0.02)
    except measure.Void as void:
        raise measure.Void("\n".join([str(void), *(node.account() for node in nodes)])) from None
    return sorted(nodes, key=lambda node: node.name != name)


def healed(nodes):
    """All is whole again, the primary first; and whether it took a hand, at most three times."""
    for hands in range(3):
        with contextlib.suppress(measure.Void):
            return whole(nodes, PATIENCE_S), hands > 0
        with contextlib.suppress(redis.RedisError):  # what does not answer is tried again
            nodes[0].by_hand(nodes)
    return whole(nodes, PATIENCE_S), True


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
    """The client: asks a node that is to survive first, and the others when that does not answer. Sentinel's asks its Sentinels so, and the server that they name."""

    def __init__(self, network, nodes, journal, seconds, first):
        order = [*first, *(node for node in nodes if node not in first)]
        hosts = ",".join(f"{node.machine.address}:{node.port}" for node in order)
        command = nodes[0].load(hosts, journal, seconds)
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

    def acknowledged_ms(self, number):
        """When the client had its acknowledgement, since 1970."""
        return next(int(line.split()[2]) for line in self.journal.read_text().splitlines() if line.startswith(f"ack {number} "))

    def result(self):
        out, err = self.said
        if not out.strip():
            raise measure.Void(f"the client said nothing: {err}")
        return json.loads(out.strip().splitlines()[-1])
