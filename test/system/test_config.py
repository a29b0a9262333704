"""A bad configuration is always a sentence with a place and exit code 78; what runs keeps what it had."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml

from harness import BINARY, fetch, split, wait_until

EXIT_CONFIG = 78

GOOD = """\
services:
  web:
    listen: 127.0.0.1:{port}
    pool: web
pools:
  web:
    backends:
      - 127.0.0.1:1
"""


def nines(*words, cwd=None):
    """Exit status and all output of a command that ends by itself."""
    done = subprocess.run(
        [BINARY, *words],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace")


def service(text, pools="pools: {web: {backends: [127.0.0.1:1]}}"):
    return f"services:\n  web:\n    listen: 127.0.0.1:8080\n    pool: web\n{text}\n{pools}\n"


def pool(text):
    return f"services: {{web: {{listen: 127.0.0.1:8080, pool: web}}}}\npools:\n  web:\n{text}\n"


BAD = {
    # What is not YAML at all.
    "an unclosed list": "services: [",
    "an unclosed map": "services: {web: ",
    "an unclosed quote": 'services: "web',
    "a tab for indentation": "services:\n\tweb: 1\n",
    "wrong indentation": "services:\n  web:\n listen: x\n",
    "a stray character": "services: @web\n",
    "a key twice": "pools: {web: {backends: [127.0.0.1:1]}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "an undefined alias": "services: *nothing\n",
    "an alias to itself": "services: &a [*a]\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "bytes that are not UTF-8": b"services: \xff\xfe\n",
    "a NUL": b"services: a\0b\n",
    "a binary file": bytes(range(256)) * 4,
    # What is not a mapping of the right things.
    "an empty file": "",
    "only a comment": "# nothing\n",
    "a scalar": "web\n",
    "a list": "- web\n",
    "no services": "pools: {web: {backends: [127.0.0.1:1]}}\n",
    "no pools": "services: {web: {listen: 127.0.0.1:8080, pool: web}}\n",
    "empty services": "services: {}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "services as a list": "services: [web]\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "a service as a scalar": "services: {web: 1}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "a service of nothing": "services: {web: }\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "an unknown key at the root": service("") + "servces: {}\n",
    "an unknown key in a service": service("    lissten: 127.0.0.1:1"),
    "an unknown key in a pool": pool("    backend: [127.0.0.1:1]"),
    "an unknown key in a backend": pool("    backends: [{address: 127.0.0.1:1, wieght: 2}]"),
    # Wrong values.
    "an unknown choice": service("    protocol: htttp"),
    "an unknown algorithm": pool("    backends: [127.0.0.1:1]\n    algorithm: roundrobin"),
    "a number that is none": pool("    backends: [{address: 127.0.0.1:1, weight: heavy}]"),
    "a number below its bound": pool("    backends: [{address: 127.0.0.1:1, weight: -1}]"),
    "a number above its bound": pool("    backends: [{address: 127.0.0.1:1, weight: 257}]"),
    "a number beyond 64 bits": pool("    backends: [{address: 127.0.0.1:1, weight: 99999999999999999999}]"),
    "a fraction": pool("    backends: [{address: 127.0.0.1:1, weight: 1.5}]"),
    "a duration without unit": service("    timeout: {idle: 60}"),
    "a duration in parsecs": service("    timeout: {idle: 60pc}"),
    "a negative duration": service("    timeout: {idle: -5s}"),
    "a duration beyond its bound": service("    timeout: {idle: 90d}"),
    "a size in the wrong unit": service("    max_body: 1 furlong"),
    "a percentage above all": pool("    backends: [127.0.0.1:1]\n    retry: {budget: 200%}"),
    "a truth that is neither": service("    access_log: perhaps"),
    "a list where one belongs": service("    pool: [web]"),
    "a map where a text belongs": service("    pool: {name: web}"),
    "a text where a section belongs": service("    timeout: 5s"),
    "an address without a port": "services: {web: {listen: 127.0.0.1, pool: web}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "a port beyond 65535": "services: {web: {listen: 127.0.0.1:65536, pool: web}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "a port that is no number": "services: {web: {listen: 127.0.0.1:http, pool: web}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "an address that is none": "services: {web: {listen: 1.2.3.4.5:80, pool: web}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "an empty listen": "services: {web: {listen: [], pool: web}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "no listen": "services: {web: {pool: web}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "no backends": pool("    algorithm: round-robin"),
    "an empty list of backends": pool("    backends: []"),
    "a backend without address": pool("    backends: [{weight: 2}]"),
    # What makes no sense together.
    "a pool that is not there": "services: {web: {listen: 127.0.0.1:8080, pool: wbe}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "a route to a pool that is not there": service("    routes: [{pool: api}]"),
    "a service without pool or routes": "services: {web: {listen: 127.0.0.1:8080}}\npools: {web: {backends: [127.0.0.1:1]}}\n",
    "the same backend twice": pool("    backends: [127.0.0.1:1, 127.0.0.1:1]"),
    "one address for two services": (
        "services:\n  a: {listen: 127.0.0.1:8080, pool: web}\n  b: {listen: 127.0.0.1:8080, pool: web}\n"
        "pools: {web: {backends: [127.0.0.1:1]}}\n"
    ),
    "an address twice in one service": (
        "services: {web: {listen: [127.0.0.1:8080, 127.0.0.1:8080], pool: web}}\n"
        "pools: {web: {backends: [127.0.0.1:1]}}\n"
    ),
    "routes for a tcp service": service(
        "    protocol: tcp\n    routes: [{match: {path: /a}, pool: web}]"
    ),
    "a name that does not resolve": pool("    backends: [nowhere.invalid:80]"),
    "the API beyond loopback": "admin: {listen: 0.0.0.0:7900}\n" + GOOD.format(port=8080),
    "a health check slower than its interval": pool(
        "    backends: [127.0.0.1:1]\n    health_check: {interval: 100ms, timeout: 1s}"
    ),
    "statuses from high to low": pool(
        "    backends: [127.0.0.1:1]\n    health_check: {path: /, expect: {from: 300, to: 200}}"
    ),
}

# What is missing from the whole file has no place to point at.
PLACELESS = {"an empty file", "only a comment"}


@pytest.mark.parametrize("what", BAD)
def test_is_refused_with_a_sentence_and_a_place(tmp_path, what):
    text = BAD[what]
    file = tmp_path / "nines.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    status, output = nines("check", "-c", str(file))
    assert status == EXIT_CONFIG, output
    assert re.search(r"error: \S+ \S+", output), output
    if what not in PLACELESS:
        assert re.search(rf"{re.escape(str(file))}:\d+:\d+", output), output
    assert "Sanitizer" not in output


@pytest.mark.parametrize("what", list(BAD)[::6])
def test_run_refuses_the_same_and_leaves_nothing_behind(tmp_path, what):
    text = BAD[what]
    file = tmp_path / "nines.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    status, output = nines("run", "-c", str(file))
    assert status == EXIT_CONFIG, output
    assert re.search(r"\w+ \w+", output), output


def test_all_mistakes_are_reported_at_once(tmp_path):
    file = tmp_path / "nines.yaml"
    file.write_text(
        "services:\n  web: {lissten: 127.0.0.1:80, protocol: htttp}\npools:\n  web: {backends: [nowhere], algorithm: x}\n"
    )
    status, output = nines("check", "-c", str(file))
    assert status == EXIT_CONFIG
    for word in ("lissten", "htttp", "nowhere", "algorithm"):
        assert word in output
    assert output.count("error:") >= 4


def test_the_nearest_known_key_is_named(tmp_path):
    file = tmp_path / "nines.yaml"
    file.write_text(service("    max_bdy: 1KiB"))
    _, output = nines("check", "-c", str(file))
    assert "max_body" in output


def test_the_line_is_shown_with_a_caret(tmp_path):
    file = tmp_path / "nines.yaml"
    file.write_text(service("    protocol: htttp"))
    _, output = nines("check", "-c", str(file))
    assert f"{file}:5:" in output
    shown = output.splitlines()
    (at,) = [number for number, line in enumerate(shown) if "protocol: htttp" in line]
    assert shown[at].index("htttp") == shown[at + 1].index("^")


def test_every_cut_of_a_good_file_is_taken_or_refused(tmp_path):
    """Half-written files: each line's beginning is tried, and none crashes."""
    text = GOOD.format(port=8080)
    file = tmp_path / "nines.yaml"
    for end in range(0, len(text), 3):
        file.write_text(text[:end])
        status, output = nines("check", "-c", str(file))
        assert status in (0, EXIT_CONFIG), (text[:end], status, output)


