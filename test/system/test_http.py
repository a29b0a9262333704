"""HTTP as clients and backends see it, through real ones."""

from collections import Counter

from harness import curl, fetch


def test_requests_are_spread_evenly_over_three_backends(system):
    nines, address = system.balance(*system.nginxes())
    counts = Counter(fetch(address, "/id").backend for _ in range(30))
    assert counts == {"a": 10, "b": 10, "c": 10}


def test_one_connection_serves_many_requests(system):
    nines, address = system.balance(*system.nginxes())
    with system.raw(address) as client:
        answers = [client.get() for _ in range(100)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.backend for answer in answers}) == 3


def test_curl_gets_its_answer(system):
    nines, address = system.balance(system.nginx("a"))
    done = curl(f"http://{address}/id")
    assert (done.returncode, done.stdout) == (0, b"a\n")
