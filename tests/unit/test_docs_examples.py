"""What the docs say can be done is done here: examples run, commands parse, links lead somewhere, nothing is left out.

A Python block is preceded by a comment that says how it is run: `live` (against the emulator, which talks without
end), `store` (beside a store that the demo made), `pandas` (the same, where pandas is installed), `lines` (beside its
JSON Lines), `pytest` (as a test file), `none` (only compiled).
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from genscribe import errors, settings
from genscribe.cli.main import COMMANDS, cli
from genscribe.cli.schema import schema
from genscribe.emulator.recorded import load_calls
from genscribe.emulator.script import schedule
from genscribe.emulator.thread import running
from genscribe.settings import OPTIONS
from genscribe.settings.credentials import VARIABLES
from genscribe.settings.sinks import KINDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "bench" / "README.md"])
GUIDES = [page for page in PAGES if page.name != "cli.md"]

_BLOCK = re.compile(
    r"^(?:<!-- run: (?P<how>\w+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
WAYS = ("live", "store", "pandas", "lines", "pytest", "none")


class Block(NamedTuple):
    """A fenced block, and where it stands."""

    page: Path
    line: int
    how: str | None
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str, pages: list[Path] = PAGES) -> list[Block]:
    found = []
    for page in pages:
        content = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(content):
            if match["language"] in languages:
                line = content.count("\n", 0, match.start()) + 1
                found.append(Block(page, line, match["how"], match["language"], match["text"]))
    return found


PYTHON = blocks("python")


# --- Python, run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_every_python_block_compiles_and_says_how_it_is_run(block: Block) -> None:
    assert block.how in WAYS, f"{block}: precede it with <!-- run: … -->, of {', '.join(WAYS)}"
    compile(block.text, str(block), "exec")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and a JSON Lines file that two runs of the demo made, and so a gap between them."""
    folder = tmp_path_factory.mktemp("docs")
    for _ in range(2):
        demo = [
            "demo",
            "--no-web",
            "--for",
            "3s",
            "--speed",
            "50",
            "--store",
            "genscribe.db",
            "--to",
            f"jsonl:{folder}/calls.jsonl",
        ]
        done = _run([sys.executable, "-m", "genscribe", *demo], folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(tmp_path: Path, spoken: Path) -> Path:
    """A copy of what was spoken, for one example."""
    return Path(shutil.copytree(spoken, tmp_path / "spoken"))


@pytest.fixture
def talking() -> Iterator[dict[str, str]]:
    """The variables of an emulator whose conversations go on without end."""
    with running(script=schedule(seed=1), speed=20) as cloud:
        yield cloud.settings()


def _run(command: list[str], folder: Path, more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS_", "GENSCRIBE_"))}
    return subprocess.run(
        command, cwd=folder, env={**kept, **(more or {})}, capture_output=True, text=True, timeout=50, check=False
    )


def _of(*ways: str) -> list[Block]:
    return [block for block in PYTHON if block.how in ways]


@pytest.mark.slow
@pytest.mark.parametrize("block", _of("live"), ids=str)
def test_live_examples_run(block: Block, talking: dict[str, str], tmp_path: Path) -> None:
    done = _run([sys.executable, "-c", block.text], tmp_path, talking)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("block", _of("store", "pandas", "lines"), ids=str)
def test_examples_on_a_store_run(block: Block, folder: Path) -> None:
    if block.how == "pandas" and importlib.util.find_spec("pandas") is None:
        pytest.skip(f"{block} was NOT run: pandas is not installed")
    before = set(folder.iterdir())
    done = _run([sys.executable, "-c", block.text], folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() or set(folder.iterdir()) - before


@pytest.mark.slow
@pytest.mark.parametrize("block", _of("pytest"), ids=str)
def test_test_files_pass(block: Block, tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(block.text, encoding="utf-8")
    done = _run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"], tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_backup_is_a_store(folder: Path) -> None:
    (example,) = [block for block in _of("store") if "backup" in block.text]
    assert _run([sys.executable, "-c", example.text], folder).returncode == 0
    assert (folder / "copy.db").stat().st_mode & 0o077 == 0
    listed = [sys.executable, "-m", "genscribe", "conversations", "--store"]
    copied, original = (_run([*listed, name], folder).stdout for name in ("copy.db", "genscribe.db"))
    assert copied == original != ""


# --- SQL, TOML, JSON --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_recipes_run_with_the_standard_library(block: Block, spoken: Path) -> None:
    found = _ask(spoken / "genscribe.db", block.text)
    may_be_empty = any(table in block.text for table in ("from unreadable", "from dead_letters", "like "))
    assert found or may_be_empty, "a recipe that finds nothing shows nothing"


def _ask(store: Path, sql: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@pytest.mark.slow
def test_the_views_are_described_with_all_their_columns(spoken: Path) -> None:
    store = spoken / "genscribe.db"
    views = [name for (name,) in _ask(store, "select name from sqlite_master where type = 'view'")]
    page = (DOCS / "store.md").read_text(encoding="utf-8")
    for view in [*views, "dead_letters"]:
        (row,) = re.findall(rf"^\| `{view}` \|.*$", page, re.MULTILINE)
        for _, column, *_ in _ask(store, f"pragma table_info({view})"):
            assert f"`{column}`" in row, f"{view}.{column} is not in docs/store.md"


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_configuration_files_load(block: Block, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text("s3cret-value\n", encoding="utf-8")
    file = tmp_path / "genscribe.toml"
    file.write_text(re.sub(r'"[^"]*/client-secret"', f'"{secret}"', block.text), encoding="utf-8")
    loaded = settings.load({"config": str(file)}, environ={"HOME": str(tmp_path)})
    assert loaded.credentials is not None
    assert loaded.sinks


@pytest.mark.parametrize("block", [one for one in blocks("json") if one.how is None], ids=str)
def test_events_are_shown_as_they_are(block: Block) -> None:
    event = json.loads(block.text)
    of_kind = {shape["properties"]["kind"]["enum"][0]: shape for shape in _shapes()}[event["kind"]]
    assert set(event) == set(of_kind["properties"]), "not the fields that genscribe sends"


def test_each_kind_is_shown() -> None:
    shown = [json.loads(block.text)["kind"] for block in blocks("json") if block.how is None]
    assert sorted(shown) == sorted(KINDS)


def _shapes() -> list[dict[str, Any]]:
    document: dict[str, Any] = schema()
    names = [one["$ref"].rpartition("/")[2] for one in document["oneOf"]]
    return [document["$defs"][name] for name in names]


@pytest.mark.parametrize("block", [one for one in blocks("json") if one.how == "calls"], ids=str)
def test_calls_are_of_the_form_that_the_emulator_plays(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_bytes(msgspec.json.encode(json.loads(block.text)))
    assert load_calls(file)


# --- commands ---------------------------------------------------------------------------------------------------------


def _commands() -> list[Any]:
    lines = []
    for block in blocks("sh", "", pages=GUIDES):
        for line in block.text.splitlines():
            command = line.partition(" #")[0].strip()
            if re.match(r"(\.venv/bin/)?genscribe ", command):
                lines.append(pytest.param(command, id=f"{block}: {command}"))
    return lines


@pytest.mark.parametrize("line", _commands())
def test_command_lines_parse(line: str) -> None:
    _, name, *arguments = shlex.split(line)
    context = cli.make_context("genscribe", [], resilient_parsing=True)
    command = cli.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_in_the_guides(name: str) -> None:
    assert any(f"genscribe {name}" in page.read_text(encoding="utf-8") for page in GUIDES)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, f"{page.name}: make {', '.join(named - targets)}"


# --- nothing is left out ----------------------------------------------------------------------------------------------


def _all_subclasses(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _all_subclasses(child)


def test_every_exit_code_is_explained() -> None:
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    codes = {one.exit_code for one in _all_subclasses(errors.GenscribeError) if one.__module__ == errors.__name__}
    for code in codes | {0, 1, 130}:
        assert f"\n| {code} |" in page, f"exit code {code} is not in docs/operations.md"


def test_every_setting_of_the_platform_is_explained() -> None:
    page = (DOCS / "configuration.md").read_text(encoding="utf-8")
    extra = [option.extra_variable for option in OPTIONS if option.extra_variable]
    for variable in [*VARIABLES.values(), *extra]:
        assert f"`{variable}`" in page


def test_every_fault_is_in_the_emulators_page() -> None:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    text = (DOCS / "emulator.md").read_text(encoding="utf-8")
    assert text == generate.emulator_page(text), "run docs/generate.py"


def test_every_page_and_decision_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert page.name == "index.md" or f"({page.relative_to(DOCS).as_posix()})" in index


# --- links, paths and words -------------------------------------------------------------------------------------------

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(_BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        leads = (page.parent / path).resolve() if path else page
        assert leads.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in _anchors(leads), f"{target} has no such heading"


_PLACE = re.compile(r"`((?:src|tests|bench|docs|deploy|examples)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    for name in _PLACE.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), f"there is no {name}"


_OTHERS = re.compile(r"/work\b|/root\b|\bhelpers?\b|\bAI\b|\bLLM\b|\bsubagent", re.IGNORECASE)


def test_no_word_of_how_and_where_it_was_made() -> None:
    ours = [*PAGES, *DOCS.rglob("*.py"), *(DOCS / "images").glob("*.svg"), *(ROOT / "deploy").iterdir()]
    for page in ours:
        text = page.read_text(encoding="utf-8").replace("`helpers`", "")  # the name that no module of ours has
        found = _OTHERS.search(text)
        assert found is None, f"{page.name}: {found and found[0]}"


def test_the_picture_is_of_this_program() -> None:
    picture = (DOCS / "images" / "demo.svg").read_text(encoding="utf-8").replace("&#160;", " ")
    assert "http://" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "genscribe demo: invented conversations" in picture
