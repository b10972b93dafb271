"""One system a form and worker, shared by all flows of it, and ended with the last."""

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.flows.systems import Form, System, Zygote, a_system
from tests.flows.world import PatientApi, World
from tests.said import OVERHEARD
from tests.servers import Servers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test of a form waits for seven processes and three servers, on a machine that does more."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="package")
def zygote(request: pytest.FixtureRequest) -> Generator[Zygote]:
    """The process from which all processes of ours are forked."""
    zygote = Zygote(request.config.rootpath)
    yield zygote
    zygote.close()


@pytest.fixture(scope="package", params=[Form.MEMORY, Form.SPLIT], ids=lambda form: form.name.lower())
def form(request: pytest.FixtureRequest) -> Form:
    """Every flow runs in both forms, unless it says in which; some also in what lies between the two."""
    chosen: Form = request.param
    return chosen


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def system(
    form: Form, servers: Servers, zygote: Zygote, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[System]:
    """A running system; when the next form's begins, this one has ended."""
    folder = tmp_path_factory.mktemp(form.name.lower())
    async with a_system(form, servers, zygote, folder) as running:
        yield running
    # All that was said to it and by it over HTTP, against what its processes have logged.
    assert OVERHEARD.told_by(sorted(running.logs)) == []


@pytest.fixture
async def world(system: System) -> AsyncGenerator[World]:
    """The system as those see it who use it."""
    async with PatientApi(system.url) as api:
        yield World.of(system, api)
