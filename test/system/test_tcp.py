"""TCP services: bytes in, bytes out, and the ends of connections."""

import os
import socket
import struct
import threading
from collections import Counter

import pytest

from harness import sha256, split, wait_until

MIB = 1 << 20
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def tcp(system, *backends, pool=None, **service):
    return system.balance(*backends, service={"protocol": "tcp", **service}, pool=pool)


def connect(address):
    return socket.create_connection(split(address), 15)


def read_all(connection):
    data = bytearray()
    while more := connection.recv(1 << 16):
        data += more
    return bytes(data)


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def name_server(name):
    return lambda connection: connection.sendall(name)


def test_connections_are_spread_evenly(system):
    nines, address = tcp(system, *(system.scripted(name_server(name)) for name in (b"a", b"b", b"c")))
    counts = Counter()
    for _ in range(30):
        with connect(address) as client:
            counts[read_all(client)] += 1
    assert counts == {b"a": 10, b"b": 10, b"c": 10}


def test_least_connections_goes_where_fewest_are(system):
    def hold(name):
        def handle(connection):
            connection.sendall(name)
            connection.recv(1)

        return system.scripted(handle)

    nines, address = tcp(system, hold(b"a"), hold(b"b"), pool={"algorithm": "least-connections"})
    clients = [connect(address) for _ in range(20)]
    counts = Counter(client.recv(1) for client in clients)
    for client in clients:
        client.close()
    assert counts == {b"a": 10, b"b": 10}


@pytest.mark.parametrize("size", [1, 4096, 65536, MIB, 64 * MIB])
def test_bulk_arrives_unchanged_in_both_directions_at_once(system, size):
    up, down = os.urandom(size), os.urandom(size)
    seen = []

    def handle(connection):
        sender = threading.Thread(target=connection.sendall, args=(down,))
        sender.start()
        seen.append(sha256(read_all(connection)))
        sender.join()

    nines, address = tcp(system, system.scripted(handle))
    with connect(address) as client:

        def send():
            client.sendall(up)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert sha256(read_all(client)) == sha256(down)
        sender.join()
    assert seen == [sha256(up)]


def test_the_client_may_end_first_and_still_be_answered(system):
    def handle(connection):
        connection.sendall(b"you said " + read_all(connection))

    nines, address = tcp(system, system.scripted(handle))
    with connect(address) as client:
        client.sendall(b"hello")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"you said hello"


def test_the_backend_may_end_first_and_still_be_told(system):
    told = []

    def handle(connection):
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        told.append(read_all(connection))

    nines, address = tcp(system, system.scripted(handle))
    with connect(address) as client:
        assert read_all(client) == b"bye"
        client.sendall(b"wait, one more thing")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: told == [b"wait, one more thing"], 5, "the backend was told")


def test_a_reset_of_the_backend_reaches_the_client(system):
    def handle(connection):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    nines, address = tcp(system, system.scripted(handle))
    with connect(address) as client:
        client.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_a_reset_of_the_client_reaches_the_backend(system):
    ends = []

    def handle(connection):
        try:
            ends.append(read_all(connection))
        except ConnectionResetError:
            ends.append("reset")

    nines, address = tcp(system, system.scripted(handle))
    client = connect(address)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    wait_until(lambda: ends, 5, "the backend saw the end")


def test_a_refused_connection_goes_to_another_backend(system):
    nines, address = tcp(system, system.address(), system.scripted(name_server(b"b")))
    for _ in range(6):
        with connect(address) as client:
            assert read_all(client) == b"b"


def test_without_a_backend_the_connection_is_closed_at_once(system):
    nines, address = tcp(system, system.address())
    try:  # the reset may come before connect returns
        with connect(address) as client:
            assert client.recv(1) == b""
    except ConnectionResetError:
        pass


def test_an_idle_session_is_closed(system):
    nines, address = tcp(system, system.scripted(echo), timeout={"idle": "100ms"})
    with connect(address) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass


# ---- PROXY protocol ----


def test_version_1_tells_the_backend_who_connected(system):
    nines, address = tcp(
        system, system.scripted(lambda c: c.sendall(c.recv(1000))), pool={"send_proxy": "v1"}
    )
    with connect(address) as client:
        (host, port), (local_host, local_port) = client.getsockname(), client.getpeername()
        client.sendall(b"")
        expected = f"PROXY TCP4 {host} {local_host} {port} {local_port}\r\n"
        assert read_all(client).decode() == expected


def test_version_2_tells_the_backend_who_connected(system):
    nines, address = tcp(
        system, system.scripted(lambda c: c.sendall(c.recv(1000))), pool={"send_proxy": "v2"}
    )
    with connect(address) as client:
        (host, port), (local_host, local_port) = client.getsockname(), client.getpeername()
        addresses = socket.inet_aton(host) + socket.inet_aton(local_host)
        expected = addresses + struct.pack("!HH", port, local_port)
        header = read_all(client)
    assert header[:14] == SIGNATURE + b"\x21\x11"
    assert header[16:28] == expected


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n",
        SIGNATURE
        + b"\x21\x11\x00\x0c"
        + socket.inet_aton("192.0.2.7")
        + socket.inet_aton("192.0.2.8")
        + struct.pack("!HH", 1234, 80),
    ],
)
def test_a_header_that_comes_names_the_client(system, header):
    nines, address = system.balance(system.echo(), service={"accept_proxy": True})
    with system.raw(address) as client:
        client.send(header)
        seen = dict(client.get().json["headers"])
    assert seen["x-forwarded-for"] == "192.0.2.7"


def test_a_header_may_come_byte_by_byte(system):
    nines, address = system.balance(system.echo(), service={"accept_proxy": True})
    with system.raw(address) as client:
        for byte in b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n":
            client.send(bytes([byte]))
        assert dict(client.get().json["headers"])["x-forwarded-for"] == "192.0.2.7"


@pytest.mark.parametrize(
    "header", [b"GET / HTTP/1.1\r\n\r\n", b"PROXY TCP4 nonsense\r\n", SIGNATURE + b"\x31\x11\0\0", b"PROXY " + b"x" * 200]
)
def test_who_does_not_begin_with_a_header_is_not_served(system, header):
    nines, address = system.balance(system.echo(), service={"accept_proxy": True})
    with system.raw(address) as client:
        client.send(header)
        assert client.closed()


@pytest.mark.parametrize(
    "header",
    [b"PROXY TCP6 2001:db8::7 2001:db8::8 1234 80\r\n", b"PROXY TCP4 192.0.2.7 192.0.2.8 1234 80\r\n"],
)
def test_a_header_is_passed_on_as_it_came(system, header):
    nines, address = tcp(
        system,
        system.scripted(lambda c: c.sendall(c.recv(1000))),
        pool={"send_proxy": "v1"},
        accept_proxy=True,
    )
    with connect(address) as client:
        client.sendall(header)
        assert read_all(client) == header


def test_a_chain_of_two_keeps_the_client(system):
    """One nines that sends the header to another that takes it."""
    echo_server = system.echo()
    inner, outer = system.address(), system.address()
    system.nines(
        {
            "services": {
                "outer": {"listen": outer, "protocol": "tcp", "pool": "inner"},
                "inner": {"listen": inner, "accept_proxy": True, "pool": "echo"},
            },
            "pools": {
                "inner": {"backends": inner, "send_proxy": "v2"},
                "echo": {"backends": echo_server.address},
            },
        }
    )
    with system.raw(outer) as client:
        own = client.socket.getsockname()[0]
        assert dict(client.get().json["headers"])["x-forwarded-for"] == own
