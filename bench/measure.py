"""Starting, pinning, loading and reading the figures of one proxy at a time."""

import contextlib
import http.client
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE, LOAD_CORE = CORES[-1], CORES[0]
SIZES = {"128": 128, "16k": 16 << 10, "1m": 1 << 20, "8m": 8 << 20}

# At the end of a run wrk says all it knows in one line.
WRK_REPORT = """
done = function(summary, latency)
    local e = summary.errors
    print(string.format('{"requests":%d,"us":%d,"bytes":%d,"errors":%d,"p50_us":%.1f,"p99_us":%.1f}',
        summary.requests, summary.duration, summary.bytes,
        e.connect + e.read + e.write + e.status + e.timeout,
        latency:percentile(50), latency:percentile(99)))
end
"""


class Void(Exception):
    """A wrong or failed answer: what was measured means nothing."""


def body_of(name):
    """The same bytes for everybody, not all alike, so that a shifted or torn answer is seen."""
    size = SIZES[name]
    pattern = b"".join(number.to_bytes(4, "big") for number in range(4096))
    return (pattern * (size // len(pattern) + 1))[:size]


def start(command, core, output=subprocess.PIPE):
    """A process pinned to one core, in a session of its own."""
    return subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        text=True,
    )


def serve(command, core, log):
    """The same, writing to a file what it has to say."""
    with log.open("w") as output:
        child = start(command, core, output)
    child.log = log
    return child


def family(child):
    """All processes of the session that `child` leads, and all that these began, in sessions of their own too."""
    parents, found = {}, []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if fields[0] != "Z":
                    parents[int(entry.name)] = int(fields[1])
                    if int(fields[3]) == child.pid:
                        found.append(int(entry.name))
    known = set(found)
    while more := [pid for pid, parent in parents.items() if parent in known and pid not in known]:
        known.update(more)
        found.extend(more)
    return found


def end(child):
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(2)
    for pid in family(child):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    child.wait()


def cpu_ns(child):
    """User and system time of all its processes and their threads so far."""
    total = 0
    for pid in family(child):
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                total += int(task.read_text().split()[0])
    return total


def memory_kib(child, field):
    """The sum over all its processes of a field of smaps_rollup."""
    total = 0
    for pid in family(child):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{field}:"):
                total += int(line.split()[1])
    return total


def split(address):
    host, port = address.split(":")
    return host, int(port)


def fetch(address, target, timeout=5):
    connection = http.client.HTTPConnection(*split(address), timeout=timeout)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_for(child, address, within=10.0):
    """Until what was started answers at the address."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline and child.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if fetch(address, "/128")[0] == 200:
                return
        time.sleep(0.0005)
    said = child.log.read_text(errors="replace").strip().splitlines()
    raise Void(f"nothing answers at {address}: {said[-1] if said else 'and nothing was said'}")


def verify(address, name):
    status, body = fetch(address, f"/{name}")
    if status != 200 or body != body_of(name):
        raise Void(f"GET /{name} gave {status} and {len(body)} bytes, not the right ones")


def wrk(folder, address, name, seconds, connections, close):
    script = folder / "report.lua"
    script.write_text(WRK_REPORT)
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script]
    if close:
        words += ["-H", "Connection: close"]
    child = start([*words, f"http://{address}/{name}"], LOAD_CORE)
    output, _ = child.communicate(timeout=seconds + 60)
    if child.returncode != 0:
        raise Void(f"wrk ended with {child.returncode}")
    return json.loads(output.strip().splitlines()[-1])


def load(child, folder, address, name, seconds, connections=64, close=False):
    """One measured run: figures by name. Raises Void when an answer was wrong or missing."""
    verify(address, name)
    wrk(folder, address, name, 1, connections, close)
    before = cpu_ns(child)
    seen = wrk(folder, address, name, seconds, connections, close)
    spent = cpu_ns(child) - before
    verify(address, name)
    if seen["errors"]:
        raise Void(f"{seen['errors']} of {seen['requests']} requests failed")
    if seen["requests"] == 0 or seen["bytes"] < seen["requests"] * SIZES[name]:
        raise Void(f"{seen['bytes']} bytes are too few for {seen['requests']} answers")
    return {
        "rate": seen["requests"] / (seen["us"] / 1e6),
        "p50": seen["p50_us"],
        "p99": seen["p99_us"],
        "cpu": spent / 1000 / seen["requests"],
        "memory": memory_kib(child, "Pss") / 1024,
    }


def idle_connections(child, address, count):
    """Bytes of the proxy's own memory for each of `count` clients that asked once and then keep quiet."""
    request = b"GET /128 HTTP/1.1\r\nHost: bench\r\n\r\n"
    before = memory_kib(child, "Anonymous")
    clients = []
    try:
        for _ in range(count):
            client = socket.create_connection(split(address), 5)
            client.sendall(request)
            clients.append(client)
            if len(clients) % 100 == 0:
                read_all(clients[-100:])
        return {"idle": (memory_kib(child, "Anonymous") - before) * 1024 / count}
    finally:
        for client in clients:
            client.close()


def read_all(clients):
    """A whole answer from each."""
    with selectors.DefaultSelector() as selector:
        waiting = {client: b"" for client in clients}
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        while waiting:
            ready = selector.select(5)
            if not ready:
                raise Void(f"{len(waiting)} idle clients got no answer")
            for key, _ in ready:
                data = waiting[key.fileobj] = waiting[key.fileobj] + key.fileobj.recv(65536)
                head, _, body = data.partition(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1.1 200"):
                    raise Void(f"an idle client got {head[:60]!r}")
                if body == body_of("128"):
                    selector.unregister(key.fileobj)
                    del waiting[key.fileobj]


def backend(folder, addresses):
    """The server behind all: nginx on the load's core, with one listener for each address."""
    root = folder / "root"
    root.mkdir(parents=True)
    for name in SIZES:
        (root / name).write_bytes(body_of(name))
    listens = "\n".join(f"        listen {address} backlog=4096;" for address in addresses)
    config = folder / "backend.conf"
    config.write_text(
        f"""
daemon off;
master_process off;
worker_rlimit_nofile 19000;
pid {folder}/backend.pid;
error_log stderr crit;
events {{ worker_connections 18000; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    keepalive_timeout 3600s;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
{listens}
        root {root};
    }}
}}
"""
    )
    command = ["/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", config]
    child = serve(command, LOAD_CORE, folder / "backend.log")
    wait_for(child, addresses[0])
    return child
