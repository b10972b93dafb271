"""What admins are told about the system itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from turnosya.contracts.checks import AlertCleared, AlertRaised
from turnosya.contracts.users import GetAdmins
from turnosya.services.notification import rules, telling
from turnosya.services.notification.context import occasion
from turnosya.services.notification.telling import Told

if TYPE_CHECKING:
    from turnosya.services.notification.context import Notification


async def tell(notification: Notification, event: AlertRaised | AlertCleared) -> None:
    """Queues one delivery for each admin, on the way they get news by."""
    admins = (await notification.bus.call(GetAdmins())).people
    reach = await telling.reaches(notification, [admin.id for admin in admins]) if admins else {}
    told = [
        Told(
            occasion=occasion(),
            template=rules.template_of(type(event).__name__),
            reader="person",
            contact=rules.contact_of(admin),
            facts={
                "name": admin.name,
                "kind": event.kind,
                "subject": event.subject,
                "since": f"{event.since:%Y-%m-%d %H:%M} UTC",
            },
            data={"alert_id": str(event.alert_id)},
        )
        for admin in admins
    ]
    await telling.tell(notification, told, reach)
