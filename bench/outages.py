"""Rows of bench/failover, and the page bench/FAILOVER.md that is written from them, but for its section about the store (stores.py)."""

import math
import statistics

EARLIER_MS = 50  # what was acknowledged so long before the fault had been replicated
KINDS = {"nines": "nines", "sentinel": "Sentinel"}
PROFILES = ("default", "tight")
SILENT = (3000, 700)

# What nines is to stay under, p95 in ms, by profile. A silent node: its lease (2 s, 400 ms) and a second, 700 ms when tight.
BOUNDS = {
    "redis killed": (500, 500),
    "node killed": (600, 600),
    "node dead": SILENT,
    "redis stopped": SILENT,
    "agent stopped": SILENT,
    "partition of the primary": SILENT,
    "partition of the leader": SILENT,
    "primary unheard": SILENT,
    "primary deaf": SILENT,
    "link flapping": SILENT,
    "switchover": (200, 200),
}

SAYS = """## What is lost, and why

The replication is asynchronous. A primary that the other nodes do not hear, and the client does, goes on until its lease ends, and what it acknowledged meanwhile is nowhere else: with nines that is bounded by the lease; `mode: semi-sync`
with Redis's `min-replicas-to-write` narrows it, and cannot close it ([engine-redis.md](../docs/engine-redis.md)). What nines lost had been acknowledged after the fault; nothing that was acknowledged 50 ms before it or earlier was lost, unless the
list below says so.

A primary that Sentinel replaced takes writes until a Sentinel reaches it and tells it that it is none, about ten seconds after it is heard again or after a switchover. A client that is connected to it goes on there: that is why those
rows of Sentinel show a short outage, two writers and a large loss.
"""


def bound_ms(fault, profile):
    return BOUNDS[fault][PROFILES.index(profile)]


def quantile(values, share):
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def row_of(fault, kind, profile, results):
    """What several runs of one fault come to."""
    times = [result["outage_ms"] for result in results]
    return {
        "fault": fault, "kind": kind, "profile": profile, "runs": len(results), "results": results,
        "p50": statistics.median(times), "p95": quantile(times, 0.95), "max": max(times),
        **{what: sum(result[what] for result in results) for what in ("failed", "again", "lost", "phantom", "by_hand")},
        "two_writers": sum(result["two_writers_ms"] > 0 for result in results),
        "lost_earlier": sum(result["lost_before_ms"] > EARLIER_MS for result in results),
    }


def merged(rows):
    """Rows of the same fault are one with all their runs."""
    found = {}
    for row in rows:
        found.setdefault((row["fault"], row["kind"], row["profile"]), []).extend(row["results"])
    return [row_of(*key, results) for key, results in found.items()]


