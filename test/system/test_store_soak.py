"""The store under random faults in sequence (store_soak.py): some here, `make soak-store FAULTS=1000` for long."""

import os
import random

import pytest

import network as networks
from store_soak import GROUP, TIMING, Soak
from stores import StoreIslands

FAULTS = int(os.environ.get("FAULTS") or 10)

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.seconds(120 + 10 * FAULTS),
    pytest.mark.skipif(not networks.available(), reason="network namespaces need root, ip and nft"),
]


@pytest.fixture
def islands(system):
    with networks.Network(3) as network:
        cluster = StoreIslands(system, network, groups={"data": GROUP}, failover=TIMING).start()
        yield cluster
        cluster.heal()
        cluster.end()


def test_one_fault_after_the_other_breaks_no_promise(islands):
    soak = Soak(islands, FAULTS, int(os.environ.get("SEED") or random.randrange(10**6)))
    soak.run()
    assert soak.is_well(), soak
    assert soak.struck.total() == FAULTS
    assert soak.acknowledged > 20 * FAULTS
