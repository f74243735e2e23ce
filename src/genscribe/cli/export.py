"""`genscribe export`: what the store has, as JSON Lines, CSV or Parquet."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from genscribe import terminal
from genscribe.cli import output
from genscribe.cli.filters import filter_options, given
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.cli.tables import csv_lines, write_parquet
from genscribe.errors import ConfigError, UsageError
from genscribe.events import KINDS, Record

FORMATS = ("jsonl", "csv", "parquet")


@click.command(
    cls=Command,
    examples=[
        ("genscribe export --since yesterday --until today > yesterday.jsonl", "A day, as JSON Lines."),
        ("genscribe export --format csv --output calls.csv", "For a spreadsheet."),
        ("genscribe export --kinds utterance,gap --conversation 3f9a1c", "One conversation and what is missing in it."),
    ],
)
@click.option("--format", "form", type=click.Choice(FORMATS, case_sensitive=False), help="Default: jsonl.")
@click.option("--output", "target", metavar="PATH", help="A file, for this user only; replaced once it is complete.")
@click.option("--kinds", default="utterance", show_default=True, metavar="KIND,KIND", help=f"Of {', '.join(KINDS)}.")
@filter_options()
@settings_options("export")
@config_option
def command(form: str | None, target: str | None, kinds: str, as_json: bool, **options: Any) -> None:
    """Write what the store has to standard output or a file: each utterance once, in the order of the journal.

    In CSV, text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    form, chosen = checked_format(form, as_json), checked_kinds(kinds)
    path = None if target in (None, "-") else Path(str(target)).expanduser()
    if form == "parquet" and path is None:
        raise UsageError("parquet needs a file.", advice="Name one with --output PATH.")
    with output.open_store(options) as reader:
        export = reader.export(given(options).resolve(reader), chosen)
        with progress(export.records, export.total, shown=path is not None or not output.to_terminal()) as records:
            if path is None:
                _to_stdout(lines(records, form, chosen))
            elif form == "parquet":
                _to_file(path, lambda part: write_parquet(records, chosen, part))
            else:
                _to_file(path, lambda part: _write_lines(lines(records, form, chosen), part))
    if path is not None:
        click.echo(f"{export.total} written to {terminal.safe(str(path))}", err=True)


def checked_format(form: str | None, as_json: bool) -> str:
    """The format asked for.

    Raises:
        UsageError: `--json` together with another format.
        ConfigError: What Parquet needs is not installed.
    """
    if as_json and form not in (None, "jsonl"):
        raise UsageError(f"--json and --format {form} contradict each other.")
    if form == "parquet" and importlib.util.find_spec("duckdb") is None:
        raise ConfigError("parquet needs an extra.", advice="Install it: pip install 'genscribe[parquet]'")
    return form or "jsonl"


def checked_kinds(text: str) -> tuple[str, ...]:
    """The kinds asked for, each once. Raises `UsageError` for one there is not."""
    kinds = tuple(dict.fromkeys(kind for part in text.split(",") if (kind := part.strip().lower())))
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        what = f"there is no kind {unknown[0]!r}" if unknown else "name one"
        raise UsageError(f"--kinds: {what}.", advice=f"It may be {', '.join(KINDS)}.")
    return kinds


def lines(records: Iterable[Record], form: str, kinds: tuple[str, ...]) -> Iterator[bytes]:
    """The export, line by line."""
    return csv_lines(records, kinds) if form == "csv" else (record.json() + b"\n" for record in records)


def _to_stdout(made: Iterable[bytes]) -> None:
    if output.to_terminal():
        for line in made:
            text = line.decode().rstrip("\r\n")
            output.write((terminal.escape_json(text) if text.startswith("{") else terminal.safe(text)) + "\n")
    else:
        sys.stdout.buffer.writelines(made)
        sys.stdout.buffer.flush()


def _write_lines(made: Iterable[bytes], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(made)


def _to_file(path: Path, write: Callable[[Path], None]) -> None:
    """Has a file written in a private folder beside it, and puts it in its place once it is synced.

    Nobody finds half an export, and nobody else can read it.

    Raises:
        ConfigError: It cannot be written.
    """
    if path.exists() and not path.is_file():
        raise ConfigError(f"{path} is no regular file.", advice="Leave --output out and redirect with >.")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            part = Path(folder) / path.name
            write(part)
            part.chmod(0o600)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}.") from None


@contextmanager
def progress(records: Iterator[Record], total: int, *, shown: bool) -> Iterator[Iterator[Record]]:
    """The same records, with a bar on standard error when a person watches it."""
    if not shown or not sys.stderr.isatty():
        yield records
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield _counted(records, lambda count: bar.advance(task, count))


def _counted(records: Iterator[Record], tell: Callable[[int], object], every: int = 500) -> Iterator[Record]:
    for number, record in enumerate(records, start=1):
        yield record
        if number % every == 0:
            tell(every)
