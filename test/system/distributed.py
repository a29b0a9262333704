"""Nodes of a cluster on machines of their own: network namespaces, and files that are shared."""

import http.client
import shutil
import socket

from clusters import Cluster, Node
from harness import Answer


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("nines", timeout=10)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Distant(Node):
    """A node on a machine of its own, asked through its unix socket: files are shared, networks are not."""

    def fetch(self, target):
        connection = UnixConnection(self.runtime / "nines.sock")
        try:
            connection.request("GET", target)
            reply = connection.getresponse()
            return Answer(reply.status, reply.getheaders(), reply.read(), reply.version, [])
        finally:
            connection.close()

    @property
    def machine(self):
        return self.cluster.machines[self.node]

    def wipe(self):
        """Its disk is lost; its certificates came back with the machine."""
        for folder in ("cluster", "timeline"):
            shutil.rmtree(self.folder / "state" / folder)

    def agent(self):
        (pid,) = self.roles("agent")
        return pid


class Distributed(Cluster):
    node = Distant

    def __init__(self, system, network, **rest):
        self.machines = dict(zip("abc", network.machines))
        super().__init__(system, **rest)

    def place(self, name):
        """Where its peers call, and where its API listens; both are the machine's own."""
        return f"{self.machines[name].address}:7901", "127.0.0.1:7900"

    def wrapper(self, name):
        return self.machines[name].inside([])
