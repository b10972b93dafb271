"""The same on a bucket: whatever keeps the bytes, nobody notices; where it fails, it is said."""

import re
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from moto.server import ThreadedMotoServer

from tests.files.desk import Desk, a_desk, drawn, somebody
from tests.servers import Servers
from turnosya.contracts.files import Tend

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUCKET = "turnosya-files"


@pytest.fixture(scope="module")
def s3() -> Generator[str]:
    """An S3 of our own with one bucket; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    httpx.put(f"{address}/{BUCKET}").raise_for_status()
    yield address
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(servers: Servers, s3: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Desk]:
    folder: Path = tmp_path_factory.mktemp("bucket")
    options = (
        f'{{"aws_endpoint": "{s3}", "aws_access_key_id": "tests", "aws_secret_access_key": "tests",'
        ' "aws_region": "us-east-1"}'
    )
    settings = {"TURNOSYA_FILES_STORE_URL": f"s3://{BUCKET}", "TURNOSYA_FILES_STORE_OPTIONS": options}
    async with a_desk(servers, folder, settings) as made:
        yield made


def _objects(s3: str) -> set[str]:
    return set(re.findall(r"<Key>([^<]+)</Key>", httpx.get(f"{s3}/{BUCKET}?list-type=2").text))


async def test_a_file_in_a_bucket_is_kept_served_and_gone_as_on_a_disk(desk: Desk, s3: str) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(size=(1200, 900)), owner, purpose="user_photo")
    assert len(_objects(s3)) == 3
    whole = await desk.get(shown["url"])
    assert len(whole.content) == shown["size_bytes"]
    assert (await desk.get(shown["url"], headers={"Range": "bytes=-7"})).content == whole.content[-7:]
    assert (await desk.http.delete(shown["url"], headers=desk.as_(owner))).status_code == 204
    await desk.stage.bus.call(Tend())
    assert _objects(s3) == set()


async def test_what_is_gone_from_the_bucket_is_503_before_anything_is_answered(desk: Desk, s3: str) -> None:
    shown = await desk.uploaded(drawn(size=(120, 90)), somebody(), purpose="user_photo")
    for key in _objects(s3):
        await desk.files.objects.delete(key)
    assert (await desk.get(shown["url"])).status_code == 503
