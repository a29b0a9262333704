"""Histories of concurrent clients, and whether one register per key could have given them: linearizability.

A recorder runs real Redis clients, each on a connection of its own, and writes down every operation: what was asked, from when to when, and what is known of its
end. The judge says of each key whether there is an order of its operations, each at one moment between its begin and its end, in which every read gives what was
written last. Linearizability is compositional (Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990, theorem 1), so keys are
judged one by one.

Every value is written once, so what was read says who wrote it.
"""

import contextlib
import itertools
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace

import redis

from harness import split, wait_until
from network import inside

GET, SET, CAS = "get", "set", "cas"
DONE, FAILED, UNKNOWN = "done", "failed", "unknown"
NEVER = math.inf
# Configurations that one key's search may look at, and operations that one client may record. A history that needs more is not judged, and that is a failure.
CONFIGURATIONS = 300_000
OPERATIONS = 20_000


class Undecided(AssertionError):
    """The history is too large to be judged."""


@dataclass(frozen=True)
class Operation:
    """Times are of CLOCK_MONOTONIC, in nanoseconds. `value` is what was written or read, `expect` what a compare-and-set had read before."""

    client: str
    kind: str
    key: str
    value: str | None
    begun: int
    ended: float = NEVER
    outcome: str = DONE
    expect: str | None = None

    def observes(self):
        """The value that must be there when it takes effect; nothing, if any may."""
        return {GET: {self.value}, SET: set(), CAS: {self.expect}}[self.kind]

    def after(self, state):
        """What the key holds then, by what it held."""
        return state if self.kind == GET else self.value

    def told(self, origin):
        ended = "never told" if self.ended == NEVER else f"{(self.ended - origin) / 1e6:10.3f}"
        words = {GET: f"read {self.value}", SET: f"set {self.value}", CAS: f"set {self.value} where {self.expect} was"}[self.kind]
        return f"[{(self.begun - origin) / 1e6:10.3f} .. {ended:>10}] {self.client:8} {self.key}: {words}, {self.outcome}"


def story(operations):
    """Times in milliseconds since the first begin."""
    ordered = sorted(operations, key=lambda op: op.begun)
    return "\n".join(op.told(ordered[0].begun) for op in ordered)


# ---- the judge ----


def linearizes(operations, limit=CONFIGURATIONS):
    """Whether operations of one key, all of whose effects are certain or unknown, have an order.

    The search of J. M. Wing and C. Gong, "Testing and verifying concurrent objects" (Journal of Parallel and Distributed Computing 17, 1993): whatever began before
    the first end of all that is left may be next. With the memory of G. Lowe, "Testing for linearizability" (Concurrency and Computation: Practice and Experience
    29(4), 2017): what is left to do depends on the set of operations that were placed and on the state alone, so no such pair is looked at twice. An operation whose
    outcome is unknown has no end: it may be placed anywhere after its begin, or left out.

    A read that fits is placed at once: it changes nothing, so if there is an order in which it comes later, there is one in which it comes now.
    """
    ordered = sorted(operations, key=lambda op: op.begun)
    start = (0, 0, None)  # the first that is not placed, those after it that are (as bits), what the key holds
    stack, seen = [start], {start}
    while stack:
        configuration = stack.pop()
        nexts = candidates(ordered, *configuration)
        if nexts is None:
            return True
        first, placed, state = configuration
        reads = [number for number in nexts if ordered[number].kind == GET]
        for number in reversed(reads[:1] or nexts):
            following = (*place(first, placed, number), ordered[number].after(state))
            if following not in seen:
                if len(seen) >= limit:
                    raise Undecided(f"{len(ordered)} operations of {ordered[0].key}: not decided after {limit} configurations")
                seen.add(following)
                stack.append(following)
    return False


def candidates(ordered, first, placed, state):
    """Those that may be next and fit the state; None: all that have an end are placed."""
    end, found = NEVER, []
    for number in range(first, len(ordered)):
        op = ordered[number]
        if placed >> (number - first) & 1:
            continue
        if op.begun > end:
            break
        end = min(end, op.ended)
        if op.observes() <= {state}:
            found.append(number)
    return None if end == NEVER else found


def place(first, placed, number):
    placed |= 1 << (number - first)
    while placed & 1:
        first, placed = first + 1, placed >> 1
    return first, placed


def settled(operations):
    """The same question with fewer unknowns. What failed, and reads that gave nothing, say nothing. A write of unknown outcome whose value nobody saw can be left out:
    it helps nobody. One whose value was seen took effect before that was told: its end is the first end of those who saw it, and it is unknown no more."""
    known = [op for op in operations if op.outcome == DONE]
    unknown = {op.value: op for op in operations if op.outcome == UNKNOWN and op.kind != GET}
    fresh = known
    while fresh:
        seen = {}
        for op in fresh:
            for value in op.observes() & unknown.keys():
                seen[value] = min(op.ended, seen.get(value, NEVER))
        fresh = [replace(unknown[value], ended=end) for value, end in seen.items()]
        for op in fresh:
            # Of an earlier end that a longer way round would show, the search needs no word: the order of those in between says it.
            known = [*known, op]
            del unknown[op.value]
    return known


