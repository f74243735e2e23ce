"""Runs the installed wheel as a user would; called by `make test-wheel` with the Python of an empty environment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("genscribe"))


def run(*arguments: str) -> str:
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        sys.exit(f"genscribe {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    import genscribe

    if "site-packages" not in str(genscribe.__file__):
        sys.exit(f"this is the tree, not the wheel: {genscribe.__file__}")
    names = {str(file) for file in distribution("genscribe").files or ()}
    for needed in (
        "genscribe/py.typed",
        "genscribe/store/schema.sql",
        "genscribe/emulator/dialogues/dentist.txt",
        "genscribe/web/page/index.html",
        "genscribe/web/page/vendor/preact.mjs",
        "genscribe/web/page/vendor/LICENSE-preact",
        "genscribe/web/page/vendor/LICENSE-htm",
    ):
        if needed not in names:
            sys.exit(f"the wheel lacks {needed}")
    print(run("--version").strip())
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "wheel.db")
        run("demo", "--for", "6s", "--no-web", "--speed", "20", "--store", store)
        found = run("export", "--store", store, "--format", "jsonl")
    if not found.strip():
        sys.exit("the demo of the wheel stored nothing")
    print(f"{len(found.splitlines())} utterances through the wheel")


if __name__ == "__main__":
    main()
