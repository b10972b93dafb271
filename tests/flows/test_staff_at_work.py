"""Who works in a business and has an account sees and manages the agenda, and nothing of the profile."""

from tests.files.desk import drawn
from tests.flows.test_files import uploaded
from tests.flows.world import World
from tests.stage import until


async def test_staff_manage_the_agenda_and_not_the_profile(world: World) -> None:
    shop, beto, client = await world.a_business(), await world.somebody("Beto"), await world.a_client()
    base, agenda = f"/v1/businesses/{shop.id}", f"/v1/turnos/appointments?as=business&business_id={shop.id}"
    turno = await world.a_booked_turno(shop, client)
    (await beto.ask("GET", agenda)).promised(404)
    member = {"name": "Beto", "user_id": str(beto.id)}
    made = (await shop.owner.ask("POST", f"{base}/staff", member)).promised(201).answer

    async def seen() -> list[str]:
        shown = await beto.ask("GET", agenda)
        return [one["id"] for one in shown.answer["items"]] if shown.status == 200 else []

    assert await until(seen, bool) == [str(turno.id)]
    (await beto.ask("POST", f"/v1/turnos/appointments/{turno.id}/cancel", {})).promised(200)
    theirs = await uploaded(world, beto, drawn("PNG"), purpose="business_image")
    file = {"file_id": theirs["id"]}
    not_theirs: list[tuple[str, str, object]] = [
        ("PATCH", base, {"name": "Lo de Beto"}),
        ("DELETE", base, None),
        ("POST", f"{base}/services", {"name": "Corte", "duration_minutes": 30}),
        ("PATCH", f"{base}/services/{shop.service.id}", {"price": None}),
        ("POST", f"{base}/staff", {"name": "Caro"}),
        ("PATCH", f"{base}/staff/{made['id']}", {"name": "El jefe"}),
        ("DELETE", f"{base}/staff/{shop.staff_id}", None),
        ("PUT", f"{base}/profile-image", file),
        ("PUT", f"{base}/portrait-image", file),
        ("POST", f"{base}/gallery", file),
        ("PUT", f"/v1/turnos/businesses/{shop.id}/schedule", {"weekly": []}),
        ("POST", f"{base}/verification", {"file_ids": [theirs["id"]]}),
        ("POST", f"{base}/suspension", {"reason": "x"}),
    ]
    for method, path, body in not_theirs:
        (await beto.ask(method, path, body)).promised(403, "forbidden")
    (await beto.ask("GET", f"{base}/verification")).promised(404)
    shown = (await world.api.ask("GET", base)).promised(200).answer
    assert (shown["name"], shown["profile_image"]) == (shop.name, None)
    # Who works there no more sees nothing more.
    (await shop.owner.ask("DELETE", f"{base}/staff/{made['id']}")).promised(204)
    assert await until(seen, lambda found: not found) == []


async def test_who_never_came_or_cancelled_does_not_rate(world: World) -> None:
    shop, never, cancelled = await world.a_business(), await world.a_client(), await world.a_client()
    turno = await world.a_booked_turno(shop, cancelled)
    (await cancelled.cancel(turno)).promised(200)
    path, stars = f"/v1/businesses/{shop.id}/rating", {"stars": 5}
    for one in (never, cancelled):
        (await one.ask("PUT", path, stars)).promised(403, "rating_requires_visit")
    (await shop.owner.ask("PUT", path, stars)).promised(403, "forbidden")
    shown = (await world.api.ask("GET", f"/v1/businesses/{shop.id}")).promised(200).answer
    assert shown["rating"] == {"average": None, "count": 0}
