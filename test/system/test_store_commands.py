"""The store's commands beside a real redis-server: the same commands, the same answers, byte for byte.

What may differ, and why, stands in `store_words.py`.
"""

import contextlib

import pytest

import store_random
import store_script
from redises import Redis
from store_words import RedisTalk, ToolTalk, differences, lines, normal

PARTS = ["STRINGS", "STRINGS_AGAINST_OTHERS", "KEYS", "HASHES", "SETS", "LISTS", "SORTED"]


@pytest.fixture
def talks(system):
    """With the store and with a redis-server, both empty."""
    server = system.own(Redis(system.timeline, "redis", system.address(), system.folder / "redis"))
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(talk)) for talk in (ToolTalk(), RedisTalk(server.address))]


def hello(talks, version):
    for talk in talks:
        assert talk.ask_all([["hello", version]])[0][0] != "-"


def assert_same(talks, commands):
    ours, theirs = (talk.ask_all(commands) for talk in talks)
    found = differences(commands, ours, theirs)
    assert not found, "\n".join(found[:20])
    assert talks[0].ask_all([["@compare"]]) == [("+", b"OK")], "the members of the group hold different things"


@pytest.mark.parametrize("version", [2, 3])
def test_corners_are_as_redis_has_them(talks, version):
    hello(talks, version)
    for part in PARTS:
        assert_same(talks, [["flushall"], *lines(getattr(store_script, part))])


@pytest.mark.seconds(300)
@pytest.mark.parametrize("version", [2, 3])
def test_what_is_made_up_is_answered_alike(talks, version):
    hello(talks, version)
    for seed in range(10):
        assert_same(talks, store_random.commands(seed + 1000 * version, 500))


def scan_all(talk, command, key, size):
    cursor, found = b"0", []
    while True:
        ((_, ((_, cursor), (_, elements))),) = talk.ask_all([[command, *key, cursor, "count", 7]])
        found += [tuple(element[1] for element in elements[i : i + size]) for i in range(0, len(elements), size)]
        if cursor == b"0":
            return sorted(set(found))


def test_scans_return_everything(talks):
    numbers = range(1000)
    fill = [
        ["hset", "h", *(word for n in numbers for word in (f"f{n}", n))],
        ["sadd", "s", *(f"m{n}" for n in numbers)],
        ["zadd", "z", *(word for n in numbers for word in (n, f"m{n}"))],
        *(["set", f"k{n}", n] for n in numbers),
    ]
    assert_same(talks, fill)
    for command, key, size in [("scan", [], 1), ("hscan", ["h"], 2), ("sscan", ["s"], 1), ("zscan", ["z"], 2)]:
        ours, theirs = (scan_all(talk, command, key, size) for talk in talks)
        assert len(ours) >= 1000
        assert ours == theirs


def test_a_difference_is_seen():
    """The comparison itself: it knows order where there is one, and what is of chance."""
    a, b = ("$", b"a"), ("$", b"b")
    assert normal(["lrange"], ("*", [a, b])) != normal(["lrange"], ("*", [b, a]))
    assert normal(["smembers"], ("*", [a, b])) == normal(["smembers"], ("*", [b, a]))
    assert normal(["smembers"], ("*", [a, b])) != normal(["smembers"], ("*", [a, a]))
    assert normal(["hgetall"], ("*", [a, b])) != normal(["hgetall"], ("*", [b, a]))
    assert normal(["spop"], a) == normal(["spop"], b)
    assert normal(["spop"], a) != normal(["spop"], ("$", None))
    assert normal(["spop"], ("-", b"ERR x")) != normal(["spop"], ("-", b"ERR y"))
    assert differences([["get", "k"]], [a], [b])
    assert not differences([["pttl", "k"]], [(":", b"1000")], [(":", b"999")])
    assert differences([["pttl", "k"]], [(":", b"-1")], [(":", b"-2")])
