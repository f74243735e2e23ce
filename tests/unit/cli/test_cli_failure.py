from __future__ import annotations

import logging
import sys

import click
import pytest

from genscribe import errors
from genscribe.cli import failure
from genscribe.cli.main import main
from genscribe.secrets import Secret

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup, ExceptionGroup

ERRORS = [
    (errors.UsageError("no"), 2),
    (errors.StoreFailed("no"), 74),
    (errors.StoreBusy("no"), 75),
    (errors.NotPermitted("no"), 77),
    (errors.ConfigError("no"), 78),
    (errors.InvalidClient("no"), 78),
    (errors.EndpointMissing("no"), 78),
    (errors.UntrustedCertificate("no"), 78),
    (errors.Unreachable("no"), 1),
    (click.UsageError("no"), 2),
    (click.Abort(), 130),
    (KeyboardInterrupt(), 130),
    (BrokenPipeError(), 0),
    (ValueError("no"), 1),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert failure.exit_code(error) == code
    assert failure.exit_code(BaseExceptionGroup("tasks", [BaseExceptionGroup("inner", [error])])) == code


def test_one_line_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    assert failure.tell(errors.ConfigError("the region\nis \x1b[31mwrong.", advice="Set GENESYS_ENV.")) == 78
    captured = capsys.readouterr()
    assert captured.err == "genscribe: the region is ␛[31mwrong. Set GENESYS_ENV.\n"
    assert captured.out == ""


def test_a_fatal_error_counts_most_in_a_group() -> None:
    fatal = errors.StoreFailed("disk")
    group = ExceptionGroup("tasks", [ValueError("x"), errors.Unreachable("net"), ExceptionGroup("more", [fatal])])
    assert failure.cause(group) is fatal


def test_the_line_holds_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    secret = Secret("canary-secret-value")
    failure.tell(errors.ConfigError(f"bad answer to {secret.reveal()} and https://h/?access_token=abc.def"))
    assert "canary" not in capsys.readouterr().err
    assert secret


def test_an_unexpected_failure_says_where_and_not_what(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        {}["what a customer said"]
    except KeyError as error:
        code = failure.tell(error)
    assert code == 1
    line = capsys.readouterr().err
    assert "KeyError in unit/cli/test_cli_failure.py:" in line
    assert "customer said" not in line
    assert "Traceback" not in line
    assert line.count("\n") == 1


def test_the_traceback_is_there_at_debug_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "genscribe"):
        failure.tell(ValueError("x"))
    assert caplog.records[0].exc_info
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "genscribe"):
        failure.tell(errors.ConfigError("x"))
    assert not caplog.records


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_who_interrupts_is_told_nothing(error: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    failure.tell(error)
    assert capsys.readouterr().err == ""


def test_a_misspelt_command_or_option_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sink"]) == 2
    assert capsys.readouterr().err == "genscribe: no such command 'sink'; did you mean sinks? See `genscribe --help`.\n"
    assert main(["xyzzy"]) == 2
    assert capsys.readouterr().err == "genscribe: no such command 'xyzzy'. See `genscribe --help`.\n"
    for command in ("start", "read"):
        assert main([command]) == 2
        assert "did you mean" not in capsys.readouterr().err
    assert main(["stream", "--stor", "x"]) == 2
    assert "Did you mean '--store'?" in capsys.readouterr().err
    for option in ("--format", "--port"):
        assert main(["stream", option, "1"]) == 2
        assert capsys.readouterr().err == f"genscribe: no such option '{option}'. See `genscribe stream --help`.\n"
