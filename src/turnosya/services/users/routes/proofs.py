"""One's number and address, and the pages behind the links that are sent to them."""

from typing import Annotated

from fastapi import Query, Response
from fastapi.responses import HTMLResponse

from turnosya.contracts.auth import OtpAttemptsExceeded
from turnosya.contracts.users import CredentialsInvalid
from turnosya.runtime import link_pages
from turnosya.runtime.fields import Closed, Instant, Resource
from turnosya.runtime.http import CallerLanguage, NoBody, SignedIn, router
from turnosya.runtime.links import LinkNotValid
from turnosya.runtime.messages import NotFound, Say
from turnosya.runtime.problems import refuses
from turnosya.services.users import emails, phone
from turnosya.services.users.refusals import AskedTooSoon, CodeNotValid, NoEmail, PhoneTaken
from turnosya.services.users.routes.forms import Code, Here, Password, Phone, Profile, tell_gateway

routes = router("/v1/users", tags=["users"])

Token = Annotated[str, Query(max_length=400)]

_NUMBER = Say("Tu número de TurnosYa", "Your TurnosYa number", "Seu número do TurnosYa")
_UNDO = Say(
    "La cuenta que usaba este número tiene ahora otro. Si no lo cambiaste vos, recuperalo: cerramos todas"
    " las sesiones y vas a elegir una contraseña nueva con un código a este número.",
    "The account that used this number has another one now. If it was not you, take it back: we end all"
    " sessions, and you set a new password with a code to this number.",
    "A conta que usava este número agora tem outro. Se não foi você, recupere-o: encerramos todas as"
    " sessões e você define uma nova senha com um código para este número.",
)
_UNDO_NOW = Say("Recuperar mi número", "Take my number back", "Recuperar meu número")
_UNDONE = Say(
    "Listo: el número volvió a tu cuenta y cerramos todas las sesiones. Elegí ahora una contraseña nueva.",
    "Done: the number is your account's again, and all sessions have ended. Now set a new password.",
    "Pronto: o número voltou para a sua conta e encerramos todas as sessões. Agora defina uma nova senha.",
)
_ADDRESS = Say("Tu correo en TurnosYa", "Your TurnosYa e-mail", "Seu e-mail no TurnosYa")
_CONFIRM = Say(
    "Confirmá que este correo es el de tu cuenta.",
    "Confirm that this e-mail address is the one of your account.",
    "Confirme que este e-mail é o da sua conta.",
)
_CONFIRM_NOW = Say("Confirmar", "Confirm", "Confirmar")
_CONFIRMED = Say("Listo: tu correo está confirmado.", "Done: it is confirmed.", "Pronto: está confirmado.")


class PhoneAsked(Closed):
    """A new number, proved by a code (purpose ``change_phone``) and the password."""

    phone: Phone
    code: Code
    password: Password


class EmailState(Resource):
    """One's address and when it was confirmed; null while it is not."""

    email: str | None
    confirmed_at: Instant | None


@routes.put("/me/phone", responses=refuses(CredentialsInvalid, CodeNotValid, OtpAttemptsExceeded, PhoneTaken))
async def change_phone(users: Here, body: PhoneAsked, caller: SignedIn, response: Response) -> Profile:
    """Change one's number; every other session ends, and the former number can take it back for 72 h."""
    account, ended = await phone.change_phone(
        users,
        caller.user_id,
        caller.session_id,
        phone=body.phone,
        code=body.code,
        password=body.password,
    )
    tell_gateway(response, ended)
    return Profile.of(account)


@routes.get("/me/email-confirmation", responses=refuses(NotFound))
async def email_confirmation(users: Here, caller: SignedIn) -> EmailState:
    """Whether one's address is confirmed."""
    email, confirmed_at = await emails.confirmed_at(users, caller.user_id)
    return EmailState(email=email, confirmed_at=confirmed_at)


@routes.post(
    "/me/email-confirmation",
    status_code=202,
    response_class=Response,
    response_description="A link is on its way to the address",
    responses=refuses(NotFound, NoEmail, AskedTooSoon),
)
async def ask_for_confirmation(users: Here, caller: SignedIn, *, _body: NoBody = None) -> Response:
    """Have another link sent to one's address, at most one a minute."""
    await emails.ask_again(users, caller.user_id)
    return Response(status_code=202)


@routes.get("/links/phone-change", response_class=HTMLResponse, responses=link_pages.refuses())
async def show_phone_change(users: Here, token: Token, language: CallerLanguage) -> Response:
    """What the link in the message to a former number would do; changes nothing."""
    try:
        await phone.undoable(users, token)
    except LinkNotValid:
        return link_pages.refused(language)
    return link_pages.page(language, _NUMBER, _UNDO, button=_UNDO_NOW)


@routes.post("/links/phone-change", response_class=HTMLResponse, responses=link_pages.refuses(409))
async def undo_phone_change(users: Here, token: Token, language: CallerLanguage) -> Response:
    """Take a number back; every session of the account ends. Again changes nothing."""
    try:
        ended = await phone.undo(users, token)
    except LinkNotValid:
        return link_pages.refused(language)
    except PhoneTaken as refusal:
        return link_pages.page(language, _NUMBER, refusal.says, status=409)
    return tell_gateway(link_pages.page(language, _NUMBER, _UNDONE), ended)


@routes.get("/links/email-confirmation", response_class=HTMLResponse, responses=link_pages.refuses())
async def show_email_confirmation(users: Here, token: Token, language: CallerLanguage) -> Response:
    """What the link in the message to an address would do; changes nothing."""
    try:
        emails.confirmation_id(users, token)
    except LinkNotValid:
        return link_pages.refused(language)
    return link_pages.page(language, _ADDRESS, _CONFIRM, button=_CONFIRM_NOW)


@routes.post("/links/email-confirmation", response_class=HTMLResponse, responses=link_pages.refuses())
async def confirm_email(users: Here, token: Token, language: CallerLanguage) -> Response:
    """Confirm an address. Again changes nothing."""
    try:
        await emails.confirm(users, token)
    except LinkNotValid:
        return link_pages.refused(language)
    return link_pages.page(language, _ADDRESS, _CONFIRMED)
