"""Things die while clients are served: `nines load` is the meter, and not one request may fail."""

import os
import signal

import pytest

from harness import FAST_HEALTH, fetch, wait_until

pytestmark = [pytest.mark.heavy, pytest.mark.seconds(120)]
RATE = 300


@pytest.fixture
def shop(system):
    """nines over three real backends with fast checks."""
    backends = system.nginxes()
    nines, address = system.balance(*backends, pool={"health_check": FAST_HEALTH}, workers=2)
    nines.backends = backends
    nines.url = f"http://{address}/id"
    nines.web = address
    wait_until(lambda: all(up(nines, backend) for backend in backends), 10, "all backends are up")
    return nines


def up(nines, backend):
    return nines.metric("nines_backend_health", backend=backend.address) == 1


def down(nines, backend):
    return nines.metric("nines_backend_health", backend=backend.address) == 0


def load(system, shop, seconds):
    """The meter, already under way."""
    before = shop.metric("nines_service_requests_total")
    meter = system.load(shop.url, RATE, seconds, "--group-by", "X-Backend")
    wait_until(lambda: shop.metric("nines_service_requests_total") > before + 50, 10, "load runs")
    return meter


def assert_nothing_failed(meter):
    figures = meter.result()
    assert figures["failed"] == 0, figures
    assert figures["ok"] == RATE * meter.seconds
    return figures


def test_a_killed_backend_fails_no_request_and_comes_back(system, shop):
    a = shop.backends[0]
    meter = load(system, shop, 8)
    a.kill()
    wait_until(lambda: down(shop, a), 5, "the dead one is found dead")
    a.restart()
    wait_until(lambda: up(shop, a), 5, "it is found alive")
    served = shop.metric("nines_backend_requests_total", backend=a.address)
    wait_until(
        lambda: shop.metric("nines_backend_requests_total", backend=a.address) > served + 20,
        10,
        "it gets its share again",
    )
    assert_nothing_failed(meter)


def test_a_backend_that_hangs_fails_no_request_and_comes_back(system, shop):
    b = shop.backends[1]
    meter = load(system, shop, 8)
    b.stop()
    wait_until(lambda: down(shop, b), 5, "the hanging one is found out")
    b.resume()
    wait_until(lambda: up(shop, b), 5, "it is found alive")
    assert_nothing_failed(meter)


def test_two_of_three_may_go_at_once(system, shop):
    a, b, _ = shop.backends
    meter = load(system, shop, 8)
    a.kill()
    b.stop()
    wait_until(lambda: down(shop, a) and down(shop, b), 5, "both are found out")
    a.restart()
    b.resume()
    wait_until(lambda: up(shop, a) and up(shop, b), 5, "both are back")
    assert_nothing_failed(meter)


def test_twenty_reloads_fail_no_request(system, shop):
    config = system.config(
        shop.web, *shop.backends, pool={"health_check": FAST_HEALTH}, workers=2
    )
    meter = load(system, shop, 10)
    for number in range(20):
        config["pools"]["web"]["timeout"] = {"response": f"{5 + number}s"}
        shop.reload(config)
    figures = assert_nothing_failed(meter)
    assert len(figures["groups"]) == 3


def test_a_reload_takes_a_backend_away_and_brings_it_back(system, shop):
    a = shop.backends[0]
    whole = system.config(shop.web, *shop.backends, pool={"health_check": FAST_HEALTH}, workers=2)
    less = system.config(
        shop.web, *shop.backends[1:], pool={"health_check": FAST_HEALTH}, workers=2
    )
    meter = load(system, shop, 8)
    shop.reload(less)
    assert {fetch(shop.web, "/id").backend for _ in range(20)} == {"b", "c"}
    shop.reload(whole)
    wait_until(lambda: up(shop, a), 5, "the one that came back was checked")
    assert {fetch(shop.web, "/id").backend for _ in range(20)} == {"a", "b", "c"}
    assert_nothing_failed(meter)


def test_a_killed_worker_costs_only_what_it_had_in_hand(system, shop):
    connections = 20
    meter = system.load(shop.url, RATE, 8, "--connections", str(connections))
    wait_until(lambda: shop.metric("nines_service_requests_total") > 50, 10, "load runs")
    victim = shop.roles("worker")[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(
        lambda: len(shop.roles("worker")) == 2 and victim not in shop.roles("worker"),
        10,
        "another worker took its place",
    )
    figures = meter.result()
    assert figures["ok"] + figures["failed"] == RATE * 8
    assert figures["failed"] <= connections


def test_counts_live_on_when_the_agent_and_the_monitor_die(system, shop):
    meter = load(system, shop, 6)
    before = shop.metric("nines_service_requests_total")
    for role in ("agent", "monitor"):
        (victim,) = shop.roles(role)
        os.kill(victim, signal.SIGKILL)
        wait_until(
            lambda: shop.roles(role) and victim not in shop.roles(role), 10, f"another {role} runs"
        )
    wait_until(shop.ready_or_ended, 10, "the API answers again")
    assert shop.metric("nines_service_requests_total") >= before
    assert_nothing_failed(meter)


def test_term_lets_requests_end(system, shop):
    """A slow answer that has begun is finished; whoever comes later is refused, not hung."""
    big = shop.backends[0].root / "big"
    big.write_bytes(os.urandom(30 << 20))
    for backend in shop.backends[1:]:
        (backend.root / "big").write_bytes(big.read_bytes())
    with system.raw(shop.web) as client:
        client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.exactly(1000)
        shop.signal(signal.SIGTERM)
        rest = client.file.read()
    assert rest.endswith(big.read_bytes()[-1000:])
    assert shop.wait() == 0
