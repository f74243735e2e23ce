"""The tables' definition, and what is said of tables that do not fit."""

from __future__ import annotations

import pytest

from genscribe.errors import ConfigError
from genscribe.sinks.base import SinkMisconfigured
from genscribe.sinks.postgresql_schema import (
    STAGE,
    TABLES,
    Found,
    checked_schema,
    ddl,
    literal,
    missing_tables,
    quoted,
    require,
)

ALL = [
    Found(table.name, column.name, "not null" in column.rest and "default" not in column.rest, column.name in table.key)
    for table in TABLES
    for column in table.columns
]


def test_all_tables_are_defined_once_and_no_statement_insists() -> None:
    text = ddl()
    for table in TABLES:
        assert text.count(f'create table if not exists "public".{table.name} (') == 1
    assert text.count("create ") == text.count(" if not exists ")
    assert "create schema" not in text, "public is always there"
    assert 'create schema if not exists "calls"' in ddl("calls")


def test_only_what_is_missing_is_created() -> None:
    assert missing_tables([column for column in ALL if column.table != "gaps"]) == ["gaps"]
    text = ddl("calls", missing=["gaps"])
    assert text.count("create table") == 1
    assert '"calls".gaps' in text
    assert "create schema" not in text


def test_tables_that_fit_are_taken_with_columns_of_the_users_own() -> None:
    require(ALL, "public")
    require([*ALL, Found("utterances", "tenant", demanded=False, unique=False)], "public")


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        ([c for c in ALL if c.column != "spoken_at"], "utterances lacks spoken_at (timestamptz)"),
        ([c for c in ALL if c.table != "gaps"], "gaps lacks seq (bigint), key (text)"),
        ([c._replace(unique=False) for c in ALL], "no primary key or unique index on (key)"),
        ([*ALL, Found("gaps", "tenant", demanded=True, unique=False)], "gaps.tenant is not null and has no default"),
    ],
)
def test_tables_that_do_not_fit_are_named(found: list[Found], complaint: str) -> None:
    with pytest.raises(SinkMisconfigured) as raised:
        require(found, "public")
    assert complaint in str(raised.value)
    assert "genscribe schema postgresql" in str(raised.value)


@pytest.mark.parametrize("name", ["", "a\0b", "ü" * 32])
def test_a_schema_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        checked_schema(name)


def test_names_and_constants_end_where_they_should() -> None:
    assert quoted('a"; drop table x; --') == '"a""; drop table x; --"'
    assert literal("o'clock") == "'o''clock'"
    assert literal("\\'") == " E'\\\\'''"


def test_another_shape_of_the_staging_table_has_another_name() -> None:
    assert STAGE.startswith("pg_temp.genscribe_batch_")
    assert len(STAGE) <= len("pg_temp.") + 63
