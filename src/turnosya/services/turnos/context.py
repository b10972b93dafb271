"""What every function of turnos is handed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from turnosya.runtime.bus import Bus
from turnosya.runtime.clock import Clock
from turnosya.runtime.database import Database
from turnosya.runtime.links import Links
from turnosya.runtime.service import Host
from turnosya.services.turnos.one_tap import AnswerAddresses
from turnosya.services.turnos.planning.planner import Planner
from turnosya.services.turnos.settings import TurnosSettings
from turnosya.services.turnos.shops import Shop


class ShopWindow:
    """The businesses that this process has read lately, with the hours it has worked out.

    What is in here may be old: whoever decides by it compares its revisions in the same transaction.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._shops: OrderedDict[UUID, Shop] = OrderedDict()

    def get(self, business_id: UUID) -> Shop | None:
        """What was last read of a business."""
        shop = self._shops.get(business_id)
        if shop is not None:
            self._shops.move_to_end(business_id)
        return shop

    def put(self, shop: Shop) -> None:
        """Keeps what was read, in place of the one that nobody has asked for longest."""
        self._shops[shop.business.id] = shop
        self._shops.move_to_end(shop.business.id)
        if len(self._shops) > self._size:
            self._shops.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Turnos:
    """The turnos service in one process."""

    settings: TurnosSettings
    bus: Bus
    db: Database
    clock: Clock
    window: ShopWindow
    links: Links
    planner: Planner
    answer_links: AnswerAddresses

    @classmethod
    @asynccontextmanager
    async def open(cls, host: Host) -> AsyncGenerator[Turnos]:
        """Ends the process that plans, if one was started."""
        settings: TurnosSettings = host.settings
        links = Links(settings, host.process)
        window = ShopWindow(settings.shops_kept)
        async with Planner.open() as planner:
            yield cls(settings, host.bus, host.db, host.clock, window, links, planner, AnswerAddresses(links))
