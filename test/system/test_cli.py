"""The command line against a running nines: what people read, what scripts read, and the live screen in a real terminal."""

import json
import os
import re
import signal
import subprocess

import pytest

from harness import BINARY, FAST_HEALTH, wait_until

USAGE, TIMEOUT, CONFIG = 2, 5, 78


@pytest.fixture
def shop(system):
    backends = system.nginxes("a", "b", "c")
    nines, address = system.balance(*backends, pool={"health_check": FAST_HEALTH})
    nines.backends, nines.web = backends, address
    wait_until(lambda: ups(nines) == 3, 10, "the backends are up")
    return nines


def ups(nines):
    return sum(b["state"] == "up" for b in nines.api()["pools"][0]["backends"])


def run(*words, **options):
    return subprocess.run(
        [BINARY, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **options,
    )


# ---- status ----


def test_the_first_line_answers(shop):
    a, b, c = shop.backends
    first = lambda: shop.cli("status").stdout.splitlines()[0]
    assert first() == "serving: yes; survives one more failure: yes"
    a.kill()
    b.kill()
    sentence = "(pool web has 1 of 3 backends up)"
    wanted = f"serving: yes; survives one more failure: no {sentence}"
    wait_until(lambda: first() == wanted, 10, wanted)
    c.kill()
    wanted = "serving: no; survives one more failure: no (pool web has none of 3 backends up)"
    wait_until(lambda: first() == wanted, 10, wanted)
    assert "last check: refused" in shop.cli("status").stdout


def test_status_fits_a_screen_and_has_no_colours_in_a_pipe(shop):
    lines = shop.cli("status").stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert not any("\033" in line for line in lines)


def test_status_speaks_json_to_scripts(shop):
    status = json.loads(shop.cli("status", "--json").stdout)
    assert status["summary"]["serving"] == "yes"
    assert [b["state"] for b in status["pools"][0]["backends"]] == ["up"] * 3


def test_the_socket_may_be_named_or_found_in_the_file(shop):
    socket = shop.runtime / "nines.sock"
    assert run("status", "--socket", socket).returncode == 0
    shop.file.write_text(shop.file.read_text() + "\nno_such_key: 1\n")
    assert shop.cli("status").returncode == 0


def test_it_says_how_to_start_what_does_not_run(tmp_path):
    done = run("status", "--socket", tmp_path / "none.sock")
    assert done.returncode == 1
    assert f"nobody listens on '{tmp_path}/none.sock'" in done.stderr
    assert "nines run -c FILE" in done.stderr


@pytest.mark.parametrize(
    "words",
    [("status", "--jsno"), ("status", "x"), ("drain", "a"), ("drain",), ("top", "--socket")],
    ids=" ".join,
)
def test_wrong_words_are_usage(words):
    done = run(*words)
    assert done.returncode == USAGE
    assert done.stderr.startswith(f"nines {words[0]}: ")


def test_a_sentence_about_words_names_the_whole_command():
    done = run("cert", "init", "--jsno")
    assert done.returncode == USAGE
    assert done.stderr.startswith("nines cert init: does not know '--jsno'")
    assert "1 word is needed, 0 were given" in run("node", "add").stderr


def test_every_noun_explains_its_verbs():
    listed = [line.split()[:2] for line in run("help").stdout.splitlines() if line.startswith("  ")]
    two = [words for words in listed if run(*words, "--help").stdout.startswith(f"usage: nines {' '.join(words)}")]
    nouns = {noun for noun, _ in two}
    assert {"cert", "config", "lease", "leader", "node", "override"} <= nouns
    for noun in nouns:
        done = run(noun, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: nines {noun} COMMAND\n")
        assert all(f"\n  {noun} {verb} " in done.stdout for other, verb in two if other == noun)
        assert run("help", noun).stdout == done.stdout
        assert run(noun).returncode == USAGE, "a verb is missing"
        assert run(noun, "no-such-verb", "--help").returncode == USAGE


@pytest.mark.heavy
def test_a_nines_that_hangs_is_a_timeout(shop):
    (monitor,) = shop.roles("monitor")
    os.kill(monitor, signal.SIGSTOP)
    try:
        done = shop.cli("status", within=25)
    finally:
        os.kill(monitor, signal.SIGCONT)
    assert done.returncode == TIMEOUT
    assert "did not answer in time" in done.stderr


# ---- orders ----


def test_drain_and_undrain_say_what_they_did(shop):
    backend = shop.backends[0].address
    done = shop.cli("drain", "web", backend)
    assert done.returncode == 0
    assert done.stdout.startswith(f"{backend} in pool web gets no new work; 0 requests")
    assert "by an operator" in shop.cli("status").stdout
    done = shop.cli("undrain", "web", backend, "--json")
    assert json.loads(done.stdout)["drained_by"] is None
    done = shop.cli("drain", "web", "nobody:1")
    assert (done.returncode, done.stderr) == (
        1,
        "nines drain: the pool has no such backend (404)\n",
    )


def test_reload_waits_for_its_result(shop):
    before = shop.generation()
    done = shop.cli("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"generation {before + 1} is in force\n"
    assert shop.generation() == before + 1


def test_a_refused_reload_prints_the_findings_and_changes_nothing(shop):
    good, before = shop.file.read_text(), shop.generation()
    shop.file.write_text(good.replace("pool: web", "pool: wbe"))
    done = shop.cli("reload")
    assert done.returncode == CONFIG
    assert "there is no pool named `wbe`" in done.stderr
    assert "did you mean `web`?" in done.stderr
    assert done.stderr.endswith(f"nines reload: refused; generation {before} stays in force\n")
    assert shop.generation() == before
    shop.file.write_text(good)
    assert shop.cli("reload").returncode == 0


def test_reloads_at_once_are_all_answered(shop):
    before = shop.generation()
    command = [BINARY, "reload", "-c", shop.file]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(5)
    ]
    for process in running:
        _, complaints = process.communicate(timeout=30)
        assert (process.returncode, complaints) == (0, b"")
    assert before < shop.generation() <= before + 5


# ---- top ----


class Terminal:
    """A real terminal of 80x24, by tmux on a server of its own."""

    def __init__(self, folder, *command):
        self.tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self.ask("new-session", "-d", "-x", "80", "-y", "24", *map(str, command))

    def ask(self, *words):
        done = subprocess.run([*self.tmux, *words], capture_output=True, text=True, timeout=10)
        return done.stdout

    def screen(self):
        return self.ask("capture-pane", "-p")

    def key(self, name):
        self.ask("send-keys", name)

    def resize(self, columns, rows):
        self.ask("resize-window", "-x", str(columns), "-y", str(rows))

    def ended(self):
        return "[" not in self.ask("list-sessions") and ":" not in self.ask("list-sessions")

    def close(self):
        self.ask("kill-server")


@pytest.fixture
def top(system, shop):
    terminal = Terminal(system.folder, BINARY, "top", "-c", shop.file)
    yield terminal
    terminal.close()


def test_top_shows_the_traffic_and_quits(system, shop, top):
    wait_until(lambda: "SERVICE" in top.screen(), 10, "it is drawn")
    system.load(f"http://{shop.web}/id", 150, 10)
    web = re.compile(r"^web +(1[345]\d) ", re.M)
    wait_until(lambda: web.search(top.screen()), 10, "the rate is seen")
    lines = top.screen().splitlines()
    assert lines[0] == "serving: yes; survives one more failure: yes"
    assert lines[-1].startswith("q quit")
    assert sum("||||" in line for line in lines) == 3
    shop.backends[0].kill()
    wait_until(lambda: " down " in top.screen(), 10, "the dead one is seen")
    top.key("q")
    wait_until(top.ended, 5, "it ends")


def test_top_follows_the_window_and_the_order(shop, top):
    wait_until(lambda: "BACKEND" in top.screen(), 10, "it is drawn")
    addresses = [backend.address for backend in shop.backends]
    shown = lambda: re.findall("|".join(map(re.escape, addresses)), top.screen())
    assert shown() == addresses
    top.key("Down")
    wait_until(lambda: shown() == addresses[1:], 5, "it scrolls")
    top.key("Up")
    wait_until(lambda: shown() == addresses, 5, "it scrolls back")
    top.resize(50, 10)
    wait_until(lambda: len(shown()) == 2, 5, "it shrinks")
    assert top.screen().splitlines()[-1].startswith("q quit")
    top.resize(100, 30)
    wait_until(lambda: len(top.screen().splitlines()) == 30, 5, "it grows")
    top.key("C-c")
    wait_until(top.ended, 5, "it ends")


def test_top_says_when_nines_went_and_comes_back(shop, top):
    wait_until(lambda: "BACKEND" in top.screen(), 10, "it is drawn")
    (monitor,) = shop.roles("monitor")
    os.kill(monitor, signal.SIGSTOP)
    wait_until(lambda: "did not answer in time" in top.screen(), 10, "it says so")
    os.kill(monitor, signal.SIGCONT)
    wait_until(lambda: "q quit" in top.screen(), 10, "it goes on")


def test_top_is_one_frame_in_a_pipe(shop):
    done = shop.cli("top")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "serving: yes; survives one more failure: yes"
    assert "\033" not in done.stdout
    assert "q quit" not in done.stdout
