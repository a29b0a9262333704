"""The HTTP interface, asked by real clients: curl, promtool, many scrapers at once, and those who should be refused."""

import concurrent.futures
import json
import os
import signal
import subprocess

import pytest

from harness import FAST_HEALTH, curl, fetch, wait_until


@pytest.fixture
def shop(system):
    """nines over two real backends, with some traffic behind it."""
    backends = system.nginxes("a", "b")
    nines, address = system.balance(*backends, pool={"health_check": FAST_HEALTH}, workers=2)
    nines.backends, nines.web = backends, address
    wait_until(lambda: all(healthy(nines, b) == 1 for b in backends), 10, "the backends are up")
    return nines


def healthy(nines, backend):
    """1, 0, or None while nothing is known."""
    name = f'nines_backend_health{{pool="web",backend="{backend.address}"}}'
    return nines.metrics().get(name)


def drain_path(backend, verb="drain"):
    return f"/api/v1/pools/web/backends/{backend.address}/{verb}"


def backend_of(status, backend):
    (found,) = [b for p in status["pools"] for b in p["backends"] if b["address"] == backend.address]
    return found


# ---- metrics ----


def check_metrics(text):
    return subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, timeout=30, check=False
    )


def test_promtool_finds_nothing_to_say(shop):
    for _ in range(20):
        assert fetch(shop.web, "/id").status == 200
    scraped = curl(f"http://{shop.admin}/metrics")
    assert scraped.returncode == 0
    checked = check_metrics(scraped.stdout)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_metrics_count_what_clients_got(shop):
    for target, times in (("/id", 7), ("/status/404", 2), ("/status/503", 1)):
        for _ in range(times):
            fetch(shop.web, target)
    wait_until(lambda: shop.metric("nines_service_responses_total") == 10, 5, "all are counted")
    assert shop.metric("nines_service_responses_total", **{"class": "2xx"}) == 7
    assert shop.metric("nines_service_responses_total", **{"class": "4xx"}) == 2
    assert shop.metric("nines_service_requests_total", service="web") == 10
    assert shop.metric("nines_service_request_duration_seconds_count") == 10
    infinite = shop.metric("nines_service_request_duration_seconds_bucket", le="+Inf")
    assert infinite == 10


def test_every_role_tells_what_it_uses(shop):
    for role in ("agent", "monitor", "worker-0", "worker-1"):
        wait_until(lambda: shop.metric("process_resident_memory_bytes", role=role) > 0, 5, role)
        wait_until(lambda role=role: shop.metric("nines_role_working", role=role) == 1, 5, f"{role} works")


def test_many_scrape_at_once(shop):
    def scrape(_):
        return fetch(shop.admin, "/metrics")

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(scrape, range(100)))
    assert all(a.status == 200 and a.body.endswith(b"\n") for a in answers)
    assert all(b"nines_build_info{" in a.body for a in answers)


# ---- probes and status ----


def test_readiness_follows_the_backends(shop):
    assert curl(f"http://{shop.admin}/livez").stdout == b"ok\n"
    assert curl(f"http://{shop.admin}/readyz").stdout == b"ok\n"
    for backend in shop.backends:
        backend.kill()
    wait_until(lambda: fetch(shop.admin, "/readyz").status == 503, 10, "it is not ready")
    verbose = fetch(shop.admin, "/readyz?verbose").body.decode()
    assert "[-]backends failed: 0 of 1 pools have a backend that takes traffic\n" in verbose
    assert "[+]workers ok: 2 of 2 workers are ready\n" in verbose
    assert fetch(shop.admin, "/readyz?exclude=backends").status == 200
    assert fetch(shop.admin, "/readyz/workers").status == 200
    assert fetch(shop.admin, "/livez").status == 200
    shop.backends[0].restart()
    wait_until(lambda: fetch(shop.admin, "/readyz").status == 200, 10, "it is ready again")


