"""The demo, as a newcomer sees it: alone, and in a terminal until Ctrl-C."""

import os
import pty
import re
import signal
import subprocess
import threading

import pytest

from harness import BINARY, TOP, wait_until

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(BINARY != TOP / "build/nines", reason="the demo runs build/nines"),
]
HURRY = {**os.environ, "PACE": "0.2"}


def test_it_tells_its_story_and_ends_by_itself():
    done = subprocess.run(
        [TOP / "demo/run"],
        env=HURRY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"failed +0$", done.stdout, re.M)
    assert "a is out of rotation" in done.stdout and "b is in rotation again" in done.stdout


def test_two_that_begin_at_once_do_not_meet():
    demos = [
        subprocess.Popen(
            [TOP / "demo/run"], env=HURRY, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]
    said = [demo.communicate()[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], "\n".join(said)
    assert len({re.search(r"nines serves (\S+)/,", text)[1] for text in said}) == 2


def test_in_a_terminal_it_goes_on_until_ctrl_c():
    shown = bytearray()

    def read(descriptor):
        try:
            while data := os.read(descriptor, 4096):
                shown.extend(data)
        except OSError:
            pass

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [TOP / "demo/run"], env=HURRY, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests in the background ignores it
    ) as child:
        os.close(theirs)
        threading.Thread(target=read, args=(ours,), daemon=True).start()
        wait_until(lambda: b"until Ctrl-C" in shown or child.poll() is not None, 40, "the story is told")
        assert child.poll() is None, shown.decode()
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0, shown.decode()
    os.close(ours)
    assert b"requests" in shown and b"failed" in shown
