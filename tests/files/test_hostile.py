"""What does harm: scripts hidden deep in a document, a killed decoder, many bombs at once."""

import asyncio
import io
from typing import Any

import pikepdf
import psutil
import pytest

from tests.files.desk import Desk, bomb, drawn, paper, somebody
from tests.stage import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def with_annotation(**action: Any) -> bytes:  # noqa: ANN401 - any object of a PDF
    """A PDF whose page has a link that does something, in an object of its own."""
    document, out = pikepdf.new(), io.BytesIO()
    page = document.add_blank_page()
    does = document.make_indirect(pikepdf.Dictionary(**action))
    link = pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link, Rect=[0, 0, 9, 9], A=does)
    page.Annots = pikepdf.Array([document.make_indirect(link)])
    document.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()


def locked(owner: str, user: str) -> bytes:
    """A PDF with a password."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(paper())) as document:
        document.save(out, encryption=pikepdf.Encryption(owner=owner, user=user))
    return out.getvalue()


@pytest.mark.parametrize(
    "document",
    [
        with_annotation(S=pikepdf.Name.JavaScript, JS="app.alert(1)"),
        with_annotation(S=pikepdf.Name.Launch, F="cmd.exe"),
        locked("owner", "user"),
        locked("owner", ""),
    ],
    ids=["script-of-a-link", "program-of-a-link", "password", "password-of-its-owner-only"],
)
async def test_a_document_that_does_something_is_refused_however_deep_it_lies(
    desk: Desk, document: bytes
) -> None:
    before = desk.kept()
    answer = await desk.upload(document, somebody(), purpose="verification_document")
    assert answer.status_code in {415, 422}, answer.text
    assert answer.json()["code"] in {"file_type_refused", "file_corrupt"}
    assert (desk.kept(), desk.spooled()) == (before, [])


def decoders() -> list[psutil.Process]:
    """The processes that this one has started to decode."""
    found = psutil.Process().children()
    return [one for one in found if any("files.decoding.worker" in word for word in one.cmdline())]


async def test_a_good_picture_is_taken_although_its_decoder_is_killed(desk: Desk) -> None:
    by = somebody()
    await desk.uploaded(drawn(), by, purpose="user_photo")
    [decoder] = decoders()
    decoder.suspend()
    sending = asyncio.create_task(desk.upload(drawn(size=(641, 479)), by, purpose="user_photo"))

    async def is_asked() -> bool:
        return desk.files.workshop.worker.is_busy

    await until(is_asked, bool)
    decoder.kill()
    assert (await sending).status_code == 201
    assert desk.spooled() == []


async def test_many_bombs_at_once_leave_nothing_and_keep_nobody_out(desk: Desk) -> None:
    by = somebody()
    sent = [desk.upload(bomb(9000, 9000), by, purpose="user_photo") for _ in range(6)]
    *answers, good = await asyncio.gather(*sent, desk.upload(drawn(size=(99, 98)), by, purpose="user_photo"))
    assert {one.status_code for one in answers} <= {413, 422}
    assert good.status_code == 201
    assert desk.spooled() == []
