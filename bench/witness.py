"""Who takes writes: asks each Redis beside itself, from its own namespace, whatever becomes of its cable."""

import socket
import threading
import time

import network

EVERY_S = 0.02
NEAR_S = 0.2  # nobody is primary, is replaced, and is it again within so short a time
REDIS = 6379


class Asker(threading.Thread):
    """Sets a key at one server again and again, and keeps when that was granted."""

    def __init__(self, machine):
        super().__init__(daemon=True)
        self.machine = machine
        self.over = threading.Event()
        self.granted = []  # (asked, answered), by the clock that all of them share
        self.stream = None

    def run(self):
        with network.inside(self.machine.namespace):
            while not self.over.wait(EVERY_S):
                asked = time.monotonic()
                if self.is_granted():
                    self.granted.append((asked, time.monotonic()))
            self.hang_up()

    def is_granted(self):
        try:
            if not self.stream:
                self.stream = socket.create_connection(("127.0.0.1", REDIS), timeout=NEAR_S)
            self.stream.sendall(b"SET bench:witness 1\r\n")
            answer = self.stream.recv(256)
        except OSError:
            answer = b""
        if not answer.endswith(b"\r\n"):
            self.hang_up()
        return answer == b"+OK\r\n"

    def hang_up(self):
        if self.stream:
            self.stream.close()
        self.stream = None


def together_s(askers):
    """How long two took writes at a time: from the first to the last write of one that lies between two of another's, all near each other."""
    writes = sorted((asked, answered, number) for number, asker in enumerate(askers) for asked, answered in asker.granted)
    found = []
    for at, (asked, answered, number) in enumerate(writes):
        others = [(write, other) for write, before, other in reversed(writes[max(0, at - 64):at])
                  if other != number and before < asked and asked - write < NEAR_S]
        for write, other in others:
            if any(one < write and until < write and asked - one < NEAR_S and who == number
                   for one, until, who in writes[max(0, at - 64):at]):
                found += [write, answered]
                break
    return max(found) - min(found) if found else 0.0


class Witness:
    def __init__(self, machines):
        self.askers = [Asker(machine) for machine in machines]

    def __enter__(self):
        for asker in self.askers:
            asker.start()
        return self

    def __exit__(self, *_):
        for asker in self.askers:
            asker.over.set()
        for asker in self.askers:
            asker.join()

    def together_s(self):
        return together_s(self.askers)
