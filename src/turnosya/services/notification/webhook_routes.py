"""The webhook of WhatsApp: signed over its raw bytes, repeated, unordered, up to seven days late."""

from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response

from turnosya.runtime.http import context_of, router
from turnosya.runtime.messages import NotFound
from turnosya.runtime.problems import PayloadTooLarge
from turnosya.services.notification import receipts
from turnosya.services.notification.context import Notification

PATH = "/v1/notification/webhooks/whatsapp"
# The provider says that it sends no more than this.
MOST_BYTES = 3 * 1024 * 1024

Here = Annotated[Notification, Depends(context_of(Notification))]

routes = router(PATH, tags=["notification"])


@routes.get("", include_in_schema=False)
async def verify(
    here: Here,
    mode: Annotated[str, Query(alias="hub.mode")] = "",
    token: Annotated[str, Query(alias="hub.verify_token")] = "",
    challenge: Annotated[str, Query(alias="hub.challenge", max_length=200)] = "",
) -> Response:
    """The provider asks once whether this address is ours."""
    if mode != "subscribe" or not receipts.is_ours(here, token):
        raise NotFound
    # Text, whatever is in it: nothing of a stranger's becomes a page of ours.
    return Response(challenge, media_type="text/plain", headers={"X-Content-Type-Options": "nosniff"})


@routes.post("", include_in_schema=False)
async def receive(
    here: Here,
    request: Request,
    signature: Annotated[str, Header(alias="X-Hub-Signature-256")] = "",
) -> Response:
    """Receipts and answers of people; answered when they are stored, and the same again changes nothing."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise PayloadTooLarge
    if not receipts.is_signed(here, bytes(body), signature):
        # As if there were nothing: a stranger learns neither that it is here nor why not.
        raise NotFound
    await receipts.take(here, bytes(body))
    return Response(status_code=200)
