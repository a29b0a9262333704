"""What system tests stand on: real processes, one timeline of all that they say, and waiting for claims instead of sleeping.

A test asks the `system` fixture (conftest.py) for backends and for nines itself. Everything that was started is ended by
its process id, and a test fails when nines left a process behind, ended other than asked, or a sanitizer spoke up.
"""

import contextlib
import hashlib
import http.client
import http.server
import itertools
import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("NINES", TOP / "build/nines")).resolve()
# What nines says when a claim of its own did not hold, and the sanitizers' words.
SPOKE_UP = ("nines: bug at", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:")

# Verdicts within about half a second.
FAST_HEALTH = {
    "path": "/healthz",
    "interval": "100ms",
    "timeout": "100ms",
    "unhealthy_threshold": 2,
    "healthy_threshold": 2,
}


def wait_until(claim, within=10.0, what=""):
    """Polls until claim() is true and returns what it said. The only place where a test lets time pass."""
    deadline = time.monotonic() + within
    while True:
        found = claim()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within} s: {what or getattr(claim, '__name__', claim)}")
        time.sleep(0.01)


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return stat_of(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stat_of(pid):
    """The fields of /proc/PID/stat from the state on: [0] state, [1] parent, [3] session."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def processes():
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                yield int(entry.name), stat_of(entry.name)


def command_of(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def memory_kib(pid, field="RssAnon"):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no {field}")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Timeline:
    """Everything that was done and said, by whom and when, in order."""

    def __init__(self):
        self.begun = time.monotonic()
        self.lines = []
        self.lock = threading.Lock()

    def note(self, who, what):
        with self.lock:
            self.lines.append((time.monotonic() - self.begun, who, what))

    def follow(self, who, pipe):
        """Notes each line of a pipe, on a thread of its own, until the pipe ends."""

        def read():
            with pipe:
                for line in pipe:
                    self.note(who, line.rstrip("\n"))

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        return thread

    def said(self, who):
        with self.lock:
            return [what for _, source, what in self.lines if source == who]

    def __str__(self):
        with self.lock:
            return "\n".join(f"[{at:8.3f}] {who:12} {what}" for at, who, what in self.lines)


class Process:
    """A process whose output goes to the timeline and which is ended by its id."""

    def __init__(self, timeline, name, command, **options):
        self.timeline = timeline
        self.name = name
        self.child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            **options,
        )
        timeline.note(name, f"started as {self.pid}")
        self.reader = timeline.follow(name, self.child.stdout)

    @property
    def pid(self):
        return self.child.pid

    @property
    def status(self):
        """None while it runs."""
        return self.child.poll()

    def signal(self, number):
        self.timeline.note(self.name, f"gets {signal.Signals(number).name}")
        os.kill(self.pid, number)

    def wait(self, within=15):
        wait_until(lambda: self.status is not None, within, f"{self.name} ends")
        self.reader.join(5)
        return self.status

    def output(self):
        return "\n".join(self.timeline.said(self.name))

    def family(self):
        """Ids of all processes of its session that run, itself included."""
        return sorted(
            pid for pid, stat in processes() if int(stat[3]) == self.pid and stat[0] != "Z"
        )

    def kill(self):
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.status is None:
            self.child.wait(10)


class Nginx(Process):
    """A real backend: Debian's nginx in one process.

    `/` serves the files of `root` (PUT stores one), `/id` answers its name, every answer carries it as X-Backend.
    """

    CONFIG = """
daemon off;
master_process off;
error_log stderr warn;
pid {folder}/nginx.pid;
worker_rlimit_nofile 15000;
events {{ worker_connections 14000; }}
http {{
    access_log off;
    keepalive_timeout 600s;
    keepalive_requests 1000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} backlog=4096;
        add_header X-Backend {name} always;
        root {root};
        location /id {{ return 200 "{name}\\n"; }}
        location /healthz {{ return 200 "ok\\n"; }}
        location /status/503 {{ return 503; }}
        location /status/404 {{ return 404; }}
        location / {{ dav_methods PUT; create_full_put_path on; }}
    }}
}}
"""

    def __init__(self, timeline, name, address, folder):
        self.address = address
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        config = folder / "nginx.conf"
        config.write_text(
            self.CONFIG.format(folder=folder, root=self.root, address=address, name=name)
        )
        self.command = ["/usr/sbin/nginx", "-p", folder, "-e", "stderr", "-c", config]
        super().__init__(timeline, name, self.command)
        self.wait_for_listening()

    def wait_for_listening(self):
        wait_until(lambda: accepts(self.address), 10, f"{self.name} listens on {self.address}")

    def restart(self):
        """After kill(): the same server again."""
        Process.__init__(self, self.timeline, self.name, self.command)
        self.wait_for_listening()

    def stop(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)


class EchoHandler(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON; Python's own HTTP server, so another reading of the RFC than ours."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    name = "echo"

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self):
        body = self.body()
        seen = {
            "backend": self.name,
            "method": self.command,
            "target": self.path,
            "version": self.request_version,
            "headers": [[key.lower(), value] for key, value in self.headers.items()],
            "length": len(body),
            "sha256": sha256(body),
        }
        text = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Backend", self.name)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer

    def log_message(self, *_):
        pass


class ThreadServer:
    """Runs handle(socket) on a thread for each connection: backends that misbehave on purpose."""

    def __init__(self, address, handle):
        host, port = split(address)
        self.address = address
        self.handle = handle
        self.connections = 0
        self.open = set()
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, port), backlog=1024)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.open.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection:
                connection.settimeout(60)
                self.handle(connection)
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.discard(connection)

    def kill(self):
        """Stops listening and resets what is open."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections = list(self.open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class EchoServer:
    def __init__(self, name, address):
        self.address = address
        handler = type("Handler", (EchoHandler,), {"name": name})
        self.server = http.server.ThreadingHTTPServer(split(address), handler, False)
        self.server.daemon_threads = True
        self.server.request_queue_size = 1024
        self.server.server_bind()
        self.server.server_activate()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def kill(self):
        self.server.shutdown()
        self.server.server_close()


