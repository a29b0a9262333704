"""HTTP as clients and backends see it, through real ones."""

import contextlib
import json
import os
import socket
import uuid
from collections import Counter

import httpx
import pytest

from harness import System, curl, fetch, read_head, sha256, split, wait_until

MIB = 1 << 20


def test_requests_are_spread_evenly_over_three_backends(system):
    nines, address = system.balance(*system.nginxes())
    counts = Counter(fetch(address, "/id").backend for _ in range(30))
    assert counts == {"a": 10, "b": 10, "c": 10}


def test_weights_are_kept_exactly(system):
    a, b = system.nginxes("a", "b")
    nines, address = system.balance({"address": a.address, "weight": 3}, b)
    counts = Counter(fetch(address, "/id").backend for _ in range(40))
    assert counts == {"a": 30, "b": 10}


def test_ip_hash_keeps_a_client_on_its_backend(system):
    nines, address = system.balance(*system.nginxes(), pool={"algorithm": "ip-hash"})
    assert len({fetch(address, "/id").backend for _ in range(20)}) == 1


def test_a_backup_gets_nothing_while_another_lives(system):
    a, b = system.nginxes("a", "b")
    nines, address = system.balance(a, {"address": b.address, "backup": True})
    assert {fetch(address, "/id").backend for _ in range(10)} == {"a"}
    a.kill()
    assert {fetch(address, "/id").backend for _ in range(10)} == {"b"}


def test_one_connection_serves_many_requests(system):
    nines, address = system.balance(*system.nginxes())
    with system.raw(address) as client:
        answers = [client.get() for _ in range(100)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.backend for answer in answers}) == 3


def test_backend_connections_are_reused(system):
    backend = system.scripted(answer_forever)
    nines, address = system.balance(backend)
    for _ in range(20):
        assert fetch(address).status == 200
    assert backend.connections == 1


