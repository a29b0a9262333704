"""`nines load --journal`: it condemns what loses an acknowledged write, and nothing else."""

import json
import signal
import socket
import subprocess
import time

import pytest

from harness import BINARY, wait_until
from redises import Journal, Redis, url, verify

pytestmark = pytest.mark.seconds(60)


@pytest.fixture
def redis(system):
    return lambda name: system.own(
        Redis(system.timeline, name, system.address(), system.folder / name)
    )


@pytest.fixture
def journal(system):
    return lambda *addresses, options=("--for", "2s"): system.own(
        Journal(system, system.folder / "journal", *addresses, options=options)
    )


def test_nothing_is_lost_on_a_healthy_server(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "2s", "--rate", "250"))
    code, figures = meter.result()
    assert code == 0
    assert figures["acknowledged"] == figures["first_try"] == figures["attempts"] == 500
    assert figures["verdict"]["present"] == server.keys() == 500
    assert figures["verdict"]["well"] is True
    assert figures["errors"] == {}
    assert meter.acknowledged() == 500
    assert server.ask("get", f"{figures['prefix']}:499") == "499"
    code, figures, _ = verify(meter.file, server.address)
    assert code == 0
    assert figures["acknowledged"] == figures["verdict"]["present"] == 500
    assert figures["ended"] is True


def test_asynchronous_replication_is_condemned(redis, journal):
    """The primary acknowledges what its secondary never hears of, and dies; the secondary takes over."""
    primary, secondary = redis("a"), redis("b")
    secondary.follow(primary)
    meter = journal(primary.address, secondary.address, options=("--for", "4s"))
    meter.has_acknowledged(30)
    wait_until(lambda: secondary.keys() >= 30, 10, "the secondary follows")
    # Without its link it hears nothing of what follows; stopped, it cannot call again.
    secondary.signal(signal.SIGSTOP)
    assert primary.ask("client", "kill", "type", "replica") == "1"
    heard = meter.acknowledged()
    meter.has_acknowledged(heard + 50)
    primary.kill()
    secondary.signal(signal.SIGCONT)
    assert secondary.ask("replicaof", "no", "one") == "OK"
    code, figures = meter.result()
    verdict = figures["verdict"]
    assert code == 1
    assert figures["failed"] == 0
    assert verdict["lost"] >= 49  # one may have been on its way when the link was cut
    assert verdict["rpo_rows"] == verdict["lost"]
    assert verdict["first_lost"] >= 30
    assert verdict["rpo_time_s"] > 0.3
    assert verdict["present"] == secondary.keys()


def test_a_server_that_forgets_is_condemned(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "3s"))
    meter.has_acknowledged(50)
    server.kill()
    server.restart()
    code, figures = meter.result()
    assert code == 1
    assert figures["failed"] == 0
    verdict = figures["verdict"]
    assert verdict["lost"] >= 50
    assert verdict["lost_runs"] >= 1
    assert verdict["first_lost"] == 0
    assert verdict["present"] == server.keys()


def test_a_client_that_ends_early_reads_back_what_it_sent_and_not_what_it_planned(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "1h"))
    meter.has_acknowledged(50)
    meter.signal(signal.SIGINT)
    _, figures = meter.result()
    assert figures["verdict"]["present"] == figures["acknowledged"] >= 50
    assert "keyspace_misses:1000\n" in server.ask("info", "stats")
    code, figures, _ = verify(meter.file, server.address)
    assert code == 0
    assert figures["verdict"]["present"] == figures["acknowledged"]
    assert "keyspace_misses:2000\n" in server.ask("info", "stats")


def test_a_client_that_was_killed_leaves_what_it_was_promised(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "1h"))
    meter.has_acknowledged(50)
    meter.kill()
    code, figures, _ = verify(meter.file, server.address)
    assert code == 0
    assert figures["ended"] is False
    assert figures["acknowledged"] >= 50
    assert figures["verdict"]["lost"] == 0
    assert figures["verdict"]["phantom"] == 0
    assert server.ask("del", f"{figures['prefix']}:7") == "1"
    code, figures, _ = verify(meter.file, server.address)
    assert code == 1
    assert figures["verdict"]["lost"] == figures["verdict"]["lost_runs"] == 1
    assert figures["verdict"]["first_lost"] == 7


def test_another_value_is_not_what_was_promised(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "500ms", "--prefix", "mine"))
    assert meter.result()[0] == 0
    server.ask("set", "mine:3", "four")
    code, figures, _ = verify(meter.file, server.address)
    assert code == 1
    assert figures["verdict"]["other_value"] == 1
    assert figures["verdict"]["lost"] == 0


def test_what_nobody_asked_for_is_a_phantom(redis, journal):
    server = redis("a")
    server.ask("set", "mine:60", "60")
    meter = journal(server.address, options=("--for", "500ms", "--prefix", "mine"))
    meter.wait()
    figures = json.loads(meter.timeline.said("journal")[-1])
    assert meter.status == 1
    assert figures["verdict"]["phantom"] == 1


def test_a_paused_server_costs_time_and_loses_nothing(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "3s", "--attempt", "200ms"))
    meter.has_acknowledged(20)
    server.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    wait_until(lambda: time.monotonic() > stopped + 0.7, 5)
    server.signal(signal.SIGCONT)
    code, figures = meter.result()
    assert code == 0
    assert figures["acknowledged"] == 300
    assert figures["cut"] > 0
    assert figures["silence"]["longest_s"] > 0.5
    assert figures["attempts"] > 300


