"""`nines load`: every request ends in one outcome, and what it counts is what the server counts."""

import json
import signal
import subprocess
import time

import pytest

from harness import BINARY, accepts, wait_until

pytestmark = pytest.mark.seconds(60)


def load(*words, within=30):
    return subprocess.run(
        [BINARY, "load", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )


def assert_adds_up(figures):
    assert sum(figures["failures"].values()) == figures["failed"]
    assert figures["ok"] + figures["failed"] + figures["abandoned"] == figures["requests"]
    timeline = figures["timeline"]
    for key in ("requests", "ok", "failed"):
        assert sum(second[key] for second in timeline) == figures[key]


def run(url, *words):
    ended = load(url, "--json", *words)
    figures = json.loads(ended.stdout)
    assert_adds_up(figures)
    return ended.returncode, figures


@pytest.mark.parametrize("reuse", ["--keepalive", "--no-keepalive"])
def test_counts_are_those_of_the_server(system, reuse):
    a = system.nginx("a")
    nines, address = system.balance(a)
    code, figures = run(
        f"http://{address}/id", "--rate", "500", "--for", "2s", reuse, "--group-by", "X-Backend",
        "--expect-body-bytes", "2",
    )
    assert code == 0
    assert figures["ok"] == 1000
    assert figures["groups"] == {"a": 1000}
    assert figures["body_bytes_received"] == 2000
    assert nines.metric("nines_service_requests_total") == 1000
    connections = figures["connects"]
    assert connections == 1000 if reuse == "--no-keepalive" else connections <= 100


def test_a_closed_loop_counts_what_the_server_counts(system):
    nines, address = system.balance(system.nginx("a"))
    code, figures = run(f"http://{address}/id", "--rate", "0", "--for", "1s", "--connections", "8")
    assert code == 0
    assert figures["ok"] == figures["requests"] > 1000
    assert nines.metric("nines_service_requests_total") == figures["requests"]


@pytest.mark.parametrize("status, kind", [(404, "status_4xx"), (503, "status_5xx")])
def test_a_bad_status_is_a_failure_of_its_own_kind(system, status, kind):
    a = system.nginx("a")
    code, figures = run(f"http://{a.address}/status/{status}", "--rate", "100", "--for", "1s")
    assert code == 1
    assert figures["failures"][kind] == figures["failed"] == 100
    assert figures["statuses"][f"{status // 100}xx"] == 100


def test_nobody_listening_is_refused(system):
    code, figures = run(f"http://{system.address()}/", "--rate", "100", "--for", "1s")
    assert code == 1
    assert figures["failures"]["refused"] == 100
    assert figures["achieved_rate"] == 0
    assert figures["outage"]["longest_s"] > 0.9


def test_a_name_that_does_not_resolve_fails_every_request():
    code, figures = run("http://nowhere.invalid/", "--rate", "20", "--for", "1s")
    assert code == 1
    assert figures["failures"]["unresolved"] == 20


def test_so_many_failures_may_be_allowed(system):
    words = ["--rate", "10", "--for", "1s", "--max-failures"]
    url = f"http://{system.address()}/"
    assert load(url, *words, "10").returncode == 0
    assert load(url, *words, "9").returncode == 1


def test_a_stall_is_charged_for_all_who_came_meanwhile(system):
    """One connection, a server that stops for two of five seconds: a closed loop would have seen one slow request."""
    a = system.nginx("a")
    assert accepts(a.address)
    meter = system.load(f"http://{a.address}/id", 100, 5, "--connections", "1")
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 1, 5)
    a.stop()
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 2, 5)
    a.resume()
    figures = meter.result()
    assert_adds_up(figures)
    assert figures["ok"] == 500
    assert figures["latency_s"]["max"] > 1.5
    assert figures["latency_s"]["p90"] > 1  # 200 of 500 waited for a second on average
    assert figures["latency_s"]["p50"] < 1


def test_an_outage_is_measured_from_the_first_to_the_last_failure(system):
    a = system.nginx("a")
    meter = system.load(f"http://{a.address}/id", 100, 6)
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 1, 5)
    a.kill()
    killed = time.monotonic()
    wait_until(lambda: time.monotonic() > killed + 2, 5)
    back = time.monotonic()
    a.restart()
    lasted = time.monotonic() - killed
    figures = meter.result()
    assert_adds_up(figures)
    assert 2 <= back - killed <= lasted
    assert 1.5 < figures["outage"]["longest_s"] < lasted + 0.5
    assert 0.5 < figures["outage"]["began_s"] < 3
    assert figures["failures"]["refused"] == pytest.approx(100 * figures["outage"]["longest_s"], rel=0.2)


def test_an_interrupt_ends_it_early_and_prints(system):
    a = system.nginx("a")
    child = subprocess.Popen(
        [BINARY, "load", f"http://{a.address}/id", "--rate", "100", "--for", "1h", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 1, 5)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=10)
    figures = json.loads(out)
    assert_adds_up(figures)
    assert child.returncode == 0
    assert 0 < figures["requests"] < 1000
    assert figures["took_s"] < 10


def test_text_is_for_people(system):
    a = system.nginx("a")
    ended = load(f"http://{a.address}/id", "--rate", "100", "--for", "1s", "--group-by", "x-backend")
    assert ended.returncode == 0
    assert ended.stderr == ""  # no progress line where there is no terminal
    for word in ("ok         100", "failed     0", "p99.9", "x-backend: a 100"):
        assert word in ended.stdout


@pytest.mark.parametrize(
    "words, says",
    [
        ([], "a URL is missing"),
        (["http://a/", "--for", "1s"], "--rate is missing"),
        (["https://a/", "--rate", "1", "--for", "1s"], "https is not spoken yet"),
        (["http://a/", "--rate", "fast", "--for", "1s"], "expected a number"),
        (["http://a/", "--rate", "1", "--for", "1s", "--nonsense"], "unknown option"),
    ],
)
def test_usage_is_a_sentence_and_exit_code_2(words, says):
    ended = load(*words)
    assert ended.returncode == 2
    assert says in ended.stderr
