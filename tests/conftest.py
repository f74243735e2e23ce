"""Fixtures of every test."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's `make test &` ignores it, and all that is started here would: Ctrl-C before a command listens were lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """A command that runs within a test sets levels for a whole process; the next test has none of it."""
    root = logging.getLogger()
    logging.getLogger("genscribe")  # is there before a command of a test sets its level
    known = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    before = [(each, each.level, each.disabled) for each in known]
    disabled = root.manager.disable
    yield
    for each, level, off in before:
        each.disabled = off
        if each.level != level:
            each.setLevel(level)
    root.manager.disable = disabled


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The platform's official SDK, with a settings file that keeps it from watching the whole home folder.

    Without one it starts threads for that when it is imported: they never end, and they take the time and the memory
    of every test behind them, the more the more is written below the home folder.
    """
    home = tmp_path_factory.mktemp("home")
    settings = home / ".genesyscloudpython" / "config"
    settings.parent.mkdir()
    settings.write_text("[general]\nlive_reload_config = False\n")
    before = set(threading.enumerate())
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("HOME", str(home))
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip("PureCloudPlatformClientV2")
    assert before.issuperset(threading.enumerate()), "it watches files all the same"
    return module