def test_status_tells_verdicts_and_their_reasons(shop):
    a, b = shop.backends
    assert shop.api()["summary"] == {"serving": "yes", "survives_one_failure": True, "why": ""}
    b.kill()
    wait_until(lambda: backend_of(shop.api(), b)["state"] == "down", 10, "it is found dead")
    status = shop.api()
    assert status["summary"]["survives_one_failure"] is False
    assert status["summary"]["why"] == "pool web has 1 of 2 backends up"
    assert backend_of(status, b)["check"]["outcome"] == "refused"
    assert backend_of(status, a)["check"]["code"] == 200
    assert {r["state"] for r in status["roles"]} == {"ready"}


def test_rates_follow_the_traffic(system, shop):
    system.load(f"http://{shop.web}/id", 100, 8)
    rate = lambda: shop.api()["services"][0]["requests_per_second"]
    wait_until(lambda: 90 <= rate() <= 110, 8, "the rate is seen")
    latency = shop.api()["services"][0]["latency"]
    assert 0 < latency["p50_ms"] <= latency["p99_ms"] <= latency["max_ms"]


def test_it_describes_what_it_answers(shop):
    paths = shop.api("/api/v1/openapi.json")["paths"]
    for path, operations in paths.items():
        target = path.replace("{check}", "workers").replace("{pool}", "web")
        target = target.replace("{backend}", shop.backends[0].address)
        if "get" in operations:
            # What only an agent in a cluster can say is known, and refused here with a sentence.
            needs_cluster = path in ("/api/v1/events", "/api/v1/overrides")
            answer = fetch(shop.admin, target)
            assert answer.status == (404 if needs_cluster else 200), path
            assert not needs_cluster or "there is no cluster" in answer.json["error"]
            refused = fetch(shop.admin, target, method="PUT")
            assert (refused.status, refused.header("Allow")) == (405, "GET, HEAD")
        else:
            assert fetch(shop.admin, target).status == 405, path
    assert fetch(shop.admin, "/nothing").status == 404


# ---- who may give orders ----


def post(shop, path, *words):
    """curl's view: status and body."""
    done = curl("-X", "POST", "-w", "\n%{http_code}", *words, f"http://{shop.admin}{path}")
    body, code = done.stdout.decode().rsplit("\n", 1)
    return int(code), body


def test_orders_need_what_no_web_page_can_send(shop):
    a, _ = shop.backends
    assert post(shop, drain_path(a))[0] == 403
    assert post(shop, drain_path(a), "-H", "Content-Type: text/plain", "-d", "{}")[0] == 403
    guard = ("-H", "X-Nines: 1")
    assert post(shop, drain_path(a), *guard, "-H", "Host: evil.example")[0] == 403
    assert post(shop, drain_path(a), *guard, "-H", "Host: 10.0.0.1:7900")[0] == 403
    assert backend_of(shop.api(), a)["drained_by"] is None
    code, body = post(shop, drain_path(a), *guard)
    assert (code, json.loads(body)["drained_by"]) == (200, "operator")
    code, _ = post(shop, drain_path(a, "undrain"), "-H", "Content-Type: application/json", "-d", "{}")
    assert code == 200
    assert backend_of(shop.api(), a)["drained_by"] is None


def test_a_rebound_name_reads_nothing(shop):
    assert fetch(shop.admin, "/api/v1/status", headers={"Host": "evil.example"}).status == 403
    assert fetch(shop.admin, "/metrics", headers={"Host": "prometheus.example"}).status == 200


def test_the_socket_takes_orders_from_its_owner(shop):
    socket = shop.runtime / "nines.sock"
    assert socket.stat().st_mode & 0o077 == 0
    words = ("--unix-socket", socket, "-X", "POST", f"http://x{drain_path(shop.backends[0])}")
    assert json.loads(curl(*map(str, words)).stdout)["drained_by"] == "operator"


