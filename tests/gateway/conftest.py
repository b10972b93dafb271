import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A private Redis that listens on a socket in a folder of its own."""
    folder = tmp_path_factory.mktemp("redis")
    beside_python = Path(sys.executable).with_name("redis-server")
    binary = str(beside_python) if beside_python.exists() else shutil.which("redis-server")
    assert binary, "install redis-server"
    path = folder / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        yield path
        server.terminate()


@pytest.fixture
async def redis(redis_socket: Path) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = Redis(unix_socket_path=str(redis_socket))
    async with asyncio.timeout(10):
        while True:
            try:
                await client.flushall()
                break
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
    yield client
    await client.aclose()
