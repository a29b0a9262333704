"""A store under one random fault after the other, with clients all the while: what they saw is linearizable, and nothing that was acknowledged is lost.

It goes in pieces of some faults, so that it needs no more memory the longer it lasts: each has keys of its own, its history is judged on another process while the
next piece is under way, and the book of a client that is promised writes (`nines load --journal`) is held against the store at its end.

No power is cut here: what a kernel has taken from a process it keeps. Disks that lose what was not synced are in the simulator (`make sim ONLY=store`).
"""

import concurrent.futures
import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections import Counter

from histories import DONE, Asking, Line, Recorder, wrong
from network import inside
from stores import store_of

PIECE = 10  # faults
KEYS = 4
ALL = 10**9  # any number of lost writes is told, and judged in the end
TIMING = {"heartbeat": "50ms", "election_timeout": "100ms", "lease": "400ms", "timeout": "4s"}
# What the clients write fills it again and again, so members come back to checkpoints and copies too; and nobody runs out of restarts.
GROUP = {"checkpoint": "1MiB", "restart": {"attempts": 1000}}


class Blow:
    """One fault: whom it hits, and how long it lasts if it does."""

    def __init__(self, cluster, chance, recorder):
        self.cluster, self.chance, self.recorder = cluster, chance, recorder
        primary = cluster.primary()
        self.node = primary if chance.random() < 0.7 else chance.choice(list(cluster))
        self.others = [node for node in cluster if node is not self.node]

    def lasts(self):
        """From what nobody notices to more than the lease, as the clients live it."""
        self.recorder.lives_through(self.chance.choice((self.chance.randint(1, 40), self.chance.randint(40, 200))))

    @contextlib.contextmanager
    def stopped(self, *pids):
        for pid in pids:
            self.node.hit(signal.SIGSTOP, pid)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)


# ---- faults ----


def store_killed(blow):
    blow.node.hit(signal.SIGKILL, store_of(blow.node))


def agent_killed(blow):
    blow.node.hit(signal.SIGKILL, blow.node.agent())


def node_killed(blow):
    blow.node.kill()
    blow.lasts()
    blow.node.start()


def node_dead(blow):
    """Nobody hears a reset."""
    blow.node.machine.unplug()
    blow.node.kill()
    blow.lasts()
    blow.node.machine.plug()
    blow.node.start()


def stores_killed(blow):
    pids = [store_of(node) for node in blow.cluster]
    for node, pid in zip(blow.cluster, pids):
        node.hit(signal.SIGKILL, pid)


def all_killed(blow):
    for node in blow.cluster:
        node.kill()
    for node in blow.cluster:
        node.start()


def cut_off(blow):
    blow.node.machine.unplug()
    blow.lasts()
    blow.node.machine.plug()


def two_cut_off(blow):
    """There is no majority."""
    for node in blow.others:
        node.machine.unplug()
    blow.lasts()
    for node in blow.others:
        node.machine.plug()


def deaf(blow):
    blow.node.machine.deafen(*(node.machine for node in blow.others))
    blow.lasts()
    blow.node.machine.heal()


def unheard(blow):
    for node in blow.others:
        node.machine.deafen(blow.node.machine)
    blow.lasts()
    for node in blow.others:
        node.machine.heal()


def store_stopped(blow):
    with blow.stopped(store_of(blow.node)):
        blow.lasts()


def agent_stopped(blow):
    with blow.stopped(blow.node.agent()):
        blow.lasts()


def node_stopped(blow):
    """As a machine that is paused; its store wakes first."""
    store, node = store_of(blow.node), blow.node
    with blow.stopped(store, node.pid, *(pid for pid in node.family() if pid not in (store, node.pid))):
        blow.lasts()


