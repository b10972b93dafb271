from collections.abc import AsyncGenerator

import pytest

from tests.runtime.processes import Processes
from tests.servers import Servers


@pytest.fixture(params=["memory", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest, servers: Servers) -> str | None:
    """None for messages in memory."""
    return None if request.param == "memory" else servers.broker_url


@pytest.fixture
async def processes(broker_url: str | None) -> AsyncGenerator[Processes]:
    """Processes that can talk to each other, over each transport."""
    found = Processes(broker_url)
    try:
        yield found
    finally:
        await found.close()
