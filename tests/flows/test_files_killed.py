"""The process of files dies in the middle of an upload: half of it is no file, and is swept."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.files.desk import drawn, form
from tests.flows.systems import Form
from tests.flows.test_files import status_of, uploaded
from tests.flows.world import World
from tests.gateway.wire import line
from tests.stage import until
from turnosya.runtime.clock import real_now

pytestmark = pytest.mark.parametrize("form", [Form.SPLIT], indirect=True, ids=["split"])
_A_DAY_AND_MORE = timedelta(hours=25)


def _spool(world: World) -> Path:
    return world.system.folder / "data" / "uploads"


def _kept(world: World) -> set[Path]:
    return {path for path in (world.system.folder / "data" / "files").rglob("*") if path.is_file()}


async def test_a_kill_in_the_middle_of_an_upload_leaves_no_file_and_the_rest_is_swept(world: World) -> None:
    person = await world.a_client()
    shown = await uploaded(world, person, drawn("PNG"), purpose="user_photo")
    kept = _kept(world)
    whole = form(drawn(size=(1600, 1200)), purpose="user_photo")
    head = (
        "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {person.token}\r\n"
        "Content-Type: multipart/form-data; boundary=b0undary\r\n"
        f"Content-Length: {len(whole)}\r\n\r\n"
    )

    async def begun() -> list[Path]:
        return await asyncio.to_thread(lambda: list(_spool(world).glob("*/upload")))

    async with line(urlsplit(world.system.url).port or 80) as connection:
        connection.say(head.encode() + whole[: len(whole) // 2])
        [left] = await until(begun, bool)
        await world.system.kill("files")
        answer = await connection.hear()
    assert (answer.status, answer.problem()["code"]) == (503, "service_unavailable")
    await world.system.start_again("files")
    rows = await world.system.rows("files", "SELECT id FROM files WHERE owner_id = $1", person.id)
    assert [str(row["id"]) for row in rows] == [shown["id"]]
    assert _kept(world) == kept
    # A day later the hourly round takes what was left; what is an upload stays.
    long_ago = (real_now() - _A_DAY_AND_MORE).timestamp()
    os.utime(left.parent, (long_ago, long_ago))
    async with world.clock_moved(hours=2):
        assert await until(begun, lambda found: not found) == []
    assert not left.parent.exists()
    assert await status_of(world, shown["url"]) == 200
    again = await uploaded(world, person, drawn("PNG", size=(1600, 1200)), purpose="user_photo")
    assert await status_of(world, again["variants"]["thumb"]) == 200
