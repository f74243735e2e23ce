from __future__ import annotations

import re

import pytest

from genscribe.genesys import permissions
from genscribe.genesys.permissions import PERMISSIONS, Need, Permission, Proof
from genscribe.telemetry import admin


@pytest.mark.parametrize("permission", PERMISSIONS, ids=lambda permission: permission.names[0])
def test_each_says_why_what_is_lost_and_where_from(permission: Permission) -> None:
    for name in permission.names:
        assert re.fullmatch(r"[a-zA-Z]+:[a-zA-Z]+:[a-zA-Z]+", name)
    assert permission.why
    assert permission.without
    assert permission.source
    line = permissions.advice(permission)
    assert permission.name in line
    assert admin.ROLES in line
    assert (admin.DIVISIONS in line) is (permission.by_division is not False)


def test_none_is_listed_twice() -> None:
    names = [name for permission in PERMISSIONS for name in permission.names]
    assert len(names) == len(set(names))


def test_hearing_is_required_and_documented() -> None:
    assert permissions.TRANSCRIPTION.need is Need.REQUIRED
    assert permissions.TRANSCRIPTION.proof is Proof.DOCUMENTED
    assert permissions.TRANSCRIPTION.by_division is False


def test_names_as_the_administration_shows_them() -> None:
    assert permissions.TRANSCRIPTION.in_admin == "Conversation > Transcription > View"
    assert permissions.SETTINGS.in_admin == "Routing > Transcription Settings > View"


def test_any_of_its_names_will_do() -> None:
    assert permissions.TEXTS.granted(frozenset({"conversation:webmessaging:view"}))
    assert not permissions.TEXTS.granted(frozenset({"conversation:transcription:view"}))


@pytest.mark.parametrize(("by_division", "word"), [(True, "in all divisions"), (False, "whole"), (None, "[?]")])
def test_divisions_in_a_word(by_division: bool | None, word: str) -> None:
    row = Permission(("a:b:c",), Need.OPTIONAL, "why", "lost", by_division, Proof.ASSUMED, "source")
    assert word in permissions.divisions_word(row)
