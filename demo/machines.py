"""The demo's machines: loopback addresses, each with a nines and a shop, which die as a machine does and come back on what its disk holds."""

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BINARY = TOP / "build/nines"
NAMES = "abc"
WEB, STORE, SESSIONS, SHOP, ADMIN = 8080, 6379, 6380, 9000, 7900
# Those of the list above, and two on which nodes speak to one another.
PORTS = (WEB, STORE, SESSIONS, SHOP, ADMIN, 7901, STORE + 10000)

CONFIG = """\
nodes: {{a: {a}, b: {b}, c: {c}}}

services:
  shop: {{listen: "{here}:8080", pool: shop}}
  sessions: {{listen: "{here}:6380", protocol: tcp, group: sessions}}

pools:
  shop:
    backends: ["{a}:9000", "{b}:9000", "{c}:9000"]
    health_check: {{path: /healthz, interval: 500ms, timeout: 500ms}}

groups:
  sessions: {{engine: store, port: 6379, mode: sync}}

admin: {{listen: "{here}:7900"}}
directory: {folder}/{name}
runtime_directory: {folder}/{name}/run
workers: 1
"""


class Failed(Exception):
    """What should have happened did not."""


def until(claim, within, what):
    """Waits until a claim holds; what it said."""
    end = time.monotonic() + within
    while not (found := claim()):
        if time.monotonic() > end:
            raise Failed(f"not within {within} s: {what}")
        time.sleep(0.005)
    return found


def free_network():
    """127.0.N: where no other demo is and nobody listens; and what keeps other demos away."""
    for number in range(10, 255):
        network = f"127.0.{number}"
        held = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            held.bind(f"\0nines-demo-{network}")
            for host in range(1, len(NAMES) + 1):
                for port in PORTS:
                    with socket.socket() as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind((f"{network}.{host}", port))
            return network, held
        held.close()
    raise Failed("all of 127.0.10.0 to 127.0.254.0 is in use")


def family_of(pid):
    """Its id, those of its children, and of theirs."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def start(command, log):
    """In a session of its own, so that Ctrl-C reaches the demo alone; and it does not outlive the demo, however that ends."""
    with log.open("ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *(str(word) for word in command)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )


def kill(*pids):
    """kill -9 of children of ours and of all below them, at once, as when the power goes; how many, once they are gone."""
    doomed = []
    for pid in {member for pid in pids for member in family_of(pid)}:
        with contextlib.suppress(ProcessLookupError):
            doomed.append(os.pidfd_open(pid))
    for process in doomed:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
    for process in doomed:
        select.select([process], [], [])
        os.close(process)
    return len(doomed)


def kill_all():
    """Also what was being started when the demo was interrupted."""
    kill(*family_of(os.getpid())[1:])


def get(address, target):
    connection = http.client.HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def answers(address, target):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return get(address, target)[0] == 200
    return False


class Machine:
    """One of three: what runs on it, and what it says."""

    def __init__(self, name, folder, network):
        self.name, self.folder = name, folder
        self.host = f"{network}.{NAMES.index(name) + 1}"
        self.web, self.store, self.sessions, self.shop_address, self.admin = (
            f"{self.host}:{port}" for port in (WEB, STORE, SESSIONS, SHOP, ADMIN)
        )
        self.file, self.log = folder / f"{name}.yaml", folder / f"{name}.log"
        hosts = {other: f"{network}.{number}" for number, other in enumerate(NAMES, 1)}
        self.file.write_text(CONFIG.format(here=self.host, folder=folder, name=name, **hosts))
        self.nines = self.shop = None

    def certify(self, authority):
        """Gets its part of what `nines cert init` made."""
        tls = self.folder / self.name / "tls"
        tls.mkdir(parents=True)
        for part in ("ca.pem", f"{self.name}.pem", f"{self.name}.key"):
            (tls / part).write_bytes((authority / part).read_bytes())

    def start_shop(self):
        self.shop = start([TOP / "demo/shop", self.name, self.shop_address, self.sessions], self.log)

    def start_nines(self):
        self.nines = start([BINARY, "run", "-c", self.file, "--node", self.name], self.log)

    def start(self):
        self.start_nines()
        self.start_shop()

    def is_up(self):
        for child in (self.nines, self.shop):
            if child.poll() is not None:
                raise Failed(f"what machine {self.name} ran ended:\n{self.log.read_text()[-2000:]}")
        return answers(self.shop_address, "/healthz") and answers(self.admin, "/readyz")

    def kill(self):
        """The whole machine; how many processes that were."""
        count = kill(self.nines.pid, self.shop.pid)
        self.nines.wait()
        self.shop.wait()
        return count

    def kill_shop(self):
        kill(self.shop.pid)
        self.shop.wait()

    def api(self, target):
        """None: it does not answer now."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            return json.loads(get(self.admin, target)[1])
        return None

    def group(self):
        """The store, as nines tells it on this machine."""
        groups = (self.api("/api/v1/groups") or {}).get("groups")
        return groups[0] if groups else None

    def shop_state(self, machine):
        """Of a shop, as this machine's balancer sees it."""
        pools = (self.api("/api/v1/status") or {}).get("pools", [])
        return next((row["state"] for pool in pools for row in pool["backends"] if row["address"] == machine.shop_address), None)

    def says(self, *words):
        """What a command of nines prints here."""
        done = subprocess.run(
            [BINARY, *words, "-c", self.file],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=20,
        )
        if done.returncode:
            raise Failed(f"nines {' '.join(words)}: {done.stderr}")
        return done.stdout


def certify(machines, folder):
    """One authority, and a certificate for each."""
    made = folder / "authority"
    machines[0].says("cert", "init", "--out", str(made))
    for machine in machines:
        machine.certify(made)


def primary_of(machines):
    """The machine whose store all of these call the primary, once it serves; None: not now."""
    seen = {(group["phase"], group.get("primary")) if (group := machine.group()) else None for machine in machines}
    said = seen.pop()
    if seen or not said or said[0] != "serving":
        return None
    return said[1]


def in_sync(machines):
    """All have everything, as all of them say."""
    told = [machine.group() for machine in machines]
    return bool(primary_of(machines)) and all(
        group and all(member["in_sync"] and member["state"] == "running" for member in group["members"]) for group in told
    )
