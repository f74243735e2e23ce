"""Draws `docs/images/demo.svg`: a real run of `genscribe demo` and of a search in what it stored.

    .venv/bin/python docs/picture.py

The commands run in a terminal of 100 columns, with a seed and a clock that begins at a fixed time, so that the same
program draws the same picture. It takes as long as the demo does: 17 seconds.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import shutil
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from genscribe import clock
from genscribe.cli.main import main as genscribe
from genscribe.emulator import script

PICTURE = Path(__file__).parent / "images" / "demo.svg"
SEED = 2
BEGIN_MS = 1_774_087_200_000
"""2026-03-21T10:00:00Z."""
COLUMNS, ROWS = 100, 60
STORE = Path("/tmp/genscribe-demo/genscribe.db")  # noqa: S108  # as the demo names it, without its random letters
COMMANDS = (
    (["demo", "--for", "17s"], "genscribe demo --for 17s"),
    (["search", "four", "--store", str(STORE)], f"genscribe search four --store {STORE}"),
)

THEME = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [(48, 54, 61), (255, 123, 114), (86, 211, 100), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221),
     (201, 209, 217)],
)  # fmt: skip

# Rich's own form loads a font from the network, which readers of a README cannot do.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>genscribe demo in a terminal</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width;
}}
.{unique_id}-title {{ font-size: 16px; font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Runs the commands and draws what the terminal showed."""
    STORE.parent.mkdir(mode=0o700)  # fails when it exists: it may be somebody else's
    try:
        shown = "\n".join([*(f"{_prompt(typed)}\n{_run(arguments)}" for arguments, typed in COMMANDS), _prompt("")])
    finally:
        shutil.rmtree(STORE.parent)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(_drawn(shown), encoding="utf-8")


def _prompt(typed: str) -> str:
    return f"\x1b[32m$\x1b[0m \x1b[1m{typed}\x1b[0m"


def _run(arguments: list[str]) -> str:
    """What a command shows on a terminal of its own; it runs in a copy of this process, with time and chance set."""
    child, terminal = pty.fork()
    if not child:
        _become(arguments)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    shown = io.BytesIO()
    while data := _read(terminal):
        shown.write(data)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"genscribe {' '.join(arguments)} failed:\n{shown.getvalue().decode()}")
    return shown.getvalue().decode().replace("\r\n", "\n").rstrip("\n") + "\n"


def _become(arguments: list[str]) -> None:
    for name in [name for name in os.environ if name.startswith(("GENESYS_", "GENSCRIBE_"))]:
        del os.environ[name]
    os.environ.update(TERM="xterm-256color", TZ="UTC", COLUMNS=str(COLUMNS))
    os.environ.pop("NO_COLOR", None)
    time.tzset()
    began = time.monotonic()
    clock.wall_ms = lambda: BEGIN_MS + int((time.monotonic() - began) * 1000)
    clock.seed(SEED)
    script.clock = _Exact  # type: ignore[attr-defined]  # what is said at once is said at a whole second
    tempfile.mkdtemp = lambda *given, **named: str(STORE.parent)  # type: ignore[assignment]
    time.sleep(0.2)  # until the window has its size
    sys.stdout.flush()
    os._exit(genscribe(arguments))


class _Exact:
    """The clock of the script that is played."""

    @staticmethod
    def wall_ms() -> int:
        return BEGIN_MS


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux, the end
        return b""


def _drawn(shown: str) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(shown), end="")
    return console.export_svg(title="genscribe", theme=THEME, code_format=FRAME, unique_id="genscribe")


if __name__ == "__main__":
    main()
