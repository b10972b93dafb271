"""E-mail by SMTP."""

from __future__ import annotations

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, make_msgid
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import aiosmtplib

from turnosya.runtime.clock import real_now
from turnosya.services.notification.channels.outcome import Outcome, Outgoing

if TYPE_CHECKING:
    from turnosya.services.notification.settings import NotificationSettings

_FOREVER = 0
_PERMANENT = 500
_SUBJECT_MOST = 200


class Mail:
    """Speaks to one mail server; a connection a message, which any of them takes."""

    def __init__(self, settings: NotificationSettings) -> None:
        assert settings.smtp_url is not None  # noqa: S101 - asked for by whoever opens it
        server = urlsplit(settings.smtp_url.get_secret_value())
        self._from = settings.smtp_from
        self._timeout_s = settings.provider_timeout_s
        self._host = server.hostname or "localhost"
        self._tls = server.scheme == "smtps"
        self._port = server.port or (465 if self._tls else 587)
        self._user = unquote(server.username) if server.username else None
        self._password = unquote(server.password) if server.password else None

    async def close(self) -> None:
        """Nothing stays open."""

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            use_tls=self._tls,
            # Where the server offers it, unless it speaks TLS from the start.
            start_tls=False if self._tls else None,
            timeout=self._timeout_s,
            username=self._user,
            password=self._password,
        )

    async def send(self, message: Outgoing) -> Outcome:
        """Hands a letter over; 4xx may pass, 5xx to the recipient shuts the address."""
        letter = self._letter(message)
        client = self._client()
        handed = False
        try:
            await client.connect()
            handed = True
            await client.send_message(letter, recipients=[message.address])
        except aiosmtplib.SMTPRecipientsRefused as error:
            code = error.recipients[0].code if error.recipients else _PERMANENT
            return _refused(code, shut_days=_FOREVER if code >= _PERMANENT else None)
        except aiosmtplib.SMTPAuthenticationError:
            return Outcome("stopped", "smtp_login")
        except aiosmtplib.SMTPResponseException as error:
            return _refused(error.code, shut_days=None)
        except (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPConnectTimeoutError, OSError):
            return Outcome("unknown", "no_answer") if handed else Outcome("again", "not_reached")
        except (aiosmtplib.SMTPException, TimeoutError):
            return Outcome("unknown", "no_answer") if handed else Outcome("again", "not_reached")
        finally:
            # Without QUIT: a server that has taken the letter and does not say goodbye has it all the same.
            client.close()
        return Outcome("sent", provider_id=letter["Message-ID"])

    def _letter(self, message: Outgoing) -> EmailMessage:
        letter = EmailMessage()
        letter["From"] = formataddr(("TurnosYa", self._from))
        letter["To"] = message.address
        # One line, whatever somebody is called: a line break would begin a header of theirs.
        letter["Subject"] = " ".join(message.letter.subject.split())[:_SUBJECT_MOST]
        letter["Date"] = format_datetime(real_now())
        letter["Message-ID"] = make_msgid(message.delivery_id.hex, domain=self._from.rpartition("@")[2])
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.letter.body or message.letter.subject)
        return letter

    async def check(self) -> Sequence[str]:
        """Connects, and logs in where there is a name."""
        client = self._client()
        try:
            await client.connect()
            await client.quit()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            return [f"the mail server {self._host}:{self._port} does not let us in ({type(error).__name__})"]
        finally:
            client.close()
        return []


def _refused(code: int, *, shut_days: int | None) -> Outcome:
    if code < _PERMANENT:
        return Outcome("again", f"smtp_{code}")
    if shut_days is not None:
        return Outcome("elsewhere", f"smtp_{code}", shut_days=shut_days)
    return Outcome("refused", f"smtp_{code}")
