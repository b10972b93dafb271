"""The same on a bucket: whatever keeps the bytes, nobody notices; where it fails, it is said."""

import asyncio
import re
from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.files.bucket import NAME, Bucket, a_bucket
from tests.files.desk import Desk, a_desk, drawn, noisy, somebody
from tests.gateway.wire import ask, listening
from tests.servers import Servers
from turnosya.contracts.files import Tend
from turnosya.runtime.messages import Unavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTO = {"purpose": "user_photo"}
STATUSES = ["403 Forbidden", "500 Internal Server Error", "503 Slow Down"]


@pytest.fixture(scope="module")
def opened_bucket() -> Generator[Bucket]:
    with a_bucket() as made:
        yield made


@pytest.fixture
def bucket(opened_bucket: Bucket) -> Generator[Bucket]:
    yield opened_bucket
    opened_bucket.recovers()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    servers: Servers, opened_bucket: Bucket, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Desk]:
    folder: Path = tmp_path_factory.mktemp("bucket")
    async with a_desk(servers, folder, opened_bucket.settings) as made:
        yield made


def _objects(bucket: Bucket) -> set[str]:
    listed = httpx.get(f"{bucket.address}/{NAME}?list-type=2").text
    return set(re.findall(r"<Key>([^<]+)</Key>", listed))


async def test_a_file_in_a_bucket_is_kept_served_and_gone_as_on_a_disk(desk: Desk, bucket: Bucket) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(size=(1200, 900)), owner, **PHOTO)
    assert len(_objects(bucket)) == 3
    whole = await desk.get(shown["url"])
    assert len(whole.content) == shown["size_bytes"]
    assert (await desk.get(shown["url"], headers={"Range": "bytes=-7"})).content == whole.content[-7:]
    assert (await desk.http.delete(shown["url"], headers=desk.as_(owner))).status_code == 204
    await desk.stage.bus.call(Tend())
    assert _objects(bucket) == set()


async def test_what_is_gone_from_the_bucket_is_503_before_anything_is_answered(
    desk: Desk, bucket: Bucket
) -> None:
    shown = await desk.uploaded(drawn(size=(120, 90)), somebody(), **PHOTO)
    for key in _objects(bucket):
        await desk.files.objects.delete(key)
    assert (await desk.get(shown["url"])).status_code == 503


@pytest.mark.parametrize("status", STATUSES, ids=["refused", "failing", "slow-down"])
@pytest.mark.parametrize("good", [0, 1, 2])
async def test_a_bucket_that_fails_at_any_object_leaves_no_file(
    desk: Desk, bucket: Bucket, good: int, status: str
) -> None:
    owner = somebody()
    sent = noisy((1100, 900))
    bucket.status, bucket.refused = status, {"PUT": good}
    answer = await desk.upload(sent, owner, **PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "Retry-After" in answer.headers
    assert desk.spooled() == []
    assert await desk.rows("SELECT id FROM files WHERE owner_id = :owner", owner=owner) == []
    bucket.recovers()
    shown = await desk.uploaded(sent, owner, **PHOTO)
    for path in (shown["url"], *shown["variants"].values()):
        assert (await desk.get(path)).status_code == 200


async def test_objects_of_an_upload_that_failed_are_swept_after_a_day(
    desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.stage.bus.call(Tend())
    before = _objects(bucket)
    bucket.refused = {"PUT": 2}
    assert (await desk.upload(noisy((1100, 900)), somebody(), **PHOTO)).status_code == 503
    bucket.recovers()
    await desk.stage.bus.call(Tend())
    assert len(_objects(bucket) - before) == 2
    monkeypatch.setattr("turnosya.services.files.tending._LEFT_BEHIND", timedelta(seconds=-5))
    await desk.stage.bus.call(Tend())
    assert not _objects(bucket) - before


async def test_a_bucket_that_refuses_to_read_is_503(desk: Desk, bucket: Bucket) -> None:
    shown = await desk.uploaded(drawn(size=(121, 90)), somebody(), **PHOTO)
    bucket.refused = {"GET": 0}
    answer = await desk.get(shown["url"])
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    bucket.recovers()
    assert (await desk.get(shown["url"])).status_code == 200


async def test_a_bucket_that_breaks_off_gives_nobody_half_a_file_for_a_whole_one(
    desk: Desk, bucket: Bucket
) -> None:
    shown = await desk.uploaded(drawn(size=(122, 90)), somebody(), **PHOTO)
    bucket.is_cutting = True
    app = desk.stage.running["files"].app
    assert app is not None
    async with listening(app) as port:
        # The answer has begun: its connection ends before the length that it said.
        with pytest.raises(asyncio.IncompleteReadError) as broken_off:
            await ask(port, f"GET {shown['url']} HTTP/1.1\r\nHost: api.test\r\n\r\n".encode())
    assert len(broken_off.value.partial) < shown["size_bytes"]
    bucket.recovers()
    assert len((await desk.get(shown["url"])).content) == shown["size_bytes"]


async def test_what_a_bucket_refuses_to_delete_goes_with_a_later_round(
    desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(size=(1444, 1111)), owner, **PHOTO)
    assert (await desk.http.delete(shown["url"], headers=desk.as_(owner))).status_code == 204
    for refused in ("POST", "DELETE"):
        bucket.refused[refused] = 0
    with pytest.raises(Unavailable):
        await desk.stage.bus.call(Tend())
    assert (await desk.get(shown["url"])).status_code == 404
    bucket.recovers()
    monkeypatch.setattr("turnosya.services.files.tending._LEFT_BEHIND", timedelta(seconds=-5))
    await desk.stage.bus.call(Tend())
    named = set(await desk.rows("SELECT key FROM blobs"))
    assert _objects(bucket) <= named
    for path in (shown["url"], *shown["variants"].values()):
        assert (await desk.get(path)).status_code == 404


async def test_a_bucket_that_cannot_be_listed_is_swept_in_a_later_round(
    desk: Desk, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turnosya.services.files.tending._LEFT_BEHIND", timedelta(seconds=-5))
    await desk.stage.bus.call(Tend())
    kept = _objects(bucket)
    bucket.refused = {"PUT": 1}
    assert (await desk.upload(noisy((1100, 900)), somebody(), **PHOTO)).status_code == 503
    bucket.refused = {"GET": 0}
    with pytest.raises(Unavailable):
        await desk.stage.bus.call(Tend())
    bucket.recovers()
    assert len(_objects(bucket) - kept) == 1
    await desk.stage.bus.call(Tend())
    assert _objects(bucket) == kept