def is_linearizable(operations, limit=CONFIGURATIONS):
    written = [op.value for op in operations if op.kind != GET]
    assert len(written) == len(set(written)), "a value was written twice"
    return linearizes(settled(operations), limit)


def by_key(history):
    keys = {}
    for op in history:
        keys.setdefault(op.key, []).append(op)
    return keys


def until(operations, moment):
    """What had been known then."""
    for op in operations:
        if op.begun <= moment:
            yield op if op.ended <= moment else replace(op, ended=NEVER, outcome=op.outcome if op.outcome == FAILED else UNKNOWN)


def grounded(chosen, operations):
    """And who wrote what those chosen saw."""
    writers = {op.value: op for op in operations if op.kind != GET and op.outcome != FAILED}
    whole = {op: None for op in chosen}
    fresh = list(whole)
    while fresh:
        fresh = [writers[value] for op in fresh for value in op.observes() if value in writers and writers[value] not in whole]
        whole.update(dict.fromkeys(fresh))
    return list(whole)


def shortest(operations, limit=CONFIGURATIONS):
    """Of operations that have no order, few that have none either: up to the moment when it showed, and without all that can be left out.

    Leaving out reads, and writes that nobody saw, makes no order impossible, so what is left is wrong by itself.
    """
    ends = sorted({op.ended for op in operations if op.ended != NEVER})
    low, high = 0, len(ends) - 1
    while low < high:
        middle = (low + high) // 2
        if is_linearizable(list(until(operations, ends[middle])), limit):
            low = middle + 1
        else:
            high = middle
    left = list(until(operations, ends[low]))
    size = len(left)
    while size:
        at = 0
        while at < len(left):
            fewer = grounded(left[:at] + left[at + size:], left)
            if len(fewer) < len(left) and not is_linearizable(fewer, limit):
                left = fewer
            else:
                at += size
        size //= 2
    return left


def wrong(history, limit=CONFIGURATIONS):
    """Of each key that is not linearizable, its shortest history as a story."""
    return {key: story(shortest(operations, limit)) for key, operations in by_key(history).items() if not is_linearizable(operations, limit)}


# ---- the recorder ----


class NotConnected(redis.ConnectionError):
    """Nothing was sent."""


class Line(redis.Connection):
    """A redis-py connection on which one operation is one exchange, so that what became of it is known: the client above it (4.3) says WatchError for an EXEC that did
    nothing and for one whose connection was cut."""

    def __init__(self, address, timeout, consistency=None):
        self.consistency = consistency
        host, port = split(address)
        super().__init__(host=host, port=port, decode_responses=True, socket_timeout=timeout, socket_connect_timeout=timeout)

    def connect(self):
        try:
            super().connect()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise NotConnected(str(error)) from error

    def on_connect(self):
        super().on_connect()
        if self.consistency:
            self.ask(("CLIENT", "CONSISTENCY", *self.consistency.split()))

    def ask(self, *commands):
        """The answer to the last one; if that is an error, it is raised."""
        self.send_packed_command(self.pack_commands(commands))
        for _ in commands[1:]:
            with contextlib.suppress(redis.ResponseError):
                self.read_response()
        return self.read_response()


PADDING = "." * 2000

# What a store says when it did nothing; anything else that it says, `UNKNOWN` apart, is noted as strange and taken for unknown.
NOTHING_DONE = ("TRYAGAIN", "OOM", "MISCONF")


def padded(value):
    return value + PADDING


def plain(answer):
    """The value; what is not whole stays as it is, and nobody wrote it."""
    return answer.removesuffix(PADDING) if answer else answer


