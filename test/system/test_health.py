"""Verdicts: what real servers do, and what nines says of them, how soon, and what stays when its own processes die."""

import contextlib
import http.client
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from harness import FAST_HEALTH, EchoServer, fetch, split, wait_until

pytestmark = pytest.mark.seconds(60)

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def verdict(nines, backend):
    """What /api/v1/status says of one backend."""
    address = getattr(backend, "address", backend)
    for pool in nines.api()["pools"]:
        for found in pool["backends"]:
            if found["address"] == address:
                return found
    raise AssertionError(f"no backend {address}")


def is_(nines, backend, state, outcome=None):
    def claim():
        found = verdict(nines, backend)
        return found["state"] == state and (outcome is None or found["check"]["outcome"] == outcome)

    claim.__name__ = f"{getattr(backend, 'address', backend)} is {state} ({outcome})"
    return claim


def await_(nines, backend, state, outcome=None, within=10):
    wait_until(is_(nines, backend, state, outcome), within)


def balance(system, *backends, **check):
    return system.balance(*backends, pool={"health_check": {**FAST_HEALTH, **check}})


def all_go_to(address, *names):
    """Whether twenty answers come from these alone, and from each of them."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return {fetch(address, "/id").backend for _ in range(20)} == set(names)
    return False


# ---- outcomes ----

ANSWERS = {
    "bad status": b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "cut short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
}


@pytest.mark.parametrize("outcome", ANSWERS)
def test_an_answer_that_is_not_well_takes_a_backend_out(system, outcome):
    good, bad = system.nginx("good"), system.scripted_bytes(ANSWERS[outcome])
    nines, address = balance(system, good, bad)
    await_(nines, bad, "down", outcome)
    await_(nines, good, "up", "ok")
    wait_until(lambda: all_go_to(address, "good"), 2, "the workers have heard of it")


def test_a_refused_connection_takes_a_backend_out(system):
    nobody = system.address()
    nines, _ = balance(system, system.nginx("good"), nobody)
    await_(nines, nobody, "down", "refused")


def test_a_reset_takes_a_backend_out(system):
    def reset(connection):
        connection.recv(1)  # the rest of the request stays unread: closing resets

    bad = system.scripted(reset)
    nines, _ = balance(system, system.nginx("good"), bad)
    await_(nines, bad, "down", "reset")


def test_silence_takes_a_backend_out(system):
    silent = system.scripted(lambda connection: connection.recv(65536) and connection.recv(1))
    nines, _ = balance(system, system.nginx("good"), silent)
    await_(nines, silent, "down", "timeout")


def test_a_slow_but_whole_answer_is_well(system):
    def crawl(connection):
        connection.recv(65536)
        for byte in GOOD:
            connection.sendall(bytes([byte]))

    slow = system.scripted(crawl)
    nines, _ = balance(system, slow, interval="1s", timeout="1s")
    await_(nines, slow, "up", "ok")


def test_a_tcp_check_only_connects(system):
    silent = system.scripted(lambda connection: connection.recv(1))
    nobody = system.address()
    check = {key: value for key, value in FAST_HEALTH.items() if key != "path"}
    nines, _ = system.balance(silent, nobody, pool={"health_check": check})
    await_(nines, silent, "up", "ok")
    await_(nines, nobody, "down", "refused")


def test_the_check_asks_what_was_configured(system):
    seen = []

    def handle(connection):
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 429 Busy\r\nContent-Length: 0\r\n\r\n")

    backend = system.scripted(handle)
    nines, _ = balance(
        system, backend, path="/deep?x=1", host="shop.example", method="HEAD",
        expect={"from": 429, "to": 429},
    )
    await_(nines, backend, "up", "ok")
    lines = seen[0].decode().split("\r\n")
    assert lines[0] == "HEAD /deep?x=1 HTTP/1.1"
    assert "Host: shop.example" in lines
    assert "Connection: close" in lines


def test_checks_may_go_to_a_port_of_their_own(system):
    checked, served = system.nginx("checked"), system.address()
    nines, _ = balance(system, served, port=split(checked.address)[1])
    await_(nines, served, "up", "ok")


def test_checks_leave_no_connections_behind(system):
    """A check is closed with a reset, so neither side keeps it for a minute."""
    backend = system.nginx("a")
    nines, _ = balance(system, backend, interval="20ms", timeout="20ms")
    wait_until(lambda: (verdict(nines, backend)["check"] or {"checks": 0})["checks"] > 50, 20, "fifty checks")
    host, port = split(backend.address)
    ours = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    left = [row for row in rows if ours in (row[1], row[2]) and row[3] == "06"]
    assert len(left) <= 2, left


# ---- time ----


def test_the_verdict_is_true_within_threshold_times_interval(system):
    """Without traffic, so that no worker's failure brings a check forward; killed and hung alike."""
    backends = system.nginxes("killed", "hung", "well")
    killed, hung, well = backends
    nines, _ = balance(system, *backends, interval="1s", timeout="500ms", unhealthy_threshold=3)
    for backend in backends:
        await_(nines, backend, "up")
    killed.kill()
    hung.stop()
    await_(nines, killed, "down", "refused", within=3.2)
    await_(nines, hung, "down", "timeout", within=3.2)
    killed.restart()
    hung.resume()
    await_(nines, killed, "up", "ok", within=2.2)
    await_(nines, hung, "up", "ok", within=2.2)
    assert verdict(nines, well)["changes"] == 1


