"""The command line as processes and as functions: help, version, exit codes, one line on standard error."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import genscribe
from genscribe.cli import stream
from genscribe.cli.main import COMMANDS, main
from genscribe.settings import OPTIONS

PRESENT = [name for name, entry in COMMANDS.items() if importlib.util.find_spec(f"genscribe.cli.{entry.module}")]
MINE = ("demo", "check", "stream", "emulate", "schema")


def command(name: str) -> click.Command:
    found = importlib.import_module(f"genscribe.cli.{COMMANDS[name].module}").command
    assert isinstance(found, click.Command)
    return found


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("GENESYS_", "GENSCRIBE_"))}
    return subprocess.run(
        [sys.executable, "-m", "genscribe", *arguments],
        env={**bare, **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"genscribe {genscribe.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    out = capsys.readouterr().out
    for name, entry in COMMANDS.items():
        assert name in out
        assert entry.summary.split()[0] in out


def test_help_imports_nothing_heavy() -> None:
    heavy = (
        "apsw, httpx2, rich, starlette, uvicorn, websockets, msgspec, anyio, asyncio, platformdirs, genscribe.settings"
    )
    program = (
        "import sys; from genscribe.cli.main import main; main(['--help']); "
        f"sys.exit(' '.join(name for name in {heavy!r}.split(', ') if name in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert (result.returncode, result.stderr) == (1, "\n") or result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: genscribe {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in MINE if name in PRESENT])
def test_a_command_takes_the_options_that_are_meant_for_it(name: str) -> None:
    taken = {flag for param in command(name).params for flag in param.opts}
    assert {f"--{option.name}" for option in OPTIONS if option.flag and name in option.commands} <= taken
    assert not any("secret" in flag for flag in taken)
    for param in command(name).params:
        assert isinstance(param, click.Argument) or (isinstance(param, click.Option) and param.help)


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        (["frobnicate"], {}, 2, "no such command 'frobnicate'"),
        (["stream", "--nonsense"], {}, 2, "no such option"),
        (["stream", "--source", "both"], {}, 2, "--source 'both' is none of auto"),
        (["stream", "--keep", "30"], {}, 2, "--keep '30' is not a retention"),
        (["stream", "surplus"], {}, 2, "unexpected extra argument"),
        (["stream"], {}, 78, "no credentials: set GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET"),
        (["stream"], {"GENSCRIBE_SOURCE": "both"}, 78, "GENSCRIBE_SOURCE 'both' is none of auto"),
        (["stream", "--to", "teletype:1"], {}, 78, "unknown sink 'teletype'"),
        (["stream", "--to", "a=console", "--to", "a=jsonl:-"], {}, 78, "two sinks are called 'a'"),
        (["stream", "--to", "postgresql://u:canary@h/db?per=conversation"], {}, 78, "takes events, no documents"),
        (["stream", "--config", "/nowhere.toml"], {}, 78, "cannot read the configuration file /nowhere.toml"),
    ],
)
def test_exit_codes(arguments: list[str], environ: dict[str, str], code: int, says: str) -> None:
    result = run(*arguments, **environ)
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("genscribe: ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert "canary" not in result.stderr


CREDENTIALS = {"GENESYS_CLIENT_ID": "id", "GENESYS_CLIENT_SECRET": "canary-secret"}


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        (["--web", "0.0.0.0:0"], {}, 78, "in the clear"),
        (["--source", "transcripts", "--queues", "Sales"], {}, 2, "need the source notifications"),
        (["--source", "transcripts", "--exclude-queues", "HR"], {}, 2, "need the source notifications"),
        (["--region", "atlantis"], {}, 78, "atlantis"),
        (["--ca-file", "/nowhere.pem"], {}, 78, "/nowhere.pem"),
        ([], {"GENESYS_LOGIN_URL": "http://login.example.com"}, 78, "GENESYS_LOGIN_URL"),
    ],
)
def test_settings_that_only_the_run_can_judge(
    arguments: list[str], environ: dict[str, str], code: int, says: str, tmp_path: Path
) -> None:
    result = run(
        "stream", "--store", str(tmp_path / "x.db"), "--log-level", "error", *arguments, **CREDENTIALS, **environ
    )
    assert result.returncode == code, result.stderr
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert "canary" not in result.stderr


def test_a_closed_pipe_is_no_failure() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "genscribe", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    try:
        assert process.communicate(timeout=30)[1] == b""
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


def test_a_command_of_a_later_version_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "serve", COMMANDS["schema"]._replace(module="not_there"))
    assert main(["serve"]) == 2
    assert "this version has no serve yet" in capsys.readouterr().err


def test_passwords_and_misspelt_variables_are_warned_of() -> None:
    environ = {"GENSCRIBE_KEEPP": "30d", "GENSCRIBE_KEEP": "30d"}
    lines = stream.warnings({"to": ("jsonl:-", "x=y://me:canary@h/"), "proxy": None}, environ)
    assert len(lines) == 2
    assert "did you mean GENSCRIBE_KEEP" in lines[0]
    assert lines[1].startswith("--to holds a password")
    assert "canary" not in "".join(lines)
    assert stream.warnings({"to": (), "proxy": "http://me:canary@p:1"}, {})[0].startswith("--proxy holds a password")
    assert stream.warnings({"to": ("x=y://me:${PW}@h/",), "proxy": "http://p:1"}, {}) == []
