"""What a sink says it guarantees is what its page, the comparison and the README say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from genscribe.settings.schemes import SCHEMES
from genscribe.sinks.console import Console
from genscribe.sinks.jsonl import JsonLinesFile
from genscribe.sinks.kafka import KafkaSink
from genscribe.sinks.nats import NatsSink
from genscribe.sinks.parquet import ParquetSink
from genscribe.sinks.postgresql_sink import PostgreSQL
from genscribe.sinks.python_loading import Loaded
from genscribe.sinks.redis import RedisSink
from genscribe.sinks.webhook import WebhookSink

ROOT = Path(__file__).parents[3]
GUARANTEES = {
    "console": Console.guarantee,
    "jsonl": JsonLinesFile.guarantee,
    "postgresql": PostgreSQL.guarantee,
    "kafka": KafkaSink.guarantee,
    "nats": NatsSink.guarantee,
    "redis": RedisSink.guarantee,
    "webhook": WebhookSink.guarantee,
    "parquet": ParquetSink.guarantee,
    "python": Loaded(None, "function").guarantee,
}
PAGES = sorted(set(GUARANTEES) - {"console"})


def row(page: Path, begin: str) -> list[str]:
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {begin}")]
    assert len(rows) == 1, f"{page.name}: {begin}"
    return [cell.strip() for cell in rows[0].strip("|").split("|")]


def test_every_sink_is_here_and_has_its_page() -> None:
    assert {scheme.module for scheme in SCHEMES.values()} == set(GUARANTEES)
    assert {page.stem for page in (ROOT / "docs" / "sinks").glob("*.md")} == {*PAGES, "index"}
    configuration = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for name in (*PAGES, "index"):
        assert f"(sinks/{name}.md)" in configuration


@pytest.mark.parametrize("module", sorted(GUARANTEES))
def test_the_comparison_and_the_readme_say_what_it_says(module: str) -> None:
    said = GUARANTEES[module].replace("-", " ")
    scheme = next(each for each in SCHEMES.values() if each.module == module)
    install = f"`genscribe[{scheme.extra}]`" if scheme.extra else ""
    name, page = scheme.name, f"sinks/{module}.md"
    compared = row(ROOT / "docs" / "sinks" / "index.md", "console" if module == "console" else f"[{name}]({module}.md)")
    assert (compared[2], compared[3].startswith(said)) == (install, True)
    told = row(ROOT / "README.md", "`console`" if module == "console" else f"[`{name}:")
    assert (told[1], told[2].startswith(said)) == (install, True)
    assert module == "console" or page in told[0]


@pytest.mark.parametrize("module", PAGES)
def test_its_page_says_what_it_says(module: str) -> None:
    text = (ROOT / "docs" / "sinks" / f"{module}.md").read_text(encoding="utf-8").lower()
    said, other = ("at least once", "exactly once")
    if GUARANTEES[module] == "exactly-once":
        said, other = other, said
    part = re.split(r"^## (?:what it guarantees|guarantee|when it fails)$", text, maxsplit=1, flags=re.MULTILINE)
    assert len(part) == 2
    stated = " ".join(part[1].partition("\n## ")[0].replace("*", "").split())
    assert said in stated
    assert other not in stated
