"""What development shows instead of sending: the messages as JSON, and a page of them."""

from importlib.resources import files
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import HTMLResponse

from turnosya.runtime.fields import Instant, Resource
from turnosya.runtime.http import context_of, router
from turnosya.runtime.link_pages import policy_of
from turnosya.runtime.messages import NotFound
from turnosya.services.notification import inquiry
from turnosya.services.notification.context import Notification
from turnosya.services.notification.store.deliveries import ShownMessage


class DevMessage(Resource):
    """A message that would have been sent."""

    id: UUID
    channel: str
    to: str
    template: str
    subject: str
    body: str
    data: dict[str, Any]
    sent_at: Instant


class DevMessages(Resource):
    """Messages, newest first."""

    items: list[DevMessage]


def _development_only(
    notification: Annotated[Notification, Depends(context_of(Notification))],
) -> Notification:
    if not notification.shows:
        raise NotFound
    return notification


Development = Annotated[Notification, Depends(_development_only)]

routes = router("", tags=["development"])


@routes.get("/v1/dev/messages")
async def messages(
    notification: Development,
    to: Annotated[str | None, Query(max_length=320)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> DevMessages:
    """What would have been sent, newest first; `to` is a number, an e-mail or a user id. Development only."""
    found = await inquiry.messages(notification, to or None, limit=limit)
    return DevMessages(items=[_shown(one) for one in found])


def _shown(message: ShownMessage) -> DevMessage:
    return DevMessage(
        id=message.id,
        channel=message.channel,
        to=message.address,
        template=message.template,
        subject=message.subject,
        body=message.body,
        data=message.data,
        sent_at=message.sent_at,
    )


@routes.get("/dev", response_class=HTMLResponse, include_in_schema=False)
async def page(_: Development) -> HTMLResponse:
    """The same messages as a page for people. Development only."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})


_PAGE = files("turnosya.services.notification").joinpath("page.html").read_text("utf-8")
_POLICY = policy_of(_PAGE)
