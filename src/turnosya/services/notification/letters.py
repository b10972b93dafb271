"""Writes a delivery: opens its code, makes its links, fills its template."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import structlog
from jinja2 import TemplateError

from turnosya.contracts.auth import CodeRequested
from turnosya.runtime.clock import real_now
from turnosya.services.notification import wording

if TYPE_CHECKING:
    from datetime import datetime

    from turnosya.services.notification.context import Notification
    from turnosya.services.notification.store.deliveries import Delivery

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Written:
    """What the reader gets: words, and what an app or a button needs."""

    letter: wording.Letter
    data: dict[str, Any]
    code: str | None


def write(notification: Notification, delivery: Delivery) -> Written | None:
    """The message as it is read; None, and an alarm, if its template does not let itself be filled."""
    try:
        secrets = _opened(notification, delivery, real_now())
        letter = wording.write(
            delivery.template,
            delivery.reader,
            delivery.channel,
            locale=delivery.locale,
            facts={**delivery.facts, **secrets},
        )
    except (TemplateError, LookupError, ValueError) as error:
        # Not the error's text: it may quote what somebody wrote.
        log.error(  # noqa: TRY400 - the traceback shows facts
            "delivery_failed",
            delivery_id=str(delivery.id),
            template=delivery.template,
            why="not_written",
            error=type(error).__name__,
        )
        return None
    data = dict(delivery.data)
    data |= {name: secrets[name] for name in ("code", "link", "links") if name in secrets}
    return Written(letter, data, secrets.get("code"))


def _opened(notification: Notification, delivery: Delivery, now: datetime) -> dict[str, Any]:
    made = {
        name: notification.links.address(link.to, link.subject, expires_at=link.expires_at)
        for name, link in delivery.links.items()
    }
    if "link" in made:
        return made
    if made:
        return {"links": made}
    if delivery.sealed is None:
        return {}
    event = notification.bus.decode(CodeRequested, delivery.sealed)
    assert isinstance(event, CodeRequested)  # noqa: S101 - decoded as such
    return {"code": event.code, "minutes": max(1, ceil((event.expires_at - now).total_seconds() / 60))}
