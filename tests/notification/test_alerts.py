"""What admins are told about the system; and nobody else."""

import pytest

from tests.notification.people import CLIENT_PHONE, OWNER_PHONE, Town
from turnosya.contracts.checks import AlertCleared, AlertRaised
from turnosya.runtime.clock import real_now
from turnosya.runtime.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_every_admin_and_nobody_else_reads_once_what_is_wrong_and_that_it_is_over(town: Town) -> None:
    async with town.stage.running["users"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE people SET roles = ARRAY['admin'] WHERE id = $1", (town.owner_id,)
        )
    alert = {"alert_id": new_id(), "kind": "process_dead", "subject": "turnos a:8000", "since": real_now()}
    [envelope] = await town.stage.tell(AlertRaised.model_validate(alert))
    await town.stage.bus.deliver(envelope)
    await town.stage.tell(AlertCleared.model_validate(alert))
    told = await town.message(OWNER_PHONE, "alert_raised")
    assert "um processo não dá sinal de vida (turnos a:8000)" in told["body"]
    assert "turnos a:8000" in (await town.message(OWNER_PHONE, "alert_cleared"))["body"]
    await town.all_is_heard()
    assert not await town.messages(CLIENT_PHONE, template="alert_raised")


async def test_a_blocked_admin_is_told_nothing(town: Town) -> None:
    async with town.stage.running["users"].host.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "UPDATE people SET roles = ARRAY['admin'] WHERE id = $1", (town.client_id,)
        )
        await tx.connection.exec_driver_sql(
            "INSERT INTO blocks (user_id, reason, blocked_by, blocked_at) VALUES ($1, 'x', $1, now())",
            (town.client_id,),
        )
    await town.stage.tell(AlertRaised(alert_id=new_id(), kind="another", subject="chat", since=real_now()))
    await town.all_is_heard()
    assert not await town.messages(CLIENT_PHONE, template="alert_raised")
