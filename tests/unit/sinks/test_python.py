"""The python sink: what of a user's module takes events, and what happens when it fails."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from genscribe.errors import Unreachable
from genscribe.events import Record, Utterance
from genscribe.settings.sinks import sink_of_table, sink_setting
from genscribe.sinks.base import Means, RowsRejected, SinkMisconfigured, SinkUnavailable
from genscribe.sinks.conformance import utterances
from genscribe.sinks.registry import make_sink
from genscribe.testing import check_sink

pytestmark = pytest.mark.anyio

MEANS = Means("mine", "store", tls=ssl.create_default_context)
SPOKEN = "this is utterance"
Written = Callable[[str], None]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Writes a module `mine` that can be imported."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source: str) -> None:
        (tmp_path / "mine.py").write_text(textwrap.dedent(source), encoding="utf-8")

    yield write
    sys.modules.pop("mine", None)


def mine() -> Any:
    return sys.modules["mine"]


def sink_for(name: str = "take") -> Any:
    return make_sink(sink_setting(f"mine=python:mine:{name}", lambda what: what), MEANS)


async def given(sink: Any, batch: list[Record]) -> None:
    await sink.open()
    await sink.write(batch)


FUNCTION = "taken = []\ndef take(event):\n    taken.append(event)\n"
COROUTINE = "taken = []\nasync def take(event):\n    taken.append(event)\n"
CALLABLE = "taken = []\nclass Taker:\n    def __call__(self, event):\n        taken.append(event)\ntake = Taker()\n"
ASYNC_CALLABLE = CALLABLE.replace("    def", "    async def")
PARTIAL = "import functools\ntaken = []\nasync def both(into, event):\n    into.append(event)\n"
PARTIAL += "take = functools.partial(both, taken)\n"


# --- what takes events ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [FUNCTION, COROUTINE, CALLABLE, ASYNC_CALLABLE, PARTIAL])
async def test_each_event_is_given_typed_and_in_order(module: Written, source: str) -> None:
    module(source)
    sink = sink_for()
    await given(sink, utterances(0, 4))
    await sink.aclose()
    assert [event.seq for event in mine().taken] == [1, 2, 3, 4]
    assert all(isinstance(event, Utterance) for event in mine().taken)
    assert isinstance(mine().taken[0].spoken_at, datetime)
    assert mine().taken[0].spoken_at.tzinfo is not None


DESTINATION = """
    import time
    from genscribe.sinks.base import RowsRejected
    seen, away, held, lost, torn = [], [], [], [], []
    PREFIX take(event):
        if away:
            raise ConnectionError
        if getattr(event, "text", "") == "poison":
            raise RowsRejected({}, "poison")
        while held:
            WAIT
        torn and torn.append(event.seq)
        if len(torn) == 6:
            torn.clear()
            raise ConnectionError
        seen.append(event.seq)
        if lost:
            lost.clear()
            raise ConnectionError
"""


@pytest.mark.parametrize(("prefix", "wait"), [("def", "time.sleep(0.01)"), ("async def", "await asyncio.sleep(0.01)")])
async def test_the_conformance_suite(module: Written, prefix: str, wait: str) -> None:
    module("import asyncio\n" + textwrap.dedent(DESTINATION.replace("PREFIX", prefix).replace("WAIT", wait)))
    sink_for()

    def turn(what: str, on: bool) -> Callable[[], Any]:
        async def act() -> None:
            getattr(mine(), what)[:] = [1] if on else []

        return act

    async def delivered() -> list[int]:
        return list(mine().seen)

    def poison(seq: int) -> Record:
        return Record(seq, "utterance", b'{"kind":"utterance","key":"p%d","revision":1,"text":"poison"}' % seq)

    await check_sink(
        sink_for,
        delivered=delivered,
        down=turn("away", True),
        up=turn("away", False),
        hold=turn("held", True),
        release=turn("held", False),
        swallow=turn("lost", True),
        tear=turn("torn", True),
        poison=poison,
    )


CLASS = """
    rows = []
    class Take:
        kinds = {"utterance", "conversation", "participant", "gap", "message"}
        guarantee = "at-least-once"
        async def open(self):
            self.ready = True
        async def write(self, batch):
            assert self.ready
            rows.extend(row.seq for row in batch)
        async def aclose(self):
            self.ready = False