def answer_forever(connection):
    while read_head(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def test_curl_gets_its_answer(system):
    nines, address = system.balance(system.nginx("a"))
    done = curl(f"http://{address}/id")
    assert (done.returncode, done.stdout) == (0, b"a\n")


def test_httpx_keeps_its_connection(system):
    nines, address = system.balance(*system.nginxes())
    with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
        counts = Counter(client.get("/id").headers["X-Backend"] for _ in range(30))
    assert counts == {"a": 10, "b": 10, "c": 10}
    assert nines.metric("nines_service_accepted_total", service="web") == 1


# ---- routes ----


@pytest.fixture
def routed(system):
    backends = {name: system.echo(name) for name in ("web", "api", "shop", "beta", "write")}
    address = system.address()
    config = {
        "services": {
            "front": {
                "listen": address,
                "routes": [
                    {"match": {"headers": {"X-Beta": "yes"}}, "pool": "beta"},
                    {"match": {"host": "shop.test"}, "pool": "shop"},
                    {"match": {"host": "*.api.test"}, "pool": "api"},
                    {"match": {"path": "/api/"}, "pool": "api"},
                    {"match": {"method": ["POST", "PUT"]}, "pool": "write"},
                ],
                "pool": "web",
            }
        },
        "pools": {name: {"backends": backend.address} for name, backend in backends.items()},
    }
    system.nines(config)
    return address


@pytest.mark.parametrize(
    "line, fields, backend",
    [
        ("GET / HTTP/1.1", "Host: other.test", "web"),
        ("GET / HTTP/1.1", "Host: shop.test", "shop"),
        ("GET / HTTP/1.1", "Host: SHOP.test:8080", "shop"),
        ("GET / HTTP/1.1", "Host: v1.api.test", "api"),
        ("GET / HTTP/1.1", "Host: api.test", "web"),
        ("GET /api HTTP/1.1", "Host: x", "api"),
        ("GET /api/ HTTP/1.1", "Host: x", "api"),
        ("GET /api/v1?q=1 HTTP/1.1", "Host: x", "api"),
        ("GET /apix HTTP/1.1", "Host: x", "web"),
        ("GET /x/api HTTP/1.1", "Host: x", "web"),
        ("POST /x HTTP/1.1", "Host: x\r\nContent-Length: 0", "write"),
        ("PUT /x HTTP/1.1", "Host: x\r\nContent-Length: 0", "write"),
        ("DELETE /x HTTP/1.1", "Host: x", "web"),
        ("GET / HTTP/1.1", "Host: shop.test\r\nx-beta: yes", "beta"),
        ("GET / HTTP/1.1", "Host: shop.test\r\nX-Beta: no", "shop"),
        ("GET http://shop.test/ HTTP/1.1", "Host: other.test", "shop"),
    ],
)
def test_a_request_goes_where_its_route_says(system, routed, line, fields, backend):
    with system.raw(routed) as client:
        assert client.ask(f"{line}\r\n{fields}\r\n\r\n").json["backend"] == backend


def test_what_no_route_matches_gets_404_when_there_is_no_pool(system):
    backend = system.echo()
    address = system.address()
    system.nines(
        {
            "services": {
                "web": {
                    "listen": address,
                    "routes": [{"match": {"path": "/here"}, "pool": "web"}],
                }
            },
            "pools": {"web": {"backends": backend.address}},
        }
    )
    with system.raw(address) as client:
        assert client.get("/here").status == 200
        assert client.get("/there").status == 404
        assert client.get("/here").status == 200


# ---- what the backend sees ----


def fields_seen(answer):
    """Names to the list of values in which a backend saw them."""
    seen = {}
    for name, value in answer.json["headers"]:
        seen.setdefault(name, []).append(value)
    return seen


def test_the_backend_learns_who_asked(system):
    nines, address = system.balance(system.echo())
    with system.raw(address) as client:
        seen = fields_seen(client.get("/x", host="shop.test"))
        own = client.socket.getsockname()[0]
    assert seen["x-forwarded-for"] == [own]
    assert seen["x-forwarded-proto"] == ["http"]
    assert seen["x-forwarded-host"] == ["shop.test"]
    assert f"for={own}" in seen["forwarded"][0]
    assert seen["host"] == ["shop.test"]


def test_a_chain_of_proxies_is_appended_to(system):
    nines, address = system.balance(system.echo())
    with system.raw(address) as client:
        seen = fields_seen(client.get(fields="X-Forwarded-For: 192.0.2.7\r\n"))
        assert seen["x-forwarded-for"] == [f"192.0.2.7, {client.socket.getsockname()[0]}"]


def test_every_request_has_an_id_of_its_own(system):
    nines, address = system.balance(system.echo())
    with system.raw(address) as client:
        ids = [fields_seen(client.get())["x-request-id"][0] for _ in range(50)]
    assert len(set(ids)) == 50


def test_an_id_that_came_is_kept(system):
    nines, address = system.balance(system.echo())
    own = str(uuid.uuid4())
    with system.raw(address) as client:
        assert fields_seen(client.get(fields=f"X-Request-Id: {own}\r\n"))["x-request-id"] == [own]


def test_fields_of_one_connection_are_not_passed_on(system):
    nines, address = system.balance(system.echo())
    fields = "Connection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: gzip\r\nX-Other: 2\r\n"
    with system.raw(address) as client:
        seen = fields_seen(client.get(fields=fields))
    assert "x-hop" not in seen and "keep-alive" not in seen and "te" not in seen
    assert seen["x-other"] == ["2"]


# ---- bodies ----


@pytest.mark.parametrize("size", [0, 1, 1000, 32768, 65536, 1000000, 20 * MIB + 7])
def test_an_upload_arrives_unchanged(system, size):
    nines, address = system.balance(system.echo())
    body = os.urandom(size)
    answer = fetch(address, "/", "POST", body=body)
    assert (answer.json["length"], answer.json["sha256"]) == (size, sha256(body))


@pytest.mark.parametrize("size", [0, 1, 1000, 32768, 65536, 1000000, 20 * MIB + 7])
def test_a_download_arrives_unchanged(system, size):
    backend = system.nginx("a")
    body = os.urandom(size)
    (backend.root / "file").write_bytes(body)
    nines, address = system.balance(backend)
    answer = fetch(address, "/file")
    assert answer.status == 200
    assert sha256(answer.body) == sha256(body)


def test_chunks_arrive_unchanged_in_both_directions(system):
    pieces = [os.urandom(size) for size in (1, 10, 16384, 70000, 3)]

    def handle(connection):
        data = read_head(connection)
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.recv(65536)
        body = unchunked(data.split(b"\r\n\r\n", 1)[1])
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\nX-Sum: %s\r\n\r\n" % sha256(body).encode())

    nines, address = system.balance(system.scripted(handle))
    with system.raw(address) as client:
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        answer = client.send("0\r\n\r\n").answer()
    assert answer.body == b"".join(pieces)
    assert answer.trailers == [], "trailers are dropped, as RFC 9110 6.5.1 lets an intermediary"


def unchunked(data):
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if (length := int(size, 16)) == 0:
            return body
        body, data = body + data[:length], data[length + 2 :]


def test_curl_uploads_in_chunks(system, tmp_path):
    nines, address = system.balance(system.echo())
    file = tmp_path / "body"
    file.write_bytes(os.urandom(3 * MIB))
    done = curl("-T", str(file), "-H", "Transfer-Encoding: chunked", f"http://{address}/x")
    assert json.loads(done.stdout)["sha256"] == sha256(file.read_bytes())


def test_an_answer_without_length_ends_with_the_connection(system):
    body = os.urandom(100000)
    backend = system.scripted_bytes(b"HTTP/1.1 200 OK\r\n\r\n" + body)
    nines, address = system.balance(backend)
    with system.raw(address) as client:
        answer = client.get()
    assert answer.status == 200 and answer.body == body


def test_curl_waits_for_100_continue(system, tmp_path):
    nines, address = system.balance(system.echo())
    file = tmp_path / "body"
    file.write_bytes(os.urandom(2 * MIB))
    done = curl("-v", "-T", str(file), "-H", "Expect: 100-continue", f"http://{address}/x")
    assert b"HTTP/1.1 100" in done.stderr
    assert json.loads(done.stdout)["sha256"] == sha256(file.read_bytes())


def test_head_has_the_length_and_no_body(system):
    backend = system.nginx("a")
    (backend.root / "file").write_bytes(b"x" * 1000)
    nines, address = system.balance(backend)
    with system.raw(address) as client:
        answer = client.ask("HEAD /file HTTP/1.1\r\nHost: x\r\n\r\n", head=True)
        assert (answer.status, answer.header("Content-Length")) == (200, "1000")
        assert client.get().body == b"a\n"


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body_leave_the_connection_usable(system, status):
    def handle(connection):
        while read_head(connection):
            connection.sendall(b"HTTP/1.1 %d Fine\r\nX: y\r\n\r\n" % status)

    nines, address = system.balance(system.scripted(handle))
    with system.raw(address) as client:
        assert [client.get().status for _ in range(3)] == [status] * 3


# ---- connections ----


def test_pipelined_requests_are_answered_in_order(system):
    nines, address = system.balance(system.echo("a"), system.echo("b"))
    with system.raw(address) as client:
        client.send("".join(f"GET /{i} HTTP/1.1\r\nHost: x\r\n\r\n" for i in range(40)))
        assert [client.answer().json["target"] for _ in range(40)] == [f"/{i}" for i in range(40)]


def test_a_pipelined_body_is_not_taken_for_a_request(system):
    nines, address = system.balance(system.echo())
    body = "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
    with system.raw(address) as client:
        client.send(
            f"POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}"
            "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        assert [client.answer().json["target"] for _ in range(2)] == ["/1", "/2"]


def test_bytes_may_come_one_by_one(system):
    nines, address = system.balance(system.echo())
    with system.raw(address) as client:
        for byte in b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
            client.send(bytes([byte]))
        assert client.answer().json["length"] == 3


def test_connection_close_is_heeded(system):
    nines, address = system.balance(system.nginx("a"))
    with system.raw(address) as client:
        answer = client.get(fields="Connection: close\r\n")
        assert answer.header("Connection") == "close"
        assert client.closed()


def test_http_1_0_gets_a_closed_connection(system):
    nines, address = system.balance(system.nginx("a"))
    with system.raw(address) as client:
        answer = client.ask("GET /id HTTP/1.0\r\nHost: x\r\n\r\n")
        assert answer.body == b"a\n"
        assert client.closed()


def test_http_1_0_may_ask_to_be_kept(system):
    nines, address = system.balance(system.nginx("a"))
    with system.raw(address) as client:
        for _ in range(3):
            answer = client.ask("GET /id HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
            assert (answer.header("Connection") or "").lower() == "keep-alive"


def test_chunks_are_not_sent_to_http_1_0(system):
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    nines, address = system.balance(system.scripted_bytes(answer))
    with system.raw(address) as client:
        got = client.ask("GET / HTTP/1.0\r\n\r\n")
        assert got.header("Transfer-Encoding") is None
        assert got.body == b"abc"


def test_an_upgraded_connection_carries_any_bytes_both_ways(system):
    def handle(connection):
        head = read_head(connection)
        assert b"upgrade: echo" in head.lower() and b"connection: upgrade" in head.lower()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello"
        )
        while data := connection.recv(65536):
            connection.sendall(data)

    nines, address = system.balance(system.scripted(handle))
    with system.raw(address) as client:
        answer = client.get(fields="Connection: Upgrade\r\nUpgrade: echo\r\n")
        assert (answer.status, answer.header("Upgrade")) == (101, "echo")
        assert client.exactly(5) == b"hello"
        blob = os.urandom(300000)
        for at in range(0, len(blob), 30000):
            client.send(blob[at : at + 30000])
            assert client.exactly(30000) == blob[at : at + 30000]
        client.socket.shutdown(socket.SHUT_WR)
        assert client.closed()


# ---- what attackers send ----

GOOD = "GET /id HTTP/1.1\r\nHost: x\r\n\r\n"
HOST = "Host: x\r\n"

REFUSED = {
    "two lengths": (400, f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
    "a signed length": (400, f"POST / HTTP/1.1\r\n{HOST}Content-Length: +3\r\n\r\nabc"),
    "a negative length": (400, f"POST / HTTP/1.1\r\n{HOST}Content-Length: -1\r\n\r\n"),
    "a hexadecimal length": (400, f"POST / HTTP/1.1\r\n{HOST}Content-Length: 0x3\r\n\r\nabc"),
    "an overflowing length": (413, f"POST / HTTP/1.1\r\n{HOST}Content-Length: 99999999999999999999\r\n\r\n"),
    "a length and chunks": (
        400,
        f"POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "chunked twice": (
        400,
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    "chunked not last": (
        400,
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    "a coding that is not chunked": (400, f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "an unknown coding": (501, f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "chunks in HTTP/1.0": (400, f"POST / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "a folded field": (400, f"GET / HTTP/1.1\r\n{HOST}X: a\r\n b\r\n\r\n"),
    "a space before the colon": (400, f"GET / HTTP/1.1\r\n{HOST}Transfer-Encoding : chunked\r\n\r\n"),
    "a space before the first field": (400, f"GET / HTTP/1.1\r\n X: a\r\n{HOST}\r\n"),
    "a field without a name": (400, f"GET / HTTP/1.1\r\n{HOST}: a\r\n\r\n"),
    "a field without a colon": (400, f"GET / HTTP/1.1\r\n{HOST}X\r\n\r\n"),
    "a bare line feed": (400, f"GET / HTTP/1.1\n{HOST}\r\n"),
    "a bare line feed in the fields": (400, f"GET / HTTP/1.1\r\n{HOST}X: a\nY: b\r\n\r\n"),
    "a bare carriage return": (400, f"GET / HTTP/1.1\r\n{HOST}X: a\rb\r\n\r\n"),
    "a NUL": (400, f"GET / HTTP/1.1\r\n{HOST}X: a\0b\r\n\r\n"),
    "a NUL in the target": (400, f"GET /\0 HTTP/1.1\r\n{HOST}\r\n"),
    "no host": (400, "GET / HTTP/1.1\r\n\r\n"),
    "two hosts": (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    "a space in the target": (400, f"GET /a b HTTP/1.1\r\n{HOST}\r\n"),
    "no version": (400, f"GET /\r\n{HOST}\r\n"),
    "a later version": (505, f"GET / HTTP/2.0\r\n{HOST}\r\n"),
    "an earlier version": (505, f"GET / HTTP/0.9\r\n{HOST}\r\n"),
    "not HTTP at all": (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "an endless target": (414, f"GET /{'a' * 20000} HTTP/1.1\r\n{HOST}\r\n"),
    "an endless field": (431, f"GET / HTTP/1.1\r\n{HOST}X: {'a' * 70000}\r\n\r\n"),
    "too many fields": (431, f"GET / HTTP/1.1\r\n{HOST}" + "X: a\r\n" * 200 + "\r\n"),
    "a chunk size that is no number": (
        400,
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ),
    "a chunk size that overflows": (
        413,
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ),
    "a chunk that is longer than it says": (
        400,
        f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    ),
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One nines for all refusals; nothing of them may reach its backend but what a body's error comes after."""
    with contextlib.closing(System(tmp_path_factory.mktemp("guarded"))) as system:
        nines, system.web = system.balance(system.nginx("a"))
        yield system


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_and_the_connection_closed(guarded, what):
    status, text = REFUSED[what]
    with guarded.raw(guarded.web) as client:
        try:
            client.send(text + GOOD)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = client.answer()
        assert answer.status == status
        assert answer.header("Connection") == "close"
        assert client.closed(), "what came after was answered too"
    assert fetch(guarded.web, "/id").body == b"a\n"


def test_a_body_beyond_the_limit_gets_413(system):
    nines, address = system.balance(system.echo(), service={"max_body": "1KiB"})
    with system.raw(address) as client:
        answer = client.ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1025\r\n\r\n")
        assert answer.status == 413 and client.closed()
    with system.raw(address) as client:
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert client.send("401\r\n" + "x" * 0x401).answer().status == 413


# ---- backends that misbehave ----

WRONG_ANSWERS = {
    "garbage": b"\x00\x01\x02 this is not HTTP\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "an endless head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100000,
}


@pytest.mark.parametrize("what", WRONG_ANSWERS)
def test_a_backend_that_answers_wrongly_gives_502(system, what):
    nines, address = system.balance(
        system.scripted_bytes(WRONG_ANSWERS[what]), pool={"retry": {"attempts": 0}}
    )
    with system.raw(address) as client:
        assert client.get().status == 502
    assert nines.metric("nines_backend_failures_total") >= 1


def test_a_body_shorter_than_its_length_is_not_taken_for_whole(system):
    backend = system.scripted_bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    nines, address = system.balance(backend)
    # curl: 18 is a transfer that ended early, 56 a connection that was reset.
    assert curl(f"http://{address}/").returncode in (18, 56)


def test_a_body_longer_than_its_length_is_cut_and_the_connection_not_reused(system):
    def handle(connection):
        while read_head(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 Evil\r\n\r\n")

    backend = system.scripted(handle)
    nines, address = system.balance(backend)
    with system.raw(address) as client:
        for _ in range(5):
            answer = client.get()
            assert (answer.status, answer.body) == (200, b"ok")
    assert backend.connections == 5


def test_an_answer_that_comes_unasked_is_nobodys(system):
    def handle(connection):
        if backend.connections == 1:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        while read_head(connection):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    backend = system.scripted(handle)
    nines, address = system.balance(backend)
    # On a fresh connection an early answer cannot be told from the right one; on an idle one it is never delivered.
    fetch(address)
    assert [fetch(address).body for _ in range(5)] == [b"ok"] * 5


def test_an_answer_before_the_body_was_read_reaches_the_client(system):
    def handle(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    nines, address = system.balance(system.scripted(handle))
    with system.raw(address) as client:
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\nbeginning")
        answer = client.answer()
        assert (answer.status, answer.body) == (403, b"no")


def test_a_backend_that_never_answers_gives_504(system):
    def handle(connection):
        while connection.recv(4096):
            pass

    nines, address = system.balance(
        system.scripted(handle), pool={"timeout": {"response": "200ms"}, "retry": {"attempts": 0}}
    )
    with system.raw(address) as client:
        assert client.get().status == 504


def test_no_backend_gives_503_with_retry_after(system):
    nobody = system.address()
    nines, address = system.balance(nobody, pool={"health_check": {"interval": "50ms", "timeout": "50ms"}})

    def unavailable():
        with system.raw(address) as client:
            answer = client.get()
            return answer.status == 503 and answer.header("Retry-After") is not None

    wait_until(unavailable, 10, "503 with Retry-After")


def test_a_request_that_may_be_repeated_goes_to_another_backend(system):
    def reset_after_request(connection):
        read_head(connection)

    nines, address = system.balance(system.scripted(reset_after_request), system.nginx("a"))
    assert {fetch(address, "/id").body for _ in range(10)} == {b"a\n"}


def test_a_post_is_not_repeated_once_it_was_sent(system):
    received = []

    def take_and_close(connection):
        received.append(read_head(connection))

    backends = [system.scripted(take_and_close) for _ in range(3)]
    nines, address = system.balance(*backends)
    assert fetch(address, "/", "POST", body=b"x").status == 502
    assert len(received) == 1


# ---- the log ----


def test_each_request_is_one_line_of_json(system):
    nines, address = system.balance(system.nginx("a"))
    with system.raw(address) as client:
        client.get("/id", host="shop.test")
        client.get("/status/404")
    wait_until(lambda: len(nines.logged()) >= 2, 5, "two lines in the access log")
    first, second = nines.logged()
    assert first["host"] == "shop.test" and first["status"] == 200 and first["method"] == "GET"
    assert first["service"] == "web" and first["backend"].startswith(split(address)[0])
    assert second["status"] == 404 and second["path"] == "/status/404"
