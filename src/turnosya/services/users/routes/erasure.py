"""Everything that is held about oneself, and the end of one's account."""

from typing import Any

from fastapi import Response

from turnosya.contracts.users import CredentialsInvalid
from turnosya.runtime.clock import real_now
from turnosya.runtime.fields import Closed, Instant, Resource
from turnosya.runtime.http import SignedIn, router
from turnosya.runtime.messages import NotFound
from turnosya.runtime.problems import refuses
from turnosya.services.users import erasure, export
from turnosya.services.users.routes.forms import Here, Password, tell_gateway

routes = router("/v1/users/me", tags=["users"])


class EraseAsked(Closed):
    """The password once more: what is erased does not come back."""

    password: Password


class Export(Resource):
    """All that is held about a person: by service, then by kind of record."""

    exported_at: Instant
    services: dict[str, dict[str, list[dict[str, Any]]]]


@routes.get("/export", responses=refuses(NotFound))
async def export_me(users: Here, caller: SignedIn, response: Response) -> Export:
    """Everything that is held about oneself, asked of every service; 503 while one of them is away."""
    response.headers["Cache-Control"] = "no-store"
    return Export(exported_at=real_now(), services=await export.export(users, caller.user_id))


@routes.delete("", status_code=204, response_class=Response, responses=refuses(CredentialsInvalid))
async def erase_me(users: Here, body: EraseAsked, caller: SignedIn) -> Response:
    """Erase one's account: personal data go everywhere, appointments become nobody's."""
    ended = await erasure.erase(users, caller.user_id, caller.session_id, password=body.password)
    return tell_gateway(Response(status_code=204), ended)