def test_a_good_file_is_good(tmp_path):
    file = tmp_path / "nines.yaml"
    file.write_text(GOOD.format(port=8080))
    status, output = nines("check", "-c", str(file))
    assert status == 0, output


def test_check_speaks_json_to_scripts(tmp_path):
    file = tmp_path / "nines.yaml"
    check = lambda: (lambda status, output: (status, json.loads(output)))(
        *nines("check", "-c", str(file), "--json")
    )
    file.write_text(GOOD.format(port=8080))
    status, said = check()
    assert status == 0
    assert said["good"] and said["file"] == str(file) and said["services"] > 0
    assert not [finding for finding in said["findings"] if finding["severity"] == "error"]

    file.write_text(service("    protocol: htttp"))
    status, said = check()
    assert status == EXIT_CONFIG and not said["good"] and said["services"] == 0
    (wrong,) = said["findings"]
    assert (wrong["severity"], wrong["line"], wrong["length"]) == ("error", 5, len("htttp"))
    assert "htttp" in wrong["sentence"] and "http" in wrong["fix"]

    file.write_text("".join(f"wrong{number}: 1\n" for number in range(130)))
    _, said = check()
    assert said["findings"][-1]["sentence"].endswith(" more")

    file.unlink()
    status, said = check()
    assert status == EXIT_CONFIG and str(file) in said["findings"][0]["sentence"]


