"""Writes what the code knows better: `docs/cli.md`, the table of faults in `docs/emulator.md`, and that of permissions
in `docs/genesys-admin.md`.

    .venv/bin/python docs/generate.py

A test fails when one is out of date.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from genscribe.cli.main import COMMANDS, cli
from genscribe.emulator import FAULTS
from genscribe.emulator.faults import HEADERS
from genscribe.genesys.permissions import PERMISSIONS, Permission, Proof, divisions_word
from genscribe.settings import OPTIONS, Option, credentials
from genscribe.settings.options import Many

PAGE = Path(__file__).with_name("cli.md")
EMULATOR = Path(__file__).with_name("emulator.md")
BEGIN = "<!-- Written by docs/generate.py from genscribe.emulator.FAULTS: begin -->\n"
ADMIN = Path(__file__).with_name("genesys-admin.md")
PERMISSIONS_BEGIN = "<!-- Written by docs/generate.py from genscribe.genesys.permissions.PERMISSIONS: begin -->\n"
END = "<!-- end -->\n"
WIDTH = 100

HEAD = """\
# Command line and settings

<!-- Written by docs/generate.py from src/genscribe/settings/model.py and the commands' own help. -->

A setting comes from the command line, else from its environment variable, else from the file that `--config FILE` (or
`GENSCRIBE_CONFIG`) names, else it has its default. An empty variable is unset. Durations are `90`, `90s`, `5m`, `12h`,
`30d`; a bare number is seconds. Lists in variables are split at commas, `GENSCRIBE_TO` at blanks; in the file they may
be arrays.

The file is TOML. Keys are the option names with `_`; platform settings stand in `[genesys]`:

```toml
media_types = ["voice", "chat"]
keep = "30d"
to = ["calls=jsonl:/var/lib/genscribe/calls.jsonl"]

[genesys]
env = "api.eu"
client_id = "…"
client_secret_file = "/etc/genscribe/client-secret"
```

A file that holds a secret (`client_secret`, or a password in a URL), and the secret's own file, must be 0600: others on
the machine must not read it. Exempt are files that a service manager or container runtime keeps: under
`$CREDENTIALS_DIRECTORY`, `/run/secrets` and `/var/run/secrets`, or owned by root while genscribe runs as somebody else.
Secrets are never options, because every user of the machine can read command lines. In a sink's URL, `${VARIABLE}` and
`${file:PATH}` stand for a value, which may hold anything: what is special in a URL is encoded for you.
"""

CODES = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | stopped cleanly, also by SIGTERM or the first SIGINT; what sinks still lacked stays in the store |
| 1 | unexpected failure |
| 2 | usage: no such option, command or value |
| 74 | the store cannot be opened for writing, or an fsync failed |
| 75 | another process holds the store |
| 77 | known but not allowed: a permission or scope is missing |
| 78 | wrong configuration: credentials, region, files, sinks, not a store, an untrusted certificate |
| 130 | the second SIGINT |

A fatal stop is one line on standard error that says what is wrong and what to do.

## Signals

SIGTERM and SIGINT stop within 10 seconds: the connection is closed, what was heard is committed, sinks get what time is
left. A second SIGINT ends at once; the store stands that. SIGHUP has sinks open their files anew, for log rotation;
when the terminal it was started from is gone, it stops.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, _settings(), CODES, *(_command(name) for name in _present())])


def emulator_page(text: str) -> str:
    """`docs/emulator.md` with the table of faults between its marks."""
    return _between(text, BEGIN, faults())


def admin_page(text: str) -> str:
    """`docs/genesys-admin.md` with the table of permissions between its marks."""
    return _between(text, PERMISSIONS_BEGIN, permissions())


def _between(text: str, begin: str, new: str) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}{new}{END}{after}"


def permissions() -> str:
    """The table of permissions."""
    head = "| permission | in the administration | needed | for | without it | where |"
    return "\n".join([head, "|---|---|---|---|---|---|", *(_permission(each) for each in PERMISSIONS), ""])


def _permission(row: Permission) -> str:
    names = " or ".join(f"`{name}`" for name in row.names)
    doubt = " [?]" if row.proof is Proof.ASSUMED else ""
    return f"| {names}{doubt} | {row.in_admin} | {row.need.value} | {row.why} | {row.without} | {divisions_word(row)} |"


def faults() -> str:
    """The table of faults."""
    rows = [
        f"| `{fault.name}` | {fault.stage.value} | {fault.summary} | {_settings_of(fault.settings)} | "
        f"{'until lifted' if fault.times is None else fault.times} |"
        for fault in FAULTS.values()
    ]
    return "\n".join(["| fault | strikes | what happens | settings | times |", "|---|---|---|---|---|", *rows, ""])


def _settings_of(settings: Mapping[str, object]) -> str:
    own = {name: value for name, value in settings.items() if name not in HEADERS}
    return ", ".join(f"`{name}={value!r}`" for name, value in own.items()).replace("|", "\\|")


def _present() -> list[str]:
    """Commands that this version has."""
    context = _context()
    names = []
    for name in COMMANDS:
        try:
            cli.get_command(context, name)
        except click.UsageError:
            continue
        names.append(name)
    return names


def _settings() -> str:
    rows = [_row(option) for option in OPTIONS]
    secrets = [
        f"| | `{variable}` | `[genesys] {key}` | | | {credentials.HELP[key]} |"
        for key, variable in credentials.VARIABLES.items()
    ]
    head = "| option | variable | key in the file | default | commands | |\n|---|---|---|---|---|---|"
    return "\n".join(["## Settings", "", head, *secrets, *rows, ""])


def _row(option: Option) -> str:
    shape = "\\|".join(option.choices) or option.metavar
    flag = f"`--{option.name} {shape}`" if option.flag else ""
    if option.many is not Many.NO:
        flag += " (repeatable)"
    variables = ", ".join(f"`{variable}`" for variable in option.variables)
    keys = [] if option.only_in_genesys else [f"`{option.key}`"]
    if option.in_genesys or option.only_in_genesys:
        keys.append(f"`[genesys] {option.key}`")
    if option.name == "region":
        keys.append("`[genesys] env`")
    commands = ", ".join(name for name in COMMANDS if name in option.commands)
    default = option.shown_default.replace("|", "\\|")
    return f"| {flag} | {variables} | {' or '.join(keys)} | {default} | {commands} | {option.help} |"


def _command(name: str) -> str:
    context = _context()
    command = cli.get_command(context, name)
    assert command is not None
    with click.Context(command, info_name=name, parent=context) as inner:
        return f"## genscribe {name}\n\n```\n{command.get_help(inner)}\n```\n"


def _context() -> click.Context:
    return cli.make_context("genscribe", [], resilient_parsing=True, terminal_width=WIDTH)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    EMULATOR.write_text(emulator_page(EMULATOR.read_text(encoding="utf-8")), encoding="utf-8")
    ADMIN.write_text(admin_page(ADMIN.read_text(encoding="utf-8")), encoding="utf-8")
