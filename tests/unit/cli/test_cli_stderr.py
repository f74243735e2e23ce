"""Standard error that nobody reads: lines are lost and counted, and nothing waits."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator

import pytest

from genscribe.cli import logs
from genscribe.cli.stderr import Outlet


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def fill(fd: int) -> int:
    """Fills a pipe to its brim."""
    os.set_blocking(fd, False)
    written = 0
    for size in (4096, 1):
        try:
            while True:
                written += os.write(fd, b"." * size)
        except BlockingIOError:
            pass
    os.set_blocking(fd, True)
    return written


def test_a_line_gets_through(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reader, stream = pipe
    assert Outlet(stream).write("hällo \udcff")
    assert os.read(reader, 100) == "hällo \\udcff\n".encode()


def test_a_long_line_gets_through_whole(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reader, stream = pipe
    assert Outlet(stream).write("x" * 30_000)
    assert os.read(reader, 100_000) == b"x" * 30_000 + b"\n"


def test_what_nobody_reads_is_lost_and_counted(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reader, stream = pipe
    outlet = Outlet(stream)
    filled = fill(stream.fileno())
    assert [outlet.write(f"line {number}") for number in range(500)] == [False] * 500
    assert outlet.lost == 500
    os.read(reader, filled)
    assert outlet.write("again")
    assert outlet.lost == 0
    assert os.read(reader, 100) == b"again\n"


def test_a_line_that_was_torn_does_not_swallow_the_next(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reader, stream = pipe
    outlet = Outlet(stream)
    assert not outlet.write("x" * 200_000, patience_s=0)
    torn = os.read(reader, 200_000)
    assert set(torn) == set(b"x")
    assert outlet.write("next")
    assert os.read(reader, 100) == b"\nnext\n"


def test_a_stream_without_a_descriptor_is_written_to() -> None:
    stream = io.StringIO()
    assert Outlet(stream).write("line")
    assert stream.getvalue() == "line\n"


def test_the_log_goes_on_and_says_how_much_of_it_is_missing(pipe: tuple[int, io.TextIOWrapper]) -> None:
    reader, stream = pipe
    handler = logs.Handler(stream, as_json=False, on=logs.Screen(), tracebacks=False)
    log = logging.Logger("genscribe.test")  # noqa: LOG001  # out of everyone's reach
    log.addHandler(handler)
    filled = fill(stream.fileno())
    for number in range(50):
        log.warning("line %d", number)
    os.read(reader, filled)
    log.warning("heard again")
    log.warning("and again")
    lines = os.read(reader, 10_000).decode().splitlines()
    assert "50 lines before this one are lost" in lines[0]
    assert lines[1].endswith("heard again")
    assert lines[2].endswith("and again")
