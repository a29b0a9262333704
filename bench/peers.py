"""Three nodes of a system that agrees on something, each in a network namespace: nines, and Debian's etcd.

Both are asked who leads in the same way: one GET (or POST) per few milliseconds to a node that is to survive, over a connection that is kept.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import measure

TOP = Path(__file__).resolve().parent.parent
WITHIN = 20.0


def wait_until(claim, what, within=WITHIN, every=0.002):
    deadline = time.monotonic() + within
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            found = claim()
            if found:
                return found
        if time.monotonic() > deadline:
            raise measure.Void(f"not within {within} s: {what}")
        time.sleep(every)


def run(command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise measure.Void(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def varint(number):
    """As protobuf has it."""
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("nines", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    """One node: its machine, its processes, and a connection to ask it."""

    def __init__(self, machine, folder):
        self.machine, self.folder = machine, folder
        self.name = chr(ord("a") + int(machine.address.rsplit(".", 1)[1]) - 1)
        self.child = None
        self.asking = None
        folder.mkdir(parents=True)

    def start(self):
        with open(self.folder / "log", "a") as log:
            self.child = subprocess.Popen(
                self.machine.inside(self.command()), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)

    def ask(self, method, target, body=None):
        """The answer's JSON; a connection that broke is made again."""
        try:
            self.asking = self.asking or self.connect()
            self.asking.request(method, target, body, {"Content-Type": "application/json"} if body else {})
            answer = self.asking.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.hang_up()
            raise
        return json.loads(text)

    def leader(self):
        """The name of the leader that this node knows; None when it knows none."""
        return self.knows()[0]

    def term(self):
        return self.knows()[1]

    def hang_up(self):
        if self.asking:
            self.asking.close()
        self.asking = None

    def kill(self):
        """All its processes at once, so that no supervisor starts any again."""
        for pid in measure.family(self.child):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.child.wait()
        self.hang_up()

    def end(self):
        if self.child:
            for pid in self.frozen():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            measure.end(self.child)
        self.hang_up()

    def frozen(self):
        return measure.family(self.child)