def split(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


def accepts(address):
    with contextlib.suppress(OSError), socket.create_connection(split(address), 5):
        return True
    return False


def read_head(connection, limit=65536):
    """From a scripted backend: the bytes of a request up to the empty line; empty when the client went away."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < limit:
        more = connection.recv(4096)
        if not more:
            break
        data += more
    return data


class Answer:
    def __init__(self, status, headers, body, version, trailers):
        self.status, self.headers, self.body = status, headers, body
        self.version, self.trailers = version, trailers

    def header(self, name):
        """All values, joined as the RFC does; None when there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def backend(self):
        return self.header("X-Backend")


class RawClient:
    """A client that sends exactly the bytes it is told to, and reads answers strictly."""

    def __init__(self, address, timeout=15):
        self.socket = socket.create_connection(split(address), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))
        return self

    def line(self):
        line = self.file.readline(65536)
        assert line.endswith(b"\r\n"), f"not a line: {line!r}"
        return line[:-2].decode("latin-1")

    def fields(self):
        found = []
        while line := self.line():
            key, value = line.split(":", 1)
            found.append((key, value.strip()))
        return found

    def exactly(self, count):
        data = self.file.read(count)
        assert len(data) == count, f"{len(data)} of {count} bytes came"
        return data

    def answer(self, head=False, interim=False):
        """The next answer; 1xx ones are skipped unless `interim`."""
        while True:
            version, status, *_ = self.line().split(" ", 2)
            headers = self.fields()
            if interim or int(status) >= 200 or int(status) == 101:
                break
        answer = Answer(int(status), headers, b"", version, [])
        if head or int(status) < 200 or int(status) in (204, 304):
            return answer
        if answer.header("Transfer-Encoding") == "chunked":
            while size := int(self.line().split(";")[0], 16):
                answer.body += self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            answer.trailers = self.fields()
        elif (length := answer.header("Content-Length")) is not None:
            answer.body = self.exactly(int(length))
        else:
            answer.body = self.file.read()
        return answer

    def ask(self, text, **options):
        return self.send(text).answer(**options)

    def get(self, target="/id", host="test", fields="", **options):
        return self.ask(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n", **options)

    def closed(self):
        """Whether the other side ends the connection, with nothing more said."""
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    __enter__ = lambda self: self
    __exit__ = lambda self, *_: self.close()


def curl(*words, within=30):
    """curl's exit status and output."""
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(within), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=within + 10,
        check=False,
    )


