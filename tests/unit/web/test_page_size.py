"""The page is small, and nothing lies in its folder that it does not use."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest

from genscribe.web.app import PAGE

MOST_BYTES = 100_000
ROOT = Path(__file__).parents[3]
VENDORED = PAGE / "vendor"

_IN_HTML = re.compile(r'(?:src|href)="/page/([^"]+)"')
_MAPPED = re.compile(r'"([^"]+)":\s*"/page/([^"]+)"')
_IMPORTED = re.compile(
    r"""(?:^|;)\s*(?:import\s*|import\b[^;"'()]*\bfrom\s*|export\s*[{*][^;"'()]*\bfrom\s*)["']([^"']+)["']"""
    r"""|\bimport\(\s*["']([^"']+)["']""",
    re.MULTILINE,
)
_IN_CSS = re.compile(r"""(?:@import\s+|url\()\s*["']?([^"')\s;]+)""")


def files() -> dict[str, Path]:
    """What lies there, by its name below the folder, but for licences."""
    found = {path.relative_to(PAGE).as_posix(): path for path in PAGE.rglob("*") if path.is_file()}
    return {name: path for name, path in found.items() if not path.name.startswith("LICENSE")}


def used_by(name: str, mapped: dict[str, str]) -> set[str]:
    """The names of the files that a file loads."""
    text = (PAGE / name).read_text(encoding="utf-8")
    if name.endswith(".html"):
        return set(_IN_HTML.findall(text))
    if name.endswith(".css"):
        return {_below(name, one) for one in _IN_CSS.findall(text)}
    if name.endswith(".mjs"):
        targets = {plain or dynamic for plain, dynamic in _IMPORTED.findall(text)}
        return {mapped.get(one) or _below(name, one) for one in targets}
    return set()


def _below(name: str, target: str) -> str:
    if target.startswith("/page/"):
        return target.removeprefix("/page/")
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def loaded() -> set[str]:
    """The names of all files that come when the page is opened and used."""
    mapped = dict(_MAPPED.findall((PAGE / "index.html").read_text(encoding="utf-8")))
    found, todo = {"index.html"}, ["index.html"]
    while todo:
        new = used_by(todo.pop(), mapped) - found
        found |= new
        todo += sorted(new)
    return found


def test_it_is_less_than_100_kb() -> None:
    sizes = {name: path.stat().st_size for name, path in files().items()}
    largest = sorted(sizes.items(), key=lambda one: -one[1])[:5]
    assert sum(sizes.values()) < MOST_BYTES, f"the largest: {largest}"


def test_every_file_is_used_and_every_file_that_is_used_is_there() -> None:
    assert loaded() == set(files())


def test_what_others_wrote_has_its_licence_beside_it() -> None:
    licences = [path.name.removeprefix("LICENSE-") for path in VENDORED.glob("LICENSE-*")]
    assert licences
    for path in VENDORED.glob("LICENSE-*"):
        assert "Copyright" in path.read_text(encoding="utf-8") or "Apache License" in path.read_text(encoding="utf-8")
    owners = {"hooks": "preact"}
    for path in VENDORED.glob("*.mjs"):
        assert owners.get(path.stem, path.stem) in licences, f"{path.name} has no licence"


@pytest.mark.parametrize("part", ["src/genscribe/web/page/vendor/preact.mjs"])
def test_all_of_it_is_in_the_package(part: str) -> None:
    """The wheel has everything below the package, unless a rule leaves it out."""
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert (ROOT / part).is_file()
    assert 'packages = ["src/genscribe"]' in settings
    assert not re.search(r"^exclude\b", settings.partition("[tool.hatch")[2].partition("[tool.ruff")[0], re.MULTILINE)
