"""What an option is: one declaration, from which command line, variables, file keys and docs come."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA = "option"


class Many(enum.Enum):
    """How a list is written. In the configuration file every list may be an array."""

    NO = "one value"
    COMMAS = "repeatable; comma-separated everywhere"
    REPEATED = "repeatable; comma-separated in the variable"
    BLANKS = "repeatable; separated by blanks in the variable"


@dataclass(frozen=True)
class Option:
    """One setting.

    Attributes:
        name: As on the command line, without `--`; the field of `Settings` adds the unit.
        parse: From a text, or from a list of texts when `many` is not `NO`. Raises `BadValue`, or a `Fatal` of its own.
        help: One or two sentences, the same in `--help` and in the docs.
        metavar: What stands for the value in help.
        group: The heading it stands under.
        commands: The commands that take it.
        shown_default: The default in words; empty when there is none worth saying.
        choices: The words it takes, where it takes only these.
        extra_variable: A `GENESYS_…` variable that says the same.
        flag: Whether the command line has it. Secrets never stand there: every user of the machine can read it.
        in_genesys: Whether the file may have it in `[genesys]`. `only_in_genesys`: only there.
        confidential: Whether messages must not repeat its value.
    """

    name: str
    parse: Callable[[Any], Any]
    help: str
    metavar: str
    group: str
    commands: frozenset[str] = frozenset()
    many: Many = Many.NO
    shown_default: str = ""
    choices: tuple[str, ...] = ()
    extra_variable: str | None = None
    flag: bool = True
    in_genesys: bool = False
    only_in_genesys: bool = False
    confidential: bool = False

    @property
    def key(self) -> str:
        """Its key in the configuration file and its keyword in Python."""
        return self.name.replace("-", "_")

    @property
    def variables(self) -> tuple[str, ...]:
        """Its environment variables; the first that is not empty counts."""
        own = () if self.only_in_genesys else (f"GENSCRIBE_{self.key.upper()}",)
        return (*own, self.extra_variable) if self.extra_variable else own

    def texts(self, value: object, *, in_variable: bool = False) -> list[str]:
        """The list that a value of a `many` option stands for.

        Raises:
            TypeError: It is neither text nor a list of texts.
        """
        parts = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        texts = [as_text(part) for part in parts]
        if self.many is Many.BLANKS:
            return [word for text in texts for word in (text.split() if in_variable else [text]) if word]
        if self.many is Many.COMMAS or in_variable:
            texts = [piece for text in texts for piece in text.split(",")]
        return [stripped for text in texts if (stripped := text.strip())]


def as_text(value: object) -> str:
    """A text, number or path as the text that a parser reads.

    Raises:
        TypeError: It is something else, such as a table or a boolean.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Path)):
        raise TypeError(f"must be text, not {type(value).__name__}")
    return str(value).strip()


def option(name: str, parse: Callable[[Any], Any], help: str, **rest: Any) -> dict[str, Option]:  # noqa: A002
    """The metadata of a dataclass field: its option. The field's default is a value, not a text."""
    rest["commands"] = frozenset(rest.get("commands", ()))
    return {METADATA: Option(name=name, parse=parse, help=help, **rest)}