FAULTS = {
    "kill -9 of a store": store_killed,
    "kill -9 of all stores": stores_killed,
    "kill -9 of an agent": agent_killed,
    "kill -9 of a node": node_killed,
    "kill -9 of a node that is cut off": node_dead,
    "kill -9 of all nodes": all_killed,
    "partition: a node": cut_off,
    "partition: no majority": two_cut_off,
    "partition: hears nobody": deaf,
    "partition: nobody hears it": unheard,
    "pause of a store": store_stopped,
    "pause of an agent": agent_stopped,
    "pause of a node": node_stopped,
}


# ---- the soak ----


class Soak:
    def __init__(self, cluster, faults, seed):
        self.cluster, self.faults, self.seed = cluster, faults, seed
        self.chance = random.Random(seed)
        self.struck, self.asked = Counter(), Counter()
        self.pieces = self.acknowledged = self.lost = 0
        self.judging = []  # pieces whose verdict is not there yet, two at most
        self.found, self.strange = [], []
        self.slowest_s, self.began = 0.0, time.monotonic()

    def run(self):
        with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as self.judge:
            while self.struck.total() < self.faults and not self.found and not self.lost:
                self.piece(min(PIECE, self.faults - self.struck.total()))
                print(self.line(), flush=True)
            self.hears(0)
        print(self, flush=True)

    def piece(self, count):
        self.pieces += 1
        self.cluster.whole()
        keys = [f"soak{self.pieces}.{key}" for key in range(KEYS)]
        places = [(node.node, node.endpoint(), node.namespace) for node in self.cluster]
        recorder = Recorder(places * 2, f"{self.seed}.{self.pieces}", keys=keys, pause=0.03)
        client = self.cluster.journal()
        try:
            with recorder:
                for _ in range(count):
                    self.strikes(recorder)
                    recorder.some_go_on(20)
            figures, verdict = client.ends(lost=ALL)
        except AssertionError:  # it does not come back: what was seen before is judged all the same
            self.takes(recorder, [])
            self.hears(0)
            print(self, flush=True)
            raise
        finally:
            client.kill()
        self.acknowledged += figures["acknowledged"]
        self.lost += verdict["verdict"]["lost"]
        self.takes(recorder, [op for place in places for op in last_words(keys, *place)])

    def strikes(self, recorder):
        name = self.chance.choice(list(FAULTS))
        FAULTS[name](Blow(self.cluster, self.chance, recorder))
        self.struck[name] += 1
        begun = time.monotonic()
        self.cluster.whole(within=60)
        self.slowest_s = max(self.slowest_s, time.monotonic() - begun)

    def takes(self, recorder, words):
        history = recorder.history() + words
        self.asked.update(f"{op.kind} {op.outcome}" for op in history)
        self.strange += [word for client in recorder.clients for word in client.strange]
        self.judging.append(self.judge.submit(wrong, history))
        self.hears(1)

    def hears(self, left):
        """The verdicts of all but so many pieces."""
        while len(self.judging) > left:
            self.found += self.judging.pop(0).result().values()

    def is_well(self):
        return not self.found and not self.strange and self.lost == 0

    def line(self):
        minutes, faults = (time.monotonic() - self.began) / 60, self.struck.total()
        writes = self.acknowledged + self.asked[f"set {DONE}"] + self.asked[f"cas {DONE}"]
        return (f"{faults} faults in {minutes:.1f} minutes ({faults / minutes:.0f} a minute), seed {self.seed}: {writes} acknowledged writes, {self.lost} lost, "
                f"{len(self.found)} violations in {self.asked.total()} recorded operations; whole again after each within {self.slowest_s:.1f} s")

    def __str__(self):
        kinds = [f"    {self.struck[name]:5} {name}" for name in FAULTS]
        return "\n".join([self.line(), *kinds, *self.found, *self.strange[:5]])


def last_words(keys, name, address, namespace):
    """What a member says of each key in the end, which clients heard as well as all before."""
    reader = Asking(f"end@{name}", Line(address, 10.0), namespace, None)
    with inside(namespace):
        for key in keys:
            reader.gets(key, None)
        reader.line.disconnect()
    assert reader.count(DONE) == len(keys), f"{name} does not answer: {reader.record}"
    return reader.record
