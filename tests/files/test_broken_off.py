"""Uploads that do not come to their end: answered if anybody hears it, and nothing is left.

On a folder and on a bucket: until an upload is whole, it lies in neither.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from uuid import UUID

import psutil
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from tests.files.bucket import Bucket, a_bucket
from tests.files.desk import BOUNDARY, Desk, a_desk, drawn, form, paper, somebody
from tests.gateway.wire import Line, line, listening
from tests.servers import Servers
from tests.stage import until
from turnosya.services.gateway.doorway import WireLimits

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The real ones are 500 bytes a second after 5 seconds of grace, in 120 seconds.
IMPATIENT = WireLimits(body_check_s=0.02, body_grace_s=0.1, upload_s=0.6, linger_s=0.05)
UPLOADS = {
    "a picture": form(drawn(size=(1500, 1100)), purpose="user_photo"),
    "a document": form(paper() + b"\n%" + b"x" * 3_000_000, purpose="verification_document"),
}


@pytest.fixture(scope="module")
def bucket() -> Generator[Bucket]:
    with a_bucket() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["folder", "bucket"])
async def desk(
    request: pytest.FixtureRequest,
    servers: Servers,
    bucket: Bucket,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[Desk]:
    settings = bucket.settings if request.param == "bucket" else None
    async with a_desk(servers, tmp_path_factory.mktemp("broken-off"), settings) as made:
        yield made


def begun(desk: Desk, by: UUID, body: bytes) -> bytes:
    """The head of an upload of so much."""
    token = desk.as_(by)["Authorization"]
    fields = [
        "POST /v1/files HTTP/1.1",
        "Host: api.test",
        f"Authorization: {token}",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*fields, "", ""]).encode()


def behind_the_door(desk: Desk) -> ASGIApp:
    app = desk.stage.running["files"].app
    assert app is not None
    return app


async def spool_is_in_use(desk: Desk) -> None:
    """The service has begun to write what comes."""

    async def look() -> int:
        return len(desk.spooled())

    await until(look, bool)


async def nothing_is_left(desk: Desk, by: UUID) -> None:
    async def look() -> tuple[int, list[str]]:
        held = [one.path for one in psutil.Process().open_files() if str(desk.folder) in one.path]
        return len(desk.spooled()), held

    assert await until(look, lambda found: found == (0, [])) == (0, [])
    assert await desk.rows("SELECT id FROM files WHERE owner_id = :owner", owner=by) == []


async def _hears_nothing_more(connection: Line) -> None:
    connection.writer.transport.abort()


async def _goes_on_by_single_bytes(connection: Line) -> None:
    hearing = asyncio.create_task(connection.hear())
    while not hearing.done():
        connection.say(b"a")
        # Some twenty bytes a second, of at least 500.
        await asyncio.wait({hearing}, timeout=0.05)
    answer = await hearing
    assert (answer.status, answer.problem()["code"]) == (408, "request_timeout")
    assert await connection.is_closed()


@pytest.mark.parametrize("upload", UPLOADS)
@pytest.mark.parametrize("share", [0.001, 0.5, 0.999], ids=["head", "half", "end"])
@pytest.mark.parametrize("then", [_hears_nothing_more, _goes_on_by_single_bytes], ids=["cut", "trickle"])
async def test_an_upload_that_is_broken_off_leaves_nothing(
    desk: Desk, upload: str, share: float, then: Callable[[Line], Awaitable[None]]
) -> None:
    by, whole, kept = somebody(), UPLOADS[upload], desk.kept()
    async with listening(behind_the_door(desk), IMPATIENT) as port, line(port) as connection:
        connection.say(begun(desk, by, whole) + whole[: int(len(whole) * share)])
        await spool_is_in_use(desk)
        await then(connection)
        await nothing_is_left(desk, by)
    assert desk.kept() == kept
    # The next one has nothing to do with it.
    async with listening(behind_the_door(desk)) as port, line(port) as connection:
        connection.say(begun(desk, by, whole) + whole)
        assert (await connection.hear()).status == 201


@pytest.mark.parametrize(
    ("field", "status"),
    [
        ("Content-Length: -5", 400),
        ("Content-Length: 1e3", 400),
        ("Content-Length: 5\r\nContent-Length: 6", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
        ("Content-Length: 27000000", 413),
        ("Transfer-Encoding: gzip", 400),
    ],
    ids=["negative", "no-number", "two", "both", "too-much", "no-chunks"],
)
async def test_a_length_that_cannot_be_is_refused_before_anything_is_written(
    desk: Desk, field: str, status: int
) -> None:
    by = somebody()
    async with listening(behind_the_door(desk), IMPATIENT) as port, line(port) as connection:
        head = begun(desk, by, b"").replace(b"Content-Length: 0", field.encode())
        connection.say(head + UPLOADS["a picture"])
        assert (await connection.hear()).status == status
        await nothing_is_left(desk, by)


async def test_a_length_that_lies_is_a_body_that_is_malformed_or_never_ends(desk: Desk) -> None:
    by, whole = somebody(), UPLOADS["a picture"]
    async with listening(behind_the_door(desk), IMPATIENT) as port:
        async with line(port) as connection:
            # Less was said than is sent: the rest would be another request.
            connection.say(begun(desk, by, whole[:-20]) + whole)
            assert (await connection.hear()).problem()["code"] == "malformed_request"
        await nothing_is_left(desk, by)
        async with line(port) as connection:
            connection.say(begun(desk, by, whole + b"x" * 100_000) + whole)
            answer = await connection.hear()
            # What was sent is a whole form, but the rest of the body is still to come.
            assert (answer.status, answer.problem()["code"]) == (408, "request_timeout")
        await nothing_is_left(desk, by)
