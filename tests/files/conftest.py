from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.files.desk import Desk, a_desk
from tests.servers import Servers


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Desk]:
    """The file service on a folder."""
    folder: Path = tmp_path_factory.mktemp("files")
    async with a_desk(servers, folder) as made:
        yield made
