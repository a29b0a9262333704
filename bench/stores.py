"""Three nodes with an embedded store each, in network namespaces; the ways in which clients reach it, what fails, and the section of bench/FAILOVER.md."""

import contextlib
import math
import os
import signal
import statistics
import subprocess
import time
from pathlib import Path

import groups
import measure
import outages
import peers

HELD, UNHELD = 6400, 6401
ROUTES = ("balancer, hold", "balancer, no hold", "another member", "the primary")
RATE = 200
AFTER_S = {"default": 4.5, "tight": 2.5}  # the load goes on so long after the fault
LEASE_MS = {"default": 2000, "tight": 400}

BEGIN, END = "<!-- store -->\n", "<!-- end of store -->\n"


class Store(groups.Nines):
    """Its group is a store; two services lead to it, one that lets clients wait and one that does not."""

    title = "nines's store"
    port = HELD

    def config(self):
        return f"""{peers.Nines.config(self)}groups:
  data: {{engine: store, port: {groups.REDIS}, mode: sync}}
services:
  held: {{listen: "0.0.0.0:{HELD}", protocol: tcp, group: data, hold: 10s}}
  unheld: {{listen: "0.0.0.0:{UNHELD}", protocol: tcp, group: data, hold: 0s}}
"""

    def pid_of(self, title):
        for pid in self.processes():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(title):
                    return pid
        raise measure.Void(f"{self.name} runs no {title.decode()}")

    def processes(self):
        return measure.family(self.child)

    def store_pid(self):
        return self.pid_of(b"nines: store")


# ---- faults of the primary's node; each returns how to undo it ----


def nothing():
    """It mends itself."""


def no_fault(primary):
    """What the machine alone does to the clients meanwhile."""
    return nothing


def store_killed(primary):
    os.kill(primary.store_pid(), signal.SIGKILL)
    return nothing


def agent_killed(primary):
    """Its node begins anew after the run: an agent that dies again and again is started again later and later, and no run is to pay for the one before."""
    os.kill(primary.agent_pid(), signal.SIGKILL)
    return lambda: (primary.kill(), primary.start())


def node_killed(primary):
    """All its processes; its kernel lives and says so."""
    primary.kill()
    return primary.start


def node_dead(primary):
    """The machine is gone: not even a reset is sent."""
    primary.machine.unplug()
    primary.kill()
    return lambda: (primary.machine.plug(), primary.start())


def node_stopped(primary):
    """All its processes: its kernel takes connections and what is sent, and nobody answers."""
    pids = primary.processes()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)

    def undo():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    return undo


def partition(primary):
    primary.machine.unplug()
    return primary.machine.plug


def switchover(primary):
    primary.switchover()
    return nothing


FAULTS = {
    "no fault": no_fault,
    "store killed": store_killed,
    "agent killed": agent_killed,
    "node killed": node_killed,
    "node dead": node_dead,
    "node stopped": node_stopped,
    "partition of the primary": partition,
    "switchover": switchover,
}

DEAD = {"default": 500, "tight": 150}
SILENT = {profile: lease + 1000 for profile, lease in LEASE_MS.items()}
PROMPT = {"default": 50, "tight": 50}
BOUNDS = {
    "no fault": {"default": math.inf, "tight": math.inf},
    "store killed": DEAD,
    "agent killed": DEAD,
    "node killed": DEAD,
    "node dead": SILENT,
    "node stopped": SILENT,
    "partition of the primary": SILENT,
    "switchover": PROMPT,
}


# ---- a run ----


def hosts_of(route, primary, others):
    """Whom a client asks, in order."""
    ports = {"balancer, hold": HELD, "balancer, no hold": UNHELD}
    nodes = [primary, *others] if route == "the primary" else [*others, primary]
    return ",".join(f"{node.machine.address}:{ports.get(route, groups.REDIS)}" for node in nodes)


