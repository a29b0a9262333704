"""The certificates that the commands make are good for others too, and nothing that is there is lost."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from harness import BINARY

FILE = """\
cluster: shop
directory: {folder}/state
nodes:
  a: {{address: 10.0.0.1}}
  b: {{address: 10.0.0.2}}
"""


class Place:
    def __init__(self, folder):
        self.folder = folder
        self.tls = folder / "state/tls"
        self.file = folder / "nines.yaml"
        self.file.write_text(FILE.format(folder=folder))
        (folder / "state").mkdir()

    def cert(self, verb, *words):
        done = subprocess.run(
            [BINARY, "cert", verb, "-c", self.file, *words],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def made(self, verb, *words):
        status, output = self.cert(verb, *words)
        assert status == 0, output
        return output


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def openssl(*words):
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


def field(path, what):
    status, output = openssl("x509", "-noout", f"-{what}", "-in", path)
    assert status == 0, output
    return output.strip()


def test_init_makes_an_authority_and_a_certificate_for_each_node(place):
    place.made("init")
    names = sorted(path.name for path in place.tls.iterdir())
    assert names == ["a.key", "a.pem", "b.key", "b.pem", "ca.key", "ca.pem"]
    for name in ("a", "b"):
        for purpose in ("sslserver", "sslclient"):
            status, output = openssl(
                "verify", "-purpose", purpose, "-CAfile", place.tls / "ca.pem",
                place.tls / f"{name}.pem",
            )
            assert status == 0, output
        assert field(place.tls / f"{name}.pem", "subject") == f"subject=CN = {name}"


def test_certificates_speak_json_to_scripts(place):
    made = json.loads(place.made("init", "--json"))["made"]
    assert [one["name"] for one in made] == ["ca", "a", "b"]
    assert all(Path(one[what]).is_file() for one in made for what in ("certificate", "key"))
    renewed = json.loads(place.made("renew", "--node", "b", "--days", "30", "--json"))["made"]
    assert renewed == [made[2]]
    ca, a, b = json.loads(place.made("show", "--json"))["certificates"]
    assert (ca["subject"], ca["authority"], ca["file"]) == ("shop", True, made[0]["certificate"])
    assert (a["subject"], a["issuer"], a["authority"], a["valid"]) == ("a", "shop", False, True)
    assert 29 <= b["days_left"] <= 30 < a["days_left"] <= 365
    status, output = place.cert("init", "--json")
    assert status == 1 and "is there already" in output


def test_private_keys_are_for_their_owner_alone(place):
    place.made("init")
    for path in place.tls.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (place.tls / "ca.key").stat().st_uid == os.geteuid()


def test_an_authority_that_is_there_is_left_alone(place):
    place.made("init")
    before = {path.name: path.read_bytes() for path in place.tls.iterdir()}
    status, output = place.cert("init")
    assert status == 1
    assert "is there already: the cluster has its authority" in output
    assert {path.name: path.read_bytes() for path in place.tls.iterdir()} == before

    (place.tls / "ca.key").unlink()
    status, output = place.cert("init")
    assert status == 1 and "ca.pem' is there already" in output


def test_renew_replaces_what_it_is_asked_for_and_nothing_else(place):
    place.made("init")
    before = {path.name: path.read_bytes() for path in place.tls.iterdir()}
    place.made("renew", "--node", "b", "--days", "30")
    changed = {
        path.name for path in place.tls.iterdir() if before[path.name] != path.read_bytes()
    }
    assert changed == {"b.pem", "b.key"}
    status, output = openssl("verify", "-CAfile", place.tls / "ca.pem", place.tls / "b.pem")
    assert status == 0, output
    status, _ = openssl("x509", "-noout", "-checkend", 29 * 86400, "-in", place.tls / "b.pem")
    assert status == 0
    status, _ = openssl("x509", "-noout", "-checkend", 31 * 86400, "-in", place.tls / "b.pem")
    assert status == 1


def test_renew_works_with_an_authority_that_is_kept_elsewhere(place):
    place.made("init", "--out", place.folder / "safe")
    place.made("renew", "--authority", place.folder / "safe", "--out", place.folder / "new")
    assert not (place.folder / "new/ca.key").exists()
    status, output = openssl(
        "verify", "-CAfile", place.folder / "safe/ca.pem", place.folder / "new/a.pem"
    )
    assert status == 0, output


def test_what_cannot_be_done_has_a_sentence(place):
    status, output = place.cert("renew")
    assert status == 1 and "ca.pem': No such file or directory" in output
    place.made("init")
    assert place.cert("renew", "--node", "z") == (1, f"nines: '{place.file}' has no node 'z'\n")
    status, output = place.cert("renew", "--days", "0")
    assert status == 2 and "--days must be between" in output
    (place.tls / "ca.key").write_bytes((place.tls / "a.key").read_bytes())
    status, output = place.cert("renew")
    assert status == 1 and "the authority's key is not that of its certificate" in output


@pytest.mark.parametrize("name", ["ca", "../../etc", "a/b", ".a"])
def test_a_node_whose_files_would_be_others_is_refused(place, name):
    place.file.write_text(place.file.read_text().replace("  a:", f"  {name}:"))
    status, output = place.cert("init")
    assert status == 78, output
    assert not place.tls.exists()


def test_show_says_whose_they_are_and_for_how_long(place):
    place.made("init", "--days", "90")
    lines = place.made("show").splitlines()
    assert lines[0].split() == ["SUBJECT", "ISSUER", "FROM", "UNTIL"]
    assert [line.split()[0] for line in lines[1:]] == ["shop", "a", "b"]
    assert lines[1].endswith("days left (authority)")
    assert lines[2].endswith(" 90 days left")
