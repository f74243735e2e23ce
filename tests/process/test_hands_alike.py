"""`sinks`, `dead-letters`, `replay` and `backup` say and end alike, whether a process runs on the store or not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import apsw
import pytest

from genscribe.emulator.thread import running
from tests.process.runner import hears, rows, run, stop, streaming, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COPY = "COPY"
COMMANDS = [
    (["sinks", "pause", "calls"], 0),
    (["sinks", "pause", "calls"], 0),
    (["replay", "--to", "calls", "--since", "1h"], 78),
    (["dead-letters", "retry", "--sink", "calls"], 78),
    (["sinks", "resume", "calls"], 0),
    (["sinks", "pause", "calls", "--json"], 0),
    (["sinks", "resume", "calls", "--json"], 0),
    (["sinks", "pause", "lake"], 0),
    (["sinks", "resume", "lake"], 0),
    (["sinks", "pause", "cals"], 78),
    (["sinks", "resume", "nobody"], 78),
    (["sinks", "remove", "nobody"], 78),
    (["sinks", "pause"], 2),
    (["dead-letters"], 0),
    (["dead-letters", "--json"], 0),
    (["dead-letters", "--sink", "nobody"], 78),
    (["dead-letters", "retry", "--sink", "nobody"], 78),
    (["dead-letters", "drop", "--sink", "nobody"], 78),
    (["dead-letters", "retry", "--seq", "4242"], 0),
    (["dead-letters", "drop", "--seq", "4242"], 0),
    (["dead-letters", "retry", "--sink", "lake"], 78),
    (["dead-letters", "retry", "--sink", "calls"], 0),
    (["dead-letters", "drop", "--sink", "lake", "--seq", "1"], 0),
    (["dead-letters", "drop", "--sink", "lake", "--json"], 0),
    (["dead-letters", "drop", "--sink", "lake"], 0),
    (["dead-letters", "drop"], 0),
    (["dead-letters", "retry"], 0),
    (["dead-letters", "retry", "--json"], 0),
    (["dead-letters"], 0),
    (["replay", "--to", "nobody", "--since", "1h"], 78),
    (["replay", "--to", "lake", "--since", "1h"], 78),
    (["replay", "--to", "calls", "--since", "1h", "--until", "UNTIL"], 0),
    (["backup", COPY, "--json"], 0),
    (["backup", COPY], 78),
    (["backup", "/no/such/folder/copy"], 78),
    (["sinks", "remove", "lake"], 0),
    (["sinks", "remove", "lake"], 78),
    (["sinks", "remove", "calls"], 0),
]


@dataclass
class Pair:
    """A store that nothing runs on, and its copy with a process on it."""

    still: Path
    live: Path
    until: str

    def told(self, store: Path, arguments: list[str]) -> tuple[int, str, str]:
        """How a command ends there, without what must differ: the paths."""
        copy = str(store.parent / "copy.db")
        given = [{COPY: copy, "UNTIL": self.until}.get(each, each) for each in arguments]
        env = {"GENSCRIBE_TO": f"calls=jsonl:{store.parent}/calls.jsonl"}
        done = run(*given, "--store", str(store), env=env)
        out, err = (text.replace(str(store.parent), "FOLDER") for text in (done.stdout, done.stderr))
        return done.returncode, out, err


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    still, live = tmp_path_factory.mktemp("still") / "s.db", tmp_path_factory.mktemp("live") / "s.db"
    with running() as cloud:
        with streaming(still, cloud.settings(), "--to", f"calls=jsonl:{still.parent}/calls.jsonl") as process:
            until(lambda: hears(still, process))
            for text in ("one", "two", "three"):
                cloud.say(text)
            until(lambda: rows(still, "select seq from cursors") >= [(3,)])
            assert stop(process) == 0
        moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        _refuse(still)
        shutil.copytree(still.parent, live.parent, dirs_exist_ok=True)
        with streaming(live, cloud.settings(), "--to", f"calls=jsonl:{live.parent}/calls.jsonl") as process:
            until(lambda: hears(live, process))
            cloud.say("later")  # so that --until has something to leave out
            until(lambda: rows(live, "select count(*) from journal where kind = 'u'") == [(4,)])
            yield Pair(still, live, moment)
            assert stop(process) == 0


def _refuse(store: Path) -> None:
    """Dead letters of a sink that will run, and of one that nothing delivers to."""
    db = apsw.Connection(str(store))
    for sink, seq in (("calls", 2), ("lake", 1), ("lake", 3)):
        db.execute("insert into dead_letters values (?, ?, 'too wide', '2026-03-21T01:01:00.000Z')", (sink, seq))
    db.execute("insert into cursors select 'lake', store_id, 3, crc, saved_at from cursors where name = 'calls'")
    db.close()


@pytest.mark.parametrize(
    ("arguments", "code"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_alike(pair: Pair, arguments: list[str], code: int) -> None:
    """The commands build on one another, in this order."""
    still, live = pair.told(pair.still, arguments), pair.told(pair.live, arguments)
    if arguments[0] == "backup" and code == 0:  # the copies' sizes
        still, live = still[:1], live[:1]
    assert live == still
    assert still[0] == code