def test_a_drained_backend_gets_nothing_and_the_drain_outlives_the_monitor(shop):
    a, b = shop.backends
    post(shop, drain_path(a), "-H", "X-Nines: 1")
    served = lambda: {fetch(shop.web, "/id").backend for _ in range(20)}
    wait_until(lambda: served() == {"b"}, 5, "every worker sees the drain")
    (monitor,) = shop.roles("monitor")
    os.kill(monitor, signal.SIGKILL)
    assert fetch(shop.web, "/id").status == 200
    wait_until(lambda: shop.roles("monitor") not in ([], [monitor]), 10, "it is started again")
    wait_until(shop.ready_or_ended, 10, "it answers")
    assert backend_of(shop.api(), a)["drained_by"] == "operator"
    post(shop, drain_path(a, "undrain"), "-H", "X-Nines: 1")
    wait_until(lambda: served() == {"a", "b"}, 5, "it takes traffic again")


# ---- bad clients ----


def test_garbage_is_refused_and_others_are_served(system, shop):
    for text, status in (
        ("\0\0\0\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nX: " + "y" * 9000, 431),
        ("GET /" + "y" * 2000 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        ("POST /api/v1/reload HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("POST /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    ):
        with system.raw(shop.admin) as client:
            assert client.ask(text).status == status, text[:60]
            assert client.closed()
    assert fetch(shop.admin, "/livez").status == 200


def test_a_crowd_does_not_lock_the_operator_out(system, shop):
    crowd = [system.raw(shop.admin) for _ in range(100)]
    assert shop.cli("status").returncode == 0
    for client in crowd:
        client.close()
    wait_until(lambda: shop.ready_or_ended(), 10, "others are served again")


@pytest.mark.heavy
def test_who_takes_too_long_is_told_so(system, shop):
    with system.raw(shop.admin, timeout=20) as slow:
        slow.send("GET /livez HTTP/1.1\r\nHo")
        assert slow.answer().status == 408
        assert slow.closed()


# ---- the access log ----


def test_the_access_log_is_reopened_when_asked(shop):
    fetch(shop.web, "/id?first")
    wait_until(lambda: len(shop.logged()) == 1, 5, "the line is written")
    rotated = shop.access_log.with_suffix(".1")
    shop.access_log.rename(rotated)
    shop.signal(signal.SIGUSR1)
    wait_until(shop.access_log.exists, 5, "the log is opened again")
    fetch(shop.web, "/id?second")
    wait_until(lambda: len(shop.logged()) == 1, 5, "the line is written")
    assert "first" not in shop.access_log.read_text()
    assert len(rotated.read_text().splitlines()) == 1


def test_a_full_disk_costs_lines_that_are_counted_and_told_once(system):
    backend = system.nginx("a")
    nines, web = system.balance(backend, access_log="/dev/full")
    for _ in range(50):
        assert fetch(web, "/id").status == 200
    wait_until(lambda: nines.metric("nines_access_log_lost_lines_total") == 50, 5, "all are counted")
    told = [line for line in nines.timeline.said("nines") if "access log cannot be written" in line]
    assert len(told) == 1


def test_lines_of_many_workers_stay_whole(system):
    backend = system.nginx("a")
    nines, web = system.balance(backend, workers=4)
    meter = system.load(f"http://{web}/id", 1000, 2, "--no-keepalive")
    figures = meter.result()
    wait_until(lambda: len(nines.logged()) == figures["ok"], 10, "every request has its line")
    assert all(line["status"] == 200 for line in nines.logged())


def test_a_reader_who_pauses_holds_nobody_up(system):
    """The log is a pipe that is full; requests and the interface go on, and what is lost is counted."""
    backend = system.nginx("a")
    fifo = system.folder / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        nines, web = system.balance(backend, access_log=str(fifo))
        assert system.load(f"http://{web}/id", 2000, 2).result()["failed"] == 0
        assert fetch(nines.admin, "/livez").status == 200
    finally:
        os.close(reader)
