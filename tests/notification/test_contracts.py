"""Every event of the services that people notice is told to somebody, or it is said here why not."""

import importlib
from collections.abc import Iterator

from turnosya.contracts import auth, business, chat, checks, turnos, users
from turnosya.runtime.messages import Event
from turnosya.services.notification import rules, wording
from turnosya.services.notification.service import service as notification

TOLD_OF = (auth, users, turnos, business, chat, checks)
# Not what happened to a person, but what services say among themselves.
NOT_NEWS = {
    "auth.AccessChanged": "what ends access, for gateways",
    "auth.AccessHeartbeat": "auth is there, for gateways",
    "auth.SecurityNoted": "a line of the audit",
    "auth.SessionsClosed": "at their own wish",
    "users.SecurityNoted": "a line of the audit",
    "users.PersonChanged": "they changed it themselves and see it",
    "users.CredentialsChanged": "for auth; the person hears of the sessions that end by it, or of the number",
    "users.RolesChanged": "for auth",
    "users.PersonErased": "whoever is erased is not written to",
    "users.NotificationSettingsChanged": "heard: reminders are planned anew",
    "turnos.AppointmentAnchored": "heard: the same wall time, reminders move",
    "turnos.OffersWanted": "turnos to itself; what comes of it is AppointmentProposed",
    "turnos.PersonForgotten": "for users: erased here too",
    "business.SecurityNoted": "a line of the audit",
    "business.PersonForgotten": "for users: erased here too",
    "chat.PersonForgotten": "for users: erased here too",
    "business.BusinessChanged": "a copy for other services",
    "chat.ConversationMoved": "a hint between copies of chat",
    "checks.ProcessLives": "a sign of life of a process, for checks",
    "chat.TypingShown": "a hint between copies of chat",
    "chat.ClientWrote": "chat to itself: an answer by itself",
}


def _events() -> Iterator[type[Event]]:
    for owner in TOLD_OF:
        module = importlib.import_module(owner.__name__)
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Event) and kind.__module__ == owner.__name__:
                yield kind


def _is_told(kind: type[Event]) -> bool:
    heard = {hearing.event for hearing in notification.hears}
    return kind in heard and rules.template_of(kind.__name__) in rules.TEMPLATES


def test_every_event_has_a_template_in_three_languages_or_a_reason() -> None:
    # Shapes that events derive from are told by nobody.
    kinds = {kind for kind in _events() if not kind.__subclasses__()}
    untold = {kind.wire_name for kind in kinds if not _is_told(kind)}
    assert untold == set(NOT_NEWS)
    told = {rules.template_of(kind.__name__) for kind in kinds if _is_told(kind)}
    wording.check_templates({template: rules.TEMPLATES[template] for template in told})
    assert len(told) > 20


def test_no_template_is_left_over() -> None:
    of_events = {rules.template_of(hearing.event.__name__) for hearing in notification.hears}
    of_ours = {
        *("appointment_reminder", "daily_agenda", "weekly_summary"),
        *("opted_out", "opted_in", "answer_noted", "answer_refused"),
    }
    assert set(rules.TEMPLATES) <= of_events | of_ours
