from __future__ import annotations

import threading
from pathlib import Path

from genscribe.errors import StoreFailed
from genscribe.store.database import open_for_writing
from genscribe.store.reports import Broke, Committed
from genscribe.store.thread import WriterThread
from genscribe.store.writer import Writer


def test_it_is_woken_and_finishes_when_asked(tmp_path: Path) -> None:
    reports: list[object] = []
    arrived = threading.Event()

    def report(what: object) -> None:
        reports.append(what)
        arrived.set()

    writer = Writer(open_for_writing(tmp_path / "genscribe.db"), 0, report)
    thread = WriterThread(writer)
    thread.start()
    row = ("gap", b"{}", None)
    writer.append([row])
    thread.wake()
    assert arrived.wait(10)
    writer.append([row, row])
    thread.stop()
    thread.join()
    assert reports == [Committed(0, [row], 0), Committed(1, [row, row], 0)]


def test_the_end_of_the_thread_is_never_silent(tmp_path: Path) -> None:
    reports: list[object] = []
    writer = Writer(open_for_writing(tmp_path / "genscribe.db"), 0, reports.append)
    thread = WriterThread(writer)
    writer.append([("no such kind", b"{}", None)])
    thread.start()
    thread.join()
    (report,) = reports
    assert isinstance(report, Broke)
    assert isinstance(report.error, StoreFailed)
    assert "KeyError" in str(report.error)
