"""What is uploaded: taken by its content, made anew, kept once; or refused, and nothing is left of it."""

import errno
import hashlib
import io
import os
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pikepdf
import pytest
from PIL import Image

from tests.files.desk import BOUNDARY, Desk, bomb, drawn, form, is_darker_left, opened, paper, somebody
from turnosya.contracts.files import Tend
from turnosya.runtime.database import Transaction
from turnosya.runtime.messages import Unavailable
from turnosya.services.files import receiving, store, uploading
from turnosya.services.files.objects import Objects
from turnosya.services.files.store import Blob

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHOTO = {"purpose": "user_photo"}
PAPER = {"purpose": "verification_document"}


async def test_a_photo_is_served_upright_anew_and_in_two_sizes(desk: Desk) -> None:
    exif = Image.Exif()
    exif[0x010F] = "la cámara"
    exif[0x8825] = {2: (34.0, 35.0, 59.0)}
    sent = drawn(size=(2000, 1500), exif=exif)
    shown = await desk.uploaded(sent, somebody(), **PHOTO)
    served = (await desk.get(shown["url"])).content
    assert (shown["width"], shown["height"], shown["content_type"]) == (2000, 1500, "image/jpeg")
    assert (shown["size_bytes"], shown["sha256"]) == (len(served), hashlib.sha256(served).hexdigest())
    assert not opened(served).getexif()
    assert b"la c" not in served
    sizes = {name: opened((await desk.get(path)).content).size for name, path in shown["variants"].items()}
    assert sizes == {"thumb": (256, 192), "medium": (1024, 768)}
    assert {(await desk.get(path)).headers["content-type"] for path in shown["variants"].values()} == {
        "image/webp"
    }


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_all_eight_orientations_end_upright(desk: Desk, orientation: int) -> None:
    upright = opened(drawn(size=(300, 200)))
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(turns[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    stored.save(out, "JPEG", exif=exif)
    shown = await desk.uploaded(out.getvalue(), somebody(), **PHOTO)
    served = opened((await desk.get(shown["url"])).content)
    assert served.size == (300, 200)
    assert is_darker_left(served)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P")),
        *(("PNG", "RGBA"), ("PNG", "I;16"), ("WEBP", "RGB"), ("WEBP", "RGBA")),
    ],
)
async def test_odd_colours_become_plain_ones(desk: Desk, kind: str, mode: str) -> None:
    if mode == "I;16":
        deep = Image.new("I;16", (300, 200))
        deep.putdata([x * 218 for _ in range(200) for x in range(300)])
        out = io.BytesIO()
        deep.save(out, "PNG")
        sent = out.getvalue()
    else:
        sent = drawn(kind, size=(300, 200), mode=mode)
    shown = await desk.uploaded(sent, somebody(), **PHOTO)
    served = opened((await desk.get(shown["url"])).content)
    assert served.mode in {"RGB", "RGBA"}
    assert served.format == kind
    assert is_darker_left(served)


async def test_a_telephone_s_picture_is_kept_without_the_others_behind_it(desk: Desk) -> None:
    first, behind = opened(drawn("JPEG", size=(300, 200))), Image.new("RGB", (60, 40), "red")
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[behind])
    assert getattr(Image.open(io.BytesIO(out.getvalue())), "n_frames", 1) == 2
    shown = await desk.uploaded(out.getvalue(), somebody(), **PHOTO)
    served = opened((await desk.get(shown["url"])).content)
    assert (served.format, served.size, getattr(served, "n_frames", 1)) == ("JPEG", (300, 200), 1)
    assert is_darker_left(served)


async def test_a_document_stays_as_it_is_and_is_only_ever_saved(desk: Desk) -> None:
    owner, sent = somebody(), paper(3)
    shown = await desk.uploaded(sent, owner, **PAPER)
    answer = await desk.get(shown["url"])
    assert answer.content == sent
    assert answer.headers["content-disposition"].startswith("attachment")
    assert (shown["width"], shown["variants"]) == (None, {})


async def test_the_same_content_is_kept_once_and_goes_when_nobody_has_it(desk: Desk) -> None:
    sent = drawn(size=(333, 222))
    first, second = somebody(), somebody()
    one = await desk.uploaded(sent, first, **PHOTO)
    kept = desk.kept()
    two = await desk.uploaded(sent, second, **PHOTO)
    assert one["id"] != two["id"]
    assert desk.kept() == kept


def _part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


_END = f"--{BOUNDARY}--\r\n".encode()
_GIF = b"GIF89a\x01\0\x01\0\0\0\0!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"


def _animated() -> bytes:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


