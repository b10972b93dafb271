"""What is read, by whom, and which part of it; what uses files, and what becomes of the others."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.files.desk import Desk, drawn, somebody
from tests.stage import until
from turnosya.contracts.files import (
    FileGone,
    FileReleased,
    FileUsed,
    GetFiles,
    GetHeld,
    PersonForgotten,
    SecurityNoted,
    Tend,
)
from turnosya.contracts.users import PersonErased
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.services.files import ranges
from turnosya.services.files.ranges import Part, Unsatisfiable, Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

PUBLIC = {"purpose": "business_image"}
PRIVATE = {"purpose": "verification_document"}
NOBODY_HAS = "/v1/files/0192a000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        *(
            (None, Whole()),
            ("bytes=0-9", Part(0, 10)),
            ("bytes=90-", Part(90, 100)),
            ("bytes=-10", Part(90, 100)),
        ),
        *(("bytes=0-1000", Part(0, 100)), ("bytes=-1000", Part(0, 100)), ("bytes=99-99", Part(99, 100))),
        *(("bytes=100-", Unsatisfiable()), ("bytes=-0", Unsatisfiable()), ("bytes=5-4", Whole())),
        *(("bytes=0-1,5-6", Whole()), ("lines=0-1", Whole()), ("bytes=", Whole()), ("bytes=a-b", Whole())),
        *(("bytes=-", Whole()), ("bytes = 1 - 2", Part(1, 3)), ("bytes=9999999999999999999-", Whole())),
    ],
)
async def test_ranges_of_every_shape(header: str | None, found: object) -> None:
    assert ranges.wanted(header, None, etag='"e"', size=100) == found


async def test_a_range_holds_only_for_the_content_it_was_made_for() -> None:
    assert ranges.wanted("bytes=0-9", '"e"', etag='"e"', size=100) == Part(0, 10)
    assert ranges.wanted("bytes=0-9", '"other"', etag='"e"', size=100) == Whole()
    assert ranges.wanted("bytes=0-9", 'W/"e"', etag='"e"', size=100) == Whole()


async def test_a_public_file_is_for_everybody_and_for_ever(desk: Desk) -> None:
    shown = await desk.uploaded(drawn(), somebody(), **PUBLIC)
    whole = await desk.get(shown["url"])
    assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert whole.headers["x-content-type-options"] == "nosniff"
    etag = whole.headers["etag"]
    assert etag == f'"{shown["sha256"]}"'
    known = await desk.get(shown["url"], headers={"If-None-Match": f'"x", {etag}'})
    assert (known.status_code, known.content) == (304, b"")
    for named, status in (("*", 200), (f'"x", {etag}', 200), ('"x"', 412), (f"W/{etag}", 412)):
        expected = await desk.get(shown["url"], headers={"If-Match": named, "If-None-Match": '"y"'})
        assert expected.status_code == status, named
    part = await desk.get(shown["url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{shown['size_bytes']}"
    beyond = await desk.get(shown["url"], headers={"Range": "bytes=99999999-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{shown['size_bytes']}")
    head = await desk.http.head(shown["url"])
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(shown["size_bytes"])


async def test_a_private_file_is_for_its_owner_an_admin_and_who_has_a_link(desk: Desk) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(), owner, **PRIVATE)
    path, _, token = shown["url"].partition("?token=")
    assert token
    for stranger in (None, somebody()):
        assert (await desk.get(path, stranger)).status_code == 404
    assert (await desk.http.get(path, headers=desk.as_(somebody(), admin=True))).status_code == 200
    for answer in (await desk.get(path, owner), await desk.get(shown["url"])):
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "private, no-store"
    # A link is for this one file, and for this one size of it.
    assert (await desk.get(f"{path}/thumb?token={token}")).status_code == 404
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert (await desk.get(f"{path}?token={changed}")).status_code == 404
    other = await desk.uploaded(drawn(size=(50, 40)), owner, **PRIVATE)
    assert (await desk.get(f"{other['url'].partition('?')[0]}?token={token}")).status_code == 404
    assert (await desk.get(f"{NOBODY_HAS}?token={token}")).status_code == 404


async def test_a_link_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = await desk.uploaded(drawn(), somebody(), **PRIVATE)
    later = real_now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr("turnosya.services.files.reading.real_now", lambda: later)
    assert (await desk.get(shown["url"])).status_code == 404


async def test_each_read_of_a_private_file_is_in_the_audit(desk: Desk) -> None:
    heard: list[SecurityNoted] = []

    async def hear(event: SecurityNoted) -> None:
        heard.append(event)

    await desk.stage.bus.hear_every_copy(SecurityNoted, hear)
    owner = somebody()
    shown = await desk.uploaded(drawn(), owner, **PRIVATE)
    await desk.get(shown["url"])

    async def found() -> list[tuple[str, UUID | None, UUID | None]]:
        return [(one.kind, one.actor_id, one.subject_id) for one in heard]

    assert await until(found, bool) == [("file_read", owner, owner)]


async def test_an_attachment_is_for_the_members_of_its_conversation(desk: Desk) -> None:
    sender, other, conversation = somebody(), somebody(), new_id()
    desk.members[conversation] = {sender, other}
    shown = await desk.uploaded(drawn(), sender, purpose="chat_attachment")
    path = shown["url"].partition("?")[0]
    assert (await desk.get(path, other)).status_code == 404
    await desk.stage.tell(
        FileUsed(file_id=UUID(shown["id"]), by="chat.message/1", conversation_id=conversation)
    )

    async def status() -> int:
        return (await desk.get(path, other)).status_code

    assert await until(status, lambda found: found == 200) == 200
    assert (await desk.get(path, somebody())).status_code == 404


async def test_others_are_told_what_a_file_is(desk: Desk) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(), owner, **PUBLIC)
    asked = GetFiles(ids=[UUID(shown["id"]), new_id()])
    [facts] = (await desk.stage.bus.call(asked)).items
    assert (facts.owner_id, facts.purpose, facts.url) == (owner, "business_image", shown["url"])


async def test_what_nothing_uses_goes_and_what_is_used_stays(desk: Desk) -> None:
    owner = somebody()
    used, unused = [await desk.uploaded(drawn(size=(700, 300 + 200 * n)), owner, **PUBLIC) for n in range(2)]
    await desk.stage.tell(
        FileUsed(file_id=UUID(used["id"]), by="a/1"), FileUsed(file_id=UUID(used["id"]), by="b/1")
    )
    uses = "SELECT used_by FROM uses WHERE file_id = :id ORDER BY 1"

    async def users() -> list[str]:
        return await desk.rows(uses, id=UUID(used["id"]))

    await until(users, lambda found: found == ["a/1", "b/1"])
    assert (await desk.http.delete(used["url"], headers=desk.as_(owner))).status_code == 409
    await desk.run("UPDATE files SET kept_until = now() - interval '1 hour' WHERE owner_id = :o", o=owner)
    kept = desk.kept()
    await desk.stage.bus.call(Tend())
    assert (await desk.get(used["url"])).status_code == 200
    assert (await desk.get(unused["url"])).status_code == 404
    assert len(kept - desk.kept()) == 3
    await desk.stage.tell(FileReleased(file_id=UUID(used["id"]), by="a/1"))
    await until(users, lambda found: found == ["b/1"])
    await desk.stage.bus.call(Tend())
    assert (await desk.get(used["url"])).status_code == 200
    await desk.stage.tell(FileReleased(file_id=UUID(used["id"]), by="b/1"))
    await until(users, lambda found: found == [])
    await desk.stage.bus.call(Tend())
    assert (await desk.get(used["url"])).status_code == 404


async def test_who_asks_for_a_file_has_time_to_use_it(desk: Desk) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(), owner, **PUBLIC)
    await desk.run("UPDATE files SET kept_until = now() - interval '1 hour' WHERE owner_id = :o", o=owner)
    await desk.stage.bus.call(GetFiles(ids=[UUID(shown["id"])]))
    await desk.stage.bus.call(Tend())
    assert (await desk.get(shown["url"])).status_code == 200


async def test_what_a_kill_left_behind_is_removed_after_a_day_and_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await desk.uploaded(drawn(), somebody(), **PUBLIC)
    lost = desk.folder / "store" / "ab" / "abandoned"
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"half")
    left = desk.folder / "spool" / "left"
    left.mkdir()
    await desk.stage.bus.call(Tend())
    assert lost.exists()
    assert left.exists()
    monkeypatch.setattr("turnosya.services.files.tending._LEFT_BEHIND", timedelta(seconds=-5))
    await desk.stage.bus.call(Tend())
    assert not lost.exists()
    assert not left.exists()
    assert (await desk.get(shown["url"])).status_code == 200


async def test_one_deletes_ones_own_and_nobody_elses(desk: Desk) -> None:
    owner = somebody()
    shown = await desk.uploaded(drawn(), owner, **PUBLIC)
    assert (await desk.http.delete(shown["url"], headers=desk.as_(somebody()))).status_code == 404
    assert (await desk.http.delete(shown["url"], headers=desk.as_(owner))).status_code == 204
    assert (await desk.get(shown["url"])).status_code == 404


async def test_an_admin_deletes_whatever_shows_it_and_those_are_told(desk: Desk) -> None:
    gone: list[FileGone] = []
    noted: list[SecurityNoted] = []

    async def hear_gone(event: FileGone) -> None:
        gone.append(event)

    async def hear_noted(event: SecurityNoted) -> None:
        noted.append(event)

    await desk.stage.bus.hear_every_copy(FileGone, hear_gone)
    await desk.stage.bus.hear_every_copy(SecurityNoted, hear_noted)
    owner, admin = somebody(), somebody()
    shown = await desk.uploaded(drawn(size=(612, 413)), owner, **PUBLIC)
    file_id, kept = UUID(shown["id"]), desk.kept()
    await desk.stage.tell(FileUsed(file_id=file_id, by="a/1"), FileUsed(file_id=file_id, by="b/1"))

    async def uses() -> list[str]:
        return await desk.rows("SELECT used_by FROM uses WHERE file_id = :id", id=file_id)

    await until(uses, lambda found: len(found) == 2)
    assert (await desk.http.delete(shown["url"], headers=desk.as_(owner))).status_code == 409
    headers = desk.as_(admin, admin=True)
    assert (await desk.http.delete(shown["url"], headers=headers)).status_code == 204
    for path in (shown["url"], *shown["variants"].values()):
        assert (await desk.get(path)).status_code == 404
    await desk.stage.bus.call(Tend())
    assert len(kept - desk.kept()) == 3
    # Who says only now that it shows it is told as well.
    await desk.stage.tell(FileUsed(file_id=file_id, by="c/1"))

    async def told() -> set[tuple[UUID, str]]:
        return {(one.file_id, one.by) for one in gone}

    wanted = {(file_id, by) for by in ("a/1", "b/1", "c/1")}
    assert await until(told, lambda found: found == wanted) == wanted

    async def in_audit() -> list[tuple[str, UUID | None, UUID | None]]:
        return [(one.kind, one.actor_id, one.subject_id) for one in noted]

    assert await until(in_audit, bool) == [("file_deleted", admin, owner)]


async def test_an_erased_person_leaves_nothing(desk: Desk) -> None:
    heard: list[PersonForgotten] = []

    async def hear(event: PersonForgotten) -> None:
        heard.append(event)

    await desk.stage.bus.hear_every_copy(PersonForgotten, hear)
    owner = somebody()
    shown = await desk.uploaded(drawn(), owner, **PRIVATE)
    held = await desk.stage.bus.call(GetHeld(user_id=owner))
    assert [one["id"] for one in held.records["files"]] == [shown["id"]]
    await desk.stage.tell(PersonErased(user_id=owner, key="k"))

    async def confirmed() -> list[str]:
        return [one.key for one in heard]

    assert await until(confirmed, bool) == ["k"]
    assert (await desk.get(shown["url"])).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/v1/files/x", NOBODY_HAS, f"{NOBODY_HAS}/thumb", f"{NOBODY_HAS}/huge", f"{NOBODY_HAS}/thumb/x"],
    ids=["no-id", "nobodys", "nobodys-thumb", "no-variant", "deeper"],
)
async def test_what_is_not_there_is_404(desk: Desk, path: str) -> None:
    answer = await desk.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
