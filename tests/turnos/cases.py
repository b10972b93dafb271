"""Cases 1–9, 11, 12, 15 and 21 of ``docs/rules.md``: hours, and the starts that they offer on a date."""

from dataclasses import dataclass

import pytest

SANTIAGO, TIJUANA, HAVANA = "America/Santiago", "America/Tijuana", "America/Havana"
BUENOS_AIRES = "America/Argentina/Buenos_Aires"


@dataclass(frozen=True)
class HoursCase:
    """``weekly`` is a weekday and its windows; ``grid`` is duration/step; ``starts`` are UTC."""

    zone: str
    weekly: str
    grid: str
    day: str
    starts: str

    @property
    def minutes(self) -> int:
        return int(self.grid.split("/")[0])

    @property
    def step(self) -> int:
        return int(self.grid.split("/")[1])

    @property
    def expected(self) -> list[str]:
        """The starts as ``HH:MMZ``."""
        return [f"{start}Z" if ":" in start else f"{start}:00Z" for start in self.starts.split()]


_WHOLE_DAY = " ".join(f"{hour % 24:02}" for hour in range(3, 27))
_THIRTY_FIVE = "12:00 12:35 13:10 13:45 14:20 14:55 15:30 16:05 16:40 17:15 17:50 18:25 19:00"

HOURS_CASES = [
    pytest.param(HoursCase(SANTIAGO, "7 00:00-03:00", "60/60", "2027-09-05", "04 05"), id="1"),
    pytest.param(HoursCase(SANTIAGO, "7 09:00-12:00", "60/60", "2027-09-05", "12 13 14"), id="2"),
    pytest.param(HoursCase(SANTIAGO, "6 22:00-24:00", "60/60", "2027-04-03", "01 02 03"), id="3"),
    pytest.param(HoursCase(SANTIAGO, "6 20:00-23:00", "60/60", "2027-04-03", "23 00 01"), id="4"),
    pytest.param(HoursCase(TIJUANA, "7 01:00-05:00", "60/60", "2027-03-14", "09 10 11"), id="5"),
    pytest.param(HoursCase(TIJUANA, "7 02:00-02:30", "30/30", "2027-03-14", ""), id="6"),
    pytest.param(HoursCase(TIJUANA, "7 00:00-03:00", "60/60", "2027-11-07", "07 08 09 10"), id="7"),
    pytest.param(
        HoursCase(HAVANA, "7 00:00-02:00", "30/30", "2027-11-07", "04 04:30 05 05:30 06 06:30"), id="8"
    ),
    pytest.param(HoursCase(SANTIAGO, "6 22:00-02:00", "60/60", "2027-09-04", "02 03 04"), id="9"),
    pytest.param(HoursCase(BUENOS_AIRES, "5 20:00-02:00", "120/60", "2027-06-18", "23 00 01 02 03"), id="11"),
    pytest.param(HoursCase(BUENOS_AIRES, "1 00:00-24:00", "60/60", "2027-06-14", _WHOLE_DAY), id="12"),
    pytest.param(
        HoursCase(
            BUENOS_AIRES, "1 09:00-13:00 14:00-18:00", "60/60", "2027-06-14", "12 13 14 15 17 18 19 20"
        ),
        id="15",
    ),
    pytest.param(HoursCase(BUENOS_AIRES, "1 09:00-17:00", "35/35", "2027-06-14", _THIRTY_FIVE), id="21"),
]