def test_what_config_show_prints_is_a_configuration_again(tmp_path):
    file, again = tmp_path / "nines.yaml", tmp_path / "again.yaml"
    file.write_text(GOOD.format(port=8080))
    status, output = nines("config", "show", "-c", str(file))
    assert status == 0
    again.write_text(output)
    assert nines("config", "show", "-c", str(again)) == (0, output)


def test_config_explain_knows_every_key():
    status, output = nines("config", "explain", "pools.health_check.interval")
    assert status == 0 and "1s" in output
    status, output = nines("config", "explain", "pools.helth_check")
    assert status != 0 and "health_check" in output


@pytest.mark.parametrize("name", ["missing.yaml", "a-directory", ""])
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path, name):
    (tmp_path / "a-directory").mkdir()
    status, output = nines("check", "-c", str(tmp_path / name))
    assert status == EXIT_CONFIG, output
    assert str(tmp_path) in output


def test_run_without_a_file_is_a_usage_error():
    status, output = nines("run")
    assert status == 2 and "-c" in output


# ---- the world says no ----


def base(system, listen, backends="127.0.0.1:1"):
    return {
        "services": {"web": {"listen": listen, "pool": "web"}},
        "pools": {"web": {"backends": backends}},
    }


def test_a_port_in_use_is_a_sentence(system):
    with socket.create_server(split(system.address())) as taken:
        address = "{}:{}".format(*taken.getsockname())
        started = system.nines(base(system, address), wait=False)
        assert started.wait() == EXIT_CONFIG
        assert f"cannot listen on {address}: another process does" in started.output()


def test_an_address_of_another_machine_is_a_sentence(system):
    started = system.nines(base(system, "192.0.2.1:8080"), wait=False)
    assert started.wait() == EXIT_CONFIG
    assert "192.0.2.1:8080" in started.output()


def test_the_admin_port_in_use_is_a_sentence(system):
    with socket.create_server((system.host, 7900)):
        started = system.nines(base(system, system.address()), wait=False)
        assert started.wait() == EXIT_CONFIG
        assert f"{system.host}:7900" in started.output()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it up")
def test_a_port_that_needs_privileges_is_a_sentence(system, as_nobody):
    if int(open("/proc/sys/net/ipv4/ip_unprivileged_port_start").read()) <= 80:
        pytest.skip("every port is unprivileged here")
    started = as_nobody(base(system, f"{system.host}:80"), wait=False)
    assert started.wait() == EXIT_CONFIG
    assert f"{system.host}:80" in started.output()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it up")
def test_it_runs_without_privileges(system, as_nobody):
    backend = system.nginx("a")
    address = system.address()
    as_nobody(base(system, address, backend.address))
    assert fetch(address, "/id").body == b"a\n"


