"""What ``turnosya check-providers`` finds."""

import pytest
import structlog

from tests.notification.providers import Providers
from tests.servers import Servers
from tests.stage import a_stage, until
from turnosya.runtime.settings import Environment, SettingsWrong
from turnosya.services.notification import checking
from turnosya.services.notification.channels import whatsapp_layouts as layouts
from turnosya.services.notification.service import service as notification

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_what_a_provider_lacks_is_logged_when_we_start(servers: Servers, outside: Providers) -> None:
    outside.graph.templates = []
    settings = {**outside.settings, "TURNOSYA_SMTP_URL": "smtp://127.0.0.1:9"}
    with structlog.testing.capture_logs() as logs:
        async with a_stage(servers, [notification], env=Environment.PRODUCTION, settings=settings):

            async def lacks() -> set[tuple[str, str]]:
                return {(one["channel"], one["what"]) for one in logs if one["event"] == "provider_lacks"}

            found = await until(lacks, lambda found: any(channel == "email" for channel, _ in found))
    assert ("whatsapp", "template turnosya_reminder (pt_BR) does not exist") in found
    assert {channel for channel, _ in found} == {"whatsapp", "email"}


async def test_the_operator_reads_what_is_missing_and_nothing_is_sent(
    outside: Providers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in outside.settings.items():
        monkeypatch.setenv(name, value)
    outside.graph.templates = [
        {
            "name": f"turnosya_{frame}",
            "language": layouts.LANGUAGES[locale],
            "status": "APPROVED",
            "components": [{"type": "BODY", "text": text}],
        }
        for frame, texts in layouts.BODIES.items()
        for locale, text in texts.items()
        if locale != "pt"
    ]
    outside.graph.templates[0]["status"] = "REJECTED"
    outside.graph.templates[1]["components"][0]["text"] = "something else"
    monkeypatch.delenv("TURNOSYA_WHATSAPP_APP_SECRET")
    monkeypatch.delenv("TURNOSYA_SMTP_URL")
    got = len(outside.graph.got)
    said = checking.lines(await checking.check())
    assert "fcm: works" in said
    assert "webpush: works" in said
    assert "email: off (TURNOSYA_SMTP_URL)" in said
    for problem in (
        "template turnosya_news (es_AR) is REJECTED",
        "template turnosya_news (en) says something else",
        "template turnosya_news (pt_BR) does not exist",
        "template turnosya_code (es_AR) does not exist",
        "TURNOSYA_WHATSAPP_APP_SECRET is not set: no receipt is taken",
    ):
        assert f"whatsapp: {problem}" in said
    assert len(outside.graph.got) == got
    monkeypatch.setenv("TURNOSYA_FCM_ACCOUNT_FILE", "nowhere.json")
    with pytest.raises(SettingsWrong, match="FCM_ACCOUNT_FILE"):
        await checking.check()