def test_a_worker_that_meets_a_failure_brings_the_check_forward(system):
    """At most a quarter of the interval after the last check, where nobody's failure would have been waited for 10 s."""
    a, b = system.nginx("a"), system.nginx("b")
    nines, address = balance(
        system, a, b, interval="10s", timeout="1s", unhealthy_threshold=1
    )
    await_(nines, a, "up")
    await_(nines, b, "up")
    a.kill()

    def found():
        fetch(address, "/id")
        return is_(nines, a, "down")()

    wait_until(found, 5, "traffic finds the dead one")


def test_one_failed_check_is_not_enough(system):
    """A busy machine must not make a second one of an answer that comes late: each has seconds to come."""
    answers = iter([GOOD] + [ANSWERS["bad status"], GOOD] * 1000)

    def handle(connection):
        connection.recv(65536)
        connection.sendall(next(answers))

    flaky = system.scripted(handle)
    nines, _ = balance(system, flaky, interval="2s", timeout="2s")
    await_(nines, flaky, "up")
    wait_until(lambda: verdict(nines, flaky)["check"]["failures"] >= 3, 30, "three checks failed")
    found = verdict(nines, flaky)
    assert found["state"] == "up"
    assert found["changes"] == 1


# ---- names ----


def test_a_backend_may_have_a_name(system):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    named = f"localhost:{port}"
    nines, address = balance(system, system.nginx("other"), named)
    await_(nines, named, "down", "refused")
    system.own(EchoServer("named", f"127.0.0.1:{port}"))
    await_(nines, named, "up", "ok")
    wait_until(lambda: all_go_to(address, "other", "named"), 2, "it gets its share")


# ---- its own processes ----


def test_verdicts_outlive_the_agent(system):
    good, hung = system.nginxes("good", "hung")
    nines, address = balance(system, good, hung)
    await_(nines, good, "up")
    await_(nines, hung, "up")
    hung.stop()
    await_(nines, hung, "down")
    changes = verdict(nines, hung)["changes"]
    (agent,) = nines.roles("agent")
    os.kill(agent, signal.SIGKILL)
    wait_until(
        lambda: nines.roles("agent") and agent not in nines.roles("agent"), 10, "another agent runs"
    )
    checks = verdict(nines, good)["check"]["checks"]
    wait_until(lambda: verdict(nines, good)["check"]["checks"] > checks + 3, 10, "it checks")
    assert verdict(nines, hung)["state"] == "down"
    assert verdict(nines, hung)["changes"] == changes
    assert all_go_to(address, "good")
    hung.resume()
    await_(nines, hung, "up")


def test_a_frozen_agent_stops_no_traffic(system):
    a, b = system.nginxes("a", "b")
    nines, address = balance(system, a, b)
    await_(nines, a, "up")
    await_(nines, b, "up")
    (agent,) = nines.roles("agent")
    os.kill(agent, signal.SIGSTOP)
    try:
        a.kill()
        assert {fetch(address, "/id").backend for _ in range(30)} == {"b"}
    finally:
        os.kill(agent, signal.SIGCONT)
    await_(nines, a, "down")
    assert verdict(nines, b)["changes"] == 1


def test_an_agent_that_was_frozen_blames_nobody(system):
    """Answers that came meanwhile lie in its sockets, and their deadlines have passed."""
    a = system.nginx("a")
    nines, _ = balance(system, a, interval="200ms", timeout="200ms", unhealthy_threshold=1)
    await_(nines, a, "up")
    (agent,) = nines.roles("agent")
    for _ in range(10):
        os.kill(agent, signal.SIGSTOP)
        stopped = time.monotonic()
        wait_until(lambda: time.monotonic() > stopped + 0.4, 5)
        os.kill(agent, signal.SIGCONT)
        checks = verdict(nines, a)["check"]["checks"]
        wait_until(lambda: verdict(nines, a)["check"]["checks"] > checks + 2, 10, "it checks again")
    found = verdict(nines, a)
    assert found["check"]["failures"] == 0, found
    assert found["changes"] == 1


def test_a_reload_keeps_verdicts(system):
    good, nobody = system.nginx("good"), system.address()
    nines, address = balance(system, good, nobody)
    await_(nines, nobody, "down")
    await_(nines, good, "up")
    config = system.config(
        address, good, nobody, pool={"health_check": {**FAST_HEALTH, "unhealthy_threshold": 50}}
    )
    nines.reload(config)
    assert verdict(nines, nobody)["state"] == "down"
    assert verdict(nines, nobody)["changes"] == 1
    del config["pools"]["web"]["health_check"]
    nines.reload(config)
    wait_until(is_(nines, nobody, "unchecked"), 5)
