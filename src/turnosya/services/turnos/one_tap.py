"""Signed links that answer an offer with one tap: no log-in, one purpose, an end (R17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from turnosya.contracts.turnos import AnswerLinks
from turnosya.runtime.links import Links, LinkTo
from turnosya.services.turnos.closure import Proposal

PATH = "/v1/turnos/answers"


class Purpose(StrEnum):
    """What a link may do. Accept and decline are for a proposal, all others for a turno."""

    ACCEPT = "accept"
    DECLINE = "decline"
    CHOOSE = "choose"
    CANCEL = "cancel"
    COMING = "coming"


_TO: Mapping[Purpose, LinkTo] = {one: (f"turnos.{one.value}", f"{PATH}/{one.value}") for one in Purpose}


@dataclass(frozen=True, slots=True)
class AnswerAddresses:
    """Makes these links and reads them."""

    links: Links

    def of_proposal(self, proposal: Proposal, *, choose_until: datetime | None) -> AnswerLinks:
        """The links of an offer; without ``choose_until`` there is nothing else to choose."""
        turno_id = proposal.appointment_id
        choose = None
        if turno_id is not None and choose_until is not None:
            choose = self._address(Purpose.CHOOSE, turno_id, choose_until)
        return AnswerLinks(
            accept=self._address(Purpose.ACCEPT, proposal.id, proposal.expires_at),
            decline=self._address(Purpose.DECLINE, proposal.id, proposal.expires_at),
            choose=choose,
        )

    def to_choose(self, turno_id: UUID, until: datetime) -> AnswerLinks:
        """The link with which a client chooses another time for a turno."""
        return AnswerLinks(choose=self._address(Purpose.CHOOSE, turno_id, until))

    def read(self, purpose: Purpose, token: str, *, now: datetime) -> UUID:
        """Which proposal or turno a token is for; raises LinkNotValid."""
        return UUID(self.links.subject_of(_TO[purpose], token, now=now))

    def _address(self, purpose: Purpose, of: UUID, until: datetime) -> str:
        return self.links.address(_TO[purpose], str(of), expires_at=until)
