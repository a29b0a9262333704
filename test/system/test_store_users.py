"""Users of the file: the store's clients are who the file says, on all members and over failovers, and ACL changes the others alone."""

import json
import signal
import subprocess

import pytest
import redis
from harness import BINARY, wait_until
from stores import Stores, client_of, store_of

pytestmark = [pytest.mark.heavy, pytest.mark.seconds(120)]

USERS = {
    "default": {"password": "of-anybody", "rules": "~* &* +@all"},
    "app": {"password": "of-the-app", "rules": "+@read +@connection ~app:* -mget"},
}


@pytest.fixture
def cluster(system):
    built = Stores(system, groups={"data": {"users": USERS}})
    yield built.start()
    built.end()


def denied(sentence, ask, *words):
    with pytest.raises(redis.RedisError, match=sentence):
        ask(*words)


def test_who_is_in_the_file_may_what_it_says_and_no_password_is_shown(cluster):
    primary = cluster.whole()
    for node in cluster:
        denied("Authentication required", client_of(node).get, "app:1")
        denied("invalid username-password", client_of(node, username="app", password="of-anybody").get, "app:1")
        app = client_of(node, username="app", password="of-the-app")
        assert app.get("app:1") is None
        denied("no permissions", app.get, "other")
        denied("no permissions", app.set, "app:1", "v")
        denied("no permissions", app.mget, "app:1")
        anybody = client_of(node, password="of-anybody")
        assert anybody.set("app:2", node.node)
        denied("configuration file's", anybody.execute_command, "ACL", "SETUSER", "app", "+@all")
        denied("configuration file's", anybody.execute_command, "ACL", "DELUSER", "app")
    asked = subprocess.run(
        ["redis-cli", "-u", f"redis://app:of-the-app@{primary.endpoint()}", "get", "app:2"], capture_output=True, text=True,
        timeout=30, check=True,
    )
    assert asked.stdout == "c\n"

    shown = subprocess.run([BINARY, "config", "show", "-c", primary.file, "--node", primary.node],
                           capture_output=True, text=True, timeout=20, check=True).stdout
    told = [shown, str(cluster.system.timeline), json.dumps(primary.api("/api/v1/groups")), json.dumps(primary.api()),
            str(client_of(primary, password="of-anybody").info("everything")),
            *(line for line in client_of(primary, password="of-anybody").execute_command("ACL", "LIST"))]
    assert "password_hash" in shown
    assert not [text for text in told if "of-the-app" in text or "of-anybody" in text]
    files = [file for node in cluster for file in (node.folder / "state").rglob("*") if file.is_file()]
    assert [file for file in files if file.name.startswith("log-")]
    assert not [file for file in files if b"of-the-app" in file.read_bytes() or b"of-anybody" in file.read_bytes()]


def test_the_files_users_outlive_failovers_and_follow_a_reload(cluster):
    primary = cluster.whole()
    assert client_of(primary, password="of-anybody").execute_command("ACL", "SETUSER", "eve", "on", ">pw", "~*", "+get")
    primary.hit(signal.SIGKILL, store_of(primary))
    wait_until(lambda: cluster.primary() is not primary, 20, "another one is the primary")
    cluster.whole()
    for node in cluster:
        denied("Authentication required", client_of(node).get, "app:1")
        assert client_of(node, username="app", password="of-the-app").get("app:1") is None
        assert client_of(node, username="eve", password="pw").get("k") is None

    cluster.groups["data"]["users"] = {
        "default": USERS["default"], "app": {"password": "another", "rules": "+get ~app:*"}, "new": {"password": "of-the-new"},
    }
    stores = {node.node: store_of(node) for node in cluster}
    for node in cluster:
        node.reload(cluster.config(node.node))

    def follows(node):
        try:
            return client_of(node, username="new", password="of-the-new").set("k", "v")
        except (redis.AuthenticationError, redis.ResponseError):  # which of them depends on its release
            return False

    for node in cluster:
        wait_until(lambda node=node: follows(node), 10, f"{node.node} knows who is new")
        assert client_of(node, username="app", password="another").get("app:1") is None
        denied("invalid username-password", client_of(node, username="app", password="of-the-app").get, "app:1")
        assert client_of(node, username="eve", password="pw").get("k") == "v"
    assert stores == {node.node: store_of(node) for node in cluster}
