"""Nodes that are real processes know each other by their certificates, and nobody else gets in."""

import os
import shutil
import socket
import ssl
import subprocess

import pytest
import yaml

from harness import BINARY, Process, split, wait_until

NODES = ("a", "b", "c")


class Node(Process):
    def __init__(self, cluster, name):
        self.folder = cluster.folder / name
        self.runtime = self.folder / "run"
        self.tls = self.folder / "state/tls"
        self.tls.mkdir(parents=True)
        self.file = self.folder / "nines.yaml"
        self.file.write_text(
            yaml.safe_dump(
                {
                    "cluster": "test",
                    "directory": str(self.folder / "state"),
                    "runtime_directory": str(self.runtime),
                    "admin": {"listen": cluster.system.address()},
                    "workers": 1,
                    "nodes": {node: {"address": cluster.addresses[node]} for node in NODES},
                }
            )
        )
        if not (cluster.pki / "ca.pem").exists():
            cluster.cert("init", self.file, "--out", cluster.pki)
        cluster.install(name, self.tls)
        command = [BINARY, "run", "-c", self.file, "--node", name]
        super().__init__(cluster.system.timeline, name, command)

    def cli(self, *words):
        done = subprocess.run(
            [BINARY, *words, "-c", self.file],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr


class Cluster:
    def __init__(self, system):
        self.system = system
        self.folder = system.folder
        self.pki = system.folder / "pki"
        self.addresses = {name: system.address() for name in NODES}
        # What the unprivileged processes of a nines that root started must reach.
        for folder in (self.folder, *self.folder.parents):
            if folder.owner() == "root" and os.geteuid() == 0 and folder != folder.parent:
                folder.chmod(folder.stat().st_mode | 0o011)
        self.nodes = {name: system.own(Node(self, name)) for name in NODES}

    def cert(self, verb, file, *words):
        subprocess.run(
            [BINARY, "cert", verb, "-c", file, *words], check=True, capture_output=True, timeout=30
        )

    def install(self, name, folder):
        """The key first, each whole or not at all, with the owner that the command gave it."""
        for file in ("ca.pem", f"{name}.key", f"{name}.pem"):
            shutil.copy(self.pki / file, folder / f".{file}")
            owner = (self.pki / file).stat()
            os.chown(folder / f".{file}", owner.st_uid, owner.st_gid)
            os.rename(folder / f".{file}", folder / file)

    def said(self, name, text):
        return text in self.nodes[name].output()

    def has_a_leader(self):
        return all("3 of 3 voters are heard" in node.cli("status")[1] for node in self.nodes.values())


@pytest.fixture
def cluster(system):
    built = Cluster(system)
    wait_until(built.has_a_leader, 30, "all three are heard by all")
    return built


def client(cluster, *, authority=True, certificate=None, highest=ssl.TLSVersion.TLSv1_3):
    """How a TLS client without our certificates, or with these, looks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.maximum_version = highest
    if authority:
        context.load_verify_locations(cluster.pki / "ca.pem")
    else:
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def talk(cluster, context, text=b"is anybody there?"):
    """What node b answers, after its side of the handshake, before it shuts the door."""
    answer = b""
    with socket.create_connection(split(cluster.addresses["b"]), timeout=20) as plain:
        try:
            with context.wrap_socket(plain) as connection:
                connection.sendall(text)
                while data := connection.recv(4096):
                    answer += data
        except (ssl.SSLError, ConnectionError):
            pass
    return answer


def foreign_certificate(folder, name):
    paths = folder / f"foreign-{name}.pem", folder / f"foreign-{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-out", paths[0], "-keyout", paths[1], "-days", "2", "-subj", f"/CN={name}"],
        check=True, capture_output=True, timeout=30,
    )
    return paths


def test_nobody_without_a_certificate_of_the_cluster_gets_an_answer(cluster):
    def refused(sentence):
        wait_until(lambda: cluster.said("b", sentence), 10, f"b says: {sentence}")

    assert talk(cluster, client(cluster)) == b""
    refused("showed no certificate")
    foreign = foreign_certificate(cluster.folder, "a")
    wait_until(lambda: talk(cluster, client(cluster, certificate=foreign)) == b"" and cluster.said(
        "b", "the certificate of 'a' is not from this cluster's authority"), 10, "b says it")
    old = client(cluster, highest=ssl.TLSVersion.TLSv1_2)
    wait_until(lambda: talk(cluster, old) == b"" and cluster.said("b", "does not speak TLS 1.3"),
               10, "b says it")
    assert cluster.has_a_leader()


def test_a_member_that_talks_nonsense_is_turned_away_and_harms_nobody(cluster):
    own = cluster.pki / "a.pem", cluster.pki / "a.key"
    for nonsense in (b"hello", b"n9f1" + b"\xff" * 200, b"\x00" * 100000):
        assert talk(cluster, client(cluster, certificate=own), nonsense) == b""
    assert cluster.has_a_leader()
    assert not cluster.said("a", "the link to b is down")


def test_a_renewed_certificate_is_taken_up_without_losing_a_link(cluster):
    before = serial(cluster, "b")
    cluster.cert("renew", cluster.nodes["b"].file, "--node", "b", "--authority", cluster.pki,
                 "--out", cluster.pki)
    cluster.install("b", cluster.nodes["b"].tls)
    status, output = cluster.nodes["b"].cli("reload")
    assert status == 0, output
    wait_until(lambda: serial(cluster, "b") not in (before, None), 10, "b shows the new one")
    assert cluster.has_a_leader()
    for name in NODES:
        assert "is down" not in cluster.nodes[name].output()


def serial(cluster, name):
    """Of the certificate that a node shows to whom it lets in."""
    context = client(cluster, certificate=(cluster.pki / "a.pem", cluster.pki / "a.key"))
    with socket.create_connection(split(cluster.addresses[name]), timeout=20) as plain:
        with context.wrap_socket(plain) as connection:
            return connection.getpeercert()["serialNumber"]


def test_certificates_that_do_not_fit_are_refused_and_the_old_ones_stay(cluster):
    node = cluster.nodes["b"]
    shutil.copy(cluster.pki / "c.key", node.tls / "b.key")
    node.cli("reload")
    wait_until(lambda: cluster.said("b", "the private key is not that of the certificate"), 10,
               "b says what is wrong")
    assert cluster.has_a_leader()
    for name in NODES:
        assert "is down" not in cluster.nodes[name].output()