def table(headings, rows):
    lines = ["| " + " | ".join(headings) + " |", "|" + " --- |" + " ---: |" * (len(headings) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def columns(rows):
    """What was measured, in this order."""
    wanted = [(profile, kind) for profile in PROFILES for kind in KINDS]
    return [column for column in wanted if any((row["profile"], row["kind"]) == column for row in rows)]


def headings(rows):
    return [f"{KINDS[kind]}, {profile}" for profile, kind in columns(rows)]


def lines(rows, cell):
    """One line for each fault; a cell is a row as text."""
    found = {(row["fault"], row["profile"], row["kind"]): row for row in rows}
    for fault in BOUNDS:
        if any(row["fault"] == fault for row in rows):
            yield [fault, *(cell(found[(fault, *column)]) if (fault, *column) in found else "" for column in columns(rows))]


def times(row):
    over = row["kind"] == "nines" and row["p95"] >= bound_ms(row["fault"], row["profile"])
    return f"{row['p50']:,.0f} / {'**' if over else ''}{row['p95']:,.0f}{'**' if over else ''} / {row['max']:,.0f}"


def harm(row):
    return f"{row['failed']:,} / {row['lost']:,} / {row['two_writers']} / {row['by_hand']}"


def list_of(words):
    return ", ".join(sorted(words))


def runs(rows):
    """How many each column has, and which faults have more or less."""
    for heading, column in zip(headings(rows), columns(rows)):
        those = [row for row in rows if (row["profile"], row["kind"]) == column]
        usual = statistics.mode(row["runs"] for row in those)
        others = "".join(f", {row['runs']} of *{row['fault']}*" for row in those if row["runs"] != usual)
        yield f"{heading}: {usual} each{others}"


def missed(rows):
    """What nines did not keep to, a line each."""
    for row in rows:
        if row["kind"] != "nines":
            continue
        where = f"*{row['fault']}*, {row['profile']}"
        if row["p95"] >= bound_ms(row["fault"], row["profile"]):
            yield f"- {where}: p95 {row['p95']:,.0f} ms, aimed at less than {bound_ms(row['fault'], row['profile']):,}."
        for what, name in (("failed", "requests failed"), ("two_writers", "runs had two writers"), ("by_hand", "runs were not whole again within the patience"),
                           ("lost_earlier", "runs lost what had been acknowledged before the fault"), ("phantom", "keys were there that nobody had asked for")):
            if row[what]:
                yield f"- {where}: {row[what]} {name}."


def soaked(rows):
    for row in rows:
        yield (f"- {row['soak']} random faults, one after the other, on one running cluster ({row['profile']}, seed {row['seed']}, {row['took_s'] / 60:.0f} minutes): whole again "
               f"by itself after every one, within {row['slowest_s']:.1f} s at most. {row['refused']} order(s) to switch over were refused or not answered within five seconds, and not given again.")


def page(everything):
    rows = merged(row for row in everything if "fault" in row)
    soaks = list(soaked(row for row in everything if "soak" in row))
    of = {what: list_of({str(row[what]) for row in everything}) for what in ("date", "linux", "redis", "cores")}
    commits = list_of({row["commit"] for row in everything if row.get("kind") != "sentinel"})
    loads = sorted(row["load"] for row in everything)
    return f"""# A replicated Redis that fails, beside Sentinel

Written by `bench/failover page` from what `bench/failover run` and `soak` kept (`make bench-failover` does all three) on {of['date']}: commit {commits}, Linux {of['linux']}, {of['redis']}. {of['cores']} cores
carried several such runs at once, three nodes each with their clients, and other work: load {loads[0]:.0f} to {loads[-1]:.0f}; figures are those of a busy machine.

nines: default is 200 ms beats and a lease of 2 s, tight is 50 ms and 400 ms; `hold: 10s`. Sentinel: default is 30 s down-after and 180 s failover-timeout, tight is 500 ms and 1 s. Three nodes each in a network namespace, the
same Redis with the same settings, asynchronous replication.

One client, 100 writes a second over four connections; an attempt without an answer is made again after 300 ms. Of nines it asks the balancers of the nodes, beginning with one that survives (`nines load --journal`). Of Sentinel it is
a client of redis-py's (`bench/sentinel-load`): at each connection it asks the Sentinels for the primary, beginning with one that survives, and has it confirm its `ROLE`; it asks again when a connection breaks, an
attempt is not answered in time, or the server says READONLY. No service manager starts Sentinel's Redis again while a run lasts.

## The outage

The longest time between two acknowledgements at the client, in ms: p50 / p95 / maximum. Runs: {'; '.join(runs(rows))}.

{table(['ms', *headings(rows)], lines(rows, times))}
## What went wrong

Over all runs: requests that were not acknowledged within ten seconds / writes that were acknowledged and not there at the primary once all was healed / runs in which two servers took writes at a time / runs after
which the group was not whole again by itself within 75 s, and took a person's hand.

{table(['failed / lost / two writers / by hand', *headings(rows)], lines(rows, harm))}
Writers are witnessed at each server, from its own namespace: every 20 ms a write, whatever became of the cable. A hand on Sentinel's side is what a runbook says: choose the primary, `REPLICAOF` for the others, and let the Sentinels watch it anew.
*partition of the leader*: of the node that leads consensus; Sentinel has no such node. *node dead* sends no reset, *node killed* does.

{SAYS}
## Random faults

{chr(10).join(soaks) or "Not run."}

## Aimed at and missed

Less than 500 ms at p95 after a process that died, 600 after a node that was killed, 3 s (tight: 700 ms) after a node that is silent or cut off, 200 after a switchover; no request failed, never two writers.

{chr(10).join(missed(rows)) or "Nothing."}
"""
