"""Clients of the store that speak TLS, and those that pretend to (the server with a ledger in memory, test/tools/store_server.c; then a whole cluster)."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess

import pytest
import redis
from certificates import Authority
from harness import BINARY, memory_kib, split, wait_until
from store_words import encode
from stores import Stores, client_of, store_of
from test_store_server import StoreServer


@pytest.fixture
def authority(system):
    return Authority(system.folder / "certificates")


class TlsServer(StoreServer):
    def __init__(self, system, authority, clients=10000, asks=None):
        self.authority, self.covered = authority, system.address()
        files = [*authority.issue("store"), *([asks.certificate] if asks else [])]
        super().__init__(system, clients, [self.covered, *files])

    def secure(self, pair=(None, None), **options):
        """A client of redis-py, which shows the certificate of the pair."""
        host, port = split(self.covered)
        return redis.Redis(host=host, port=port, ssl=True, ssl_ca_certs=str(self.authority.certificate),
                           ssl_certfile=pair[0] and str(pair[0]), ssl_keyfile=pair[1] and str(pair[1]),
                           ssl_check_hostname=False, socket_timeout=30, **options)

    def wrap(self, version=None):
        """One to which an end without a farewell is an error."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.check_hostname = False
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        if version:
            context.minimum_version = context.maximum_version = version
        return context.wrap_socket(self.raw(), suppress_ragged_eofs=False)

    def raw(self):
        return socket.create_connection(split(self.covered), timeout=30)

    def failures(self):
        return self.client().info("stats")["tls_handshakes_failed"]


@pytest.fixture
def store(system, authority):
    return system.own(TlsServer(system, authority))


def test_a_client_that_speaks_tls_is_a_client_like_others(store):
    client = store.secure()
    assert client.set("k", "v") and client.get("k") == b"v"
    big = b"x" * (6 << 20)
    assert client.set("big", big) and client.get("big") == big
    assert store.client().get("big") == big
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        wait_until(lambda: client.publish("news", "x") == 1, 10, "it listens")
        assert wait_until(lambda: pubsub.get_message(timeout=0.1), 10, "it hears")["data"] == b"x"


def test_pipelines_come_back_whole_and_in_order(store):
    client = store.secure()
    with client.pipeline(transaction=False) as pipe:
        for number in range(20000):
            pipe.set(f"k{number}", "x" * (number % 300))
            pipe.strlen(f"k{number}")
        answers = pipe.execute()
    assert answers == [part for number in range(20000) for part in (True, number % 300)]


@pytest.mark.parametrize("size", [1, 7, 16 << 10, 1 << 20])
def test_requests_come_in_pieces_of_any_size(store, size):
    data = encode(["set", "k", b"v" * 3000]) + encode(["get", "k"]) * 3
    with store.wrap() as connection:
        for at in range(0, len(data), size):
            connection.sendall(data[at:at + size])
        answer = connection.makefile("rb").read(5 + 3 * (len("$3000\r\n") + 3002))
    assert answer == b"+OK\r\n" + (b"$3000\r\n" + b"v" * 3000 + b"\r\n") * 3


