"""The usual kinds of business, each with its name in three languages.

A business may call its kind whatever it likes; one of these, by key or by name in any of the languages, is
found by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from turnosya.runtime.messages import Say
from turnosya.services.business.sought import sought

CATEGORIES: Mapping[str, Say] = {
    "barbershop": Say("Barbería", "Barbershop", "Barbearia"),
    "hair_salon": Say("Peluquería", "Hair salon", "Cabeleireiro"),
    "beauty": Say("Estética", "Beauty salon", "Estética"),
    "nails": Say("Manicuría", "Nail salon", "Manicure"),
    "spa": Say("Spa y masajes", "Spa and massage", "Spa e massagem"),
    "tattoo": Say("Tatuajes y piercing", "Tattoo and piercing", "Tatuagem e piercing"),
    "clinic": Say("Clínica", "Clinic", "Clínica"),
    "doctor": Say("Medicina", "Doctor", "Medicina"),
    "dentist": Say("Odontología", "Dentist", "Odontologia"),
    "psychology": Say("Psicología", "Psychology", "Psicologia"),
    "nutrition": Say("Nutrición", "Nutrition", "Nutrição"),
    "physiotherapy": Say("Kinesiología", "Physiotherapy", "Fisioterapia"),
    "podiatry": Say("Podología", "Podiatry", "Podologia"),
    "optician": Say("Óptica", "Optician", "Ótica"),
    "laboratory": Say("Laboratorio", "Laboratory", "Laboratório"),
    "veterinary": Say("Veterinaria", "Veterinarian", "Veterinária"),
    "pet_grooming": Say("Peluquería canina", "Pet grooming", "Banho e tosa"),
    "gym": Say("Gimnasio", "Gym", "Academia"),
    "yoga": Say("Yoga y pilates", "Yoga and pilates", "Yoga e pilates"),
    "personal_trainer": Say("Entrenamiento personal", "Personal trainer", "Personal trainer"),
    "sports_court": Say("Canchas", "Sports courts", "Quadras esportivas"),
    "dance": Say("Danza", "Dance", "Dança"),
    "music_lessons": Say("Clases de música", "Music lessons", "Aulas de música"),
    "language_lessons": Say("Clases de idiomas", "Language lessons", "Aulas de idiomas"),
    "tutoring": Say("Apoyo escolar", "Tutoring", "Reforço escolar"),
    "driving_school": Say("Escuela de manejo", "Driving school", "Autoescola"),
    "car_repair": Say("Taller mecánico", "Car repair", "Oficina mecânica"),
    "car_wash": Say("Lavadero de autos", "Car wash", "Lava-rápido"),
    "bike_repair": Say("Bicicletería", "Bicycle repair", "Oficina de bicicletas"),
    "electronics_repair": Say("Servicio técnico", "Electronics repair", "Assistência técnica"),
    "home_repair": Say("Arreglos del hogar", "Home repair", "Reparos domésticos"),
    "lawyer": Say("Abogacía", "Lawyer", "Advocacia"),
    "accountant": Say("Contaduría", "Accountant", "Contabilidade"),
    "notary": Say("Escribanía", "Notary", "Cartório"),
    "photography": Say("Fotografía", "Photography", "Fotografia"),
    "coworking": Say("Coworking", "Coworking", "Coworking"),
    "other": Say("Otro", "Other", "Outro"),
}


def known(category: str) -> str | None:
    """The key of a category, whether it was said by key or by name; None for one that is not usual."""
    return _by_spelling().get(sought(category))


def spellings(category: str) -> tuple[str, ...]:
    """All ways in which a category may have been written, as the search compares them."""
    key = known(category)
    if key is None:
        return (sought(category),)
    return tuple(spelling for spelling, of in _by_spelling().items() if of == key)


@cache
def _by_spelling() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for key, names in CATEGORIES.items():
        for text in (key, key.replace("_", " "), *names):
            found.setdefault(sought(text), key)
    return found
