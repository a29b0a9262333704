"""Machines and cables of the tests' own: network namespaces joined by a bridge, and what can go wrong between them.

Needs root. Nothing outside the namespaces is touched, and closing removes all of them.
"""

import contextlib
import ctypes
import ipaddress
import itertools
import os
import subprocess

numbers = itertools.count(1)


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def available():
    """Whether this machine lets us make namespaces (root, ip and nft are needed)."""
    name = f"nines-probe-{os.getpid()}"
    try:
        ip("netns", "add", name)
        subprocess.run(["ip", "netns", "exec", name, "nft", "list", "tables"], check=True, capture_output=True)
        ip("netns", "del", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the namespace meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{namespace}") as there:
        if libc.setns(there.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"enter {namespace}")
        try:
            yield
        finally:
            libc.setns(here.fileno(), 0)


class Machine:
    """A namespace with one address on the bridge."""

    def __init__(self, network, number):
        self.network = network
        self.namespace = f"{network.prefix}-{number}"
        self.cable = f"v{number}"
        self.address = f"10.77.0.{number}"

    def inside(self, command):
        """The same command, to be run in this namespace."""
        return ["ip", "netns", "exec", self.namespace, *map(str, command)]

    def run(self, *command, **options):
        return subprocess.run(self.inside(command), check=True, capture_output=True, text=True, **options)

    def addresses(self):
        """Those that are on its interfaces, read without starting a process."""
        with inside(self.namespace):
            with open("/proc/thread-self/net/fib_trie") as four, open("/proc/thread-self/net/if_inet6") as six:
                lines, rows = four.read().splitlines(), six.read().splitlines()
        found = {str(ipaddress.IPv6Address(bytes.fromhex(row.split()[0]))) for row in rows}
        for line, after in zip(lines, lines[1:]):
            if "/32 host LOCAL" in after:
                found.add(line.split()[-1])
        return found

    def plug(self):
        self.network.hub("ip", "link", "set", self.cable, "up")

    def unplug(self):
        """Nothing goes in or out, and nobody is told."""
        self.network.hub("ip", "link", "set", self.cable, "down")

    def deafen(self, *others, share=None):
        """Packets from the others are dropped as they come in; with `share`, only that percentage of them."""
        chance = f"numgen random mod 100 < {share} " if share else ""
        rules = [f"add rule ip nines input ip saddr {other.address} {chance}drop" for other in others]
        self.run("nft", "-f", "-", input="\n".join(rules) + "\n")

    def refuse(self, *others):
        """What the others send over TCP is answered with a reset."""
        rules = [
            f"add rule ip nines input ip saddr {other.address} meta l4proto tcp reject with tcp reset"
            for other in others
        ]
        self.run("nft", "-f", "-", input="\n".join(rules) + "\n")

    def heal(self):
        self.run("nft", "flush", "chain", "ip", "nines", "input")
        self.plug()


class Network:
    """`count` machines, 10.77.0.1 and on, and a hub with an address of its own that sees them all."""

    def __init__(self, count):
        self.prefix = f"nines{os.getpid()}x{next(numbers)}"
        self.hub_name = f"{self.prefix}-hub"
        self.machines = [Machine(self, number) for number in range(1, count + 1)]
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def hub(self, *command):
        subprocess.run(["ip", "netns", "exec", self.hub_name, *command], check=True, capture_output=True)

    def build(self):
        ip("netns", "add", self.hub_name)
        self.hub("ip", "link", "set", "lo", "up")
        self.hub("ip", "link", "add", "bridge", "type", "bridge")
        self.hub("ip", "address", "add", "10.77.0.254/24", "dev", "bridge")
        self.hub("ip", "link", "set", "bridge", "up")
        for machine in self.machines:
            ip("netns", "add", machine.namespace)
            ip("link", "add", machine.cable, "netns", self.hub_name, "type", "veth",
               "peer", "name", "eth0", "netns", machine.namespace)
            self.hub("ip", "link", "set", machine.cable, "master", "bridge", "up")
            machine.run("ip", "address", "add", f"{machine.address}/24", "dev", "eth0")
            machine.run("ip", "link", "set", "lo", "up")
            machine.run("ip", "link", "set", "eth0", "up")
            machine.run("nft", "add table ip nines; add chain ip nines input { type filter hook input priority 0; }")

    def seen_from_hub(self):
        """What this thread connects meanwhile, it connects from the hub."""
        return inside(self.hub_name)

    def heal(self):
        for machine in self.machines:
            machine.heal()

    def close(self):
        for name in [*(machine.namespace for machine in self.machines), self.hub_name]:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
