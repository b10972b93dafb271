"""What it costs to find one of 100,000 businesses, through the gateway of a system in one process."""

import json
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

import asyncpg

from tests.bench.figures import Figure
from tests.bench.load import measure, request
from tests.flows.systems import Form, System, Zygote, a_system
from tests.servers import Servers

BUSINESSES = 100_000
WITHIN_S = 4.0
_KINDS = (
    ("Barbería", "barberia"),
    ("Peluquería", "peluqueria"),
    ("Odontología", "odontologia"),
    ("Veterinaria", "veterinaria"),
    ("Gimnasio", "gimnasio"),
    ("Taller mecánico", "taller mecanico"),
    ("Psicología", "psicologia"),
    ("Estética", "estetica"),
)
_PLACES = (
    *("del sur", "nandu", "la esquina", "norte", "don jose", "el trebol", "san martin", "belgrano"),
    *("palermo", "rivadavia", "las flores", "central"),
)
# Every kind has 12,500 of them, every place some thousand, every number one.
_FILL = """
    WITH made AS (
        SELECT number, ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid AS id,
               ($1::text[])[1 + number % 8] AS kind, ($2::text[])[1 + number % 8] AS plain,
               ($3::text[])[1 + (number / 8) % 12] AS place
        FROM generate_series(1, $4) AS number
    )
    INSERT INTO businesses (
        id, version, last_version, owner_id, name, timezone, description, category, address, lat, lon,
        currency, created_at, deleted, slug, rating_counts, sought_name, sought_category, words, esteem)
    SELECT id, 1, 1, gen_random_uuid(), kind || ' ' || place || ' ' || number,
           'America/Argentina/Buenos_Aires', $5, kind,
           '{"street": "Corrientes 1", "city": "CABA", "region": null, "postal_code": null, "country": "AR"}',
           -34.6 + (number % 6000 * 7919 % 6000 - 3000) / 10000.0,
           -58.4 + (number % 5987 * 104729 % 6000 - 3000) / 10000.0,
           'ARS', now() - number * interval '1 minute', false, 'local-' || number,
           ARRAY[number % 3, number % 5, number % 7, number % 20, number % 30],
           plain || ' ' || place || ' ' || number, plain,
           setweight(to_tsvector('spanish', plain || ' ' || place || ' ' || number), 'A')
           || setweight(to_tsvector('simple', plain || ' ' || place || ' ' || number), 'A')
           || setweight(to_tsvector('spanish', plain), 'B') || setweight(to_tsvector('simple', plain), 'B')
           || setweight(to_tsvector('spanish', $6), 'C'),
           4 + (number % 1000) / 1000.0
    FROM made
"""
_WORDS = """
    INSERT INTO search_words
    SELECT DISTINCT word FROM businesses, regexp_split_to_table(sought_name || ' ' || $1, '[^a-z]+') AS word
    WHERE length(word) >= 4 ON CONFLICT DO NOTHING
"""
# Each is open on weekdays from nine to six, and has one member and a service of half an hour.
_KNOWN = """
    WITH made AS (
        SELECT number, ('01900000-0000-7000-8000-' || lpad(to_hex(number), 12, '0')) AS id,
               ('01900000-0000-7000-9000-' || lpad(to_hex(number), 12, '0')) AS member
        FROM generate_series(1, $1) AS number
    ), kept AS (
        INSERT INTO businesses (id, version, revision, state)
        SELECT id::uuid, 1, 1, jsonb_build_object(
            'id', id, 'version', 1, 'name', 'Local', 'owner_id', id, 'country', 'AR', 'currency', 'ARS',
            'timezone', 'America/Argentina/Buenos_Aires', 'address_line', null,
            'services', jsonb_build_array(jsonb_build_object(
                'id', id, 'name', 'Corte', 'duration_minutes', 30, 'price', null,
                'buffer_before_minutes', 0, 'buffer_after_minutes', 0, 'capacity', 1, 'staff_ids', null,
                'active', true)),
            'staff', jsonb_build_array(jsonb_build_object(
                'id', member, 'name', 'Ana', 'user_id', null, 'active', true)))
        FROM made
    )
    INSERT INTO schedules SELECT id::uuid, 1, $2, 30, 0, 90, 0, false, 'automatic', 'propose' FROM made
"""
_TEXT = (
    "Atendemos con turno de lunes a sábado. Trabajamos con los mejores productos y con profesionales con años"
    " de experiencia en el barrio. Aceptamos tarjetas y transferencias. Estacionamiento a la vuelta."
)
_PLAIN = _TEXT.lower().replace("á", "a").replace("ñ", "n")


