"""Verification: papers of the owner's, an admin's word, and a time after which it ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from tests.business.album import a_file, a_street_with_files, are_used, files_of
from tests.business.street import ADMIN, BASE, Street
from tests.servers import Servers
from tests.stage import until
from turnosya.contracts.business import GetHeld, TendVerifications, VerificationEndedByName
from turnosya.contracts.files import FileUsed, GetFiles, Purpose
from turnosya.contracts.users import PersonErased
from turnosya.runtime.ids import new_id
from turnosya.services.business import erasure
from turnosya.services.business.verification_state import next_step

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOW = datetime(2027, 3, 1, tzinfo=UTC)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_street(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Street]:
    async with a_street_with_files(servers, tmp_path_factory.mktemp("papers")) as street:
        yield street


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def no_uses(street: Street) -> None:
    """Of businesses of the tests before."""
    async with files_of(street).db.transaction() as tx:
        await tx.execute(text("DELETE FROM files"))


async def a_paper(street: Street, owner_id: UUID | None = None, **fields: Any) -> str:  # noqa: ANN401 - as of a_file
    return await a_file(street, owner_id or street.ana, "verification_document", **fields)


async def asked(street: Street, shop: str, *papers: str) -> Any:  # noqa: ANN401 - any JSON
    body = {"file_ids": list(papers or [await a_paper(street)])}
    return await street.got("POST", f"{shop}/verification", body, by=street.ana, status=201)


async def decided(street: Street, shop: str, how: str, **body: str) -> Any:  # noqa: ANN401 - any JSON
    return await street.got("POST", f"{shop}/verification/{how}", body or None, by=ADMIN)


async def is_verified(street: Street, shop: str) -> bool:
    """As its document says; the search says the same."""
    found = await street.got("GET", "?verified=true")
    shown: bool = (await street.got("GET", shop))["verified"]
    assert [f"/{one['id']}" for one in found["items"]] == [shop] * shown
    return shown


async def pretend(street: Street, **columns: datetime) -> None:
    """As if so much time had gone by for all that holds."""
    async with street.business.db.transaction() as tx:
        for name, value in columns.items():
            await tx.execute(
                text(f"UPDATE verifications SET {name} = :value WHERE status = 'approved'"),  # noqa: S608 - names above
                {"value": value},
            )


async def steps(street: Street, shop: str) -> list[str]:
    found = await street.got("GET", f"{shop}/verification", by=street.ana)
    return [one["what"] for one in found["history"]]


async def test_papers_are_handed_in_and_an_admin_verifies_the_business(street: Street) -> None:
    shop = await street.a_shop()
    path = f"{shop}/verification"
    await street.refused("GET", path, by=street.ana, status=404, code="not_found")
    await street.refused("POST", f"{path}/approve", by=ADMIN, status=404, code="not_found")
    first, second = await a_paper(street), await a_paper(street, business_id=shop[1:])
    made = await asked(street, shop, first, second)
    assert (made["status"], made["file_ids"], made["expires_at"]) == ("pending", [first, second], None)
    await are_used(street, first, second)
    assert not await is_verified(street, shop)
    [waiting] = (await street.got("GET", "/verifications", by=ADMIN))["items"]
    assert (waiting["business_name"], waiting["owner_id"]) == ("Barbería Ñandú", str(street.ana))
    for reader in (street.ana, ADMIN):
        seen = await street.got("GET", path, by=reader)
        assert [one["id"] for one in seen["files"]] == [first, second]
        assert "token=" in seen["files"][0]["url"]
    approved = await decided(street, shop, "approve")
    assert approved["status"] == "approved"
    ends = datetime.fromisoformat(approved["expires_at"])
    assert timedelta(days=364) < ends - datetime.now(UTC) < timedelta(days=366)
    assert [(one["what"], one["actor_id"]) for one in approved["history"]] == [
        ("requested", str(street.ana)),
        ("approved", str(ADMIN)),
    ]
    assert await decided(street, shop, "approve") == approved
    assert await is_verified(street, shop)
    slug = (await street.got("GET", shop))["slug"]
    assert "Negocio verificado" in (await street.http.get(f"/b/{slug}")).text
    assert (await street.got("GET", "/verifications", by=ADMIN))["items"] == []
    await are_used(street, first, second)


async def test_only_documents_of_the_owners_for_this_business_are_taken(street: Street) -> None:
    shop, other = await street.a_shop(), await street.a_shop(name="Otra")
    path, good = f"{shop}/verification", await a_paper(street)
    purposes: list[Purpose] = ["user_photo", "business_image", "chat_attachment"]
    for wrong in (
        str(new_id()),
        await a_paper(street, street.beto),
        await a_paper(street, business_id=other[1:]),
        *[await a_file(street, street.ana, one) for one in purposes],
    ):
        body: dict[str, object] = {"file_ids": [good, wrong]}
        await street.refused("POST", path, body, by=street.ana, status=422, code="file_not_usable")
    many = [str(new_id()) for _ in range(11)]
    unfit: list[object] = [{}, *[{"file_ids": ids} for ids in ([], [good, good], many, good, None)]]
    for one in unfit:
        await street.refused("POST", path, one, by=street.ana, status=422, code="validation_failed")
    bring_back = street.take_away(GetFiles)
    body = {"file_ids": [good]}
    await street.refused("POST", path, body, by=street.ana, status=503, code="service_unavailable")
    bring_back()
    await are_used(street)


async def test_papers_are_seen_by_owner_and_admin_and_decided_by_admins_alone(street: Street) -> None:
    shop = await street.a_shop()
    await street.a_member(shop, user_id=str(street.beto))
    await asked(street, shop)
    path, why = f"{shop}/verification", {"reason": "x"}
    theirs = {"file_ids": [await a_paper(street, street.beto)]}
    await street.refused("POST", path, theirs, by=street.beto, status=403, code="forbidden")
    await street.refused("DELETE", path, by=street.beto, status=403, code="forbidden")
    for reader in (street.beto, new_id()):
        await street.refused("GET", path, by=reader, status=404, code="not_found")
        await street.refused("GET", "/verifications", by=reader, status=403, code="forbidden")
    for by in (street.ana, street.beto):
        await street.refused("POST", f"{path}/approve", by=by, status=403, code="forbidden")
        for how in ("reject", "revoke"):
            await street.refused("POST", f"{path}/{how}", why, by=by, status=403, code="forbidden")
    await street.refused("GET", path, status=401, code="token_missing")
    await street.got("POST", f"{shop}/suspension", why, by=ADMIN)
    await street.refused("POST", path, theirs, by=street.beto, status=404, code="not_found")
    assert (await street.got("GET", path, by=street.ana))["status"] == "pending"


async def test_what_is_rejected_withdrawn_or_revoked_releases_its_papers(street: Street) -> None:
    shop = await street.a_shop()
    path, why = f"{shop}/verification", {"reason": "No se lee"}
    await asked(street, shop)
    rejected = await decided(street, shop, "reject", **why)
    assert (rejected["status"], rejected["reason"], rejected["file_ids"]) == ("rejected", "No se lee", [])
    assert await decided(street, shop, "reject", reason="otra vez") == rejected
    await street.refused("POST", f"{path}/approve", by=ADMIN, status=409, code="conflict")
    await are_used(street)
    await asked(street, shop)
    body = {"file_ids": [await a_paper(street)]}
    await street.refused("POST", path, body, by=street.ana, status=409, code="conflict")
    await street.got("DELETE", path, by=street.ana, status=204)
    await street.refused("DELETE", path, by=street.ana, status=404, code="not_found")
    await are_used(street)
    await asked(street, shop)
    await decided(street, shop, "approve")
    revoked = await decided(street, shop, "revoke", **why)
    assert revoked["status"] == "revoked"
    assert not await is_verified(street, shop)
    await street.refused("POST", f"{path}/revoke", why, by=ADMIN, status=409, code="conflict")
    await are_used(street)
    told = ["requested", "rejected", "requested", "withdrawn", "requested", "approved", "revoked"]
    assert await steps(street, shop) == told
    seen = await street.got("GET", path, by=street.ana)
    assert (seen["files"], seen["reason"]) == ([], "No se lee")


async def test_a_renewal_takes_the_place_of_what_holds_and_a_rejected_one_does_not(street: Street) -> None:
    shop = await street.a_shop()
    old, bad, new = [await a_paper(street) for _ in range(3)]
    await asked(street, shop, old)
    await decided(street, shop, "approve")
    await asked(street, shop, bad)
    await are_used(street, old, bad)
    await decided(street, shop, "reject", reason="Vencido")
    assert await is_verified(street, shop)
    await are_used(street, old)
    await asked(street, shop, new)
    await decided(street, shop, "approve")
    assert await is_verified(street, shop)
    await are_used(street, new)
    assert (await steps(street, shop))[-3:] == ["requested", "superseded", "approved"]


async def test_a_renewal_before_the_end_loses_no_day_that_was_left(street: Street) -> None:
    shop = await street.a_shop()
    now = datetime.now(UTC)
    days: list[int] = []
    for left in (None, timedelta(days=20), timedelta(days=700), timedelta(days=-1)):
        if left is not None:
            await pretend(street, expires_at=now + left)
        await asked(street, shop)
        approved = await decided(street, shop, "approve")
        days.append(round((datetime.fromisoformat(approved["expires_at"]) - now) / timedelta(days=1)))
    # Of what is left a year counts at most; what is over counts for nothing.
    assert days == [365, 385, 730, 365]
    assert await is_verified(street, shop)


@pytest.mark.parametrize("name", ["Barberia  nandu!", "BARBERÍA ÑANDÚ"], ids=["signs", "capitals"])
async def test_a_name_only_written_otherwise_keeps_the_verification(street: Street, name: str) -> None:
    shop = await street.a_shop()
    await asked(street, shop)
    await decided(street, shop, "approve")
    changed = await street.got("PATCH", shop, {"name": name, "description": "Nueva"}, by=street.ana)
    assert (changed["name"], changed["verified"]) == (name, True)
    assert await is_verified(street, shop)


async def test_another_name_is_not_verified_by_papers_of_the_former_one(street: Street) -> None:
    shop = await street.a_shop()
    heard: list[VerificationEndedByName] = []

    async def hear(event: VerificationEndedByName) -> None:
        heard.append(event)

    await street.stage.bus.hear_every_copy(VerificationEndedByName, hear)
    held = await a_paper(street)
    await asked(street, shop, held)
    await decided(street, shop, "approve")
    await asked(street, shop)
    changed = await street.got(
        "PATCH", shop, {"name": "Banco Nación", "timezone": "America/Lima"}, by=street.ana
    )
    assert changed["verified"] is False
    assert not await is_verified(street, shop)
    await are_used(street)
    assert (await steps(street, shop))[2:] == ["requested", "renamed", "renamed"]
    # What an admin has seen was for another name: there is nothing left to approve.
    await street.refused("POST", f"{shop}/verification/approve", by=ADMIN, status=409, code="conflict")

    async def told() -> list[tuple[str, str]]:
        return [(one.former_name, one.business_name) for one in heard]

    assert await until(told, bool) == [("Barbería Ñandú", "Banco Nación")]
    await street.got("PATCH", shop, {"name": "Otro"}, by=street.ana)
    await asked(street, shop)
    await decided(street, shop, "approve")
    assert await is_verified(street, shop)
    assert await told() == [("Barbería Ñandú", "Banco Nación")]


async def test_its_owner_is_reminded_twice_and_then_it_ends(street: Street) -> None:
    shop = await street.a_shop()
    await asked(street, shop)
    await decided(street, shop, "approve")
    now = datetime.now(UTC)

    async def tended(left: timedelta) -> list[str]:
        # The job of each hour, twice: what was told is not told again.
        await pretend(street, expires_at=now + left, next_step_at=now - timedelta(seconds=1))
        for _ in range(2):
            await street.stage.bus.call(TendVerifications())
        return (await steps(street, shop))[2:]

    assert await tended(timedelta(days=29)) == ["reminded"]
    assert await tended(timedelta(days=6)) == ["reminded", "reminded"]
    assert await is_verified(street, shop)
    assert await tended(timedelta(seconds=-1)) == ["reminded", "reminded", "expired"]
    assert not await is_verified(street, shop)
    await are_used(street)
    await asked(street, shop)
    await decided(street, shop, "approve")
    assert await is_verified(street, shop)


async def test_the_service_clock_says_when_papers_end(street: Street) -> None:
    shop = await street.a_shop()
    await asked(street, shop)
    await decided(street, shop, "approve")
    clock = street.stage.clock
    try:
        for days, verified, seen in (
            (336, True, ["reminded"]),
            (359, True, ["reminded", "reminded"]),
            (366, False, ["reminded", "reminded", "expired"]),
        ):
            clock.use(version=clock.version + 1, set_to=datetime.now(UTC) + timedelta(days=days))
            # It ends by itself: the job comes after it.
            assert await is_verified(street, shop) is verified
            await street.stage.bus.call(TendVerifications())
            assert (await steps(street, shop))[2:] == seen
    finally:
        clock.use(version=clock.version + 1, set_to=None)
    assert not await is_verified(street, shop), "what has ended stays so"


async def test_a_word_of_an_admin_is_for_the_papers_they_have_seen(street: Street) -> None:
    shop = await street.a_shop()

    async def is_about_others(how: str, **body: str) -> None:
        path = f"{shop}/verification/{how}"
        await street.refused("POST", path, body, by=ADMIN, status=409, code="conflict")

    seen = (await asked(street, shop))["id"]
    await street.got("DELETE", f"{shop}/verification", by=street.ana, status=204)
    other = (await asked(street, shop))["id"]
    await is_about_others("approve", verification_id=seen)
    await is_about_others("reject", reason="Borroso", verification_id=seen)
    assert not await is_verified(street, shop)
    for _ in range(2):
        approved = await decided(street, shop, "approve", verification_id=other)
        assert (approved["id"], approved["status"]) == (other, "approved")
    new = (await asked(street, shop))["id"]
    # What holds is not what waits.
    await is_about_others("approve", verification_id=other)
    for _ in range(2):
        assert (await decided(street, shop, "reject", reason="No", verification_id=new))["id"] == new
    await is_about_others("revoke", reason="Otra", verification_id=new)
    assert await is_verified(street, shop)
    revoked = await decided(street, shop, "revoke", reason="Otra", verification_id=other)
    assert (revoked["id"], revoked["status"]) == (other, "revoked")


async def test_who_has_handed_in_new_papers_is_not_reminded(street: Street) -> None:
    shop = await street.a_shop()
    await asked(street, shop)
    await decided(street, shop, "approve")
    await asked(street, shop)
    now = datetime.now(UTC)
    await pretend(street, expires_at=now + timedelta(days=29), next_step_at=now)
    await street.stage.bus.call(TendVerifications())
    assert await steps(street, shop) == ["requested", "approved", "requested"]


@pytest.mark.parametrize(
    ("left_days", "next_left_days"), [(365, 30), (30, 7), (29, 7), (7, 0), (1, 0)], ids=range(5)
)
async def test_the_next_step_is_a_reminder_or_the_end(left_days: int, next_left_days: int) -> None:
    ends = NOW + timedelta(days=left_days)
    assert next_step(ends, NOW) == ends - timedelta(days=next_left_days)


async def test_requests_and_words_at_once_are_one_each(street: Street) -> None:
    shop = await street.a_shop()
    papers = [await a_paper(street) for _ in range(4)]
    body = [{"file_ids": [one]} for one in papers]
    handed = await asyncio.gather(
        *(street.ask("POST", f"{shop}/verification", one, by=street.ana) for one in body)
    )
    assert Counter(one.status_code for one in handed) == {201: 1, 409: 3}
    [first] = [one.json()["file_ids"][0] for one in handed if one.status_code == 201]
    await are_used(street, first)
    headers = street.callers.headers(ADMIN, admin=True)
    async with street.another_copy() as other:
        yes = street.http.post(f"{BASE}{shop}/verification/approve", headers=headers)
        no = other.post(f"{BASE}{shop}/verification/reject", json={"reason": "x"}, headers=headers)
        answers = await asyncio.gather(yes, no)
    assert sorted(one.status_code for one in answers) == [200, 409]
    verified = await is_verified(street, shop)
    assert verified == (answers[0].status_code == 200)
    await are_used(street, *([first] if verified else []))


@pytest.mark.parametrize("how", ["deleted", "erased"])
async def test_a_business_that_goes_releases_its_papers(street: Street, how: str) -> None:
    shop = await street.a_shop()
    await asked(street, shop)
    await decided(street, shop, "approve")
    await asked(street, shop)
    held = await street.stage.bus.call(GetHeld(user_id=ADMIN))
    assert [one["what"] for one in held.records["verification_steps"]] == ["approved"]
    if how == "deleted":
        await street.got("DELETE", shop, by=street.ana, status=204)
    else:
        await erasure.forget(street.business, PersonErased(user_id=street.ana, key="k"))
    await are_used(street)
    await street.refused("GET", f"{shop}/verification", by=ADMIN, status=404, code="not_found")
    assert (await street.got("GET", "/verifications", by=ADMIN))["items"] == []
    async with street.business.db.read() as tx:
        rows = await tx.execute(text("SELECT status FROM verifications ORDER BY id"))
        assert list(rows.scalars()) == ([] if how == "erased" else ["withdrawn", "withdrawn"])


async def test_an_erased_admin_is_in_no_history(street: Street) -> None:
    shop = await street.a_shop()
    await asked(street, shop)
    await decided(street, shop, "approve")
    await erasure.forget(street.business, PersonErased(user_id=ADMIN, key="k"))
    seen = await street.got("GET", f"{shop}/verification", by=street.ana)
    assert [one["actor_id"] for one in seen["history"]] == [str(street.ana), None]
    assert seen["status"] == "approved"


async def test_a_paper_whose_file_is_gone_is_no_paper(street: Street) -> None:
    shop = await street.a_shop()
    kept, lost = await a_paper(street), await a_paper(street)
    made = await asked(street, shop, kept, lost)
    await are_used(street, kept, lost)
    async with files_of(street).db.transaction() as tx:
        await tx.execute(text("DELETE FROM files WHERE id = :id"), {"id": UUID(lost)})
    await street.stage.tell(FileUsed(file_id=UUID(lost), by=f"business.verification/{made['id']}"))

    async def look() -> list[str]:
        found: list[str] = (await street.got("GET", f"{shop}/verification", by=street.ana))["file_ids"]
        return found

    assert await until(look, lambda found: len(found) == 1) == [kept]
