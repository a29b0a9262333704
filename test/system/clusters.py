"""Nodes of a cluster, as system tests want them: real daemons with certificates, killed and started again on the same directories."""

import json
import os
import subprocess

from harness import BINARY, Nines, Process, wait_until

FAST = {"heartbeat": "100ms", "election_timeout": "400ms", "lease": "1500ms"}


class Node(Nines):
    """One node, which can be killed and started again on the same directories."""

    def __init__(self, cluster, name):
        self.cluster, self.node = cluster, name
        # Ready is a node that serves; these tests want one that has begun to look for the others.
        super().__init__(
            cluster.system.timeline,
            cluster.system.folder / name,
            cluster.admin[name],
            cluster.config(name),
            wrapper=cluster.wrapper(name),
            name=name,
            options=("--node", name),
        )

    def start(self):
        Process.__init__(self, self.timeline, self.node, self.command)
        wait_until(self.ready_or_ended, 20, f"{self.node} is ready")
        assert self.status is None, self.output()

    def ready_or_ended(self):
        return super().ready_or_ended() and (
            self.status is not None or self.view()["state"] != "opening"
        )

    def stop(self, within=30):
        # A test that killed it has nothing more to ask of it.
        if self.status is None or self.status == 0:
            super().stop(within)

    def said(self, *words, within=20, code=0):
        done = self.cli(*words, within=within)
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def view(self):
        return self.api("/api/v1/cluster")

    def leader(self):
        view = self.view()
        return view.get("leader") if view.get("quorum") else None

    def member(self, name):
        return next((n for n in self.view()["nodes"] if n["name"] == name), None)


class Cluster:
    node = Node

    def __init__(self, system, names="abc", spare="", **rest):
        self.system, self.rest = system, rest
        every = [*names, *spare]
        self.address, self.admin = {}, {}
        for name in every:
            self.address[name], self.admin[name] = self.place(name)
        self.names = list(names)
        self.nodes = {}
        for name in every:
            (system.folder / name).mkdir()
        self.certify()

    def place(self, name):
        """Where its peers find it, and where its API listens."""
        return self.system.address(), self.system.address()

    def wrapper(self, name):
        return ()

    def config(self, name):
        return {
            "user": "root" if os.geteuid() == 0 else "nobody",
            "directory": str(self.system.folder / name / "state"),
            "runtime_directory": str(self.system.folder / name / "run"),
            "admin": {"listen": self.admin[name]},
            "failover": FAST,
            "nodes": {other: {"address": self.address[other]} for other in self.names},
            **self.rest,
        }

    def certify(self, folder="authority", names=None):
        """An authority in a folder of its own, and each node's part of what it made where the node looks."""
        everybody = dict(self.config("a"), nodes={n: {"address": a} for n, a in self.address.items()})
        file = self.system.folder / f"{folder}.yaml"
        file.write_text(json.dumps({"cluster": "test", **everybody}))
        made = self.system.folder / folder
        subprocess.run(
            [BINARY, "cert", "init", "-c", file, "--out", made],
            check=True, capture_output=True, timeout=30,
        )
        for name in names or self.address:
            tls = self.system.folder / name / "state" / "tls"
            tls.mkdir(parents=True, exist_ok=True)
            for part in ("ca.pem", f"{name}.pem", f"{name}.key"):
                (tls / part).write_bytes((made / part).read_bytes())

    def start(self, *names):
        for name in names or self.names:
            node = self.node(self, name)
            self.system.nines_started.append(node)
            self.nodes[name] = node
        return self

    def __getitem__(self, name):
        return self.nodes[name]

    def __iter__(self):
        return iter(self.nodes.values())

    def up(self):
        return [node for node in self if node.status is None]

    def agreed(self, within=20):
        """The leader's name, once all that run name the same one and have a quorum."""

        def agree():
            leaders = {node.leader() for node in self.up()}
            return leaders.pop() if len(leaders) == 1 and None not in leaders else None

        return wait_until(agree, within, "all nodes name one leader")

    def healthy(self, within=20):
        leader = self.agreed(within)
        wait_until(
            lambda: all(node.view()["survives_one_failure"] for node in self.up()),
            within, "one more failure is survived",
        )
        return leader

    def followers(self):
        leader = self.agreed()
        return [node for name, node in self.nodes.items() if name != leader]
