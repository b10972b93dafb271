"""Which calls need no token, and which are an admin's: written down here, so that none opens by an oversight.

All others need a token, whoever asks and whichever way: the services check it, not the gateway alone
(``tests/flows/test_straight.py`` asks them straight).
"""

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute

from turnosya.app import SERVICES
from turnosya.runtime import http

PUBLIC = {
    # The links in messages carry their own permission; /internal is never routed, /dev never in production.
    "DELETE /v1/dev/clock",
    "GET /b/{slug}",
    "GET /dev",
    "GET /dev/chat",
    "GET /internal/access",
    "GET /status",
    "GET /v1/auth/jwks.json",
    "GET /v1/auth/links/not-me",
    "GET /v1/businesses",
    "GET /v1/businesses/categories",
    "GET /v1/businesses/{business_id}",
    "GET /v1/businesses/{business_id}/gallery",
    "GET /v1/businesses/{business_id}/opening",
    "GET /v1/businesses/{business_id}/ratings",
    "GET /v1/businesses/{business_id}/services",
    "GET /v1/businesses/{business_id}/services/{service_id}",
    "GET /v1/businesses/{business_id}/staff",
    "GET /v1/businesses/{business_id}/staff/{staff_id}",
    "GET /v1/checks/health",
    "GET /v1/dev/clock",
    "GET /v1/dev/messages",
    # Photos are for all; a private file wants a token, or a link that was signed for it.
    "GET /v1/files/{file_id}",
    "GET /v1/files/{file_id}/{variant}",
    "HEAD /v1/files/{file_id}",
    "HEAD /v1/files/{file_id}/{variant}",
    # The provider signs what it sends, and knows a word of ours.
    "GET /v1/notification/webhooks/whatsapp",
    "GET /v1/turnos/answers/{purpose}",
    "GET /v1/turnos/businesses/{business_id}/overrides",
    "GET /v1/turnos/businesses/{business_id}/schedule",
    "GET /v1/turnos/businesses/{business_id}/slots",
    "GET /v1/turnos/calendar/{secret}.ics",
    "GET /v1/users/links/email-confirmation",
    "GET /v1/users/links/phone-change",
    "POST /v1/auth/links/not-me",
    "POST /v1/turnos/answers/{purpose}",
    "POST /v1/auth/login",
    "POST /v1/auth/otp",
    "POST /v1/auth/refresh",
    "POST /v1/auth/token",
    "POST /v1/notification/webhooks/whatsapp",
    "POST /v1/users",
    "POST /v1/users/links/email-confirmation",
    "POST /v1/users/links/phone-change",
    "POST /v1/users/password-reset",
    "PUT /v1/dev/clock",
}
ADMINS = {
    "DELETE /v1/businesses/{business_id}/ratings/{rating_id}/reports",
    "GET /v1/businesses/rating-reports",
    "GET /v1/businesses/verifications",
    "POST /v1/businesses/{business_id}/verification/approve",
    "POST /v1/businesses/{business_id}/verification/reject",
    "POST /v1/businesses/{business_id}/verification/revoke",
    "DELETE /v1/businesses/{business_id}/suspension",
    "POST /v1/businesses/{business_id}/suspension",
    "POST /v1/businesses/{business_id}/ratings/{rating_id}/removal",
    "DELETE /v1/auth/blocked-users/{user_id}",
    "GET /v1/auth/blocked-users",
    "GET /v1/auth/blocked-users/{user_id}",
    "GET /v1/chat/reports",
    "DELETE /v1/checks/dead-letters/{dead_letter_id}",
    "GET /v1/checks/audit",
    "GET /v1/jobs",
    "GET /v1/jobs/schedules",
    "GET /v1/jobs/{job_id}",
    "GET /v1/checks/dead-letters",
    "GET /v1/checks/logs",
    "GET /v1/checks/logs/stream",
    "GET /v1/checks/processes",
    "POST /v1/checks/dead-letters/{dead_letter_id}/replay",
    "GET /v1/users",
    "POST /v1/jobs/{job_id}/cancel",
    "POST /v1/jobs/{job_id}/retry",
    "PUT /v1/auth/blocked-users/{user_id}",
    "PUT /v1/users/{user_id}/roles",
}


def calls() -> Iterator[tuple[str, set[Any]]]:
    """Every call of every service, and all that must be satisfied before it."""
    for service in SERVICES.values():
        for router in service.web:
            for route in router.routes:
                assert isinstance(route, APIRoute)
                yield from (
                    (f"{method} {route.path}", _needs(route.dependant)) for method in route.methods or ()
                )


def _needs(dependant: Any) -> set[Any]:  # noqa: ANN401 - FastAPI's Dependant
    inner = [_needs(one) for one in dependant.dependencies]
    return {dependant.call}.union(*inner)


def calls_that_need(guard: Any) -> set[str]:  # noqa: ANN401 - a dependency
    return {call for call, needs in calls() if guard in needs}


def test_the_calls_that_need_no_token_are_these() -> None:
    signed_in = calls_that_need(http._signed_in)  # pyright: ignore[reportPrivateUsage] - what SignedIn stands for
    assert {call for call, _ in calls()} - signed_in == PUBLIC


def test_the_calls_of_admins_are_these() -> None:
    assert calls_that_need(http._admin) == ADMINS  # pyright: ignore[reportPrivateUsage] - what Admin stands for
