"""One supervisor and its roles: confinement, deaths of every kind, reloads, signals, and what the service manager hears."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import BINARY, accepts, alive, fetch, split, wait_until

ROLES = ("worker", "agent", "monitor")
ROOT = os.geteuid() == 0


@pytest.fixture
def running(system):
    nines, address = system.balance(system.echo(), workers=2)
    nines.web = address
    return nines


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


def never_answers(connection):
    """Takes all that comes, until it is let go."""
    with contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def logged(nines, message):
    """What was said with this message, as dicts."""
    lines = [line for line in nines.timeline.said("nines") if line.startswith("{")]
    return [entry for entry in map(json.loads, lines) if entry["message"] == message]


def replaced(nines, victim, role, within=10):
    """Waits until another process is ready in place of the victim; returns its id."""
    wait_until(
        lambda: victim not in nines.roles(role) and fresh(nines, role), within, f"another {role} is ready"
    )
    return fresh(nines, role)


def fresh(nines, role):
    with contextlib.suppress(OSError):
        roles = [entry for entry in nines.api()["roles"] if entry["name"].startswith(role)]
        if roles and all(entry["state"] == "ready" for entry in roles):
            return [entry["pid"] for entry in roles]
    return None


# ---- confinement ----


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_no_privileges(running, role):
    for pid in wait_until(lambda: fresh(running, role), 10, f"every {role} is ready"):
        status = status_of(pid)
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"]
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[capabilities][0], 16) == 0, capabilities
        if ROOT:
            assert int(status["CapBnd"][0], 16) == 0
            assert "0" not in status["Uid"] + status["Gid"] + status["Groups"]


def test_a_role_knows_nothing_of_its_supervisors_environment(system):
    wrapper = ["env", "SECRET=x", "TZ=UTC"]
    config = system.config(system.address(), system.echo())
    nines = system.nines(config, wrapper=wrapper)
    if ROOT:
        for role in ROLES:
            variables = Path(f"/proc/{nines.roles(role)[0]}/environ").read_bytes()
            assert b"SECRET" not in variables


def test_a_role_is_executed_by_the_supervisor_alone():
    for role in (*ROLES, "reader"):
        ended = subprocess.run([BINARY, "role", role], capture_output=True, text=True, timeout=20)
        assert ended.returncode == 1
        assert "not a channel from `nines run`" in ended.stderr


def test_reloads_and_restarts_leak_no_descriptor(running):
    running.reload()
    before = descriptors(running.pid)
    workers = {pid: descriptors(pid) for pid in running.roles("worker")} if ROOT else {}
    for _ in range(5):
        running.reload()
    victim = running.roles("agent")[0]
    os.kill(victim, signal.SIGKILL)
    replaced(running, victim, "agent")
    wait_until(lambda: descriptors(running.pid) == before, 5, "the supervisor holds what it held")
    for pid, count in workers.items():
        wait_until(lambda: descriptors(pid) == count, 5, "a worker holds what it held")


# ---- deaths ----


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_dies_is_started_again_and_clients_do_not_notice(running, role):
    victim = running.roles(role)[0]
    os.kill(victim, signal.SIGKILL)
    for _ in range(20):
        assert fetch(running.web, "/").status == 200
    replaced(running, victim, role)
    (ended,) = logged(running, "a role ended and is started again")
    assert ended["process.pid"] == victim and "signal 9" in ended["event.reason"]


def test_a_role_that_stands_still_is_replaced_and_others_serve_meanwhile(running):
    victim = running.roles("worker")[0]
    os.kill(victim, signal.SIGSTOP)
    while victim in running.roles("worker"):
        assert fetch(running.web, "/", timeout=5).status == 200
    replaced(running, victim, "worker")
    (killed,) = logged(running, "a role is killed")
    assert killed["process.pid"] == victim and "has not turned" in killed["event.reason"]


def test_nobody_outlives_the_supervisor(running):
    family = running.family()
    assert len(family) == 5
    os.kill(running.roles("worker")[0], signal.SIGSTOP)
    running.signal(signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in family), 5, "every process is gone")
    running.wait()


def test_after_a_violent_end_it_starts_again_in_the_same_place(system, running):
    running.signal(signal.SIGKILL)
    running.wait()
    assert (running.runtime / "nines.sock").exists()
    wait_until(lambda: not running.family(), 5, "every process is gone")
    again = system.nines(running.file.read_text())
    assert fetch(running.web, "/").status == 200
    again.stop()
    assert not (running.runtime / "nines.sock").exists()


def test_two_do_not_share_a_directory(system, running):
    config = system.config(system.address(), "127.0.0.1:1", admin={"listen": system.address()})
    other = system.nines({**config, "runtime_directory": str(running.runtime)}, wait=False)
    assert other.wait() == 78
    assert "another nines" in other.output()
    assert fetch(running.web, "/").status == 200
    assert (running.runtime / "nines.sock").exists()


# ---- reloads ----


def test_many_wishes_to_reload_are_few_reloads(running):
    before = running.generation()
    for _ in range(30):
        running.signal(signal.SIGHUP)
    wait_until(lambda: running.generation() > before, 10, "a new configuration is in force")
    last = running.generation()
    running.reload()
    assert running.generation() <= before + 30
    assert running.generation() > last
    assert fetch(running.web, "/").status == 200


def test_a_reload_in_the_middle_of_a_workers_restart_reaches_it(running):
    victim = running.roles("worker")[0]
    before = running.generation()
    os.kill(victim, signal.SIGKILL)
    running.signal(signal.SIGHUP)
    wait_until(lambda: running.generation() > before, 10, "the new configuration is in force")
    replaced(running, victim, "worker")
    in_force = {role["generation"] for role in running.api()["roles"] if role["name"] != "supervisor"}
    assert in_force == {running.generation()}


def test_what_takes_effect_at_a_start_only_is_said(running):
    running.reload(running.file.read_text().replace("workers: 2", "workers: 3"))
    (said,) = logged(running, "the configuration is good, but")
    assert "'workers'" in said["error.message"]
    assert len(running.roles("worker")) == 2


def test_the_access_log_is_opened_again_on_usr1(running):
    assert fetch(running.web, "/before").status == 200
    wait_until(lambda: [line for line in running.logged() if line], 5, "a line is written")
    moved = running.access_log.with_suffix(".1")
    running.access_log.rename(moved)
    running.signal(signal.SIGUSR1)
    wait_until(running.access_log.exists, 5, "the file is there again")
    assert fetch(running.web, "/after").status == 200
    wait_until(running.logged, 5, "a line is written to the new file")
    assert "/before" in moved.read_text() and "/after" in running.access_log.read_text()


# ---- the end ----


def test_term_ends_with_0_and_takes_the_socket_along(running):
    family = running.family()
    running.stop()
    assert not any(alive(pid) for pid in family)
    assert not (running.runtime / "nines.sock").exists()


def test_a_second_term_does_not_wait(system):
    never = system.scripted(never_answers)
    nines, address = system.balance(never)
    with system.raw(address) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: never.connections > 0, 5, "the request is under way")
        nines.signal(signal.SIGTERM)
        wait_until(lambda: logged(nines, "stopping"), 5, "it drains")
        assert nines.status is None
        nines.signal(signal.SIGTERM)
        assert nines.wait(5) == 0


def test_who_comes_during_a_drain_is_refused_and_not_left_waiting(system):
    never = system.scripted(never_answers)
    nines, address = system.balance(never, workers=2)
    with system.raw(address) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: never.connections > 0, 5, "the request is under way")
        nines.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(address), 5, "connections are refused")
        assert nines.status is None
        nines.signal(signal.SIGTERM)
        assert nines.wait(5) == 0


def test_drain_time_is_kept(system):
    never = system.scripted(never_answers)
    nines, address = system.balance(never, drain="1s")
    with system.raw(address) as client:
        client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: never.connections > 0, 5, "the request is under way")
        nines.signal(signal.SIGTERM)
        assert nines.wait(10) == 0


# ---- the service manager ----


def test_the_service_manager_is_told_of_every_turn(system):
    path = system.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(15)

        def told(*states):
            while True:
                found = manager.recv(1000).decode().splitlines()
                if found[0] != "WATCHDOG=1":
                    break
            assert [line.split("=")[0] for line in found if not line.startswith("STATUS")] == list(states)

        wrapper = ["env", f"NOTIFY_SOCKET={path}", "WATCHDOG_USEC=200000"]
        nines = system.nines(system.config(system.address(), "127.0.0.1:1"), wrapper=wrapper, wait=False)
        told("READY")
        wait_until(lambda: manager.recv(1000) == b"WATCHDOG=1", 10, "the watchdog is petted")
        nines.signal(signal.SIGHUP)
        told("RELOADING", "MONOTONIC_USEC")
        told("READY")
        nines.write("services: [")
        nines.signal(signal.SIGHUP)
        told("RELOADING", "MONOTONIC_USEC")
        told("READY")
        nines.signal(signal.SIGTERM)
        told("STOPPING")
        assert nines.wait() == 0


def test_each_line_of_the_log_is_one_json_object_with_the_usual_names(running):
    running.stop()
    for line in running.timeline.said("nines")[1:]:
        if line.startswith(("gets", "started")):
            continue
        entry = json.loads(line)
        assert {"@timestamp", "log.level", "message", "ecs.version", "service.name"} <= set(entry)
        assert entry["service.name"] == "nines"


def test_the_port_is_free_as_soon_as_nines_has_ended(running):
    running.stop()
    with socket.create_server(split(running.web)):
        pass
