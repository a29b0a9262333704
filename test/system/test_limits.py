"""Too many, too slow, too much: each has a clear outcome, memory stays bounded, and others are served meanwhile."""

import contextlib
import os
import resource
import selectors
import socket
import threading

import pytest

from harness import fetch, memory_kib, read_head, split, wait_until

MIB = 1 << 20
MANY = 10_000
REQUEST = b"GET /id HTTP/1.1\r\nHost: x\r\n\r\n"


def served(address):
    return fetch(address, "/id").status == 200


@contextlib.contextmanager
def many_clients(address, count):
    """Connections that are open at the same time; their answers are read by answers_of."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(contextlib.closing(socket.create_connection(split(address), 15)))
            for _ in range(count)
        ]


def answers_of(clients):
    """Asks once on each connection and gives back how many good answers came."""
    good = 0
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.sendall(REQUEST)
            selector.register(client, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(10)
            assert ready, f"{len(selector.get_map())} clients wait in vain"
            for key, _ in ready:
                good += key.fileobj.recv(4096).startswith(b"HTTP/1.1 200")
                selector.unregister(key.fileobj)
    return good


@pytest.mark.heavy
@pytest.mark.seconds(120)
def test_ten_thousand_connections_are_open_and_served_by_one_worker(system):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 1000:
        pytest.skip(f"a process may have only {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    nines, address = system.balance(*system.nginxes())
    with many_clients(address, MANY) as clients:
        for at in range(0, MANY, 500):
            assert answers_of(clients[at : at + 500]) == 500
        assert nines.metric("nines_service_connections", service="web") == MANY
        assert answers_of(clients[:500]) == 500
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait_until(
        lambda: nines.metric("nines_service_connections", service="web") == 0, 10, "all are gone"
    )


@pytest.mark.heavy
def test_an_idle_connection_costs_less_than_a_kibibyte(system):
    nines, address = system.balance(system.nginx("a"))
    with many_clients(address, 100) as clients:
        answers_of(clients)
    before = memory_kib(nines.worker())
    with many_clients(address, 2000) as clients:
        for at in range(0, 2000, 100):
            answers_of(clients[at : at + 100])
        assert memory_kib(nines.worker()) - before < 2000


def test_a_head_that_does_not_end_is_answered_408(system):
    nines, address = system.balance(system.nginx("a"), service={"timeout": {"request": "300ms"}})
    with system.raw(address) as slow:
        slow.send("GET / HTTP/1.1\r\nHost: x\r\n")
        assert served(address)
        assert slow.answer().status == 408
        assert slow.closed()


def test_a_byte_now_and_then_does_not_extend_the_time_for_a_head(system):
    nines, address = system.balance(system.nginx("a"), service={"timeout": {"request": "300ms"}})
    with system.raw(address) as slow:

        def refused():
            try:
                slow.send("x")
            except OSError:
                return True
            return False

        slow.send("GET / HTTP/1.1\r\nX: ")
        wait_until(refused, 10, "the slow client is cut off")
    assert served(address)


def test_slow_clients_do_not_keep_others_from_being_served(system):
    nines, address = system.balance(system.nginx("a"))
    with many_clients(address, 500) as clients:
        for client in clients:
            client.sendall(b"GET / HT")
        assert all(served(address) for _ in range(20))


@pytest.mark.heavy
def test_a_client_that_never_reads_costs_bounded_memory(system):
    backend = system.nginx("a")
    (backend.root / "big").write_bytes(bytes(100 * MIB))
    nines, address = system.balance(backend)
    assert served(address)
    worker = nines.worker()
    before = memory_kib(worker)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(system.raw(address))
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            client.exactly(1000)
        assert all(served(address) for _ in range(50))
        assert memory_kib(worker) - before < 20 * 1024, "more than 1 MiB for each of them"


@pytest.mark.heavy
def test_a_backend_that_never_reads_costs_bounded_memory(system):
    def handle(connection):
        read_head(connection)
        released.wait(50)

    released = threading.Event()
    slow = system.scripted(handle)
    address = system.address()
    nines = system.nines(
        {
            "services": {
                "web": {
                    "listen": address,
                    "pool": "fast",
                    "routes": [{"match": {"path": "/slow"}, "pool": "slow"}],
                }
            },
            "pools": {
                "fast": {"backends": system.nginx("a").address},
                "slow": {"backends": slow.address},
            },
            # The client's end lies behind what the backend does not read, so nobody sees it.
            "drain": "100ms",
        }
    )
    assert served(address)
    before = memory_kib(nines.worker())
    piece = bytes(65536)
    with system.raw(address) as client:
        client.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        client.socket.setblocking(False)
        sent, still = 0, 0
        while still < 100:
            try:
                sent += client.socket.send(piece)
                still = 0
            except BlockingIOError:
                still += 1
                assert served(address)
        assert sent < 50 * MIB
        assert memory_kib(nines.worker()) - before < 4096
    released.set()


def test_connections_beyond_the_limit_are_closed_and_the_others_served(system):
    nines, address = system.balance(system.nginx("a"), service={"max_connections": 50})
    with many_clients(address, 50) as clients:
        assert answers_of(clients) == 50
        with system.raw(address) as one_more:
            assert one_more.closed()
        assert answers_of(clients) == 50


def test_more_than_all_sessions_wait_until_there_is_room(system):
    nines, address = system.balance(system.nginx("a"), limits={"sessions": 32})
    with many_clients(address, 32) as clients:
        assert answers_of(clients) == 32
        with system.raw(address) as waiting:
            waiting.send(REQUEST)
            # Accepting begins again when a sixteenth is free.
            for client in clients[:4]:
                client.close()
            assert waiting.answer().status == 200


@pytest.mark.heavy
@pytest.mark.seconds(120)
def test_memory_does_not_grow_over_many_requests(system):
    nines, address = system.balance(*system.nginxes())
    url = f"http://{address}/id"
    # What is touched for the first time is not growth.
    system.load(url, 4000, 4).result()
    worker = nines.worker()
    before = memory_kib(worker)
    for _ in range(3):
        assert system.load(url, 4000, 4).result()["failed"] == 0
    assert memory_kib(worker) - before <= 128
    assert nines.worker() == worker


def test_descriptors_do_not_leak(system):
    nines, address = system.balance(system.nginx("a"))

    def descriptors():
        """Besides those of connections to backends, which are kept for reuse."""
        kept = nines.metric("nines_backend_connections")
        return len(os.listdir(f"/proc/{nines.worker()}/fd")) - kept

    before = descriptors()
    for _ in range(5):
        with many_clients(address, 50) as clients:
            answers_of(clients)
    wait_until(lambda: descriptors() <= before, 10, "as many descriptors as before")
