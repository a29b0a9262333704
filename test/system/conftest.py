"""The `system` fixture, the limit on every test's time, and the timeline in the report of what failed."""

import contextlib
import signal

import pytest

from harness import BINARY, System

LIMIT_SECONDS = 60


def pytest_configure(config):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not built", 2)


@pytest.fixture
def system(tmp_path, request):
    with contextlib.closing(System(tmp_path)) as built:
        request.node.timeline = built.timeline
        yield built


@pytest.fixture(autouse=True)
def time_limit(request):
    """A test that hangs fails, so that the others are still run."""
    marker = request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else LIMIT_SECONDS

    def expired(*_):
        raise TimeoutError(f"the test took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    timeline = getattr(item, "timeline", None)
    if report.failed and timeline is not None:
        report.sections.append(("timeline", str(timeline)[-20000:]))