def test_redis_cli_works_unchanged(store):
    host, port = map(str, split(store.covered))
    words = ["redis-cli", "-h", host, "-p", port, "--tls", "--cacert", store.authority.certificate]
    done = subprocess.run([*words, "set", "k", "v"], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "OK\n"


def test_redis_benchmark_works_unchanged(store):
    host, port = map(str, split(store.covered))
    words = ["redis-benchmark", "-h", host, "-p", port, "--tls", "--cacert", store.authority.certificate,
             "-q", "-n", "20000", "-P", "16", "-t", "set,get"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "requests per second" in done.stdout and store.failures() == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_both_versions_are_spoken_and_say_farewell(store, version):
    with store.wrap(version) as connection:
        connection.sendall(b"ping\r\nquit\r\n")
        assert connection.makefile("rb").read() == b"+PONG\r\n+OK\r\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_are_refused(store):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with store.raw() as connection, pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        context.wrap_socket(connection)
    assert store.failures() == 1


def test_clients_prove_who_they_are_where_the_file_says_so(system, authority):
    others = Authority(system.folder / "others", "others")
    store = system.own(TlsServer(system, authority, asks=authority))
    assert store.secure(authority.issue("app")).ping()
    for pair in [(None, None), others.issue("app"), authority.issue("server", "serverAuth")]:
        with pytest.raises(redis.ConnectionError):
            store.secure(pair).ping()
    assert store.secure(authority.issue("app")).ping()
    assert store.failures() >= 3


GARBAGE = [b"ping\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 20000, b"\x16\x03\x01\x00\x05hello",
           b"\x15\x03\x01\x00\x02\x02\x28", b"\x17\x03\x03\x00\x20" + b"x" * 32]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_ends_the_connection_and_nothing_else(store, data):
    other = store.secure()
    assert other.ping()
    with store.raw() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        said = connection.makefile("rb").read()
        assert len(said) <= 7 and said[:1] in (b"", b"\x15")  # an alert, or nothing
    assert store.failures() == 1 and other.ping()


def test_garbage_in_the_middle_ends_the_session(store):
    other = store.secure()
    with store.raw() as raw:
        context = ssl.create_default_context(cafile=str(store.authority.certificate))
        context.check_hostname = False
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
        client.write(b"ping\r\n")
        raw.sendall(outgoing.read())
        raw.recv(65536)
        raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        with contextlib.suppress(ConnectionError):
            while raw.recv(65536):
                pass
    wait_until(lambda: store.client().info("clients")["connected_clients"] == 1, 10, "its session is gone")
    assert other.ping()


def test_a_handshake_that_does_not_end_takes_no_place_and_little_time(system, authority):
    store = system.own(TlsServer(system, authority, clients=20))
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with contextlib.ExitStack() as stack:
        half = [stack.enter_context(store.raw()) for _ in range(500)]
        for each in half[::2]:
            each.sendall(hello)
        assert store.secure().ping()
        assert store.client().info("clients")["connected_clients"] <= 2
        for each in half:  # within the ten seconds that a handshake has
            with contextlib.suppress(ConnectionError):
                each.settimeout(20)
                assert each.recv(100) == b""
        assert store.failures() == 500


def test_of_too_many_handshakes_the_oldest_go(store):
    with contextlib.ExitStack() as stack:
        half = [stack.enter_context(store.raw()) for _ in range(2048 + 50)]
        wait_until(lambda: store.failures() == 50, 10, "the oldest are cut")
        with contextlib.suppress(ConnectionError):
            assert half[0].recv(1) == b""
        assert store.secure().ping()


def test_who_is_too_many_is_told_so_in_tls(system, authority):
    store = system.own(TlsServer(system, authority, clients=1))
    one = store.secure()
    assert one.ping()
    with store.wrap() as two:
        assert two.makefile("rb").read() == b"-ERR max number of clients reached\r\n"
    assert one.ping()


@pytest.mark.heavy  # a sanitizer's memory is not the store's
def test_a_thousand_connections_hold_little(store):
    client = store.client()
    before = memory_kib(store.pid)
    with contextlib.ExitStack() as stack:
        all_of_them = [stack.enter_context(store.wrap()) for _ in range(1000)]
        for each in all_of_them:
            each.sendall(encode(["set", "k", b"v" * 10000]) + encode(["get", "k"]))
        for each in all_of_them:
            assert each.makefile("rb").read(5 + 10010) == b"+OK\r\n$10000\r\n" + b"v" * 10000 + b"\r\n"
        assert client.info("clients")["connected_clients"] == 1001
        assert memory_kib(store.pid) - before < 64 << 10
    wait_until(lambda: client.info("clients")["connected_clients"] == 1, 10, "all have gone")


@pytest.mark.heavy
def test_who_never_reads_holds_little_and_hinders_nobody(store):
    client = store.client()
    client.set("k", b"x" * 100000)
    before = memory_kib(store.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            deaf = stack.enter_context(store.wrap())
            deaf.sendall(encode(["get", "k"]) * 200)
        assert store.secure().get("k") == b"x" * 100000
        assert client.info("clients")["client_buffer_bytes"] < 100 << 20
        assert memory_kib(store.pid) - before < 200 << 10


def test_who_listens_and_never_reads_is_cut(store):
    client = store.client()
    with store.wrap() as deaf:
        deaf.sendall(encode(["subscribe", "c"]))
        wait_until(lambda: client.pubsub_numsub("c") == [(b"c", 1)], 10, "it listens")
        text = b"x" * (1 << 20)
        wait_until(lambda: client.publish("c", text) == 0 or client.pubsub_numsub("c") == [(b"c", 0)], 30, "it is cut")
    assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
    assert store.secure().ping()


# ---- a whole cluster ----

class Covered(Stores):
    """Node `a` has a balancer's listener before the group besides."""

    def __init__(self, system, tls, beside=False, **rest):
        self.front = system.address()
        self.covered = {name: system.address() for name in "abc"} if beside else {}
        super().__init__(system, groups={"data": {"tls": tls}}, **rest)

    def config(self, name):
        services = {"front": {"listen": self.front, "protocol": "tcp", "group": "data"}} if name == "a" else {}
        return {**super().config(name), "services": services}

    def group_of(self, group, name):
        """Nodes on one address, which real ones are not, have to differ."""
        told = super().group_of(group, name)
        port = {"port": split(self.covered[name])[1]} if self.covered else {}
        return {**told, "tls": {**told["tls"], **port}}

    def shown(self, address):
        """The certificate that a client is shown there."""
        return ssl.get_server_certificate(split(address), timeout=10)


def secure_at(address, authority, **options):
    host, port = split(address)
    return redis.Redis(host=host, port=port, ssl=True, ssl_ca_certs=str(authority.certificate), ssl_check_hostname=False,
                       decode_responses=True, socket_timeout=20, **options)


@pytest.fixture
def build(system, authority):
    built = []

    def build(**more):
        certificate, key = authority.issue("store")
        cluster = Covered(system, {"certificate": str(certificate), "key": str(key)}, **more)
        built.append(cluster)
        return cluster.start()

    yield build
    for cluster in built:
        cluster.end()


@pytest.mark.heavy
@pytest.mark.seconds(120)
def test_every_member_speaks_tls_beside_the_clear_and_takes_other_certificates_at_a_reload(build, authority):
    cluster = build(beside=True)
    cluster.whole()
    at = cluster.covered
    clients = {name: secure_at(address, authority) for name, address in at.items()}
    for name, client in clients.items():
        assert client.set(name, "v")
    assert client_of(cluster["a"]).mget("a", "b", "c") == ["v"] * 3

    before, store = cluster.shown(at["a"]), store_of(cluster["a"])
    authority.issue("store")
    assert cluster.shown(at["a"]) == before
    cluster["a"].reload()
    wait_until(lambda: cluster.shown(at["a"]) != before, 10, "the new one is shown")
    now = cluster.shown(at["a"])
    assert store_of(cluster["a"]) == store and clients["a"].get("b") == "v"

    (authority.folder / "store.pem").write_text("nothing\n")  # changes nothing, and is said
    cluster["a"].reload()
    wait_until(lambda: any("clients are shown the certificate that they were shown before" in line
                           for line in cluster.system.timeline.said("a")), 10, "it says so")
    assert cluster.shown(at["a"]) == now and clients["a"].set("c", "w")


def in_the_clear(address, words):
    """What is said to who speaks no TLS."""
    host, port = address.rsplit(":", 1)
    said = b""
    with socket.create_connection((host, int(port)), 10) as plain, contextlib.suppress(ConnectionResetError):
        plain.sendall(words)
        while more := plain.recv(4096):
            said += more
    return said


@pytest.mark.heavy
@pytest.mark.seconds(120)
def test_where_no_other_port_is_said_nothing_is_in_the_clear_and_the_balancer_passes_it_through(build, authority):
    cluster = build()
    primary = cluster.whole()
    through = secure_at(cluster.front, authority)
    for node in cluster:
        assert secure_at(node.endpoint(), authority).set(node.node, "v")
        assert in_the_clear(node.endpoint(), b"GET a\r\n")[:1] in (b"", b"\x15"), "an alert, or nothing"
    assert wait_until(lambda: through.mget("a", "b", "c") == ["v"] * 3, 10, "the balancer knows the primary")
    primary.hit(signal.SIGKILL, store_of(primary))
    assert wait_until(lambda: tried(through.set, "a", "w"), 20, "another one is the primary")
    cluster.whole()
    assert through.get("a") == "w"


def tried(ask, *words):
    with contextlib.suppress(redis.RedisError):
        return ask(*words)
    return None


def test_a_check_reads_the_certificates_of_this_nodes_stores(system, authority):
    certificate, key = authority.issue("store")
    other = authority.issue("other")[1]
    nothing = system.folder / "nothing.pem"
    nothing.write_text("nothing\n")
    cluster = Covered(system, {"certificate": str(certificate), "key": str(key)})

    def checked(*options, **tls):
        cluster.groups["data"]["tls"].update({name: str(path) for name, path in tls.items()})
        file = system.folder / "checked.yaml"
        file.write_text(json.dumps({"cluster": "test", **cluster.config("a")}))
        done = subprocess.run([BINARY, "check", "-c", file, "--node", "a", *options], capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout + done.stderr

    assert checked()[0] == 0
    for tls, sentence in [
        ({"authority": nothing}, "the authority's file holds no certificate in PEM"),
        ({"authority": authority.certificate, "key": other}, "the private key is not that of the certificate"),
        ({"certificate": nothing}, "the certificate's file holds no certificate in PEM"),
        ({"certificate": "/no/such.pem"}, "No such file or directory"),
    ]:
        code, said = checked(**tls)
        assert code == 78 and sentence in said and "group 'data'" in said
        code, said = checked("--json")
        assert code == 78 and not json.loads(said)["good"]
        assert sentence in json.loads(said)["findings"][0]["sentence"]
    assert checked("--no-resolve")[0] == 0
