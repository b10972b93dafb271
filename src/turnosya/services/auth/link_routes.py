"""The page behind the link in the message about a new device."""

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import HTMLResponse

from turnosya.runtime import link_pages
from turnosya.runtime.http import ACCESS_ENDED, CallerLanguage, router
from turnosya.runtime.links import LinkNotValid
from turnosya.runtime.messages import Say
from turnosya.services.auth import not_me
from turnosya.services.auth.routes import InAuth

web = router("/v1/auth/links", tags=["auth"])

Token = Annotated[str, Query(max_length=400)]

_TITLE = Say("¿No fuiste vos?", "It was not you?", "Não foi você?")
_WOULD = Say(
    "Si no ingresaste vos, cerramos todas las sesiones de tu cuenta, también las tuyas.",
    "If it was not you who signed in, we end all sessions of your account, yours too.",
    "Se não foi você que entrou, encerramos todas as sessões da sua conta, também as suas.",
)
_DO_IT = Say("No fui yo: cerrar todo", "It was not me: end all", "Não fui eu: encerrar tudo")
_DONE = Say(
    "Listo: cerramos todas las sesiones. Elegí ahora una contraseña nueva.",
    "Done: all sessions have ended. Now set a new password.",
    "Pronto: encerramos todas as sessões. Agora defina uma nova senha.",
)
_OVER = Say(
    "Esa sesión ya estaba cerrada. Si no fuiste vos, elegí una contraseña nueva.",
    "That session had ended already. If it was not you, set a new password.",
    "Essa sessão já estava encerrada. Se não foi você, defina uma nova senha.",
)


@web.get("/not-me", response_class=HTMLResponse, responses=link_pages.refuses())
async def show(auth: InAuth, token: Token, language: CallerLanguage) -> Response:
    """What the link would do; changes nothing."""
    try:
        not_me.doubted(auth, token)
    except LinkNotValid:
        return link_pages.refused(language)
    return link_pages.page(language, _TITLE, _WOULD, button=_DO_IT)


@web.post("/not-me", response_class=HTMLResponse, responses=link_pages.refuses())
async def end_all(auth: InAuth, token: Token, language: CallerLanguage) -> Response:
    """End every session of the account, if the doubted one lives."""
    try:
        change = await not_me.end_all(auth, not_me.doubted(auth, token))
    except LinkNotValid:
        return link_pages.refused(language)
    response = link_pages.page(language, _TITLE, _OVER if change is None else _DONE)
    if change is not None:
        response.headers[ACCESS_ENDED] = change.model_dump_json()
    return response
