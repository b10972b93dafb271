"""An upload as it comes: parts told from each other, the file on a local disk, never much in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.messages import Unavailable
from turnosya.runtime.problems import MalformedRequest, PayloadTooLarge, UnsupportedMediaType
from turnosya.services.files import kinds

FIELDS = ("purpose", "business_id", "conversation_id")
_FILE = "file"
# Written, and counted, in pieces of this size: the loop hands them to a thread.
_PIECE_BYTES = 128 * 1024
_FIELD_BYTES, _HEADER_BYTES, _PARTS = 1024, 4096, 10


@dataclass
class Received:
    """A whole upload: its fields as texts, and the file on the disk."""

    path: Path
    fields: dict[str, str] = field(default_factory=dict[str, str])
    has_file: bool = False
    size_bytes: int = 0
    head: bytes = b""


class _Parts:
    """What the parser calls; collects fields, and pieces of the file until somebody writes them."""

    def __init__(self, received: Received) -> None:
        self.received = received
        self.pieces = bytearray()
        self.is_over = False
        self._count = 0
        self._name = ""
        self._headers = 0
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._text = bytearray()

    def on_part_begin(self) -> None:
        self._count += 1
        self._headers, self._disposition, self._name = 0, b"", ""
        self._text.clear()
        if self._count > _PARTS:
            raise MalformedRequest

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._measure(end - start)

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._measure(end - start)

    def on_header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def on_headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not self._name:
            raise MalformedRequest
        if self._name == _FILE:
            if self.received.has_file:
                raise wrong_field(_FILE, "twice")
            self.received.has_file = True
        elif self._name not in FIELDS:
            raise wrong_field(self._name[:50], "extra_forbidden")
        elif self._name in self.received.fields:
            raise wrong_field(self._name, "twice")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name != _FILE:
            self._text += data[start:end]
            if len(self._text) > _FIELD_BYTES:
                raise wrong_field(self._name, "string_too_long", max_length=_FIELD_BYTES)
            return
        received = self.received
        received.size_bytes += end - start
        if received.size_bytes > kinds.MAX_BYTES:
            raise PayloadTooLarge
        if len(received.head) < kinds.HEAD_BYTES:
            received.head = (received.head + data[start:end])[: kinds.HEAD_BYTES]
        self.pieces += data[start:end]

    def on_part_end(self) -> None:
        if self._name == _FILE:
            return
        try:
            self.received.fields[self._name] = bytes(self._text).decode()
        except UnicodeDecodeError:
            raise MalformedRequest from None

    def on_end(self) -> None:
        self.is_over = True

    def _measure(self, count: int) -> None:
        self._headers += count
        if self._headers > _HEADER_BYTES:
            raise MalformedRequest


async def receive(body: AsyncIterator[bytes], content_type: str, path: Path) -> Received:
    """Reads a multipart body to its end; the file lies at ``path``, which is for the caller to delete.

    Raises UnsupportedMediaType, MalformedRequest, Invalid, PayloadTooLarge; Unavailable on a full disk.
    """
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType
    if not 1 <= len(boundary) <= 70:  # noqa: PLR2004 - RFC 2046 §5.1.1
        raise MalformedRequest
    received = Received(path)
    parts = _Parts(received)
    names = [name for name in dir(parts) if name.startswith("on_")]
    parser = MultipartParser(boundary, {name.removeprefix("_"): getattr(parts, name) for name in names})  # type: ignore[arg-type]
    await _read(body, parser, parts, path)
    if not parts.is_over:
        raise MalformedRequest
    if not received.has_file:
        raise wrong_field(_FILE, "missing")
    return received


async def _read(body: AsyncIterator[bytes], parser: MultipartParser, parts: _Parts, path: Path) -> None:
    with path.open("xb") as file:
        async for chunk in body:
            try:
                parser.write(chunk)
            except MultipartParseError as error:
                raise MalformedRequest from error
            if len(parts.pieces) >= _PIECE_BYTES:
                piece, parts.pieces = parts.pieces, bytearray()
                await _on_disk(file.write, piece)
        await _on_disk(_finish, file, bytes(parts.pieces))


async def _on_disk(work: Callable[..., object], *args: object) -> None:
    """In a thread: a full or failing disk is ``Unavailable``, and the loop never waits for it."""
    try:
        await asyncio.to_thread(work, *args)
    except OSError as error:
        raise Unavailable from error


def _finish(file: BinaryIO, piece: bytes) -> None:
    # Not to the disk: nothing is promised of an upload before it lies in the store.
    file.write(piece)
    file.flush()