"""


async def test_the_conformance_suite_for_a_class(module: Written) -> None:
    module(CLASS)

    async def delivered() -> list[int]:
        return list(mine().rows)

    await check_sink(lambda: sink_for("Take"), delivered=delivered)
    assert sink_for("Take").kinds == {"utterance", "conversation", "participant", "gap", "message"}


async def test_a_function_runs_in_a_thread_of_its_own(module: Written) -> None:
    module("import threading\ntaken = []\ndef take(event):\n    taken.append(threading.current_thread())\n")
    sink = sink_for()
    await given(sink, utterances(0, 3))
    await sink.aclose()
    (thread,) = set(mine().taken)
    assert thread is not threading.main_thread()
    assert thread.daemon, "it must not hold up the end of the process"


@pytest.mark.parametrize(
    ("head", "made"),
    [
        ("def __init__(self): self.got = None", "None"),
        ("def __init__(self, setting, means): self.got = (setting.name, means.store_id)", "('mine', 'store')"),
        ("def __init__(self, means, setting): self.got = (setting.name, means.store_id)", "('mine', 'store')"),
        ("def __init__(self, one, two): self.got = (one.name, two.store_id)", "('mine', 'store')"),
        ("def __init__(self, url='x', size=5): self.got = (url, size)", "('x', 5)"),
        ("got = None", "None"),
    ],
)
async def test_how_a_class_is_made(module: Written, head: str, made: str) -> None:
    module(
        f"made = []\nclass Take:\n    {head}\n    async def write(self, batch):\n        made.append(repr(self.got))\n"
    )
    sink = sink_for("Take")
    await given(sink, utterances(0, 1))
    await sink.write(utterances(1, 1))
    await sink.aclose()
    assert mine().made == [made, made]


async def test_options_of_the_file_reach_a_class(module: Written) -> None:
    module(
        "made = []\nclass Take:\n"
        "    def __init__(self, setting, means): self.options = setting.options\n"
        "    async def write(self, batch): made.append(dict(self.options))\n"
    )
    table: Any = {"url": "python:mine:Take", "options": {"topic": "calls"}}
    sink: Any = make_sink(sink_of_table("mine", table, lambda what: what), MEANS)
    await given(sink, utterances(0, 1))
    assert mine().made == [{"topic": "calls"}]


async def test_a_document_is_plain_json(module: Written) -> None:
    module(FUNCTION)
    body = b'{"kind":"transcript","key":"c:transcript","revision":1,"lines":[{"kind":"utterance","text":"hi"}]}'
    sink = sink_for()
    await given(sink, [Record(9, "transcript", body)])
    await sink.aclose()
    assert mine().taken == [{**json.loads(body), "seq": 9}]


async def test_the_current_folder_is_looked_in_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lying_here.py").write_text(FUNCTION)
    (tmp_path / "msgspec.py").write_text("raise ValueError")
    sink = make_sink(sink_setting("m=python:lying_here:take", lambda what: what), MEANS)
    await sink.open()
    await sink.aclose()
    assert sys.path[-1] == str(tmp_path)
    del sys.modules["lying_here"]


# --- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "name", "says"),
    [
        ("", "take", r"the module mine has no take\."),
        ("def taken(event): pass", "take", "Did you mean taken"),
        ("take = 5", "take", "of type int, neither a function nor a class"),
        ("def take(event):\n    yield event", "take", "is a generator"),
        ("async def take(event):\n    yield event", "take", "is a generator"),
        ("class Take: pass", "Take", r"no async write\(batch\)"),
        ("class Take:\n    def write(self, batch): pass", "Take", r"no async write\(batch\)"),
        ("class Take:\n    kinds = {'smell'}\n    async def write(self, batch): pass", "Take", "kinds that are none"),
        ("class Take:\n    guarantee = 'x'\n    async def write(self, batch): pass", "Take", "guarantee"),
        ("import nowhere_to_be_found", "take", "needs nowhere_to_be_found, which is not installed"),
        ("x = (\n", "take", r"is no Python: line \d of mine\.py"),
        ("\nraise ValueError('pw-value')", "take", r"importing mine failed: ValueError in line 2 of mine\.py"),
        ("raise SystemExit('pw-value')", "take", "SystemExit"),
    ],
)
async def test_what_takes_no_events_is_told(module: Written, source: str, name: str, says: str) -> None:
    module(source)
    sink = sink_for(name)
    for _ in range(2):
        with pytest.raises(SinkMisconfigured, match=says) as caught:
            await sink.open()
        assert "pw-value" not in str(caught.value)
    await sink.aclose()


@pytest.mark.parametrize(
    ("target", "says"), [("mine_is_gone:take", "put it into the folder"), ("mine.py:take", r"without \.py")]
)
async def test_no_such_module(module: Written, target: str, says: str) -> None:
    if target.startswith("mine.py"):
        module(FUNCTION)
    sink: Any = make_sink(sink_setting(f"m=python:{target}", lambda what: what), MEANS)
    with pytest.raises(SinkMisconfigured, match=says):
        await sink.open()
    await sink.aclose()


async def test_a_module_that_is_put_right_while_we_run(module: Written) -> None:
    module("raise ValueError")
    sink = sink_for()
    with pytest.raises(SinkMisconfigured):
        await sink.open()
    module(FUNCTION + "\n\n")
    await given(sink, utterances(0, 1))
    await sink.aclose()
    assert len(mine().taken) == 1


async def test_one_put_right_that_wants_other_kinds_wants_a_restart(module: Written) -> None:
    module("raise ValueError")
    sink = sink_for("Take")
    module(CLASS)
    with pytest.raises(SinkMisconfigured, match="Restart"):
        await sink.open()
    await sink.aclose()


@pytest.mark.parametrize(
    "source",
    [
        "async def real(event): pass\ntake = lambda event: real(event)",
        "def real(event):\n    yield 1\ntake = lambda event: real(event)",
    ],
)
async def test_what_does_nothing_until_awaited_loses_nothing(module: Written, source: str) -> None:
    module(source)
    sink = sink_for()
    with pytest.raises(SinkMisconfigured, match="async def"):
        await given(sink, utterances(0, 1))
    await sink.aclose()


# --- what fails -------------------------------------------------------------------------------------------------------

FAILS = """
    import asyncio
    from genscribe.errors import Unreachable
    from genscribe.sinks.base import RowsRejected, SinkMisconfigured
    taken, wrong = [], {}
    PREFIX take(event):
        if event.seq in wrong:
            raise wrong[event.seq]
        taken.append(event.seq)
