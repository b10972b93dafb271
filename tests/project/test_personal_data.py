"""Whatever a service stores about a person it can show, and forgets when they are erased."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

from turnosya.app import SERVICES
from turnosya.contracts.users import PersonErased
from turnosya.services.users import erasure, export

# Columns that name a person or say how they are reached. A new word for somebody belongs here.
NAMES_A_PERSON = {
    "about_user_id", "actor_id", "author_id", "blocked_by", "client_id", "client_name", "client_phone",
    "closed_by", "created_by", "email", "member_id", "owner_id", "person", "person_id", "phone",
    "previous_phone", "reviewer_id", "sender_id", "subject_id", "uploaded_by", "uploader_id", "user_id",
}  # fmt: skip
# They know nobody: jobs has ids of turnos only, the gateway rates of some minutes.
KNOW_NOBODY = {"jobs", "gateway"}
# Kept until its 90 days are over: the audit has nothing but ids, which name nobody once the account is gone.
KEEPS = {"checks"}
WITH_TABLES = [name for name in SERVICES if find_spec(f"turnosya.services.{name}.tables") is not None]


def tables_of_people(name: str) -> set[str]:
    metadata: Any = import_module(f"turnosya.services.{name}.tables").metadata
    return {
        table.name
        for table in metadata.tables.values()
        if NAMES_A_PERSON & {column.name for column in table.columns}
    }


@pytest.mark.parametrize("name", WITH_TABLES)
def test_every_table_that_names_a_person_is_declared_with_what_becomes_of_it(name: str) -> None:
    module = f"turnosya.services.{name}.{'audit' if name in KEEPS else 'erasure'}"
    declared: Mapping[str, str] = import_module(module).HOLDS if find_spec(module) is not None else {}
    assert tables_of_people(name) == set(declared)


@pytest.mark.parametrize("name", [name for name in WITH_TABLES if name not in {"users", *KNOW_NOBODY}])
def test_who_holds_something_answers_it_and_confirms_that_it_is_forgotten(name: str) -> None:
    service = SERVICES[name]
    assert export.ASKED[name] in [answer.request for answer in service.answers]
    if name not in KEEPS:
        assert PersonErased in [hearing.event for hearing in service.hears]
        assert f"{name}.PersonForgotten" in [event.wire_name for event in service.tells]
        heard = [one.event.wire_name for one in SERVICES["users"].hears]
        assert f"{name}.PersonForgotten" in heard
        assert name in erasure.WAITED_FOR
