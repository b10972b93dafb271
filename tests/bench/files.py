"""Uploads through the gateway: how fast, what memory they take, and how long a picture is worked on."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import repeat
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
import pikepdf
import psutil
from PIL import Image

from tests.bench.figures import Figure
from tests.bench.load import Connection, measure, request
from tests.files.desk import form
from tests.flows.systems import Form, System, Zygote, a_system
from tests.servers import Servers
from turnosya.services.files.decoding.wire import Made, Order
from turnosya.services.files.decoding.workshop import Workshop
from turnosya.tour.client import Api
from turnosya.tour.people import Person, Shop, open_shop, sign_up

_MIB = 1024 * 1024
_BYTES = 10 * _MIB
_RUNS, _AT_ONCE = 15, 50
_LOOK_EVERY_S, _WITHIN_S = 0.002, 3.0
_MEGAPIXELS = (4000, 3000)


async def files(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """All of it, on a folder of this machine."""
    folder = folder / "files"
    folder.mkdir()
    yield await _picture(folder)
    watched = {"TESTS_LAG_EVERY_S": str(_LOOK_EVERY_S)}
    async with (
        a_system(Form.MEMORY, servers, zygote, folder, settings=watched, is_hurried=False) as system,
        Api(system.url) as api,
    ):
        person = await sign_up(api, "Vecina")
        await person.log_in("bench")
        before = await _looks(system)
        yield await _profile(system, await open_shop(person, "La Navaja"))
        between = await _looks(system)
        yield await _one_by_one(system, person)
        one_by_one = await _looks(system)
        yield _late("uploads come", one_by_one - between, between - before)
        yield await _at_once(system, person)
        yield _late(f"{_AT_ONCE} uploads come at once", await _looks(system) - one_by_one, between - before)


async def _picture(folder: Path) -> Figure:
    """A photo of twelve megapixels with noise in it, as a phone takes them."""
    noise = Image.effect_noise(_MEGAPIXELS, 40).convert("RGB")
    source = folder / "photo.jpg"
    noise.save(source, "JPEG", quality=85)
    took: list[float] = []
    async with Workshop.open() as workshop:
        for number in range(6):
            into = folder / str(number)
            into.mkdir()
            began = perf_counter()
            made = await workshop.make(Order(str(source), "image/jpeg", str(into), within_s=10))
            took.append(perf_counter() - began)
            assert isinstance(made, Made)
    # The first starts the process.
    return Figure(
        "Files", "a JPEG of 12 megapixels, encoded anew and in two sizes", median(took[1:]) * 1000, "ms", 400
    )


def _upload(person: Person) -> bytes:
    """A PDF of 10 MiB that nobody has uploaded yet, as a scanner makes them: nearly all is one stream."""
    document, out = pikepdf.new(), io.BytesIO()
    document.add_blank_page()
    document.Root["/Scanned"] = document.make_stream(os.urandom(_BYTES))
    document.save(out, compress_streams=False)
    body = form(out.getvalue(), purpose="verification_document")
    fields = [
        "POST /v1/files HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {person.token}",
        "Content-Type: multipart/form-data; boundary=b0undary",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*fields, "", ""]).encode() + body


async def _sent(connection: Connection, upload: bytes) -> None:
    status, answer = await connection.ask(upload)
    assert status == HTTPStatus.CREATED, answer


async def _profile(system: System, shop: Shop) -> Figure:
    asked = repeat(request("GET", f"/v1/businesses/{shop.id}"))
    found = await measure(system.url, [asked], status=200, within_s=_WITHIN_S)
    return Figure("Files", "a profile is read, p50", found.p50, "ms", 5, f"p95 {found.p95:.1f} ms")


@dataclass(frozen=True, slots=True)
class _Looks:
    """How often the loop was looked at, and how often it was more than 20 ms late."""

    count: float
    late: float

    def __sub__(self, before: "_Looks") -> "_Looks":
        return _Looks(self.count - before.count, self.late - before.late)


async def _looks(system: System) -> _Looks:
    port = system.process_of("files").operations_port
    async with httpx.AsyncClient() as http:
        lines = (await http.get(f"http://127.0.0.1:{port}/metrics")).text.splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("turnosya_loop_lag_seconds"))
    count = float(found["turnosya_loop_lag_seconds_count"])
    return _Looks(count, count - float(found['turnosya_loop_lag_seconds_bucket{le="0.02"}']))


def _late(when: str, during: _Looks, otherwise: _Looks) -> Figure:
    more = (
        f"of {during.count:.0f} looks; {otherwise.late:.0f} of {otherwise.count:.0f} while profiles are read"
    )
    return Figure("Files", f"the loop is over 20 ms late while {when}", during.late, "times", 0, more)


async def _one_by_one(system: System, person: Person) -> Figure:
    took: list[float] = []
    connection = await Connection.to(system.url)
    for _ in range(_RUNS):
        upload = _upload(person)
        began = perf_counter()
        await _sent(connection, upload)
        took.append(perf_counter() - began)
    connection.close()
    rate = _BYTES / _MIB / median(took)
    return Figure("Files", "upload of 10 MiB, fsync included", rate, "MiB/s", more="a document", at_least=120)


async def _at_once(system: System, person: Person) -> Figure:
    uploads = [_upload(person) for _ in range(_AT_ONCE)]
    connections = [await Connection.to(system.url) for _ in uploads]
    process = psutil.Process(system.process_of("files").pid)
    before, most = process.memory_info().rss, 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    began = perf_counter()
    await asyncio.gather(*(_sent(*one) for one in zip(connections, uploads, strict=True)))
    took = perf_counter() - began
    watching.cancel()
    for connection in connections:
        connection.close()
    more = f"{_AT_ONCE * _BYTES / _MIB / took:.0f} MiB/s"
    return Figure(
        "Files", f"{_AT_ONCE} uploads of 10 MiB at once take", (most - before) / _MIB, "MiB", 200, more
    )
