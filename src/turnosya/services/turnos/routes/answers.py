"""One-tap answers: ``/v1/turnos/answers``. To look changes nothing, for programs fetch previews of links."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Body, Header, Query, Response

from turnosya.runtime import link_pages
from turnosya.runtime.field_errors import wrong_field
from turnosya.runtime.fields import Instant
from turnosya.runtime.http import CallerLanguage, kept_response, router
from turnosya.runtime.idempotency import Kept, Once
from turnosya.runtime.messages import Say
from turnosya.runtime.problems import Language
from turnosya.services.turnos import answering
from turnosya.services.turnos.answering import Asked
from turnosya.services.turnos.one_tap import Purpose
from turnosya.services.turnos.routes.here import Here
from turnosya.services.turnos.routes.proposals import ChooseBody

routes = router("/v1/turnos/answers", tags=["turnos"])

Token = Annotated[str, Query(max_length=400)]
Accepts = Annotated[str, Header(alias="Accept", include_in_schema=False)]

_TITLES = {
    Purpose.ACCEPT: Say("Aceptar el nuevo horario", "Accept the new time", "Aceitar o novo horário"),
    Purpose.DECLINE: Say("Rechazar el nuevo horario", "Decline the new time", "Recusar o novo horário"),
    Purpose.CHOOSE: Say("Elegir otro horario", "Choose another time", "Escolher outro horário"),
    Purpose.CANCEL: Say("Cancelar el turno", "Cancel the appointment", "Cancelar o agendamento"),
    Purpose.COMING: Say("Confirmar que voy", "Confirm that I come", "Confirmar que vou"),
}
_DONE = Say("Listo.", "Done.", "Pronto.")


@routes.get("/{purpose}", response_description="What the link would do, as JSON or as a page")
async def look(
    here: Here, purpose: Purpose, token: Token, language: CallerLanguage, *, accept: Accepts = ""
) -> Response:
    """What a link would do: JSON, or for a browser a page with buttons. Nothing changes."""
    asked = await answering.asked(here, purpose, token)
    if "text/html" in accept:
        return _page(asked, token, language)
    answer = kept_response(Kept(200, asked.as_json()))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@routes.post("/{purpose}", response_description="What has been done, as JSON or as a page")
async def act(
    here: Here,
    purpose: Purpose,
    token: Token,
    language: CallerLanguage,
    *,
    body: Annotated[ChooseBody | None, Body()] = None,
    starts_at: Annotated[Instant | None, Query()] = None,
    staff_id: Annotated[UUID | None, Query()] = None,
    accept: Accepts = "",
) -> Response:
    """Does it; a second time changes nothing. To choose, the time is in the body or in the query."""
    wanted = body or (ChooseBody(starts_at=starts_at, staff_id=staff_id) if starts_at else None)
    if purpose is Purpose.CHOOSE and wanted is None:
        raise wrong_field("starts_at", "missing")
    asked = await answering.asked(here, purpose, token)
    time = (wanted.starts_at.astimezone(UTC), wanted.staff_id) if wanted else None
    kept = await answering.answer(here, asked, time, Once(None, b""))
    if "text/html" in accept:
        return link_pages.page(language, _TITLES[purpose], _DONE)
    return kept_response(kept)


def _page(asked: Asked, token: str, language: Language) -> Response:
    """A page that works without a script; its buttons post to this same address."""
    text = f"{asked.business_name}: {_local(asked.starts_at)}"
    title = _TITLES[asked.purpose]
    if asked.proposal is not None:
        offered = _local(datetime.fromisoformat(asked.proposal["starts_at"]))
        actions = {f"{getattr(title, language)}: {offered}": "?" + urlencode({"token": token})}
    elif asked.purpose is not Purpose.CHOOSE:
        actions = {getattr(title, language): "?" + urlencode({"token": token})}
    else:
        actions = {
            _local(slot.start_at): "?"
            + urlencode(
                {"token": token, "starts_at": slot.start_at.isoformat(), "staff_id": str(slot.staff_id)}
            )
            for slot in asked.alternatives
        }
    return link_pages.choices(language, title, text, actions)


def _local(at: datetime) -> str:
    return f"{at:%d/%m %H:%M}"
