"""A stand-in for systemd, where it is not the first process: `systemctl` as nines calls it, and services that are children of this process and never of nines."""

import contextlib
import json
import os
import pathlib
import signal
import socketserver
import subprocess
import threading

from harness import wait_until

UNIFIED = pathlib.Path("/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup")
SYSTEMCTL = """#!/usr/bin/python3
import json, socket, sys

with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({path!r})
    asked.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    code, text = json.loads(asked.makefile().readline())
print(text, end="", file=sys.stderr if code else sys.stdout)
sys.exit(code)
"""


def removed(group):
    """What was killed may still be on its way out."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


class Unit:
    def __init__(self, command, group, restart="no"):
        self.command = [str(word) for word in command]
        self.group = group  # below UNIFIED; None: it has a control group that nobody sees
        self.restart = restart
        self.child = None
        self.starts = 0

    def enter(self):
        if self.group:
            (UNIFIED / self.group / "cgroup.procs").write_text("0")

    def start(self):
        if self.pid:
            return
        if self.group:
            (UNIFIED / self.group).mkdir(exist_ok=True)
        self.starts += 1
        self.child = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=self.enter,
        )

    @property
    def pid(self):
        """0: it does not run."""
        return self.child.pid if self.child and self.child.poll() is None else 0

    def signal(self, number):
        if self.pid:
            os.kill(self.pid, number)

    def sweep(self):
        """What is left in its control group goes with it, as in a unit whose KillMode nobody changed."""
        with contextlib.suppress(OSError):
            if self.group:
                (UNIFIED / self.group / "cgroup.kill").write_text("1")

    def show(self):
        if not self.pid:
            self.sweep()
        state = "active" if self.pid else "failed" if self.child else "inactive"
        group = f"/{self.group or 'system.slice/unseen.service'}" if self.pid else ""
        return (
            f"Restart={self.restart}\nMainPID={self.pid}\nControlGroup={group}\n"
            f"LoadState=loaded\nActiveState={state}\nJob=\n"
        )


class Systemd:
    def __init__(self, folder):
        self.units = {}
        self.asked = []
        self.hangs = threading.Event()
        self.over = threading.Event()
        self.folder = folder / "bin"
        self.folder.mkdir()
        path = str(folder / "systemd")
        (self.folder / "systemctl").write_text(SYSTEMCTL.format(path=path))
        (self.folder / "systemctl").chmod(0o755)
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                words = json.loads(self.rfile.readline())
                outer.asked.append(words)
                if outer.hangs.is_set():
                    outer.over.wait()  # as long as the test lasts: whoever asked is killed
                    return
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(json.dumps(outer.obey(words)).encode() + b"\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
            block_on_close = False

        self.server = Server(path, Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wrapper(self):
        """Before a command: it finds this systemctl first."""
        return ["env", f"PATH={self.folder}:{os.environ['PATH']}"]

    def add(self, name, command, seen=False, **more):
        group = f"nines-test-{os.getpid()}-{name}" if seen else None
        self.units[name] = Unit(command, group, **more)
        return self.units[name]

    def obey(self, words):
        *words, dashes, name = words
        assert dashes == "--"
        unit = self.units.get(name)
        if not unit:
            return 1 if words[0] != "show" else 0, self.unknown(words, name)
        if words[0] == "show":
            assert words[1].startswith("--property=")
            return 0, unit.show()
        if words == ["start", "--no-block", "--job-mode=fail"]:
            unit.start()
        elif words == ["stop", "--no-block"]:
            unit.signal(signal.SIGTERM)
        elif words == ["kill", "--signal=SIGKILL"]:
            unit.signal(signal.SIGKILL)
            unit.sweep()
        else:
            return 1, f"Unknown command {words}.\n"
        return 0, ""

    def unknown(self, words, name):
        if words[0] == "show":
            return "MainPID=0\nControlGroup=\nLoadState=not-found\nActiveState=inactive\nRestart=no\nJob=\n"
        return f"Failed to {words[0]} {name}: Unit {name} not found.\n"

    def was_asked(self, verb):
        return [words for words in self.asked if words[0] == verb]

    def kill(self):
        """At the end of a test."""
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        for unit in self.units.values():
            unit.signal(signal.SIGKILL)
            if unit.child:
                unit.child.wait(10)
            unit.sweep()
            if unit.group and (UNIFIED / unit.group).exists():
                wait_until(lambda unit=unit: removed(UNIFIED / unit.group), 20, f"{unit.group} is removed")
