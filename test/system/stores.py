"""Clusters whose groups are embedded stores."""

import redis

from groups import Archipelago, Client, Nearby
from harness import command_of, processes, split, wait_until


class Stored:
    """Mixed into a cluster: every group is a store, in the mode that it says."""

    def group_of(self, group, name):
        members = {other: {"endpoint": self.endpoint(group, other)} for other in self.names}
        return {"engine": "store", "mode": "sync", "members": members, **self.groups[group]}

    def journal(self, *options, group="data"):
        return StoreClient(self, self.system.folder / f"journal-{next(self.journals)}", group, options)


class Stores(Stored, Nearby):
    """On loopback."""


class StoreIslands(Stored, Archipelago):
    """On machines of their own."""


class StoreClient(Client):
    """What is missing, the journal itself says: all members tell the primary's keys."""

    def ends(self, lost=0, kept=()):
        assert not kept
        return super().ends(lost)


def store_of(node):
    """The process of the node's store."""
    (pid,) = wait_until(
        lambda: [pid for pid, stat in processes() if int(stat[1]) == node.pid and command_of(pid).startswith("nines: store")],
        20, f"{node.node} runs a store")
    return pid


def client_of(node, **options):
    host, port = split(node.endpoint())
    return redis.Redis(host=host, port=port, decode_responses=True, socket_timeout=20, **options)
