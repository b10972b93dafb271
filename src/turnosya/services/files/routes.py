"""What files answers over HTTP: ``/v1/files``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, get_args
from uuid import UUID

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from turnosya.contracts.files import Purpose
from turnosya.runtime.http import MaybeSignedIn, SignedIn, context_of, router
from turnosya.runtime.identity import Caller
from turnosya.runtime.links import LinkNotValid
from turnosya.runtime.messages import NotFound, Unavailable
from turnosya.runtime.problems import PayloadTooLarge, UnsupportedMediaType, refuses
from turnosya.services.files import kinds, ranges, reading, uploading
from turnosya.services.files.context import Files
from turnosya.services.files.refusals import FileCorrupt, FileInUse, FileTypeRefused, PreconditionFailed
from turnosya.services.files.store import Blob, File

routes = router("/v1/files", tags=["files"])
Here = Annotated[Files, Depends(context_of(Files))]

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(get_args(Purpose))},
                        "business_id": {"type": "string", "format": "uuid"},
                        "conversation_id": {"type": "string", "format": "uuid"},
                    },
                }
            }
        },
    }
}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}},
    206: {"description": "The range that was asked for."},
    304: {"description": "The caller has it already."},
    416: {"description": "The range lies beyond its end."},
}
_READING = {**_BYTES, **refuses(NotFound, LinkNotValid, PreconditionFailed, Unavailable)}


class FileShown(BaseModel):
    """An upload, as who uploaded it sees it."""

    id: UUID
    url: str
    content_type: str
    size_bytes: int
    sha256: str
    width: int | None
    height: int | None
    variants: dict[str, str]


@routes.post(
    "",
    status_code=201,
    response_model=FileShown,
    responses=refuses(PayloadTooLarge, UnsupportedMediaType, FileTypeRefused, FileCorrupt, Unavailable),
    openapi_extra=_BODY,
)
async def upload(here: Here, caller: SignedIn, request: Request) -> FileShown:
    """Upload a file.

    Images are turned upright and encoded anew, pixels alone: what is sent is not what is served.
    What nothing shows within 24 hours is deleted.
    """
    file = await uploading.upload(
        here, caller.user_id, request.stream(), request.headers.get("content-type", "")
    )
    return FileShown.model_validate(reading.facts(here, file, caller.user_id), from_attributes=True)


@routes.delete("/{file_id}", status_code=204, responses=refuses(NotFound, FileInUse))
async def drop(here: Here, caller: SignedIn, file_id: UUID) -> None:
    """Delete an upload that nothing shows; an admin, whatever shows it."""
    await reading.drop(here, file_id, caller)


Token = Annotated[str | None, Query(max_length=400)]
RangeHeader = Annotated[str | None, Header(alias="Range")]
IfRange = Annotated[str | None, Header(alias="If-Range")]
IfMatch = Annotated[str | None, Header(alias="If-Match")]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match")]


class Conditions:
    """What the caller has already, and which part they want."""

    def __init__(
        self,
        wanted: RangeHeader = None,
        if_range: IfRange = None,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> None:
        self.wanted, self.if_range = wanted, if_range
        self.if_match, self.if_none_match = if_match, if_none_match


@routes.get("/{file_id}", responses=_READING)
@routes.head("/{file_id}", include_in_schema=False)
async def read(  # noqa: PLR0917 - what FastAPI injects
    here: Here,
    caller: MaybeSignedIn,
    request: Request,
    file_id: UUID,
    on: Annotated[Conditions, Depends()],
    token: Token = None,
) -> Response:
    """Read a file: a public one as anybody, a private one as who may, or by a link that was signed for it."""
    return await _served(here, request, _Asked(file_id, None, caller, token, on))


@routes.get("/{file_id}/{variant}", responses=_READING)
@routes.head("/{file_id}/{variant}", include_in_schema=False)
async def read_variant(  # noqa: PLR0917 - what FastAPI injects
    here: Here,
    caller: MaybeSignedIn,
    request: Request,
    file_id: UUID,
    variant: str,
    on: Annotated[Conditions, Depends()],
    token: Token = None,
) -> Response:
    """Read the `thumb` (256 pixels) or the `medium` (1024) of an image, as WebP."""
    if variant not in reading.VARIANTS:
        raise NotFound
    return await _served(here, request, _Asked(file_id, variant, caller, token, on))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which file, by whom, and what they have of it."""

    file_id: UUID
    variant: str | None
    caller: Caller | None
    token: str | None
    on: Conditions


async def _served(here: Files, request: Request, asked: _Asked) -> Response:
    file, blob = await reading.find(here, asked.file_id, asked.variant)
    if not reading.is_public(file):
        to = reading.link_to(file.id, asked.variant)
        await reading.admit(here, file, asked.caller, None if asked.token is None else (to, asked.token))
    etag, on = f'"{blob.sha256}"', asked.on
    headers = {**_headers(file, blob), "ETag": etag}
    if not ranges.is_expected(on.if_match, etag):
        raise PreconditionFailed
    if ranges.is_known(on.if_none_match, etag):
        return Response(status_code=304, headers=headers)
    is_head = request.method == "HEAD"
    # RFC 9110 §14.2: a range is for GET alone.
    found = ranges.wanted(None if is_head else on.wanted, on.if_range, etag=etag, size=blob.size_bytes)
    if isinstance(found, ranges.Unsatisfiable):
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{blob.size_bytes}"})
    begin, end = (found.begin, found.end) if isinstance(found, ranges.Part) else (0, blob.size_bytes)
    headers |= {"Content-Type": blob.content_type, "Content-Length": str(end - begin)}
    if isinstance(found, ranges.Part):
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{blob.size_bytes}"
    if is_head:
        return Response(headers=headers)
    body = await _body(here, blob, begin, end)
    return StreamingResponse(body, 206 if isinstance(found, ranges.Part) else 200, headers=headers)


async def _body(here: Files, blob: Blob, begin: int, end: int) -> AsyncGenerator[bytes]:
    """The store is asked before the answer begins: what it refuses is a problem, not half a file."""
    stack = AsyncExitStack()
    pieces = await stack.enter_async_context(here.objects.read(blob.key, begin, end))

    async def body() -> AsyncGenerator[bytes]:
        async with stack:
            async for piece in pieces:
                yield piece

    return body()


def _headers(file: File, blob: Blob) -> dict[str, str]:
    is_public = reading.is_public(file)
    is_image = blob.content_type != kinds.PDF
    return {
        "Cache-Control": "public, max-age=31536000, immutable" if is_public else "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline" if is_image else 'attachment; filename="documento.pdf"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin" if is_public else "same-site",
        "Accept-Ranges": "bytes",
    }