async def figures(servers: Servers, zygote: Zygote, folder: Path) -> AsyncGenerator[Figure]:
    """Each kind of question, asked by one client, the next one as soon as it has its answer."""
    folder = folder / "search"
    folder.mkdir()
    day = (datetime.now(UTC) + timedelta(days=7)).date()
    asked = {
        "a word that 12,500 have": (50, [f"q={quote(plain)}" for _, plain in _KINDS]),
        "a word that 12,500 have, with a slip": (50, ["q=barveria", "q=peluqeria", "q=odontlogia"]),
        "two words": (50, [f"q={quote(f'barberia {place}')}" for place in _PLACES]),
        "one business by its name": (50, [f"q=gimnasio+{number}" for number in range(4, 4000, 8)]),
        "what nobody has": (50, ["q=xilofonista", "q=zzzz"]),
        "a kind, by rating": (50, [f"category={quote(kind)}&sort=rating" for kind, _ in _KINDS]),
        "a word, the nearest first": (50, ["q=gimnasio&near=-34.61,-58.41&sort=distance"]),
        "all, the nearest first": (50, ["near=-34.6,-58.4", "near=-34.7,-58.5"]),
        "all within 5 km, by rating": (50, ["near=-34.6,-58.4&radius_km=5&sort=rating"]),
        "all, the newest first": (50, ["sort=newest", "sort=rating"]),
        "a word, open now": (250, ["q=barberia&open_now=true", "q=gimnasio&open_now=true"]),
        "a word, free on a date": (250, [f"q=estetica&free_on={day}", f"q=taller&free_on={day}"]),
        "the nearest, free on a date": (250, [f"near=-34.6,-58.4&free_on={day}"]),
    }
    async with a_system(Form.MEMORY, servers, zygote, folder, is_hurried=False) as system:
        await _fill(system)
        for name, (promised, queries) in asked.items():
            found = await measure(
                system.url, [_asks(queries)], status=200, within_s=WITHIN_S, warm=len(queries)
            )
            yield Figure(
                "Search",
                f"{name}, p95",
                found.p95,
                "ms",
                promised,
                f"p50 {found.p50:.1f} ms, {len(found.times_ms)} times",
            )


def _asks(queries: list[str]) -> Iterator[bytes]:
    for query in cycle(queries):
        yield request("GET", f"/v1/businesses?{query}")


async def _fill(system: System) -> None:
    kinds, plain = ([kind[place] for kind in _KINDS] for place in (0, 1))
    business = await asyncpg.connect(system.databases["business"])
    turnos = await asyncpg.connect(system.databases["turnos"])
    week = [{"weekday": day, "start": "09:00", "end": "18:00", "staff_id": None} for day in range(1, 6)]
    try:
        await business.execute(_FILL, kinds, plain, list(_PLACES), BUSINESSES, _TEXT, _PLAIN, timeout=300)
        await business.execute(_WORDS, _PLAIN, timeout=120)
        await business.execute("VACUUM ANALYZE businesses")
        await business.execute("VACUUM ANALYZE search_words")
        await turnos.execute(_KNOWN, BUSINESSES, json.dumps(week), timeout=300)
        await turnos.execute("VACUUM ANALYZE businesses")
    finally:
        await business.close()
        await turnos.close()
