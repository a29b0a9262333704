"""The store's commands beside a real redis-server: the same commands, the same answers, byte for byte.

What may differ, and why, stands in `store_words.py`.
"""

import contextlib

import pytest

import store_script
from redises import Redis
from store_words import RedisTalk, ToolTalk, differences, lines


@pytest.fixture
def talks(system):
    """With the store and with a redis-server, both empty."""
    server = Redis(system.timeline, "redis", system.address(), system.folder / "redis")
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(talk)) for talk in (ToolTalk(), RedisTalk(server.address))]


def assert_same(talks, commands, version):
    """In the version of the protocol, without its greeting."""
    replies = [talk.ask_all([["hello", version]])[0] for talk in talks]
    assert all(reply[0] != "-" for reply in replies)
    ours, theirs = (talk.ask_all(commands) for talk in talks)
    found = differences(commands, ours, theirs)
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("part", ["STRINGS", "KEYS"])
def test_corners_are_as_redis_has_them(talks, part, version):
    assert_same(talks, lines(getattr(store_script, part)), version)
    assert talks[0].ask_all([["@compare"]]) == [("+", b"OK")]
