"""Words of the tests of files: a service on its own, people who upload, and drawings to upload."""

import io
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import pikepdf
from PIL import Image
from sqlalchemy import text

from tests.callers import Callers
from tests.servers import Servers
from tests.stage import Stage, a_stage
from turnosya.contracts.business import Business, GetBusiness
from turnosya.contracts.chat import GetMembership, Membership
from turnosya.runtime.ids import new_id
from turnosya.runtime.messages import NotFound
from turnosya.services.files.context import Files
from turnosya.services.files.service import service as files

BOUNDARY = "b0undary"


@dataclass
class Desk:
    """The open service, and what other services would say."""

    stage: Stage
    callers: Callers
    http: httpx.AsyncClient
    folder: Path
    members: dict[UUID, set[UUID]] = field(default_factory=dict[UUID, set[UUID]])
    """Of conversations."""

    @property
    def files(self) -> Files:
        return cast("Files", self.stage.running["files"].context)

    def as_(self, user_id: UUID, *, admin: bool = False) -> dict[str, str]:
        return self.callers.headers(user_id, admin=admin)

    async def post(
        self, content: bytes | AsyncIterator[bytes], by: UUID, *, content_type: str | None = None
    ) -> httpx.Response:
        """A body as it is."""
        kind = content_type or f"multipart/form-data; boundary={BOUNDARY}"
        headers = {**self.as_(by), "Content-Type": kind}
        return await self.http.post("/v1/files", content=content, headers=headers)

    async def upload(self, content: bytes, by: UUID, **fields: str) -> httpx.Response:
        return await self.post(form(content, **fields), by)

    async def uploaded(self, content: bytes, by: UUID, **fields: str) -> dict[str, Any]:
        answer = await self.upload(content, by, **fields)
        assert answer.status_code == 201, answer.text
        return cast("dict[str, Any]", answer.json())

    async def get(
        self, path: str, by: UUID | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        signed = {} if by is None else self.as_(by)
        return await self.http.get(path, headers={**signed, **(headers or {})})

    def kept(self) -> set[Path]:
        """What lies in the store."""
        return {path for path in (self.folder / "store").rglob("*") if path.is_file()}

    def spooled(self) -> list[Path]:
        """What lies in the spool."""
        return list((self.folder / "spool").iterdir())

    async def rows(self, query: str, **values: object) -> list[Any]:
        async with self.files.db.read() as tx:
            return list((await tx.execute(text(query), values)).scalars())

    async def run(self, query: str, **values: object) -> None:
        async with self.files.db.transaction() as tx:
            await tx.execute(text(query), values)


@asynccontextmanager
async def a_desk(
    servers: Servers, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Desk]:
    given = {
        "TURNOSYA_FILES_STORE_URL": (folder / "store").as_uri(),
        "TURNOSYA_FILES_SPOOL": str(folder / "spool"),
        **(settings or {}),
    }
    async with a_stage(servers, [files], settings=given) as stage, stage.http("files") as http:
        desk = Desk(stage, Callers(stage), http, folder)

        async def business(_: GetBusiness) -> Business:
            raise NotFound

        async def membership(request: GetMembership) -> Membership:
            return Membership(is_member=request.user_id in desk.members.get(request.conversation_id, set()))

        await stage.bus.answer(GetBusiness, business)
        await stage.bus.answer(GetMembership, membership)
        yield desk


def somebody() -> UUID:
    return new_id()


def form(content: bytes, *, name: str = "foto.jpg", **fields: str) -> bytes:
    """A multipart body with one file."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    parts.append(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def drawn(kind: str = "JPEG", size: tuple[int, int] = (640, 480), mode: str = "RGB", **saving: Any) -> bytes:  # noqa: ANN401
    """A picture, darker to the left: one sees how it is turned."""
    image = Image.linear_gradient("L").rotate(90).resize(size).convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **saving)
    return out.getvalue()


def noisy(size: tuple[int, int]) -> bytes:
    """A picture of which no content was ever kept, not even of its smaller ones."""
    out = io.BytesIO()
    Image.effect_noise(size, 60).save(out, "JPEG")
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def is_darker_left(image: Image.Image) -> bool:
    plain = image.convert("L")
    middle = plain.height // 2
    left, right = plain.getpixel((2, middle)), plain.getpixel((plain.width - 3, middle))
    return int(cast("int", left)) < int(cast("int", right))


def paper(pages: int = 1, **root: Any) -> bytes:  # noqa: ANN401 - any object of a PDF
    """A PDF; ``root`` is added to its catalogue."""
    document = pikepdf.new()
    for _ in range(pages):
        document.add_blank_page()
    for name, value in root.items():
        document.Root[f"/{name}"] = value
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of so many black pixels in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    packer = zlib.compressobj(9)
    row = b"\0" * (width + 1)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