"""
BOTH = pytest.mark.parametrize("prefix", ["def", "async def"])


@BOTH
@pytest.mark.parametrize(
    "kind", [ValueError, SystemExit, StopIteration, asyncio.CancelledError, TimeoutError, MemoryError]
)
async def test_an_exception_is_tried_again_and_its_words_are_not_told(module: Written, prefix: str, kind: Any) -> None:
    if kind is asyncio.CancelledError and prefix == "async def" and sys.version_info < (3, 11):
        pytest.skip("Python 3.10 does not tell who was cancelled")
    module(FAILS.replace("PREFIX", prefix))
    sink = sink_for()
    await sink.open()
    mine().wrong[3] = kind(SPOKEN)
    where = rf"{kind.__name__} in line 8 of mine\.py\."
    if kind is StopIteration and prefix == "async def":  # Python makes another of it, on the way out
        where = "RuntimeError"
    with pytest.raises(SinkUnavailable, match=f"mine:take raised {where}") as caught:
        await sink.write(utterances(0, 4))
    assert SPOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    mine().wrong.clear()
    await sink.open()
    await sink.write(utterances(0, 4))
    assert mine().taken == [1, 2, 3, 4], "those before the one that failed are not given twice"
    await sink.write(utterances(0, 2))
    assert mine().taken == [1, 2, 3, 4, 1, 2], "and what is sent again on purpose is"
    await sink.aclose()


@BOTH
@pytest.mark.parametrize("bad", [1, 2, 3, 4])
async def test_poison_at_every_position(module: Written, prefix: str, bad: int) -> None:
    module(FAILS.replace("PREFIX", prefix))
    sink = sink_for()
    await sink.open()
    mine().wrong[bad] = RowsRejected({}, "not for us")
    with pytest.raises(RowsRejected) as caught:
        await sink.write(utterances(0, 4))
    assert caught.value.reasons == {bad: "not for us"}
    await sink.write([row for row in utterances(0, 4) if row.seq != bad])
    assert mine().taken == [seq for seq in (1, 2, 3, 4) if seq != bad]
    await sink.aclose()


@BOTH
@pytest.mark.parametrize("kind", [SinkMisconfigured, SinkUnavailable, Unreachable])
async def test_our_own_errors_are_taken_at_their_word(module: Written, prefix: str, kind: Any) -> None:
    module(FAILS.replace("PREFIX", prefix))
    sink = sink_for()
    await sink.open()
    mine().wrong[1] = kind("the mail server wants another login.")
    with pytest.raises(kind, match="another login"):
        await sink.write(utterances(0, 1))
    await sink.aclose()


async def test_a_class_that_fails(module: Written) -> None:
    module(
        f"""
        from genscribe.sinks.base import RowsRejected
        error = [ValueError("{SPOKEN}")]
        class Take:
            def __init__(self):
                self.fail()
            def fail(self):
                if error: raise error[0]
            async def open(self): self.fail()
            async def write(self, batch): self.fail()
            async def aclose(self): self.fail()
        """
    )
    sink = sink_for("Take")
    with pytest.raises(SinkUnavailable, match=r"ValueError in line 8 of mine\.py\.$"):
        await sink.open()
    error = mine().error.pop()
    await sink.open()
    mine().error.append(error)
    with pytest.raises(SinkUnavailable, match="ValueError"):
        await sink.open()
    with pytest.raises(SinkUnavailable, match="ValueError"):
        await sink.write(utterances(0, 1))
    mine().error[:] = [RowsRejected({1: "no"})]
    with pytest.raises(RowsRejected):
        await sink.write(utterances(0, 1))
    mine().error[:] = [error]
    await sink.aclose()
    await sink.aclose()


# --- stopping ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [False, True])
async def test_a_function_that_hangs_is_left_and_no_second_one_begins(module: Written, closed: bool) -> None:
    module(
        """
        import threading
        go, began, taken, inside = threading.Event(), threading.Event(), [], []
        def take(event):
            inside.append(event.seq)
            assert len(inside) == 1, "two at once"
            began.set()
            go.wait(10)
            taken.append(event.seq)
            inside.clear()
        """
    )
    sink = sink_for()
    await sink.open()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sink.write, utterances(0, 3))
            await anyio.to_thread.run_sync(mine().began.wait)
            scope.cancel()
    assert scope.cancelled_caught
    if closed:  # paused and resumed
        await sink.aclose()
        await sink.open()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sink.write, utterances(0, 3))
        for _ in range(20):
            await anyio.sleep(0.001)
        assert mine().inside == [1]
        mine().go.set()
    assert mine().taken == [1, 2, 3], "the one in hand when we left was not given again"
    await sink.aclose()


async def test_a_coroutine_function_is_cancelled(module: Written) -> None:
    module(
        """
        import asyncio
        began = []
        async def take(event):
            began.append(event.seq)
            await asyncio.sleep(3600)
        """
    )
    sink = sink_for()
    await sink.open()
    with anyio.move_on_after(0.1) as scope:
        await sink.write(utterances(0, 3))
    assert scope.cancelled_caught
    assert mine().began == [1]
    await sink.aclose()


async def test_an_event_of_a_newer_version_is_rejected_alone(module: Written) -> None:
    module(FUNCTION)
    sink = sink_for()
    bad = Record(2, "utterance", b'{"kind":"utterance","key":5}')
    batch = [*utterances(0, 1), bad, *utterances(2, 1)]
    with pytest.raises(RowsRejected) as caught:
        await given(sink, batch)
    assert list(caught.value.reasons) == [2]
    await sink.write([batch[0], batch[2]])
    assert [event.seq for event in mine().taken] == [1, 3]
    await sink.aclose()


# --- published ones ---------------------------------------------------------------------------------------------------


async def test_one_that_an_installed_package_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "teletype-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: teletype\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[genscribe.sinks]\nteletype = teletype:make\n")
    (tmp_path / "teletype.py").write_text(
        textwrap.dedent(
            """
            printed = []
            class Teletype:
                guarantee = "at-least-once"
                kinds = frozenset({"utterance"})
                def __init__(self, speed): self.speed = speed
                async def open(self): pass
                async def write(self, batch): printed.extend((row.seq, self.speed) for row in batch)
                async def aclose(self): pass
            def make(setting, means):
                return Teletype(setting.params["baud"])
            """
        )
    )
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))

    async def delivered() -> list[int]:
        return [seq for seq, _ in sys.modules["teletype"].printed]

    setting = sink_setting("wall=teletype://host/1?baud=50", lambda what: what)
    await check_sink(lambda: make_sink(setting, MEANS), delivered=delivered)
    assert sys.modules.pop("teletype").printed[0] == (1, "50")
