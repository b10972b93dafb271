"""One form for every spelling of an e-mail address, before any lookup."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

from turnosya.runtime.field_errors import wrong


def canonical(text: str) -> str:
    """The address as it is stored, its domain in lower case. Raises ValueError for what is none."""
    try:
        # The test environment asks nothing of the network and allows the domain `test` (RFC 6761).
        return validate_email(text.strip(), test_environment=True).normalized
    except EmailNotValidError as error:
        raise wrong("email") from error