def _script() -> bytes:
    action = pikepdf.Dictionary(S=pikepdf.Name("/JavaScript"), JS="app.alert(1)")
    return paper(OpenAction=action)


def _with_attachment() -> bytes:
    document = pikepdf.open(io.BytesIO(paper()))
    document.attachments["x.exe"] = b"MZ"
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _locked() -> bytes:
    document = pikepdf.open(io.BytesIO(paper()))
    out = io.BytesIO()
    document.save(out, encryption=pikepdf.Encryption(owner="a", user="b"))
    return out.getvalue()


_BAD: dict[str, tuple[bytes, int, str]] = {
    "no parts": (_END, 422, "validation_failed"),
    "no file": (_part("purpose", b"user_photo") + _END, 422, "validation_failed"),
    "no purpose": (form(drawn()), 422, "validation_failed"),
    "unknown purpose": (form(drawn(), purpose="malware"), 422, "validation_failed"),
    "two files": (
        _part("purpose", b"user_photo") + _part("file", drawn()) + _part("file", drawn()) + _END,
        422,
        "validation_failed",
    ),
    "unknown field": (form(drawn(), purpose="user_photo", role="admin"), 422, "validation_failed"),
    "wrong id": (form(drawn(), purpose="business_image", business_id="x"), 422, "validation_failed"),
    "a long field": (form(drawn(), purpose="x" * 5000), 422, "validation_failed"),
    "truncated boundary": (form(drawn(), **PHOTO)[:-6], 400, "malformed_request"),
    "cut at half": (form(drawn(), **PHOTO)[:3000], 400, "malformed_request"),
    "a part without a name": (b"--b0undary\r\n\r\nx\r\n" + _END, 400, "malformed_request"),
    "endless headers": (
        b"--b0undary\r\nX: " + b"x" * 70_000 + b"\r\n\r\n\r\n" + _END,
        400,
        "malformed_request",
    ),
    "many parts": (_part("purpose", b"user_photo") * 20 + _END, 422, "validation_failed"),
    "HTML": (form(b"<!doctype html><script>", **PHOTO), 415, "file_type_refused"),
    "SVG": (form(b"<svg xmlns='http://www.w3.org/2000/svg'/>", **PHOTO), 415, "file_type_refused"),
    "ZIP": (form(b"PK\x03\x04" + b"\0" * 100, **PHOTO), 415, "file_type_refused"),
    "GIF": (form(_GIF, **PHOTO), 415, "file_type_refused"),
    "nothing": (form(b"", **PHOTO), 415, "file_type_refused"),
    "a document as a photo": (form(paper(), **PHOTO), 415, "file_type_refused"),
    "moving pictures": (form(_animated(), **PHOTO), 415, "file_type_refused"),
    "HTML dressed as JPEG": (form(b"\xff\xd8\xff<script>", **PHOTO), 422, "file_corrupt"),
    "half a JPEG": (form(drawn()[:2000], **PHOTO), 422, "file_corrupt"),
    "half a PNG": (form(drawn("PNG")[:300], **PHOTO), 422, "file_corrupt"),
    "too many pixels": (form(bomb(8000, 8000), **PHOTO), 422, "file_corrupt"),
    "too wide": (form(bomb(20_000, 10), **PHOTO), 422, "file_corrupt"),
    "half a document": (form(paper()[:50], **PAPER), 422, "file_corrupt"),
    "a document with a script": (form(_script(), **PAPER), 415, "file_type_refused"),
    "a document with a file in it": (form(_with_attachment(), **PAPER), 415, "file_type_refused"),
    "a locked document": (form(_locked(), **PAPER), 415, "file_type_refused"),
    "a book": (form(paper(201), **PAPER), 422, "file_corrupt"),
    "too large": (form(b"\xff\xd8\xff" + b"\0" * 25 * 1024 * 1024, **PHOTO), 413, "payload_too_large"),
}


@pytest.mark.parametrize("case", _BAD)
async def test_a_bad_upload_gets_its_problem_and_leaves_nothing(desk: Desk, case: str) -> None:
    body, status, code = _BAD[case]
    kept, owner = desk.kept(), somebody()
    answer = await desk.post(body, owner)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert desk.kept() == kept
    assert desk.spooled() == []
    assert await desk.rows("SELECT id FROM files WHERE owner_id = :owner", owner=owner) == []


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "x" * 71, 400),
    ],
    ids=["json", "no-boundary", "long-boundary"],
)
async def test_what_is_no_form_is_refused(desk: Desk, content_type: str, status: int) -> None:
    answer = await desk.post(form(drawn(), **PHOTO), somebody(), content_type=content_type)
    assert answer.status_code == status
    assert desk.spooled() == []


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a\0b.jpg", "\u202egpj.exe", "x" * 500, "C:\\con"],
    ids=["up", "nul", "turned", "long", "device"],
)
async def test_the_name_of_a_file_means_nothing(desk: Desk, name: str) -> None:
    answer = await desk.post(form(drawn(), name=name, **PHOTO), somebody())
    assert answer.status_code == 201
    assert all(len(path.name) > 70 for path in desk.kept())


