"""Uploads through the gateway: how fast, what memory they take, and how long a picture is worked on."""

import asyncio
import io
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
import psutil
from PIL import Image

from tests.bench.figures import Figure
from tests.files.desk import form, paper
from tests.flows.systems import Form, System, Zygote, a_system
from tests.servers import Servers
from turnosya.services.files.decoding.wire import Made, Order
from turnosya.services.files.decoding.workshop import Workshop
from turnosya.tour.client import Api
from turnosya.tour.people import Person, sign_up

_MIB = 1024 * 1024
_BYTES = 10 * _MIB
_RUNS, _AT_ONCE = 15, 50
_MEGAPIXELS = (4000, 3000)


async def files(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """All of it, on a folder of this machine."""
    folder = folder / "files"
    folder.mkdir()
    yield await _picture(folder)
    async with a_system(Form.MEMORY, servers, zygote, folder) as system, Api(system.url) as api:
        person = await sign_up(api, "Vecina")
        await person.log_in("bench")
        yield await _one_by_one(system, person)
        yield await _at_once(system, person)


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


def _document(number: int) -> bytes:
    """A PDF of 10 MiB that nobody has uploaded yet."""
    plain = io.BytesIO(paper())
    # What stands behind the end of a PDF is no part of it, and yet of the file.
    return form(
        plain.getvalue() + b"\n%" + os.urandom(_BYTES) + str(number).encode(), purpose="verification_document"
    )


async def _sent(http: httpx.AsyncClient, person: Person, body: bytes) -> None:
    headers = {
        "Authorization": f"Bearer {person.token}",
        "Content-Type": "multipart/form-data; boundary=b0undary",
    }
    answer = await http.post("/v1/files", content=body, headers=headers)
    assert answer.status_code == 201, answer.text


async def _one_by_one(system: System, person: Person) -> Figure:
    took: list[float] = []
    async with httpx.AsyncClient(base_url=system.url, timeout=60) as http:
        for number in range(_RUNS):
            body = _document(number)
            began = perf_counter()
            await _sent(http, person, body)
            took.append(perf_counter() - began)
    rate = _BYTES / _MIB / median(took)
    return Figure("Files", "upload of 10 MiB, fsync included", rate, "MiB/s", more="a document", at_least=120)


async def _at_once(system: System, person: Person) -> Figure:
    bodies = [_document(number) for number in range(_AT_ONCE)]
    process = psutil.Process(system.process_of("files").pid)
    before, most = process.memory_info().rss, 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    limits = httpx.Limits(max_connections=_AT_ONCE)
    async with httpx.AsyncClient(base_url=system.url, timeout=120, limits=limits) as http:
        began = perf_counter()
        await asyncio.gather(*(_sent(http, person, body) for body in bodies))
        took = perf_counter() - began
    watching.cancel()
    more = f"{_AT_ONCE * _BYTES / _MIB / took:.0f} MiB/s"
    return Figure(
        "Files", f"{_AT_ONCE} uploads of 10 MiB at once take", (most - before) / _MIB, "MiB", 200, more
    )
