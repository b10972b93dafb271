"""Whose session ends while auth is asked about them does not slip in before they are among the sockets."""

from datetime import timedelta
from typing import cast

import pytest

from turnosya.contracts import auth
from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import real_now
from turnosya.runtime.identity import Caller, TokenRevoked
from turnosya.runtime.ids import new_id
from turnosya.services.chat.access import Access


class SlowAuth:
    """Answers with what it knew when it was asked; somebody logs out before the answer arrives."""

    def __init__(self, caller: Caller) -> None:
        self.access: Access | None = None
        self.asked = 0
        self._caller = caller

    async def call(self, _request: auth.GetAccess) -> auth.Access:
        self.asked += 1
        ended = [self._caller.session_id] if self.asked > 1 else []
        if self.asked == 1:
            assert self.access is not None
            self.access.forget()
        return auth.Access(blocked_user_ids=[], versions={}, ended_session_ids=ended, at=real_now())


async def test_a_change_that_is_heard_while_auth_is_asked_makes_it_be_asked_again() -> None:
    caller = Caller(new_id(), new_id(), new_id(), 1, (), real_now() + timedelta(minutes=9), token="")
    slow = SlowAuth(caller)
    slow.access = Access(cast("Bus", slow))
    with pytest.raises(TokenRevoked):
        await slow.access.check(caller)
    assert slow.asked == 2