@pytest.fixture
def as_nobody(system):
    """Starts nines as an unprivileged user, with everything where that user may go."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(BINARY, folder / "binary")
        (folder / "nines").mkdir()
        shutil.chown(folder / "nines", "nobody")
        system.folder = folder
        wrapper = ["setpriv", "--reuid", "nobody", "--clear-groups", "--inh-caps=-all"]

        def start(config, **options):
            return system.nines(config, wrapper=wrapper, binary=folder / "binary", **options)

        yield start
        system.close()


def test_a_directory_that_cannot_be_made_is_a_sentence(system):
    config = {**base(system, system.address()), "runtime_directory": "/proc/nowhere"}
    started = system.nines(config, wait=False)
    assert started.wait() == EXIT_CONFIG
    assert "/proc/nowhere" in started.output()


# ---- a running system ----


@pytest.fixture
def running(system):
    nines_running, address = system.balance(system.nginx("a"))
    nines_running.web = address
    return nines_running


@pytest.mark.parametrize(
    "text", ["services: [", "", "services: {web: {listen: nowhere}}\n", b"\xff\xfe\xfd"]
)
def test_a_bad_reload_changes_nothing(system, running, text):
    before = running.generation()
    running.file.write_bytes(text if isinstance(text, bytes) else text.encode())
    refused = running.metric("nines_reloads_refused_total")
    running.signal(1)
    wait_until(lambda: running.metric("nines_reloads_refused_total") > refused, 10, "refused")
    assert running.generation() == before
    assert fetch(running.web, "/id").body == b"a\n"


def test_a_reload_to_a_port_in_use_changes_nothing(system, running):
    with socket.create_server(split(system.address())) as taken:
        refused = running.metric("nines_reloads_refused_total")
        running.write(base(system, ["{}:{}".format(*taken.getsockname()), running.web]))
        running.signal(1)
        wait_until(lambda: running.metric("nines_reloads_refused_total") > refused, 10, "refused")
    assert fetch(running.web, "/id").body == b"a\n"


def test_a_reload_opens_and_closes_listeners(system, running):
    other = system.address()
    backend = running_backend(running)
    running.reload(base(system, [running.web, other], backend))
    assert fetch(other, "/id").body == b"a\n"
    running.reload(base(system, other, backend))
    assert fetch(other, "/id").body == b"a\n"
    wait_until(lambda: refuses(running.web), 5, "the old address is closed")


def running_backend(running):
    return yaml.safe_load(running.file.read_text())["pools"]["web"]["backends"]


def refuses(address):
    try:
        socket.create_connection(split(address), 2).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it came while the address was being closed
    return False


def test_a_file_that_vanished_changes_nothing(system, running):
    running.file.unlink()
    refused = running.metric("nines_reloads_refused_total")
    running.signal(1)
    wait_until(lambda: running.metric("nines_reloads_refused_total") > refused, 10, "refused")
    assert fetch(running.web, "/id").body == b"a\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="whoever is not root runs programs as nobody else")
@pytest.mark.parametrize("change", ["owner", "group", "mode"])
def test_a_file_that_others_may_write_runs_no_programs(change, tmp_path):
    file = tmp_path / "nines.yaml"
    file.write_text("nodes: {a: 127.0.0.1}\ngroups: {data: {port: 6379, command: [/bin/cat]}}\n")
    file.chmod({"group": 0o664, "mode": 0o666}.get(change, 0o644))
    os.chown(file, 65534 if change == "owner" else 0, 65534 if change == "group" else 0)
    code, said = nines("run", "-c", str(file), "--node", "a")
    assert code == EXIT_CONFIG
    assert "says what programs of group 'data' are run by root, and others than root may write it" in said


# What the examples of the pages take for granted.
AROUND = {
    "nodes": {"a": "10.0.0.1", "b": "10.0.0.2", "c": "10.0.0.3"},
    "pools": {"site": {"backends": ["127.0.0.1:1"]}},
    "groups": {"orders": {"port": 5432, "command": ["/bin/cat"]}},
}
# How many each page has at least.
EXAMPLES = {"README.md": 3, "docs/addresses.md": 1, "docs/engines.md": 1, "docs/engine-redis.md": 1, "docs/hold.md": 1}


def examples(page):
    """The parts of a page that are configuration: fenced as YAML, or indented below a key of the file."""
    fenced = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    indented = re.findall(r"(?<=\n\n)    (?:groups|services|pools|nodes|addresses):\n(?:    .*\n)+", page)
    return [yaml.safe_load(text) for text in fenced + indented]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_pages_are_good(name, tmp_path):
    found = examples((Path(__file__).parents[2] / name).read_text())
    assert len(found) >= EXAMPLES[name]
    for example in found:
        file = tmp_path / "nines.yaml"
        file.write_text(yaml.safe_dump({**AROUND, **example}))
        code, said = nines("check", "-c", str(file), "--node", "a")
        assert code == 0, said
