"""The platform's channels that are ours, remembered so that the next run uses them again where it may.

A channel's id is a secret, so only a digest of it is kept; who lists the platform's channels can recognise ours.
"""

from __future__ import annotations

import apsw

from genscribe import clock

LONG_ENDED_MS = 24 * 3600 * 1000
"""What ended so long ago is forgotten at opening; until then a clock may be wrong."""

REMEMBER = """
insert into channels (digest, ends_at) values (?, ?) on conflict (digest) do update set ends_at = excluded.ends_at"""

FORGET = "delete from channels where digest = ?"


def load(db: apsw.Connection) -> list[tuple[str, int]]:
    """Those that an earlier run left, with the epoch milliseconds of their end; drops those that ended long ago."""
    db.execute("delete from channels where ends_at < ?", (clock.wall_ms() - LONG_ENDED_MS,))
    return [(digest, ends_at) for digest, ends_at in db.execute("select digest, ends_at from channels order by 2, 1")]
