"""Who lives in the town and what there is: decided here, the same in every run, written elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from uuid import UUID

from turnosya.contracts.business import Price
from turnosya.services.business.state import Address, Offer, Profile

BUSINESSES, CLIENTS = 30, 300
PASSWORD = "turnos-de-prueba"  # noqa: S105 - of people who do not exist, told to whoever makes them
_SEED = 1810
# One number in each of many exchanges: codes are budgeted per number without its last four digits.
_FIRST_NUMBER, _NUMBER_STEP = 30_000_000, 123_457
# Whoever stores an offer gives it its own.
_NOT_STORED, _BEFORE_ALL = UUID(int=0), datetime(2000, 1, 1, tzinfo=UTC)

_FIRST = (
    "Abril", "Bautista", "Camila", "Dante", "Emilia", "Facundo", "Guadalupe", "Hernán", "Ivana", "Joaquín",
    "Karina", "Lautaro", "Malena", "Nahuel", "Olivia", "Pablo", "Renata", "Santino", "Tamara", "Uriel",
    "Valentina", "Walter", "Ximena", "Yamila", "Zoe",
)  # fmt: skip
_LAST = (
    "Acosta", "Benítez", "Cabrera", "Domínguez", "Escobar", "Ferreyra", "Giménez", "Herrera", "Ibarra",
    "Juárez", "Ledesma", "Maldonado", "Navarro", "Ojeda", "Paz", "Quiroga", "Ríos", "Sosa", "Toledo",
    "Vázquez",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resident:
    """A person; ``phone`` is E.164 and finds them again."""

    name: str
    phone: str
    locale: str


@dataclass(frozen=True, slots=True)
class Trade:
    """A kind of business: how it is called, what it offers and when it is open."""

    category: str
    names: tuple[str, ...]
    offers: tuple[tuple[str, int, int, int], ...]
    """Name, minutes, pesos, capacity."""
    hours: tuple[tuple[str, str], ...]
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    turnos_a_day: int = 8


@dataclass(frozen=True, slots=True)
class Establishment:
    """A business to be opened."""

    owner: Resident
    profile: Profile
    offers: tuple[Offer, ...]
    staff_names: tuple[str, ...]
    trade: Trade

    @property
    def weekly(self) -> list[dict[str, object]]:
        """Its week as a schedule stores it."""
        return [
            {"weekday": weekday, "start": start, "end": end, "staff_id": None}
            for weekday in self.trade.weekdays
            for start, end in self.trade.hours
        ]


_ALL_DAY, _WITH_SIESTA = (("09:00", "18:00"),), (("09:00", "13:00"), ("16:30", "20:30"))
_TRADES = (
    Trade(
        "barbershop",
        ("Barbería El Peine", "La Navaja", "Barba y Fuego", "El Tijeretazo"),
        (("Corte", 30, 12_000, 1), ("Corte y barba", 60, 18_000, 1), ("Afeitado", 30, 9_000, 1)),
        _WITH_SIESTA,
        turnos_a_day=12,
    ),
    Trade(
        "hairdresser",
        ("Peluquería La Siesta", "Salón Doña Marta", "Rulos", "Estudio Mechas"),
        (("Corte y peinado", 60, 20_000, 1), ("Color", 120, 45_000, 1), ("Peinado", 30, 11_000, 1)),
        _ALL_DAY,
        (2, 3, 4, 5, 6),
    ),
    Trade(
        "dentist",
        ("Consultorio Odontológico Sarmiento", "Dientes Sanos", "Odontología del Parque", "Sonrisas"),
        (("Control", 30, 25_000, 1), ("Limpieza", 60, 40_000, 1), ("Arreglo", 60, 55_000, 1)),
        (("08:00", "16:00"),),
        (1, 2, 3, 4, 5),
    ),
    Trade(
        "gym",
        ("Gimnasio Fuerza Sur", "La Cancha", "Pilates del Centro", "Box Avellaneda"),
        (("Clase grupal", 60, 6_000, 8), ("Entrenamiento personal", 60, 15_000, 1)),
        (("07:00", "12:00"), ("16:00", "22:00")),
        turnos_a_day=20,
    ),
    Trade(
        "workshop",
        ("Taller Mecánico Rivadavia", "Gomería El Cruce", "Frenos Norte", "Lubricentro La Ruta"),
        (("Cambio de aceite", 60, 30_000, 1), ("Revisión", 90, 35_000, 1)),
        (("08:00", "12:00"), ("14:00", "18:00")),
        (1, 2, 3, 4, 5),
        6,
    ),
    Trade(
        "veterinary",
        ("Veterinaria Patitas", "El Arca", "Mascotas del Sur", "Cola Feliz"),
        (("Consulta", 30, 18_000, 1), ("Vacuna", 15, 14_000, 1), ("Baño", 60, 16_000, 1)),
        _WITH_SIESTA,
    ),
    Trade(
        "nails",
        ("Uñas de Autor", "Esmalte", "Manos Lindas", "La Lima"),
        (("Semipermanente", 60, 13_000, 1), ("Esculpidas", 120, 24_000, 1)),
        _ALL_DAY,
        (2, 3, 4, 5, 6),
    ),
    Trade(
        "physiotherapy",
        ("Kinesiología Central", "Movimiento", "Espalda Sana", "Rehabilitar"),
        (("Sesión", 45, 17_000, 1), ("Evaluación", 60, 22_000, 1)),
        (("08:00", "19:00"),),
        (1, 2, 3, 4, 5),
    ),
)  # fmt: skip
_PLACES = (
    ("America/Argentina/Buenos_Aires", "Buenos Aires", "AR"),
    ("America/Argentina/Buenos_Aires", "La Plata", "AR"),
    ("America/Argentina/Cordoba", "Córdoba", "AR"),
    ("America/Argentina/Mendoza", "Mendoza", "AR"),
    ("America/Argentina/Ushuaia", "Ushuaia", "AR"),
    ("America/Montevideo", "Montevideo", "UY"),
)
_STREETS = ("San Martín", "Belgrano", "Mitre", "Sarmiento", "Rivadavia", "9 de Julio", "Moreno")


def chance(name: str) -> Random:
    """The dice of one business: thrown the same way in every run."""
    return Random(f"{_SEED} {name}")  # noqa: S311 - nobody gains by guessing them


def residents(count: int = CLIENTS) -> list[Resident]:
    """The clients."""
    return [_resident(BUSINESSES + place) for place in range(count)]


def establishments(count: int = BUSINESSES) -> list[Establishment]:
    """The businesses with their owners."""
    return [_establishment(place) for place in range(count)]


def _resident(place: int) -> Resident:
    name = f"{_FIRST[place % len(_FIRST)]} {_LAST[place * 7 % len(_LAST)]}"
    locale = ("es", "es", "es", "es", "pt", "en")[place % 6]
    return Resident(name, f"+54911{_FIRST_NUMBER + place * _NUMBER_STEP:08d}", locale)


def _establishment(place: int) -> Establishment:
    trade = _TRADES[place % len(_TRADES)]
    owner = _resident(place)
    timezone, city, country = _PLACES[place % len(_PLACES)]
    address = Address(f"{_STREETS[place % len(_STREETS)]} {100 + 37 * place}", city, None, None, country)
    currency = "ARS" if country == "AR" else "UYU"
    return Establishment(
        owner=owner,
        profile=Profile(
            name=trade.names[place // len(_TRADES)],
            timezone=timezone,
            category=trade.category,
            address=address,
            phone=owner.phone,
            accepted_payments=("cash", "mercado_pago"),
            currency=currency,
        ),
        offers=tuple(_offers(trade, currency)),
        staff_names=_colleagues(place),
        trade=trade,
    )


def _offers(trade: Trade, currency: str) -> Sequence[Offer]:
    return [
        Offer(
            id=_NOT_STORED,
            created_at=_BEFORE_ALL,
            name=name,
            duration_minutes=minutes,
            price=Price(amount=pesos * 100, currency=currency),
            capacity=capacity,
        )
        for name, minutes, pesos, capacity in trade.offers
    ]


def _colleagues(place: int) -> tuple[str, ...]:
    """None to two members beside the owner."""
    return tuple(_FIRST[(place * 3 + one) % len(_FIRST)] for one in range(place % 3))
