"""A group's data service that systemd runs (docs/engines.md, "A unit of systemd"): started, followed, restarted within its budget, fenced, taken over. With a stand-in for systemd."""

import json
import os
import signal

import pytest

from harness import TOP, alive, wait_until
from test_engine_bad import config, good, open_to_all, run
from units import UNIFIED, Systemd

UNIT = "redis-server@orders.service"


@pytest.fixture
def systemd(system):
    return system.own(Systemd(system.folder))


@pytest.fixture(params=["control group", "unseen"])
def seen(request):
    """Whether nines can look into the unit's control group."""
    if request.param == "control group" and not os.access(UNIFIED / "cgroup.procs", os.W_OK):
        pytest.skip("control groups are not ours to make here")
    return request.param == "control group"


def redis(system, systemd, seen, **more):
    conf = system.folder / "redis.conf"
    conf.write_text(
        f"bind {system.host}\nport 7000\ndir {system.folder}\nsave \"\"\ninclude {TOP}/engines/redis.conf\n"
    )
    open_to_all(conf)
    return systemd.add(UNIT, ["/usr/bin/redis-server", conf], seen, **more)


def wanted(system, command=None, **more):
    command = command or [f"{TOP}/engines/redis", str(system.folder)]
    return config(system, command, process=None, unit=UNIT, **more)


def start(system, systemd, conf, name="nines"):
    return system.nines(conf, options=("--node", "a"), wrapper=systemd.wrapper(), name=name)


def serves(nines):
    wait_until(lambda: nines.api()["groups"][0]["phase"] == "serving", 30, "the node is primary")


def logged(nines, message):
    return [json.loads(line) for line in nines.output().splitlines() if message in line]


def runs(nines):
    """Main processes that nines followed, in turn."""
    return [line["process.pid"] for line in logged(nines, "a group's process runs") if line["nines.program"] == "process"]


def test_a_unit_is_started_restarted_and_stopped(system, systemd, seen):
    unit = redis(system, systemd, seen)
    nines = start(system, systemd, wanted(system))
    serves(nines)
    before = unit.pid
    assert runs(nines) == [before]
    unit.signal(signal.SIGKILL)
    wait_until(lambda: unit.pid not in (0, before), 20, "nines starts it again")
    serves(nines)
    assert unit.starts == 2
    nines.stop()
    assert unit.pid == 0
    assert runs(nines)[1:] == [unit.child.pid]


def test_what_the_unit_left_in_its_control_group_is_killed(system, systemd):
    if not os.access(UNIFIED / "cgroup.procs", os.W_OK):
        pytest.skip("control groups are not ours to make here")
    left = system.folder / "left"
    unit = systemd.add(
        UNIT, ["/bin/sh", "-c", f"setsid sleep 1000 & echo $! > {left}; exec sleep 1000"], seen=True
    )
    nines = start(system, systemd, wanted(system, good(system), restart={"attempts": 0}))
    wait_until(lambda: runs(nines) and left.exists() and left.read_text(), 20, "it runs")
    pid = int(left.read_text())
    systemd.hangs.set()
    unit.signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), 20, "what it started is killed, without systemd")
    systemd.hangs.clear()
    nines.stop()


def test_restarts_have_a_budget(system, systemd):
    unit = systemd.add(UNIT, ["/bin/false"])
    nines = start(system, systemd, wanted(system, good(system), restart={"attempts": 2, "window": "1h"}))
    wait_until(lambda: logged(nines, "restarts are used up"), 20, "it is given up")
    assert unit.starts == 3  # the first one, and two again
    nines.stop()


def test_a_group_that_leaves_the_file_has_its_unit_stopped(system, systemd):
    unit = systemd.add(UNIT, ["/bin/sleep", "1000"])
    conf = wanted(system, good(system))
    nines = start(system, systemd, conf)
    wait_until(lambda: runs(nines), 20, "it runs")
    assert not systemd.was_asked("stop")
    del conf["groups"]
    nines.reload(conf)
    wait_until(lambda: unit.pid == 0, 20, "it has ended")
    assert systemd.was_asked("stop")
    nines.stop()


@pytest.mark.parametrize("systemctl", ["answers", "hangs"])
def test_a_frozen_agents_unit_dies_with_its_lease(system, systemd, seen, systemctl):
    unit = redis(system, systemd, seen)
    nines = start(system, systemd, wanted(system))
    serves(nines)
    (agent,) = nines.roles("agent")
    os.kill(agent, signal.SIGSTOP)
    if systemctl == "hangs":
        systemd.hangs.set()
    wait_until(lambda: unit.pid == 0, 20, "the supervisor kills it by itself")
    assert nines.roles("agent") == [agent]  # which is still frozen
    systemd.hangs.clear()
    wait_until(lambda: "its lease ran out" in nines.output(), 20, "it is said why")
    os.kill(agent, signal.SIGCONT)
    wait_until(lambda: unit.pid, 30, "the agent has it started again")
    serves(nines)
    nines.stop()


def left_running(system, systemd, seen):
    """A primary that outlived the nines that ran it, which was killed."""
    unit = redis(system, systemd, seen)
    unit.start()
    nines = start(system, systemd, wanted(system), name="first")
    serves(nines)
    assert runs(nines) == [unit.pid]
    nines.signal(signal.SIGKILL)
    nines.wait()
    assert unit.pid and unit.starts == 1
    return unit


def test_what_runs_already_is_taken_over_and_fenced(system, systemd, seen):
    unit = left_running(system, systemd, seen)
    pid = unit.pid
    nines = start(system, systemd, wanted(system))
    wait_until(lambda: runs(nines) and serves(nines) is None, 20, "it is followed")
    assert runs(nines)[0] == pid
    (agent,) = nines.roles("agent")
    os.kill(agent, signal.SIGSTOP)
    wait_until(lambda: not alive(pid), 20, "it dies with its lease")
    os.kill(agent, signal.SIGCONT)
    wait_until(lambda: unit.pid not in (0, pid), 20, "it is started again")
    serves(nines)
    nines.stop()
    assert unit.pid == 0


def test_what_was_left_running_is_killed_when_no_agent_ever_speaks_of_it(system, systemd, seen):
    unit = left_running(system, systemd, seen)
    pid = unit.pid
    nines = system.nines(wanted(system), options=("--node", "a"), wrapper=systemd.wrapper(), wait=False)
    (agent,) = wait_until(lambda: nines.roles("agent"), 20, "there is an agent")
    os.kill(agent, signal.SIGSTOP)
    wait_until(lambda: not alive(pid), 20, "it dies within the length of a lease")
    os.kill(agent, signal.SIGCONT)
    wait_until(lambda: unit.starts == 2, 20, "it is started again")
    wait_until(nines.ready_or_ended, 20, "nines is ready")
    nines.stop()


def test_what_cannot_be_started_is_said(system, systemd):
    nines = start(system, systemd, wanted(system, good(system)))
    wait_until(lambda: "Unit redis-server@orders.service not found" in nines.output(), 20, "it is said")
    nines.stop()


def test_a_unit_that_systemd_restarts_is_warned_of(system, systemd):
    systemd.add(UNIT, ["/bin/sleep", "1000"], restart="on-failure")
    nines = start(system, systemd, wanted(system, good(system)))
    wait_until(lambda: logged(nines, "it needs Restart=no"), 20, "it is warned of")
    nines.stop()
    assert len(logged(nines, "it needs Restart=no")) == 1