class Etcd(Node):
    title = "etcd"

    def __init__(self, machine, folder, machines, profile):
        super().__init__(machine, folder)
        self.machines = machines
        self.timing = {"default": (100, 1000), "tight": (20, 200)}[profile]
        self.ids = {}

    @staticmethod
    def version():
        done = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True)
        return "etcd " + done.stdout.split()[2]

    def command(self):
        peers = ",".join(f"{name}=http://{machine.address}:2380" for name, machine in zip("abcde", self.machines))
        address = self.machine.address
        heartbeat, election = self.timing
        return ["etcd", "--name", self.name, "--data-dir", self.folder / "data",
                "--listen-peer-urls", f"http://{address}:2380", "--initial-advertise-peer-urls", f"http://{address}:2380",
                "--listen-client-urls", f"http://{address}:2379", "--advertise-client-urls", f"http://{address}:2379",
                "--initial-cluster", peers, "--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error",
                "--heartbeat-interval", heartbeat, "--election-timeout", election]

    def connect(self):
        return http.client.HTTPConnection(self.machine.address, 2379, timeout=2)

    def knows(self):
        status = self.ask("POST", "/v3/maintenance/status", "{}")
        leader = int(status.get("leader", 0))
        if leader and leader not in self.ids:
            members = self.ask("POST", "/v3/cluster/member/list", "{}")["members"]
            self.ids = {int(member["ID"]): member["name"] for member in members if "name" in member}
        return self.ids.get(leader), int(status["raftTerm"])

    def agent(self):
        """The process that takes part in consensus."""
        return measure.family(self.child)[0]

    def load(self, value, outstanding, seconds):
        """So many clients, each with one put under way: gRPC, as etcd's own clients speak. Answered in all, per second, and milliseconds of each."""
        put = b"\x0a\x05bench\x12" + varint(len(value)) + value.encode()
        body, log = self.folder / "put", self.folder / "latencies"
        body.write_bytes(b"\0" + len(put).to_bytes(4, "big") + put)
        said = run(self.machine.inside([
            "h2load", "-c", outstanding, "-m", 1, "-D", seconds, "--warm-up-time", 1, f"--log-file={log}", "-d", body,
            "-H", "content-type: application/grpc", "-H", "te: trailers",
            f"http://{self.machine.address}:2379/etcdserverpb.KV/Put"]))
        done = re.search(r"requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored", said)
        if not done or int(done[2]) or int(done[3]):
            raise measure.Void(f"h2load: {said.strip()[-500:]}")
        took = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
        return {"answered": int(done[1]), "rate": int(done[1]) / seconds,
                "p50": took[len(took) // 2] / 1000, "p99": took[len(took) * 99 // 100] / 1000}

    def index(self):
        return int(self.ask("POST", "/v3/maintenance/status", "{}")["raftIndex"])

    def transfer(self, to):
        target = next(key for key, name in self.ids.items() if name == to.name)
        run(["etcdctl", "--endpoints", f"http://{self.machine.address}:2379", "move-leader", f"{target:x}"],
            env={**os.environ, "ETCDCTL_API": "3"})


class Nines(Node):
    """Who measures more than a cluster adds to its config."""

    title = "nines"
    TIGHT_LEASE = "500ms"

    def __init__(self, machine, folder, machines, profile):
        super().__init__(machine, folder)
        self.machines = machines
        self.profile = profile
        self.shared = folder.parent
        (self.shared / "tls").mkdir(exist_ok=True)
        self.file = folder / "nines.yaml"
        self.file.write_text(self.config())

    @staticmethod
    def version():
        done = subprocess.run([Path(os.environ.get("NINES", TOP / "build/nines")), "version"], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def config(self):
        nodes = "\n".join(f"  {name}: {{address: {machine.address}}}" for name, machine in zip("abcde", self.machines))
        tight = f"failover: {{heartbeat: 50ms, election_timeout: 100ms, lease: {self.TIGHT_LEASE}}}"
        return f"""
cluster: bench
directory: {self.folder}/state
runtime_directory: {self.folder}/run
user: root
nodes:
{nodes}
peers: {{authority: {self.shared}/tls/ca.pem, certificate: {self.shared}/tls/{self.name}.pem, key: {self.shared}/tls/{self.name}.key}}
{tight if self.profile == "tight" else ""}
"""

    def command(self):
        if not (self.shared / "tls/ca.pem").exists():
            run([Path(os.environ.get("NINES", TOP / "build/nines")), "cert", "init", "-c", self.file, "--out", self.shared / "tls"])
        return [Path(os.environ.get("NINES", TOP / "build/nines")), "run", "-c", self.file, "--node", self.name]

    def connect(self):
        return UnixConnection(self.folder / "run/nines.sock", 2)

    def knows(self):
        cluster = self.ask("GET", "/api/v1/cluster")
        return cluster["leader"], cluster["term"]

    def index(self):
        return self.ask("GET", "/api/v1/cluster")["commit"]

    def load(self, value, outstanding, seconds):
        """The same through the API. Each request sets another of 256 overrides, since one that is being set is not set by a second."""
        script = self.folder / "load.lua"
        script.write_text(f"""
local number = 0
request = function()
    number = (number + 1) % 256
    return wrk.format("POST", "/api/v1/overrides/bench" .. number .. "/set?value={value}", {{["X-Nines"] = "1"}})
end
{measure.WRK_REPORT}""")
        said = run(self.machine.inside([
            "wrk", "-t", 1, "-c", outstanding, "-d", f"{seconds}s", "-s", script, "http://127.0.0.1:7900"]))
        report = json.loads(said.strip().splitlines()[-1])
        if report["errors"]:
            raise measure.Void(f"wrk: {said}")
        return {"answered": report["requests"], "rate": report["requests"] * 1e6 / report["us"],
                "p50": report["p50_us"] / 1000, "p99": report["p99_us"] / 1000}


    def agent(self):
        for pid in measure.family(self.child):
            if b"nines: agent" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise measure.Void(f"{self.name} has no agent")

    def transfer(self, to):
        self.ask("POST", f"/api/v1/nodes/{to.name}/lead")


@contextlib.contextmanager
def running(kind, profile, network, folder):
    """Three nodes of a kind that have a leader."""
    machines = network.machines
    nodes = [kind(machine, folder / machine.address, machines, profile) for machine in machines]
    try:
        for node in nodes:
            node.start()
        with network.seen_from_hub():
            settled(nodes)
            yield nodes
    finally:
        for node in nodes:
            node.end()
        network.heal()


def settled(nodes):
    """All agree on a leader; the leader first, then the others."""

    def agree():
        names = {node.leader() for node in nodes}
        return names.pop() if len(names) == 1 else None

    name = wait_until(agree, f"{nodes[0].title}: all agree on a leader")
    return sorted(nodes, key=lambda node: node.name != name)