def test_the_next_host_is_asked_where_one_refuses_to_write(redis, journal):
    primary, secondary = redis("a"), redis("b")
    secondary.follow(primary)
    code, figures = journal(secondary.address, primary.address).result()
    assert code == 0
    assert figures["acknowledged"] == 200
    assert figures["errors"]["READONLY"] >= 1
    assert figures["again"] >= 1
    assert figures["cut"] == 0


def test_it_may_be_read_back_elsewhere(redis, journal):
    written, empty = redis("a"), redis("b")
    code, figures = journal(
        written.address, options=("--for", "500ms", "--read-from", url(empty.address))
    ).result()
    assert code == 1
    assert figures["verdict"]["lost"] == figures["acknowledged"] == 50


# ---- servers that misbehave ----

SHORT = ("--for", "300ms", "--timeout", "600ms", "--attempt", "200ms", "--rate", "100")


def test_nobody_listening_times_out_every_request(system, journal):
    code, figures = journal(system.address(), options=SHORT).result()
    assert code == 1
    assert figures["acknowledged"] == figures["attempts"] == 0
    assert figures["timed_out"] == figures["failed"] == 30
    assert figures["failures"]["refused"] > 0
    assert figures["verdict"] is None
    assert figures["outage"]["longest_s"] > 0.25


def answering(system, data):
    def handle(connection):
        while connection.recv(65536):
            connection.sendall(data)

    return system.scripted(handle)


@pytest.mark.parametrize(
    "data, kind",
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "malformed"),
        (b"\x00\xff\x00", "malformed"),
        (b":1\r\n", "malformed"),
        (b"+QUEUED\r\n", "malformed"),
        (b"$1000000\r\n", "malformed"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "error_answer"),
    ],
)
def test_what_is_no_answer_is_asked_again_until_the_timeout(system, journal, data, kind):
    code, figures = journal(answering(system, data).address, options=SHORT).result()
    assert code == 1
    assert figures["acknowledged"] == 0
    assert figures["failures"][kind] >= 1
    assert figures["attempts"] > figures["failures"][kind]
    assert figures["verdict"] is None
    if kind == "error_answer":
        assert figures["errors"]["LOADING"] > figures["failures"][kind]
        assert figures["refused"] == figures["failures"]["error_answer"]


def test_half_an_answer_is_none(system, journal):
    code, figures = journal(answering(system, b"+O").address, options=SHORT).result()
    assert code == 1
    assert figures["acknowledged"] == 0
    assert figures["failures"]["timeout"] >= 1


def test_an_answer_in_pieces_is_one(system, journal):
    def handle(connection):
        while connection.recv(65536):
            for byte in (b"+", b"O", b"K", b"\r", b"\n"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(byte)

    code, figures = journal(system.scripted(handle).address, options=SHORT).result()
    assert figures["acknowledged"] == 30
    assert figures["verdict"] is None  # it does not say what it was asked for
    assert code == 1


def test_an_error_that_stays_is_final(system, journal):
    code, figures = journal(answering(system, b"-NOAUTH Authentication required.\r\n").address, options=SHORT).result()
    assert code == 1
    assert figures["refused"] == figures["attempts"] == figures["errors"]["NOAUTH"] == 30
    assert figures["timed_out"] == 0


def test_answers_that_nobody_asked_for_are_told(system, journal):
    code, figures = journal(answering(system, b"+OK\r\n+OK\r\n").address, options=SHORT).result()
    assert code == 1
    assert figures["unasked"] > 0


# ---- the file ----


def test_a_journal_is_never_written_over(redis, journal, system):
    (system.folder / "journal").write_text("precious")
    meter = journal(redis("a").address)
    assert meter.wait() == 1
    assert "File exists" in meter.output()
    assert (system.folder / "journal").read_text() == "precious"


@pytest.mark.parametrize("text", ["", "nonsense\n", "nines-journal 1 k 10 1\nack x\n"])
def test_a_damaged_journal_is_not_judged(system, redis, text):
    file = system.folder / "damaged"
    file.write_text(text)
    code, figures, said = verify(file, redis("a").address)
    assert code == 1
    assert figures is None
    assert "line" in said


def test_reading_back_from_nobody_is_no_verdict(system):
    file = system.folder / "journal"
    file.write_text("nines-journal 1 k 10 1\nack 1 5\n")
    code, figures, said = verify(file, system.address(), options=("--timeout", "300ms"))
    assert code == 1
    assert figures["verdict"] is None
    assert "nothing new within 300 ms (refused)" in said


def test_what_cannot_be_written_down_was_not_promised(redis, system):
    """A file that may not grow beyond half a KiB: the acknowledgements that do not fit never count."""
    server = redis("a")
    file = system.folder / "journal"
    ended = subprocess.run(
        ["sh", "-c", 'trap "" XFSZ; ulimit -f 1; exec "$@"', "sh", BINARY, "load", url(server.address),
         "--journal", file, "--json", "--for", "1h"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )
    figures = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert "write the journal" in ended.stderr and "File too large" in ended.stderr
    assert figures["verdict"] is None
    assert 0 < figures["acknowledged"] <= file.read_bytes().count(b"\nack ") < 100


def test_an_interrupt_ends_it_early_and_judges(redis, journal):
    server = redis("a")
    meter = journal(server.address, options=("--for", "1h"))
    meter.has_acknowledged(50)
    meter.signal(signal.SIGINT)
    code, figures = meter.result()
    assert code == 0
    assert 50 <= figures["acknowledged"] < 5000
    assert figures["verdict"]["lost"] == 0


def test_text_is_for_people(redis, system):
    ended = subprocess.run(
        [BINARY, "load", url(redis("a").address), "--journal", system.folder / "j", "--for", "500ms"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False,
    )
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert "acked      50, 50 at the first try" in ended.stdout
    assert "lost       nothing that was acknowledged" in ended.stdout