def fetch(address, target="/", method="GET", headers=None, body=None, timeout=15):
    """One request on a connection of its own, by Python's client."""
    connection = http.client.HTTPConnection(*split(address), timeout=timeout)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        reply = connection.getresponse()
        return Answer(reply.status, reply.getheaders(), reply.read(), reply.version, [])
    finally:
        connection.close()


class Nines(Process):
    """nines itself, with a configuration that is a dict."""

    def __init__(
        self, timeline, folder, address, config, wait=True, wrapper=(), binary=BINARY,
        name="nines", options=()
    ):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.admin = address if ":" in address else f"{address}:7900"
        self.file = folder / "nines.yaml"
        self.runtime = folder / "run"
        self.access_log = folder / "access.log"
        self.write(config)
        self.command = [*wrapper, binary, "run", "-c", self.file, *options]
        super().__init__(timeline, name, self.command)
        if wait:
            wait_until(self.ready_or_ended, 20, "nines is ready")
            assert self.status is None, f"nines ended with {self.status}\n{self.output()}"

    def write(self, config):
        """Text as it is; a dict with what every test needs (its own directories and admin address) put in."""
        if isinstance(config, dict):
            config = {
                "cluster": "test",
                "directory": str(self.folder / "state"),
                "runtime_directory": str(self.runtime),
                "admin": {"listen": self.admin},
                "access_log": str(self.access_log),
                "workers": 1,
                **config,
            }
            config = yaml.safe_dump(config, sort_keys=False)
        self.file.write_text(config)

    def ready_or_ended(self):
        if self.status is not None:
            return True
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.fetch("/readyz").status == 200
        return False

    def fetch(self, target):
        return fetch(self.admin, target)

    def api(self, target="/api/v1/status"):
        answer = self.fetch(target)
        assert answer.status == 200, f"{target}: {answer.status} {answer.body!r}"
        return answer.json

    def metrics(self):
        """`name{labels}` to its value."""
        text = self.fetch("/metrics").body.decode()
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def metric(self, name, **labels):
        """The sum over all series of that name which carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value
            for series, value in self.metrics().items()
            if series.split("{")[0] == name and all(label in series for label in wanted)
        )

    def cli(self, *words, within=20):
        """A command of the command line, told where this nines' socket is."""
        return subprocess.run(
            [BINARY, *words, "-c", self.file],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )

    def roles(self, role):
        """Ids of the processes in a role (`worker`, `agent`, `monitor`)."""
        return [pid for pid in self.family() if command_of(pid).startswith(f"nines: {role}")]

    def worker(self):
        (pid,) = self.roles("worker")
        return pid

    def generation(self):
        return self.api()["generation"]

    def reload(self, config=None, within=10):
        """Writes a configuration and waits until it is in force."""
        before = self.generation()
        if config is not None:
            self.write(config)
        self.signal(signal.SIGHUP)
        wait_until(lambda: self.generation() > before, within, "the new configuration is in force")

    def stop(self, within=30):
        """Asks it to end, and checks that it did so properly and left nobody behind."""
        if self.status is None:
            self.signal(signal.SIGTERM)
        status = self.wait(within)
        assert status == 0, f"nines ended with {status}"
        self.check_traces()

    def check_traces(self):
        wait_until(lambda: not self.family(), 5, "every process of nines has ended")
        spoken = [line for line in self.timeline.said(self.name) if any(word in line for word in SPOKE_UP)]
        assert not spoken, f"a claim or a sanitizer spoke up: {spoken[0]}"

    def logged(self):
        """The lines of the access log so far."""
        if not self.access_log.exists():
            return []
        return [json.loads(line) for line in self.access_log.read_text().splitlines()]