class Asking:
    """One client on its thread, and the record of what it asked. A value is longer than its record says, so that there is something to store."""

    def __init__(self, name, line, namespace, chance):
        self.name, self.line, self.namespace, self.chance = name, line, namespace, chance
        self.record, self.strange = [], []

    def run(self, recorder):
        with inside(self.namespace) if self.namespace else contextlib.nullcontext():
            for number in range(recorder.enough):
                if recorder.over.wait(self.chance.uniform(0, recorder.pause)):
                    break
                does = self.chance.choices((self.gets, self.sets, self.exchanges), (4, 2, 3))[0]
                does(self.chance.choice(recorder.keys), f"{self.name}.{number}")
            self.line.disconnect()

    def count(self, outcome):
        return sum(op.outcome == outcome for op in self.record)

    def gets(self, key, _):
        self.does(GET, key, None, ("GET", key))

    def sets(self, key, value):
        self.does(SET, key, value, ("SET", key, padded(value)))

    def exchanges(self, key, value):
        """Two operations: what is read while it is watched, and the exchange, which is certain to have done nothing when the watched key had changed."""
        read = self.does(GET, key, None, ("WATCH", key), ("GET", key))
        if read.outcome == DONE:
            self.does(CAS, key, value, ("MULTI",), ("SET", key, padded(value)), ("EXEC",), expect=read.value)
        else:
            self.line.disconnect()  # it may be watching

    def does(self, kind, key, value, *commands, expect=None):
        begun = time.monotonic_ns()
        outcome, answer = self.asks(*commands)
        ended = NEVER if outcome == UNKNOWN else time.monotonic_ns()
        if kind == CAS and outcome == DONE and answer is None:
            outcome = FAILED
        elif kind != GET and outcome == DONE and answer not in ("OK", ["OK"]):
            outcome, ended = UNKNOWN, NEVER
            self.strange.append(f"{self.name} {commands}: {answer}")
        op = Operation(self.name, kind, key, plain(answer) if kind == GET else value, begun, ended, outcome, expect)
        self.record.append(op)
        return op

    def asks(self, *commands):
        try:
            return DONE, self.line.ask(*commands)
        except NotConnected:
            return FAILED, None
        except (redis.ConnectionError, redis.TimeoutError):
            self.line.disconnect()
            return UNKNOWN, None
        except redis.exceptions.ExecAbortError:
            return FAILED, None
        except redis.ResponseError as error:
            if str(error).startswith(NOTHING_DONE):
                return FAILED, None
            if not str(error).startswith("UNKNOWN"):
                self.strange.append(f"{self.name} {commands}: {error}")
            return UNKNOWN, None


class Recorder:
    """Clients that ask until they are stopped. `places` are (name, address, namespace or None), a client each."""

    def __init__(self, places, seed, keys=("k0", "k1", "k2"), timeouts=(0.3, 5.0), pause=0.01, enough=OPERATIONS, consistency=None):
        self.seed, self.keys, self.pause, self.enough = seed, keys, pause, enough
        self.over = threading.Event()
        self.clients = [
            Asking(f"{number}@{name}", Line(address, timeout, consistency), namespace, random.Random(f"{seed}.{number}"))
            for number, ((name, address, namespace), timeout) in enumerate(zip(places, itertools.cycle(timeouts)))
        ]
        self.threads = [threading.Thread(target=client.run, args=(self,), daemon=True) for client in self.clients]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.running(), "a client does not end"

    def running(self):
        return [thread for thread in self.threads if thread.is_alive()]

    def ends(self, within=60):
        wait_until(lambda: not self.running(), within, "all have asked as often as they may")

    def goes_on(self, count=20, within=30):
        """Every client is answered so many times more."""
        wanted = [client.count(DONE) + count for client in self.clients]
        wait_until(lambda: all(client.count(DONE) >= want for client, want in zip(self.clients, wanted)), within, f"every client goes on, {self}")

    def some_go_on(self, count=100, within=30):
        """All together are."""
        self.reaches(DONE, count, within)

    def lives_through(self, count, within=30):
        """So many more are answered, or a twentieth of that are not: they take their time to give up."""
        answered, others = self.count(DONE), self.others()
        wait_until(
            lambda: self.count(DONE) >= answered + count or self.others() >= others + count / 20,
            within,
            f"{count} more are lived through, {self}",
        )

    def gives_up(self, count, within=30):
        """So many times more it is not known what became of a request."""
        self.reaches(UNKNOWN, count, within)

    def reaches(self, outcome, count, within):
        wanted = self.count(outcome) + count
        wait_until(lambda: self.count(outcome) >= wanted, within, f"{count} more are {outcome}, {self}")

    def count(self, outcome):
        return sum(client.count(outcome) for client in self.clients)

    def others(self):
        return sum(len(client.record) - client.count(DONE) for client in self.clients)

    def history(self):
        return list(itertools.chain(*(client.record for client in self.clients)))

    def counts(self):
        return dict(sorted(Counter(f"{op.kind} {op.outcome}" for op in self.history()).items()))

    def __str__(self):
        return f"seed {self.seed}, {len(self.history())} operations: {self.counts()}"


def judge(recorder):
    """Ends it; its history is linearizable, and nothing strange was answered. Gives the counts."""
    recorder.stop()
    found = wrong(recorder.history())
    assert not found, f"not linearizable, {recorder}\n" + "\n\n".join(found.values())
    strange = list(itertools.chain(*(client.strange for client in recorder.clients)))
    assert not strange, f"strange answers, {recorder}\n{strange[:5]}"
    return recorder.counts()
