"""Words of the tests of pictures: a street with the file service beside it, and files that were uploaded."""

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from sqlalchemy import text

from tests.business.street import Street, TurnosSide, an_account, turnos_service
from tests.callers import Callers
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.contracts.files import Purpose
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id
from turnosya.runtime.service import Service
from turnosya.services.business.service import service as business
from turnosya.services.files import store
from turnosya.services.files.context import Files
from turnosya.services.files.service import service as files
from turnosya.services.files.store import Blob, File
from turnosya.services.users.service import service as users


@asynccontextmanager
async def a_street_with_files(
    servers: Servers, folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[Street]:
    """Users, business and files as they are, turnos as far as business knows it."""
    side = TurnosSide()
    given = {
        "TURNOSYA_FILES_STORE_URL": (folder / "store").as_uri(),
        "TURNOSYA_FILES_SPOOL": str(folder / "spool"),
        **(settings or {}),
    }
    services: list[Service[Any]] = [users, turnos_service(side), business, files]
    async with a_stage(servers, services, settings=given) as stage, stage.http("business") as http:
        ana = await an_account(stage, "Ana", "+5491122334455")
        beto = await an_account(stage, "Beto", "+5491155667788")
        yield Street(stage, http, Callers(stage), side, ana, beto)


def files_of(street: Street) -> Files:
    """The file service of that street."""
    return cast("Files", street.stage.running["files"].context)


async def a_file(
    street: Street, owner_id: UUID, purpose: Purpose = "business_image", *, business_id: str | None = None
) -> str:
    """Something that was uploaded a moment ago; its id. Only its row: nobody reads it here."""
    blob = Blob(secrets.token_hex(8), secrets.token_hex(32), 9, "image/jpeg")
    now = real_now()
    file = File(
        id=new_id(),
        owner_id=owner_id,
        purpose=purpose,
        business_id=None if business_id is None else UUID(business_id),
        conversation_id=None,
        width=2048,
        height=1000,
        blob=blob,
        thumb=blob,
        medium=blob,
        created_at=now,
    )
    async with files_of(street).db.transaction() as tx:
        await store.keep_blob(tx, blob)
        await store.add(tx, file, kept_until=now + timedelta(hours=24))
    return str(file.id)


async def used(street: Street) -> dict[str, int]:
    """By file, how many things show it, as files knows it."""
    async with files_of(street).db.read() as tx:
        rows = await tx.execute(text("SELECT file_id, count(*) AS times FROM uses GROUP BY file_id"))
        return {str(row.file_id): row.times for row in rows}


async def are_used(street: Street, *ids: str) -> None:
    """Waits until files knows that just these are shown, each as often as it stands here."""
    wanted = {one: ids.count(one) for one in ids}

    async def look() -> dict[str, int]:
        return await used(street)

    await until(look, lambda found: found == wanted)