class Load(Process):
    """`nines load` in the background: the meter. Its figures come as a dict from result()."""

    def __init__(self, timeline, url, rate, seconds, *options):
        self.figures = None
        super().__init__(
            timeline,
            "load",
            [BINARY, "load", url, "--rate", rate, "--for", f"{seconds}s", "--json", *options],
        )
        self.seconds = seconds

    def result(self):
        self.wait(self.seconds + 30)
        return json.loads(self.timeline.said("load")[-1])


class System:
    """What a test builds its situation from; ends everything afterwards."""

    numbers = itertools.count(1)

    def __init__(self, folder):
        # All of 127/8 is this machine's: an address of its own per test process makes every port free.
        pid, number = os.getpid(), next(self.numbers)
        self.host = f"127.{64 + (pid >> 12) % 128}.{(pid >> 4) % 256}.{1 + (pid % 16 * 15 + number) % 250}"
        self.folder = folder
        self.timeline = Timeline()
        self.ports = itertools.count(20000)
        self.things = []
        self.nines_started = []

    def address(self):
        """A free one, `host:port`."""
        while True:
            address = f"{self.host}:{next(self.ports)}"
            with contextlib.suppress(OSError), socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(split(address))
                return address

    def own(self, thing):
        self.things.append(thing)
        return thing

    def nginx(self, name):
        return self.own(Nginx(self.timeline, name, self.address(), self.folder / name))

    def nginxes(self, *names):
        return [self.nginx(name) for name in names or ("a", "b", "c")]

    def echo(self, name="echo"):
        return self.own(EchoServer(name, self.address()))

    def scripted(self, handle):
        return self.own(ThreadServer(self.address(), handle))

    def scripted_bytes(self, data, then=lambda connection: None):
        """A backend that says `data` to every request, whatever it is, and then does something."""

        def handle(connection):
            if read_head(connection):
                connection.sendall(data)
                then(connection)

        return self.scripted(handle)

    def nines(self, config, **options):
        nines = Nines(self.timeline, self.folder / "nines", self.host, config, **options)
        self.nines_started.append(nines)
        return nines

    def balance(self, *backends, service=None, pool=None, **rest):
        """nines with one http service `web` over the backends; returns it and the service's address."""
        address = self.address()
        config = self.config(address, *backends, service=service, pool=pool, **rest)
        return self.nines(config), address

    def config(self, address, *backends, service=None, pool=None, **rest):
        addresses = [getattr(backend, "address", backend) for backend in backends]
        return {
            "services": {"web": {"listen": address, "pool": "web", **(service or {})}},
            "pools": {"web": {"backends": addresses, **(pool or {})}},
            **rest,
        }

    def load(self, url, rate=200, seconds=5, *options):
        return self.own(Load(self.timeline, url, rate, seconds, *options))

    def raw(self, address, **options):
        return RawClient(address, **options)

    def close(self):
        """Ends nines first and checks its traces, then the rest."""
        try:
            for nines in self.nines_started:
                if nines.status is None:
                    nines.stop()
                else:
                    nines.check_traces()
        finally:
            for thing in [*self.nines_started, *self.things]:
                thing.kill()


def share(counts, name):
    """The part of all that one has."""
    return counts[name] / sum(counts.values())
