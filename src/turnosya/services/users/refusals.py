"""What users refuse over HTTP, beyond what its contract declares."""

from __future__ import annotations

from turnosya.runtime.messages import Kind, Say, ServiceError


class PhoneTaken(ServiceError):
    """Somebody has an account with this number."""

    kind = Kind.CONFLICT
    says = Say(
        "Ya hay una cuenta con ese teléfono.",
        "There is an account with that phone already.",
        "Já existe uma conta com esse telefone.",
    )


class EmailTaken(ServiceError):
    """Somebody has an account with this address."""

    kind = Kind.CONFLICT
    says = Say(
        "Ya hay una cuenta con ese correo.",
        "There is an account with that e-mail already.",
        "Já existe uma conta com esse e-mail.",
    )


class CodeNotValid(ServiceError):
    """The code of a sign-up or a reset is wrong: a wrong field here, a failed proof at log-in."""

    kind = Kind.INVALID
    code = "otp_invalid"
    says = Say("El código no es válido.", "The code is not valid.", "O código não é válido.")


class NoEmail(ServiceError):
    """There is no address that could be confirmed."""

    kind = Kind.CONFLICT
    code = "conflict"
    says = Say(
        "Tu cuenta no tiene correo.",
        "Your account has no e-mail.",
        "Sua conta não tem e-mail.",
    )


class AskedTooSoon(ServiceError):
    """A link was sent a moment ago."""

    kind = Kind.TOO_MANY
    code = "rate_limited"
    says = Say(
        "Acabamos de enviarte un enlace. Esperá un poco y probá de nuevo.",
        "A link was just sent to you. Wait a little and try again.",
        "Acabamos de enviar um link. Espere um pouco e tente de novo.",
    )
    retry_after_s: int
