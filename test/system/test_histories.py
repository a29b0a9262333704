"""The judge of histories is judged: made-up histories, an exhaustive search beside it, and recorded ones of servers with a fault."""

import itertools
import random
import socketserver
import threading
import time

import pytest

from histories import CAS, DONE, FAILED, GET, NEVER, SET, UNKNOWN, Operation, Recorder, Undecided, is_linearizable, judge, linearizes, settled, shortest

KEY = "k"


def op(client, kind, value, begun, ended, expect=None, outcome=DONE):
    return Operation(client, kind, KEY, value, begun, ended, outcome, expect)


def unknown(client, kind, value, begun, expect=None):
    return op(client, kind, value, begun, NEVER, expect, UNKNOWN)


GOOD = {
    "nothing": [],
    "one after the other": [op("a", SET, "1", 0, 1), op("b", GET, "1", 2, 3), op("a", CAS, "2", 4, 5, "1"), op("b", GET, "2", 6, 7)],
    "nothing is there at first": [op("a", GET, None, 0, 1), op("a", CAS, "1", 2, 3, None), op("b", GET, "1", 4, 5)],
    "a read beside a write, old and then new": [op("a", SET, "1", 0, 9), op("b", GET, None, 1, 2), op("b", GET, "1", 3, 4)],
    "two writes side by side, the first begun is the last": [op("a", SET, "1", 0, 9), op("b", SET, "2", 1, 8), op("c", GET, "2", 2, 3), op("c", GET, "1", 10, 11)],
    "an end and a begin at one moment are side by side": [op("a", SET, "1", 0, 5), op("b", GET, None, 5, 6)],
    "an unknown write that comes late": [unknown("a", SET, "1", 0), op("b", SET, "2", 1, 2), op("b", GET, "2", 3, 4), op("b", GET, "1", 50, 51)],
    "an unknown write that never comes": [unknown("a", SET, "1", 0), op("b", SET, "2", 1, 2), op("b", GET, "2", 3, 4)],
    "an unknown exchange that was done": [op("a", SET, "1", 0, 1), unknown("a", CAS, "2", 2, "1"), op("b", GET, "1", 3, 4), op("b", GET, "2", 5, 6)],
    "an unknown exchange seen by an unknown exchange that was seen": [unknown("a", CAS, "1", 0, None), unknown("b", CAS, "2", 1, "1"), op("c", GET, "2", 2, 3)],
    "an exchange that failed": [op("a", SET, "1", 0, 1), op("b", CAS, "2", 2, 3, "1", FAILED), op("a", GET, "1", 4, 5)],
    "a read that gave nothing": [op("a", SET, "1", 0, 1), unknown("b", GET, None, 2), op("a", GET, "1", 3, 4)],
}

