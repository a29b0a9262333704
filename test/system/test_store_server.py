"""The store's server, with a ledger in memory (test/tools/store_server.c): clients that are in use, and clients that mean harm.

What is not about keys is compared with a redis-server, byte for byte.
"""

import contextlib
import socket
import subprocess

import pytest
import redis

from harness import BINARY, Process, memory_kib, split, wait_until
from redises import Redis
from store_words import RedisTalk, differences, encode, lines, read_reply


class StoreServer(Process):
    def __init__(self, system, clients=10000, more=()):
        self.address = system.address()
        super().__init__(system.timeline, "store", [BINARY.parent / "store-server", self.address, clients, *more])
        wait_until(lambda: "ready" in self.output(), 10, "the store is ready")

    def client(self, **options):
        host, port = split(self.address)
        return redis.Redis(host=host, port=port, **options)

    def connect(self):
        return socket.create_connection(split(self.address), timeout=30)


@pytest.fixture
def store(system):
    return system.own(StoreServer(system))


@pytest.fixture
def server(system):
    return system.own(Redis(system.timeline, "redis", system.address(), system.folder / "redis"))


SAME = """
ping
ping hello
ping a b
echo x
echo
nothing
nothing a b
get
set k
client nothing
client
select 0
select x
multi
multi
set k v
get k
exec
exec
discard
multi
discard
multi
nothing
set k w
exec
watch k
multi
set k x
exec
multi
ping
ping x
echo y
select 0
select x
exec
watch
unwatch
multi
watch k
discard
client setname me
client getname
client setname 'a b'
client reply nothing
client pause x
client pause -1
client pause 1 nothing
client kill 127.0.0.1:1
client kill id 0
client kill id x
client kill id 999999
client kill nothing 1
client no-evict maybe
client unpause
config get save
config get nothing
config set nothing 1
config set maxmemory x
config set maxmemory-policy x
config set notify-keyspace-events q
config set timeout
config set maxmemory 100mb
config get maxmemory
config set maxmemory 0
config set notify-keyspace-events Kx$
config get notify-keyspace-events
config set notify-keyspace-events KEA
config get notify-keyspace-events
config set notify-keyspace-events ''
publish c m
pubsub channels
pubsub numsub c
pubsub numsub
pubsub numpat
subscribe c
ping
ping x
get k
psubscribe d*
unsubscribe c
unsubscribe c
punsubscribe
punsubscribe
unsubscribe
get k
command getkeys get k
command getkeys mset a 1 b 2
command getkeys ping
command getkeys nothing
command getkeys set k
command count x
command list filterby x
command list filterby pattern ge[t]
wait 0 10
wait x 10
wait 0 x
wait 0 -1
auth x
auth a b
auth a b c
hello x
hello 9
hello 2 nothing
acl whoami
acl users
acl cat nothing
acl getuser nobody
acl setuser bob on >pw ~k:* +get +set -set
acl setuser bob ~a* +nothing
acl setuser bob what
acl setuser bob #12
acl setuser 'a b' on
auth bob no
auth bob pw
get k:1
get l
set k:1 v
acl whoami
reset
acl deluser bob nobody
acl deluser default
role x
time x
quit x
"""

# The same in both versions of the protocol would differ in these: a push is no reply, and version 3 lets anything be said while one listens.
SAME_THREE = "\n".join(
    line for line in SAME.splitlines() if line.split(" ")[0] not in ("subscribe", "psubscribe", "unsubscribe", "punsubscribe")
)


@pytest.mark.parametrize("version, text", [(2, SAME), (3, SAME_THREE)], ids=["two", "three"])
def test_what_is_not_about_keys_is_as_redis_has_it(store, server, version, text):
    with contextlib.closing(RedisTalk(store.address)) as ours, contextlib.closing(RedisTalk(server.address)) as theirs:
        for talk in (ours, theirs):
            talk.ask_all([["hello", version]])
        commands = lines(text)
        found = differences(commands, ours.ask_all(commands), theirs.ask_all(commands))
    assert not found, "\n".join(found[:20])


def everything_said(address, data):
    """Until the server closes, or has said nothing for half a second."""
    with socket.create_connection(split(address), timeout=0.5) as connection:
        connection.sendall(data)
        said = b""
        with contextlib.suppress(TimeoutError):
            while part := connection.recv(65536):
                said += part
            return said, True
        return said, False


