"""The sink `postgresql://user@host/database?schema=…`: makes it from its setting; `postgresql_sink` is what it does."""

from __future__ import annotations

import os
from pathlib import Path

from genscribe.errors import ConfigError
from genscribe.events import DELIVERED_KINDS
from genscribe.settings import SinkSetting
from genscribe.sinks.base import Means, Sink
from genscribe.sinks.postgresql_schema import checked_schema


def make(setting: SinkSetting, means: Means) -> Sink:
    """The sink of a setting; `schema` is its own parameter, all others and the options are libpq's.

    Raises:
        ConfigError: The URL or a parameter is wrong.
    """
    from genscribe.sinks.postgresql_address import address
    from genscribe.sinks.postgresql_sink import PostgreSQL

    without_table = (setting.kinds or frozenset()) - PostgreSQL.kinds
    if without_table:
        raise ConfigError(
            f"the postgresql sink has no table for the kind {min(without_table)}.",
            advice=f"Write some of kinds={','.join(DELIVERED_KINDS)}.",
        )
    assert setting.url is not None
    return PostgreSQL(
        address(setting.url, setting.options, os.environ, Path.home()),
        schema=checked_schema(setting.params.get("schema", "public")),
        name=means.name,
        store_id=means.store_id,
        ca_file=means.ca_file,
    )