BAD = {
    "a stale read": [op("a", SET, "1", 0, 1), op("a", SET, "2", 2, 3), op("b", GET, "1", 4, 5)],
    "a read of nothing after a write": [op("a", SET, "1", 0, 1), op("b", GET, None, 2, 3)],
    "new and then old beside a write": [op("a", SET, "1", 0, 9), op("b", GET, "1", 1, 2), op("c", GET, None, 3, 4)],
    "two readers see two writes in two orders": [
        op("a", SET, "1", 0, 9), op("b", SET, "2", 0, 9), op("c", GET, "1", 1, 2), op("d", GET, "2", 3, 4), op("c", GET, "1", 5, 6)],
    "a lost update": [op("a", SET, "1", 0, 1), op("b", CAS, "2", 2, 3, "1"), op("a", GET, "1", 4, 5)],
    "an exchange that was done twice": [op("a", SET, "1", 0, 1), op("b", CAS, "2", 2, 9, "1"), op("c", CAS, "3", 2, 9, "1")],
    "an exchange of what was not there": [op("a", SET, "1", 0, 1), op("b", SET, "2", 2, 3), op("c", CAS, "3", 4, 5, "1")],
    "a value that nobody wrote": [op("a", SET, "1", 0, 1), op("b", GET, "7", 2, 3)],
    "a write that failed and is there": [op("a", SET, "1", 0, 1, outcome=FAILED), op("b", GET, "1", 2, 3)],
    "a read of what is written later": [op("b", GET, "1", 0, 1), op("a", SET, "1", 2, 3)],
    "a read of what is written later, by whom is unknown": [op("b", GET, "1", 0, 1), unknown("a", SET, "1", 2)],
    "an unknown write that comes and goes": [
        unknown("a", SET, "1", 0), op("b", SET, "2", 1, 2), op("b", GET, "1", 3, 4), op("b", GET, "2", 5, 6)],
    "an unknown exchange of what had been replaced": [op("a", SET, "1", 0, 1), op("a", SET, "2", 2, 3), unknown("b", CAS, "3", 4, "1"), op("a", GET, "3", 5, 6)],
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_has_an_order(name):
    assert is_linearizable(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_has_none_and_nothing_can_be_left_out_of_it(name):
    assert not is_linearizable(BAD[name])
    few = shortest(BAD[name])
    assert not is_linearizable(few)
    assert all(is_linearizable(few[:at] + few[at + 1:]) for at, left in enumerate(few) if left.kind == GET)


def by_trying_all(operations):
    """Every choice of unknown ones, in every order."""
    certain = [op for op in operations if op.outcome == DONE]
    open_ended = [op for op in operations if op.outcome == UNKNOWN]
    for count in range(len(open_ended) + 1):
        for taken in itertools.combinations(open_ended, count):
            for order in itertools.permutations([*certain, *taken]):
                if in_time(order) and fits(order):
                    return True
    return False


def in_time(order):
    return not any(later.ended < earlier.begun for at, earlier in enumerate(order) for later in order[at + 1:])


def fits(order):
    state = None
    for op in order:
        if not op.observes() <= {state}:
            return False
        state = op.after(state)
    return True


def made_up(chance, count=6):
    """Mostly plausible: what is seen was written by somebody."""
    values = [None, *(str(number) for number in range(count))]
    history = []
    for number in range(count):
        kind = chance.choice((GET, GET, SET, CAS))
        begun = chance.randrange(0, 12)
        lost = kind != GET and chance.random() < 0.3
        seen = chance.choice(values)
        history.append(op(
            f"c{number}", kind, seen if kind == GET else str(number), begun, NEVER if lost else begun + chance.randrange(1, 8),
            seen if kind == CAS else None, UNKNOWN if lost else DONE))
    return history


def test_it_says_what_trying_all_orders_says():
    chance = random.Random(11)
    said = {True: 0, False: 0}
    for _ in range(1500):
        history = made_up(chance, chance.randrange(2, 7))
        truth = by_trying_all(history)
        said[truth] += 1
        assert linearizes(history) == truth, history
        assert linearizes(settled(history)) == truth, history
    assert min(said.values()) > 100, said


def test_a_history_that_is_too_large_is_not_called_good():
    side_by_side = [op(f"c{number}", SET, str(number), 0, 100) for number in range(30)]
    last = [op("r", GET, "x", 101, 102)]
    with pytest.raises(Undecided):
        is_linearizable(side_by_side + last, limit=5000)


def test_a_value_that_is_written_twice_cannot_be_judged():
    with pytest.raises(AssertionError, match="twice"):
        is_linearizable([op("a", SET, "1", 0, 1), op("b", SET, "1", 2, 3)])


# ---- recorded ones ----


class Register(socketserver.ThreadingTCPServer):
    """What the recorder asks of a server, and nothing more; a subclass does it wrong."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address):
        host, port = address.split(":")
        self.lock = threading.Lock()
        self.values, self.versions, self.writes = {}, {}, 0
        super().__init__((host, int(port)), Talk)

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        self.writes += 1
        self.values[key] = value
        self.versions[key] = self.versions.get(key, 0) + 1

    def unchanged(self, key, version):
        return self.versions.get(key, 0) == version


class Talk(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        self.watched, self.queued = None, None
        while words := self.words():
            with self.server.lock:
                answer = self.answers(*words)
            self.wfile.write(answer.encode())

    def words(self):
        head = self.rfile.readline()
        return [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode() for _ in range(int(head[1:]))] if head else None

    def answers(self, command, *words):
        server = self.server
        if command == "MULTI":
            self.queued = []
        elif command == "WATCH":
            self.watched = words[0], server.versions.get(words[0], 0)
        elif command == "EXEC":
            (key, value), = self.queued
            self.queued = None
            if not server.unchanged(*self.watched):
                return "*-1\r\n"
            server.set(key, value)
            return "*1\r\n+OK\r\n"
        elif command == "SET" and self.queued is not None:
            self.queued.append(words)
            return "+QUEUED\r\n"
        elif command == "SET":
            server.set(*words)
        else:
            value = server.get(*words)
            return "$-1\r\n" if value is None else f"${len(value)}\r\n{value}\r\n"
        return "+OK\r\n"


class Late(Register):
    """Reads are answered from a copy that is 100 ms old."""

    def __init__(self, address):
        self.old = []
        super().__init__(address)

    def set(self, key, value):
        super().set(key, value)
        self.old.append((time.monotonic(), key, value))

    def get(self, key):
        moment = time.monotonic() - 0.1
        return next((value for at, name, value in reversed(self.old) if name == key and at <= moment), None)


class Forgetful(Register):
    """One write in ten is acknowledged and not done."""

    def set(self, key, value):
        if self.writes % 10 == 9:
            self.writes += 1
        else:
            super().set(key, value)


class Careless(Register):
    """An exchange is done whatever has changed."""

    def unchanged(self, key, version):
        return True


@pytest.fixture
def recorded(system):
    servers = []

    def recorded(kind):
        address = system.address()
        server = kind(address)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        places = [(str(number), address, None) for number in range(4)]
        with Recorder(places, 5, keys=("k0", "k1"), timeouts=(10.0,), pause=0.002, enough=200) as recorder:
            recorder.ends()
        return recorder

    yield recorded
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_without_a_fault_is_called_good(recorded):
    counts = judge(recorded(Register))
    assert set(counts) == {"get done", "set done", "cas done", "cas failed"}


@pytest.mark.parametrize("kind", [Late, Forgetful, Careless])
def test_a_server_with_a_fault_is_found_out(recorded, kind):
    with pytest.raises(AssertionError, match="not linearizable, seed 5"):
        judge(recorded(kind))