GARBAGE = [
    b"*1\r\nfoo\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*x\r\n",
    b"*9999999999\r\n",
    b"*1\r\n$99999999999\r\n",
    b'set "k\r\n',
    b"\r\n\r\nping\r\n",
    b"*0\r\n*-1\r\n*1\r\n$4\r\nping\r\n",
    b"*2\r\n*1\r\n$4\r\nping\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"ping\r\n" + b"x" * 70000,
    b'echo "a\\x41\\n"\r\n',
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_answered_as_redis_answers_it(store, server, data):
    ours, theirs = everything_said(store.address, data), everything_said(server.address, data)
    assert ours == theirs


def test_a_transaction_that_was_overtaken_is_tried_again(store):
    one, two = store.client(), store.client()
    with one.pipeline() as pipe:
        pipe.watch("n")
        two.incr("n")
        pipe.multi()
        pipe.set("n", 100)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        pipe.watch("n")
        before = int(pipe.get("n"))
        pipe.multi()
        pipe.set("n", before + 1)
        pipe.get("n")
        assert pipe.execute() == [True, b"2"]


def test_listeners_hear_channels_patterns_and_keys(store):
    client = store.client()
    client.config_set("notify-keyspace-events", "KEA")
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("n*", "__keyspace@0__:*")
        wait_until(lambda: client.pubsub_numpat() == 2, 10, "it listens")
        assert client.publish("news", "x") == 2
        client.set("k", "v", ex=100)
        heard = []

        def all_heard():
            message = pubsub.get_message(timeout=0.1)
            heard.extend([(message["channel"], message["data"])] if message else [])
            return len(heard) == 4

        wait_until(all_heard, 10, "four messages")
    assert heard == [
        (b"news", b"x"), (b"news", b"x"), (b"__keyspace@0__:k", b"set"), (b"__keyspace@0__:k", b"expire"),
    ]


def test_tools_understand_what_is_told(store):
    client = store.client(client_name="me")
    info = client.info()
    assert info["role"] == "master" and info["connected_clients"] >= 1
    client.set("k", "v")
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert [each["name"] for each in client.client_list()] == ["me"]
    assert client.command()["get"]["arity"] == 2
    host, port = map(str, split(store.address))
    asked = subprocess.run(
        ["redis-cli", "-h", host, "-p", port, "-3", "get", "k"], capture_output=True, text=True, timeout=30, check=True
    )
    assert asked.stdout == '"v"\n' or asked.stdout == "v\n"


def test_who_is_too_many_is_told_so(system):
    store = system.own(StoreServer(system, clients=2))
    one, two = store.connect(), store.connect()
    for each in (one, two):
        each.sendall(b"ping\r\n")
        assert each.recv(100) == b"+PONG\r\n"
    with store.connect() as three:
        assert three.makefile("rb").read() == b"-ERR max number of clients reached\r\n"
    one.close()

    def admitted():
        with store.connect() as four:
            four.sendall(b"ping\r\n")
            return four.recv(100) == b"+PONG\r\n"

    wait_until(admitted, 10, "there is room again")
    two.close()


def test_who_listens_and_never_reads_is_cut_and_nobody_else(store):
    client = store.client()
    with store.connect() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(encode(["subscribe", "c"]))
        wait_until(lambda: client.pubsub_numsub("c") == [(b"c", 1)], 10, "it listens")
        text = b"x" * (1 << 20)
        wait_until(
            lambda: client.publish("c", text) == 0 or client.pubsub_numsub("c") == [(b"c", 0)], 30, "it is cut"
        )
    assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
    assert client.ping()


def test_who_asks_for_much_and_never_reads_holds_little(store):
    client = store.client()
    client.set("k", b"x" * 100000)
    with store.connect() as deaf:
        deaf.setblocking(False)
        data, sent = encode(["get", "k"]) * 500000, 0

        def stuck():
            nonlocal sent
            try:
                sent += deaf.send(data[sent:])
                return False
            except BlockingIOError:
                return client.info("clients")["client_buffer_bytes"] > 0

        wait_until(stuck, 30, "it takes no more")
        assert client.info("clients")["client_buffer_bytes"] < 4 << 20
        assert client.get("k") == b"x" * 100000


def test_requests_that_never_end_hold_no_more_than_the_limit(store):
    client = store.client()
    with store.connect() as slow:
        slow.sendall(b"*3\r\n$3\r\nset\r\n$1\r\nk\r\n$8388608\r\n" + b"x" * (4 << 20))
        wait_until(lambda: client.info("clients")["client_buffer_bytes"] > 4 << 20, 10, "it is held")
        slow.sendall(b"x" * (4 << 20) + b"\r\n")
        answer = read_reply(slow.makefile("rb"))
        assert answer[0] in "+-"
    with store.connect() as huge:
        huge.sendall(b"*2\r\n$4\r\necho\r\n$8388609\r\n")
        assert huge.makefile("rb").read() == b"-ERR Protocol error: invalid bulk length\r\n"
    wait_until(lambda: client.info("clients")["client_buffer_bytes"] < 1 << 20, 10, "it is given back")


def test_ten_thousand_idle_connections_cost_little(store):
    client = store.client()
    before = memory_kib(store.pid)
    connections = []
    try:
        for _ in range(9000):
            connections.append(store.connect())
        wait_until(lambda: client.info("clients")["connected_clients"] == 9001, 30, "all are there")
        for each in connections[::100]:
            each.sendall(b"ping\r\n")
            assert each.recv(100) == b"+PONG\r\n"
        assert memory_kib(store.pid) - before < 9000
        assert client.info("clients")["client_buffer_bytes"] < 1 << 20
    finally:
        for each in connections:
            each.close()
    wait_until(lambda: client.info("clients")["connected_clients"] == 1, 30, "all have gone")
