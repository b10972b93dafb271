"""The first thing that is not as promised ends the tour, with a sentence and exit code 1."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from turnosya.embedded.ports import free_port
from turnosya.runtime.phones import canonical
from turnosya.tour.command import run_tour
from turnosya.tour.numbers import a_mobile_number

HEALTHY, ILL, STRANGE = {"status": "ok"}, {"status": "down"}, "<html>a page of somebody else</html>"


@pytest.fixture
async def answering(request: pytest.FixtureRequest) -> AsyncGenerator[str]:
    """Something that listens and answers every request in the same way."""
    body = request.param.encode() if isinstance(request.param, str) else json.dumps(request.param).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_tour(f"http://127.0.0.1:{free_port()}", keep=False) == 1
    assert "got no answer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answering", "sentence"),
    [
        (ILL, "the system says that it is 'down'"),
        (STRANGE, "without JSON"),
        (HEALTHY, "POST /v1/auth/otp should answer 202, but answered 200"),
    ],
    indirect=["answering"],
    ids=["ill", "strange", "another program"],
)
async def test_it_is_not_what_it_should_be(
    answering: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_tour(answering, keep=False) == 1
    shown = capsys.readouterr().out
    assert "Not as promised" in shown
    assert sentence in shown


def test_numbers_are_mobile_and_lie_in_many_prefixes() -> None:
    numbers = [a_mobile_number() for _ in range(200)]
    assert all(canonical(number) == number for number in numbers)
    assert len({number[:-4] for number in numbers}) > 190
