"""The demo's clients: visitors of the shop, who know what their session must be, and a writer who writes down what the store promised."""

import http.client
import json
import signal
import subprocess
import threading
import time

from machines import BINARY, Failed, start

VISITORS, VISITS_PER_S = 20, 5
WRITES_PER_S = 200
PATIENCE_S = 15


class Visitor(threading.Thread):
    """One browser with one cookie. Its visits are due by a schedule, and it waits from the moment that one was due."""

    def __init__(self, address, delay):
        super().__init__(daemon=True)
        self.address, self.delay = address, delay
        self.over = threading.Event()
        self.cookie, self.connection = None, None
        self.visits = 0  # as the last answer counted them
        self.requests = self.failed = self.forgotten = self.twice = 0
        self.longest, self.why = 0.0, ""
        self.shops = {}

    def run(self):
        due = time.monotonic() + self.delay
        while not self.over.wait(max(0.0, due - time.monotonic())):
            self.requests += 1
            try:
                self.visit()
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failed += 1
                self.why = f"{type(error).__name__}: {error}"
                self.connection.close()
                self.connection = None
            self.longest = max(self.longest, time.monotonic() - due)
            due += 1 / VISITS_PER_S

    def visit(self):
        self.connection = self.connection or http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
        self.connection.request("GET", "/", headers={"Cookie": self.cookie} if self.cookie else {})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {body!r}")
        if cookie := answer.getheader("Set-Cookie"):
            self.cookie = cookie.split(";")[0]
        self.compare(json.loads(body))

    def compare(self, said):
        """A session goes on where it was, whichever shop answers."""
        self.forgotten += said["visits"] <= self.visits
        self.twice += max(0, said["visits"] - self.visits - 1)
        self.visits = said["visits"]
        self.shops[said["shop"]] = self.shops.get(said["shop"], 0) + 1


class Visitors:
    def __init__(self, address):
        self.all = [Visitor(address, number / VISITORS / VISITS_PER_S) for number in range(VISITORS)]
        for visitor in self.all:
            visitor.start()

    def sum(self, what):
        return sum(getattr(visitor, what) for visitor in self.all)

    def reasons(self):
        return [f"a visitor saw {why}" for why in sorted({visitor.why for visitor in self.all if visitor.why})]

    def longest(self):
        return max(visitor.longest for visitor in self.all)

    def of(self, shop):
        return sum(visitor.shops.get(shop, 0) for visitor in self.all)

    def end(self):
        for visitor in self.all:
            visitor.over.set()
        for visitor in self.all:
            visitor.join(PATIENCE_S + 1)


class Writer:
    """`nines load --journal` against the store itself: each acknowledgement is on its disk before it counts, and in the end all are read back."""

    def __init__(self, machines, folder):
        self.machines, self.journal, self.report = machines, folder / "journal", folder / "journal.json"
        self.url = "redis://" + ",".join(machine.store for machine in machines)
        command = [BINARY, "load", self.url, "--journal", self.journal, "--rate", WRITES_PER_S]
        self.child = start([*command, "--for", "24h", "--json"], self.report)

    def acknowledged(self):
        return self.journal.read_bytes().count(b"\nack ") if self.journal.exists() else 0

    def end(self):
        """What it saw."""
        self.child.send_signal(signal.SIGINT)
        self.child.wait(30)
        try:
            return json.loads(self.report.read_text().splitlines()[-1])
        except (ValueError, IndexError):
            raise Failed(f"nines load --journal: {self.report.read_text()}") from None

    def read_back(self, fault_ms):
        """What is there of all that was acknowledged; loss counts back from the fault."""
        done = subprocess.run(
            [BINARY, "load", "verify", self.journal, self.url, "--json", "--fault-at", str(fault_ms)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )
        verdict = json.loads(done.stdout)["verdict"] if done.stdout else None
        if not verdict:
            raise Failed(f"nines load verify: {done.stderr}")
        return verdict
