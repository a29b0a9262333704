"""Conversations in the Redis protocol with the store and with a redis-server, and what in their answers may differ."""

import shlex
import socket
import subprocess
import threading

from harness import BINARY, split

TOOL = BINARY.parent / "store-commands"


def encode(words):
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


def read_reply(file):
    """A reply as it was sent, nested: (mark, text or elements)."""
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError(f"ended after {line!r}")
    mark, rest = line[:1].decode(), line[1:-2]
    if mark in "$=!":
        length = int(rest)
        if length < 0:
            return (mark, None)
        text = file.read(length)
        assert file.read(2) == b"\r\n"
        return (mark, text)
    if mark in "*~>%":
        count = int(rest)
        if count < 0:
            return (mark, None)
        return (mark, [read_reply(file) for _ in range(count * 2 if mark == "%" else count)])
    return (mark, rest)


class Talk:
    def ask_all(self, commands):
        """All of them without waiting: who answers may stop reading until its answers are read."""
        writer = threading.Thread(target=self.send, args=[b"".join(map(encode, commands))])
        writer.start()
        replies = [read_reply(self.file) for _ in commands]
        writer.join()
        return replies


class RedisTalk(Talk):
    """With a server."""

    def __init__(self, address):
        self.socket = socket.create_connection(split(address), timeout=30)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.file.close()
        self.socket.close()


class ToolTalk(Talk):
    """With the program that executes commands on a space of its own, and compares its members."""

    def __init__(self):
        self.child = subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.file = self.child.stdout

    def send(self, data):
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def close(self):
        self.child.stdin.close()
        code = self.child.wait(30)
        self.child.stdout.close()
        assert code == 0, "the members of the group hold different things"


# ---- what may differ, and why ----

# The order of a hash table is each server's own.
SETS = {"smembers", "sinter", "sunion", "sdiff", "keys", "hkeys", "hvals"}
PAIRS = {"hgetall"}
SCANS = {"scan": 1, "sscan": 1, "hscan": 2, "zscan": 2}
# Chance: how many, and of what kind.
CHANCE = {"spop", "srandmember", "hrandfield", "zrandmember", "randomkey"}
# Time passes between the two: so much may be between the answers.
TIMES = {"ttl": 1, "expiretime": 1, "pttl": 3000, "pexpiretime": 3000}
# Memory is each server's own, and so is when a key was last used, by a second.
FIGURES = {("memory", "usage"), ("object", "idletime")}


def shape(reply):
    mark, body = reply
    return (mark, [shape(each) for each in body]) if isinstance(body, list) else (mark, body is None)


def grouped(elements, size):
    return sorted(tuple(elements[i : i + size]) for i in range(0, len(elements), size))


def normal(words, reply):
    """What has to be the same for both."""
    name = str(words[0]).lower()
    mark, body = reply
    if mark == "-":
        return reply
    if name in CHANCE:
        return shape(reply)
    if len(words) > 1 and (name, str(words[1]).lower()) in FIGURES:
        return (mark, body is None)
    if not isinstance(body, list):
        return reply
    if name in SETS:
        return (mark, sorted(body))
    if name in PAIRS:
        return (mark, grouped(body, 2))
    if name in SCANS and len(body) == 2:
        return (mark, body[0], grouped(body[1][1], SCANS[name]))
    return reply


def same(words, ours, theirs):
    allowed = TIMES.get(str(words[0]).lower())
    if allowed and ours[0] == theirs[0] == ":" and int(theirs[1]) > 0:
        return abs(int(ours[1]) - int(theirs[1])) <= allowed
    return normal(words, ours) == normal(words, theirs)


def differences(commands, ours, theirs):
    return [
        f"{number}: {words!r}\n    store {mine!r}\n    redis {other!r}"
        for number, (words, mine, other) in enumerate(zip(commands, ours, theirs, strict=True))
        if not same(words, mine, other)
    ]


def lines(text):
    """Commands as they are typed, one a line; `#` begins a comment."""
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]