class Client(groups.Load):
    """One on each route, all at once: a fault is one for all of them."""

    def __init__(self, network, route, primary, others, journal, seconds):
        self.network, self.journal, self.seconds, self.route = network, journal, seconds, route
        command = [groups.BINARY, "load", f"redis://{hosts_of(route, primary, others)}", "--journal", journal, "--rate", RATE,
                   "--for", f"{round(seconds * 1000)}ms", "--timeout", "10s", "--attempt", "300ms", "--json"]
        self.process = subprocess.Popen(["ip", "netns", "exec", network.hub_name, *map(str, command)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def outcome(self, primary):
        result, verdict = self.result(), self.verify(primary)
        return {"outage_ms": result["silence"]["longest_s"] * 1000, "failed": result["refused"] + result["timed_out"], "again": result["again"],
                "errors": result["errors"], "lost": verdict["lost"], "phantom": verdict["phantom"]}


def one(nodes, name, profile, folder):
    """One fault under load: what each client saw."""
    primary, *others = groups.whole(nodes, within=300)
    network = primary.machine.network
    clients = [Client(network, route, primary, others, Path(folder) / f"journal-{time.monotonic_ns()}", 1.5 + AFTER_S[profile]) for route in ROUTES]
    time.sleep(1.5)
    undo = FAULTS[name](primary)
    try:
        for client in clients:
            client.wait()
    finally:
        undo()
    began = time.monotonic()
    now_primary, *_ = groups.whole(nodes, groups.PATIENCE_S)
    return {client.route: {**client.outcome(now_primary), "healed_s": time.monotonic() - began} for client in clients}


def told(nodes, results, bound_ms):
    """What nines said of it goes to the log when it took longer than it may, or requests failed."""
    if any(result["failed"] or result["lost"] or result["outage_ms"] >= bound_ms for result in results.values()):
        print({route: round(result["outage_ms"]) for route, result in results.items()}, f"{bound_ms} at most:", *(node.account() for node in nodes), sep="\n", flush=True)
    return results


def series(nodes, name, profile, runs, folder):
    """A row for each route."""
    results = [told(nodes, one(nodes, name, profile, folder), BOUNDS[name][profile]) for _ in range(runs)]
    rows = [row_of(name, route, profile, [result[route] for result in results]) for route in ROUTES]
    for row in rows:
        print(f"{profile:8} {name:26} {row['route']:18} p50 {row['p50']:6.0f} ms  p95 {row['p95']:6.0f} ms  max {row['max']:6.0f} ms  "
              f"failed {row['failed']}  again {row['again']}  lost {row['lost']}  of {row['runs']}", flush=True)
    return rows


def row_of(fault, route, profile, results):
    times = [result["outage_ms"] for result in results]
    return {"fault": fault, "route": route, "profile": profile, "runs": len(results), "results": results, "p50": statistics.median(times),
            "p95": outages.quantile(times, 0.95), "max": max(times),
            **{what: sum(result[what] for result in results) for what in ("failed", "again", "lost", "phantom")}}


# ---- the page ----


def merged(rows):
    found = {}
    for row in rows:
        found.setdefault((row["fault"], row["route"], row["profile"]), []).extend(row["results"])
    return {key: row_of(*key, results) for key, results in found.items()}


def is_missed(row):
    return row["p95"] >= BOUNDS[row["fault"]][row["profile"]]


def times(row):
    p95 = f"**{row['p95']:,.0f}**" if is_missed(row) else f"{row['p95']:,.0f}"
    return f"{row['p50']:,.0f} / {p95} / {row['max']:,.0f}"


def harm(row):
    return f"{row['failed']:,} / {row['lost']:,} / {row['again']:,}"


def named(fault, profile):
    bound = BOUNDS[fault][profile]
    return fault if bound == math.inf else f"{fault} (< {bound:,})"


def table(found, profile, what, cell):
    faults = [fault for fault in FAULTS if any(key[0] == fault and key[2] == profile for key in found)]
    lines = [[named(fault, profile), *(cell(found[fault, route, profile]) if (fault, route, profile) in found else "" for route in ROUTES)]
             for fault in faults]
    return outages.table([what, *ROUTES], lines)


def missed(found):
    for row in found.values():
        where = f"- *{row['fault']}*, {row['profile']}, {row['route']}:"
        if is_missed(row):
            yield f"{where} p95 {row['p95']:,.0f} ms, aimed at less than {BOUNDS[row['fault']][row['profile']]:,}."
        for what, name in (("failed", "requests failed"), ("lost", "acknowledged writes were lost"), ("phantom", "keys were there that nobody had asked for")):
            if row[what]:
                yield f"{where} {row[what]} {name}."


def section(rows):
    found = merged(rows)
    of = {what: outages.list_of({str(row[what]) for row in rows}) for what in ("date", "linux", "commit", "cores", "nice")}
    runs = outages.list_of({str(row["runs"]) for row in found.values()})
    loads = sorted(row["load"] for row in rows)
    tables = "\n".join(f"{profile}:\n\n{table(found, profile, 'ms', times)}\n{table(found, profile, 'failed / lost / again', harm)}"
                       for profile in outages.PROFILES if any(key[2] == profile for key in found))
    return BEGIN + f"""
## The embedded store

Written by `bench/failover page` from what `bench/failover store` kept (`make bench-failover WHAT="store --runs 20"`) on {of['date']}: commit {of['commit']}, Linux {of['linux']}. {of['cores']} cores carried it and other work: load
{loads[0]:.0f} to {loads[-1]:.0f}. Default is 200 ms beats and a lease of 2 s, tight is 50 ms and 400 ms. Three nodes, `engine: store`, `mode: sync`; runs: {runs} each, at nice {of['nice']}.

Four clients at once, {RATE} writes a second each over four connections, an attempt without an answer made again at the next host after 300 ms: through the balancers of the nodes that survive, with `hold: 10s` and without (`hold: 0s`); at a member
that survives, which sends writes on to the primary; at the primary's own member, and at the others when that is gone. The longest time between two acknowledgements: p50 / p95 / maximum. Then, over all runs: requests that were not
acknowledged within ten seconds / acknowledged writes that were not there when all was healed / requests that took more than one attempt (what was under way then, and what `hold: 0s` refused).

{tables}
*no fault*: what the machine itself does to the clients meanwhile, syncs of their own journals included. *store killed*, *agent killed*: the process alone. *node killed*: all of its processes, and its kernel says so; *node dead* sends no reset. *node stopped*: all of its processes with SIGSTOP, for the whole run.

A node that was killed is replaced 100 ms after the proof that it is dead, with any profile ([failover.md](../docs/failover.md), *Isolate*); the rest is how long that proof takes, and some milliseconds. At a silent node a client of another member, or of the primary's, is
held up by its own 300 ms an attempt, once for each host that it tries.

Aimed at and missed:

{chr(10).join(missed(found)) or "- Nothing."}
""" + END


def cut(text):
    """The page without the section, and the section."""
    before, begin, rest = text.partition(BEGIN)
    return before, begin + rest
