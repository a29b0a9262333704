"""A group whose program or process misbehaves in every way: it is said in one sentence, everything of it is killed, nothing grows, and a good one is taken afterwards."""

import json
import os
import signal
import stat

import pytest

from harness import TOP, alive, memory_kib, processes, wait_until
from test_engine import minimal_program

GROUP = "sessions"
PRELUDE = """#!/usr/bin/python3
import json, os, signal, subprocess, sys

def answer(order, **more):
    role = {"promote": "primary"}.get(order["command"], "none")
    status = {"state": "running", "role": role, "epoch": order.get("epoch", 0), "promised": order.get("epoch", 0)}
    print(json.dumps({"id": order["id"], "outcome": "done", "status": status, **more}), flush=True)

"""
# What a program does with each order: a line of it, and what is then said of the group.
BAD = {
    "hangs": ("signal.pause()", "did not answer status within"),
    "garbage": ("print('Traceback (most recent call last)', flush=True)", "is no JSON object: `Traceback (most"),
    "exits": ("sys.exit(3)", "closed its output, or ended"),
    "another id": ("answer({**order, 'id': order['id'] + 1})", "the order's"),
    "another epoch": ("answer(order, status={'state': 'running', 'epoch': 'old'})", '"epoch" is "old"'),
    "twice": ("sys.stdout.write('{}\\n{}\\n'); sys.stdout.flush(); signal.pause()", "more than one line"),
    "a flood": ("os.write(1, b'x' * 10_000_000)", "a line of more than 64 KiB"),
    "wrong type": ("print(json.dumps([order['id']]), flush=True)", "is no JSON object: `["),
}


def open_to_all(path):
    """Who is nobody has to get there: nines keeps its state below."""
    for folder in path.parents:
        if folder.name.startswith("pytest-") or folder == path.parent:
            folder.chmod(folder.stat().st_mode | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


def executable(path, text):
    path.write_text(text)
    path.chmod(0o755)
    open_to_all(path)
    return str(path)


def program(system, body):
    return executable(system.folder / "program", f"{PRELUDE}for line in sys.stdin:\n    order = json.loads(line)\n    {body}\n")


def good(system):
    return executable(system.folder / "program", minimal_program())


def config(system, command, process=("/bin/sleep", "1000"), **more):
    group = {"port": 7000, "mode": "async", "timeout": "500ms", "command": command, "user": "root", **more}
    group["directory"] = str(system.folder)
    if process:
        group["process"] = list(process)
    return {"nodes": {"a": system.host}, "groups": {GROUP: group}}


def run(system, wanted):
    return system.nines(wanted, options=("--node", "a"))


def said(nines, sentence):
    """In a line of the log about the group's program."""
    lines = [json.loads(line) for line in nines.output().splitlines() if "as it was told" in line]
    return any(sentence in line["error.message"] for line in lines)


def children_of(pid, word):
    found = []
    for child, fields in processes():
        if int(fields[1]) != pid or fields[0] == "Z":
            continue
        try:
            with open(f"/proc/{child}/cmdline", "rb") as file:
                if word.encode() in file.read():
                    found.append(child)
        except FileNotFoundError:
            continue
    return found


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_program_is_said_and_replaced(system, kind):
    body, sentence = BAD[kind]
    nines = run(system, config(system, program(system, body)))
    wait_until(lambda: said(nines, sentence), 20, f"'{sentence}' is said")
    started = lambda: nines.output().count('"a group\'s process runs"')  # noqa: E731
    before = started()
    wait_until(lambda: started() > before, 20, "another run of it is started")
    # A shell that has forked and not yet become another program is called the same for a moment.
    wait_until(lambda: len(children_of(nines.pid, "program")) <= 1, 5, "no two of them run")
    nines.stop()


def test_what_a_program_left_behind_is_killed_with_it(system):
    pids = system.folder / "pids"
    pids.mkdir()
    body = (
        f"pid = subprocess.Popen(['setsid', 'sleep', '1000'], start_new_session=True).pid; "
        f"open(f'{pids}/{{pid}}', 'w').close(); sys.exit(0)"
    )
    nines = run(system, config(system, program(system, body)))
    wait_until(lambda: len(os.listdir(pids)) >= 3, 20, "three runs have left something behind")
    nines.stop()
    assert not [pid for pid in os.listdir(pids) if alive(int(pid))]


def test_output_without_end_is_bounded(system):
    nines = run(system, config(system, good(system), process=["/usr/bin/yes", "x" * 1000]))
    wait_until(lambda: "lines of a group's program were not logged" in nines.output(), 20, "it is said how many were dropped")
    before = memory_kib(nines.pid)
    reads = nines.output().count("were not logged")
    wait_until(lambda: nines.output().count("were not logged") > reads + 2, 20, "it went on")
    assert memory_kib(nines.pid) <= before + 512
    nines.stop()


def test_a_process_ends_with_nines_however_that_ends(system):
    nines = run(system, config(system, good(system)))
    wait_until(lambda: children_of(nines.pid, "sleep"), 20, "it runs")
    (pid,) = children_of(nines.pid, "sleep")
    nines.signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), 10, "the kernel ends it")


def test_a_new_agent_finds_the_process_running(system):
    nines = run(system, config(system, good(system)))
    wait_until(lambda: children_of(nines.pid, "sleep") and children_of(nines.pid, "program"), 20, "both run")
    (process,) = children_of(nines.pid, "sleep")
    (before,) = children_of(nines.pid, "program")
    (agent,) = nines.roles("agent")
    os.kill(agent, signal.SIGKILL)
    wait_until(lambda: children_of(nines.pid, "program") not in ([], [before]), 20, "there is another program")
    assert children_of(nines.pid, "sleep") == [process]
    nines.stop()
    assert not alive(process)


def test_a_group_that_leaves_the_file_takes_its_processes_along(system):
    wanted = config(system, good(system))
    nines = run(system, wanted)
    wait_until(lambda: children_of(nines.pid, "sleep"), 20, "it runs")
    del wanted["groups"]
    nines.reload(wanted)
    wait_until(lambda: not children_of(nines.pid, "sleep") and not children_of(nines.pid, "program"), 20, "both ended")
    nines.stop()


def test_a_frozen_agents_primary_dies_with_its_lease(system):
    port = 7000
    conf = system.folder / "redis.conf"
    conf.write_text(
        f"bind {system.host}\nport {port}\ndir {system.folder}\nsave \"\"\ninclude {TOP}/engines/redis.conf\n"
    )
    open_to_all(conf)
    command = [f"{TOP}/engines/redis", str(system.folder)]
    nines = run(system, config(system, command, process=["/usr/bin/redis-server", str(conf)]))
    wait_until(lambda: nines.api()["groups"][0]["phase"] == "serving", 20, "the node is primary")
    (process,) = children_of(nines.pid, "redis-server")
    (agent,) = nines.roles("agent")
    os.kill(agent, signal.SIGSTOP)
    wait_until(lambda: not alive(process), 20, "the supervisor kills it by itself")
    assert nines.roles("agent") == [agent]  # which is still frozen
    wait_until(lambda: "its lease ran out" in nines.output(), 10, "it is said why")
    os.kill(agent, signal.SIGCONT)
    wait_until(lambda: children_of(nines.pid, "redis-server"), 20, "the agent has it started again")
    wait_until(lambda: nines.api()["groups"][0]["phase"] == "serving", 20, "it is primary again")
    nines.stop()
