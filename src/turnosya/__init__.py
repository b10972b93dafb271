"""TurnosYa: the back end with which small businesses publish their hours and their clients book turnos."""

import zoneinfo

# Zones come from the pinned tzdata package alone, so that two machines offer the same slots.
zoneinfo.reset_tzpath(to=())
