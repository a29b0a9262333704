"""Real redis-servers, and `nines load --journal` against them."""

import json
import subprocess

from harness import BINARY, Process, accepts, split, wait_until


def url(*addresses):
    return "redis://" + ",".join(addresses)


class Redis(Process):
    """Debian's redis-server, in memory alone."""

    def __init__(self, timeline, name, address, folder):
        self.address = address
        folder.mkdir(parents=True)
        host, port = split(address)
        self.command = [
            "redis-server", "--bind", host, "--port", port, "--dir", folder, "--save", "",
            "--appendonly", "no", "--repl-diskless-sync-delay", "0",
        ]
        super().__init__(timeline, name, self.command)
        self.wait_for_listening()

    def wait_for_listening(self):
        wait_until(lambda: accepts(self.address), 10, f"{self.name} listens")

    def restart(self):
        """After kill(): the same server again, with nothing in it."""
        Process.__init__(self, self.timeline, self.name, self.command)
        self.wait_for_listening()

    def ask(self, *words):
        host, port = split(self.address)
        asked = subprocess.run(
            ["redis-cli", "-h", host, "-p", str(port), *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=True,
        )
        return asked.stdout.strip()

    def keys(self):
        return int(self.ask("dbsize"))

    def follow(self, primary):
        assert self.ask("replicaof", *map(str, split(primary.address))) == "OK"
        wait_until(lambda: "master_link_status:up" in self.ask("info", "replication"), 15, "it follows")


class Journal(Process):
    """`nines load --journal` in the background."""

    def __init__(self, system, file, *addresses, options=(), wrapper=()):
        self.file = file
        super().__init__(
            system.timeline,
            "journal",
            [*wrapper, BINARY, "load", url(*addresses), "--journal", file, "--json", *options],
        )

    def acknowledged(self):
        if not self.file.exists():
            return 0
        return self.file.read_bytes().count(b"\nack ")

    def has_acknowledged(self, count):
        wait_until(lambda: self.acknowledged() >= count, 30, f"{count} are acknowledged")

    def result(self, within=30):
        code = self.wait(within)
        figures = json.loads([line for line in self.timeline.said("journal") if line.startswith("{")][-1])
        assert_adds_up(figures)
        return code, figures


def assert_adds_up(figures):
    assert figures["ok"] + figures["failed"] + figures["abandoned"] == figures["requests"]
    assert sum(figures["failures"].values()) == figures["failed"]
    assert figures["refused"] + figures["timed_out"] == figures["failed"]
    assert figures["acknowledged"] == figures["ok"] == figures["first_try"] + figures["again"]
    assert figures["cut"] <= figures["again"]
    verdict = figures["verdict"]
    if verdict:
        assert verdict["lost"] <= figures["acknowledged"]
        assert verdict["phantom"] == 0
        assert verdict["unknown"] == verdict["unknown_present"] + verdict["unknown_absent"]
        assert verdict["present"] == figures["acknowledged"] - verdict["lost"] + verdict["unknown_present"]


def verify(file, *addresses, options=(), wrapper=()):
    ended = subprocess.run(
        [*wrapper, BINARY, "load", "verify", file, url(*addresses), "--json", *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )
    figures = json.loads(ended.stdout) if ended.stdout else None
    return ended.returncode, figures, ended.stderr