async def test_who_is_not_signed_in_uploads_nothing(desk: Desk) -> None:
    answer = await desk.http.post("/v1/files", content=form(drawn(), **PHOTO))
    assert answer.status_code == 401


async def test_nobody_uploads_for_a_business_or_a_conversation_of_others(desk: Desk) -> None:
    owner = somebody()
    for purpose, place in (("business_image", "business_id"), ("chat_attachment", "conversation_id")):
        answer = await desk.upload(drawn(), owner, purpose=purpose, **{place: str(somebody())})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, place)


async def test_a_body_that_ends_in_the_middle_leaves_nothing(desk: Desk) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield form(drawn(), **PHOTO)[:2000]
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await uploading.upload(desk.files, somebody(), half(), f"multipart/form-data; boundary={BOUNDARY}")
    assert desk.spooled() == []


async def test_a_full_disk_is_503(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:  # noqa: ANN401
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(receiving, "_finish", full)
    answer = await desk.upload(drawn(), somebody(), **PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert desk.spooled() == []


@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_store_that_fails_at_any_part_leaves_no_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    put, count = Objects.put, 0

    async def fails(self: Objects, *args: Any) -> None:  # noqa: ANN401
        nonlocal count
        count += 1
        if count == at:
            raise Unavailable
        await put(self, *args)

    monkeypatch.setattr(Objects, "put", fails)
    owner = somebody()
    sent = drawn(size=(1500 + at, 1200))
    assert (await desk.upload(sent, owner, **PHOTO)).status_code == 503
    assert await desk.rows("SELECT id FROM files WHERE owner_id = :owner", owner=owner) == []
    assert (await desk.upload(sent, owner, **PHOTO)).status_code == 201


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK], ids=["far", "none", "many"])
async def test_where_a_file_cannot_get_a_second_name_it_is_copied(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(number, "no link")

    # The document's own link from the spool is made by another process.
    monkeypatch.setattr(os, "link", refuses)
    sent = paper(4) + b"\n%" + str(number).encode()
    shown = await desk.uploaded(sent, somebody(), **PAPER)
    assert (await desk.get(shown["url"])).content == sent
    assert desk.spooled() == []


async def test_a_store_on_a_full_disk_is_503_and_leaves_no_file(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    owner, kept = somebody(), desk.kept()
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", full)
        answer = await desk.upload(drawn(size=(901, 333)), owner, **PHOTO)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert (desk.kept(), desk.spooled()) == (kept, [])
    assert await desk.rows("SELECT id FROM files WHERE owner_id = :owner", owner=owner) == []
    assert (await desk.upload(drawn(size=(901, 333)), owner, **PHOTO)).status_code == 201


async def test_an_upload_that_has_to_begin_again_finds_what_it_has_written_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = uploading._note  # pyright: ignore[reportPrivateUsage]

    async def then_as_before(*_: object) -> None:
        monkeypatch.setattr(uploading, "_note", note)
        raise uploading._Again  # pyright: ignore[reportPrivateUsage]

    monkeypatch.setattr(uploading, "_note", then_as_before)
    shown = await desk.uploaded(drawn(size=(641, 479)), somebody(), **PHOTO)
    assert opened((await desk.get(shown["url"])).content).size == (641, 479)


async def test_a_content_that_is_deleted_while_it_is_uploaded_again_is_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = drawn(size=(777, 555))
    first = await desk.uploaded(sent, somebody(), **PHOTO)
    known = store.known_blobs

    async def then_gone(tx: Transaction, digests: Sequence[str]) -> dict[str, Blob]:
        monkeypatch.setattr(store, "known_blobs", known)
        found = await known(tx, digests)
        await desk.run("DELETE FROM files WHERE id = :id", id=UUID(first["id"]))
        await desk.stage.bus.call(Tend())
        return found

    monkeypatch.setattr(store, "known_blobs", then_gone)
    second = await desk.uploaded(sent, somebody(), **PHOTO)
    for path in (second["url"], *second["variants"].values()):
        assert (await desk.get(path)).status_code == 200
