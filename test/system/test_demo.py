"""The demo, as a newcomer sees it: alone, ended early, and in a terminal until Ctrl-C."""

import os
import pty
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from harness import BINARY, TOP, command_of, processes, wait_until

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.seconds(120),
    pytest.mark.skipif(BINARY != TOP / "build/nines", reason="the demo runs build/nines"),
]
HURRY = {**os.environ, "PACE": "0.2"}


def begin(run=TOP / "demo/run"):
    """In a session of its own, with its output as it comes."""
    return subprocess.Popen(
        [run], env=HURRY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )


def folder_of(said):
    """Where it kept everything."""
    return Path(re.search(r"^    directory: (\S+)/a$", said, re.M)[1])


def listening(network):
    """Whoever listens on one of its addresses, as the kernel writes them."""
    first, second, third, _ = network.split(".")
    ours = f"{int(third):02X}{int(second):02X}{int(first):02X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and row[1][2:8] == ours]


def assert_nothing_is_left(said):
    folder = folder_of(said)
    assert not folder.exists()
    # Roles of nines have names of their own, and each of them listens.
    assert not [command_of(pid) for pid, _ in processes() if str(folder) in command_of(pid)]
    assert not listening(network_of(said))


def network_of(said):
    return re.search(r"nodes: \{a: (127\.0\.\d+\.)1,", said)[1]


def count(said, pattern):
    """The one number of a line that it must have said."""
    (found,) = re.findall(pattern, said, re.M)
    return int(found.replace(",", ""))


def assert_story(said):
    dead = re.search(r"kill -9: machine (\w) dies, all 6 processes", said)[1]
    assert f"{dead} is in sync again, and its shop is in rotation" in said
    assert re.search(r"kill -9: the shop on (\w) dies\n(.*\n)*.*the shop on \1 was started again, and is in rotation", said)
    # What nines itself tells of it: when, who took over, the phases.
    assert re.search(rf"critical N-1012 node {dead} +{dead} is dead", said)
    (heir,) = set(re.findall(rf"N-2003 group sessions +(\w) is primary in epoch \d+ after {dead}: \d+ ms", said))
    assert heir != dead
    assert re.search(rf"N-2030 group sessions +{dead} on {heir}: is in sync", said)
    assert re.search(rf"DETECT .* TOTAL .*\n.*Z {heir} is primary in epoch \d+ after {dead}", said)


def assert_figures(said):
    assert count(said, r"^    visitors  ([\d,]+) requests ") > 100
    assert count(said, r"^    visitors .* failed ([\d,]+) +longest wait \d") == 0
    assert count(said, r"^ +20 sessions +lost ([\d,]+) ") == 0
    written = count(said, r"^    writer    ([\d,]+) writes +failed 0 +longest wait \d")
    assert written > 100
    assert count(said, r"^ +([\d,]+) promised +lost 0 ") == written
    assert re.search(r"^    RTO       1\.00 s +[\d.]+ m?s +(met|missed) ", said, re.M)
    assert re.search(r"^    RPO       0 writes +0 writes +met ", said, re.M)


def test_it_tells_its_story_and_ends_by_itself():
    demo = begin()
    said, _ = demo.communicate()
    assert demo.returncode == 0, said
    assert_story(said)
    assert_figures(said)
    assert_nothing_is_left(said)


def test_two_that_begin_at_once_do_not_meet():
    demos = [begin() for _ in range(2)]
    said = [demo.communicate()[0] for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], "\n".join(said)
    assert len({network_of(text) for text in said}) == 2


def test_a_shop_that_forgets_makes_it_fail(tmp_path):
    shutil.copytree(TOP / "demo", tmp_path / "demo")
    (tmp_path / "build").symlink_to(BINARY.parent)
    tmp_path.chmod(0o755)
    shop = tmp_path / "demo/shop"
    code = shop.read_text()
    kept = "return change.execute()[0]"
    assert kept in code
    shop.write_text(code.replace(kept, "return min(change.execute()[0], 3)"))
    demo = begin(tmp_path / "demo/run")
    said, _ = demo.communicate()
    assert demo.returncode == 1, said
    assert count(said, r"^demo: ([\d,]+) sessions were forgotten$") > 0
    assert count(said, r"^ +20 sessions +lost ([\d,]+) ") > 0
    assert_nothing_is_left(said)


@pytest.mark.parametrize(
    "moment, number, code",
    [("whole configuration", signal.SIGINT, 130), ("failed 0", signal.SIGTERM, 1), ("its disk holds", signal.SIGINT, 130)],
)
def test_ended_early_it_leaves_nothing(moment, number, code):
    demo = begin()
    said = []
    for line in demo.stdout:
        said.append(line)
        if moment in line:
            break
    demo.send_signal(number)
    said += demo.stdout
    assert demo.wait() == code, "".join(said)
    assert_nothing_is_left("".join(said))


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
        [TOP / "demo/run"], env=HURRY, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as child:
        os.close(theirs)
        reader = threading.Thread(target=read, args=(ours,), daemon=True)
        reader.start()
        wait_until(lambda: b"until Ctrl-C" in shown or child.poll() is not None, 60, "the story is told")
        assert child.poll() is None, shown.decode()
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0, shown.decode()
    reader.join(10)
    os.close(ours)
    said = re.sub(r"\033\[\d*m", "", shown.decode().replace("\r\n", "\n"))
    assert_story(said)
    assert_figures(said)
    assert_nothing_is_left(said)
