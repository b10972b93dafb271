"""What every test has: real servers on request, and no way out of this machine."""

import sys
from collections.abc import Generator
from contextlib import ExitStack

import pytest

from tests.logs import log_plainly
from tests.said import lines_that_tell
from tests.servers import Servers, named_addresses, warden_of_this_run

_run = ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    log_plainly()
    # Only the process that the person started: workers are told the warden's address by their environment.
    if not hasattr(config, "workerinput"):
        _run.enter_context(warden_of_this_run(config.rootpath))
    allowed = {"127.0.0.1", "::1", "localhost", *named_addresses()}

    def refuse_strangers(event: str, args: tuple[object, ...]) -> None:
        if event == "socket.connect":
            address = args[1]
            if isinstance(address, tuple) and address[0] not in allowed:
                pytest.fail(f"a test reached for {address[0]}: only this machine and the named servers")

    sys.addaudithook(refuse_strangers)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test in which a log names anybody, or says what only they may know."""
    report = yield
    if report.passed:
        told = list(lines_that_tell(f"{report.capstdout}\n{report.capstderr}"))
        if told:
            report.outcome = "failed"
            report.longrepr = "\n".join(["The log says what no log may say:", *told[:20]])
    return report


def pytest_unconfigure() -> None:
    _run.close()


@pytest.fixture(scope="session")
def servers() -> Servers:
    """RabbitMQ, PostgreSQL and Redis, of Debian and of the wheels; each starts when its address is read."""
    return Servers()
