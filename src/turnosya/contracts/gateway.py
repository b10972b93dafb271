"""What the gateway tells."""

from turnosya.contracts.users import SecurityFact


class SecurityNoted(SecurityFact):
    """Somebody was refused at the front door; many of one kind are told once in ten minutes."""
