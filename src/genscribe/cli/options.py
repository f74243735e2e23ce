"""Options of the settings as options of click, and help under headings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from genscribe.settings import OPTIONS, Option
from genscribe.settings.options import Many

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

CONFIG_HELP = "TOML file of settings; its keys are the option names with _, platform settings stand in [genesys]."


class HeadedOption(click.Option):
    """A click option that stands under a heading in help."""

    def __init__(self, *args: Any, heading: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


class Command(click.Command):
    """A command whose help has its options under headings and its examples as they are.

    Args:
        examples: (command line, what it does) pairs.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options by heading, in the order in which headings first occur; the rest last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(param, "heading", "") or "Other options", []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line, meaning in self.examples:
                    formatter.write_text(f"# {meaning}")
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def settings_options(command: str) -> Callable[[Decorated], Decorated]:
    """Gives a command every option of the settings that is meant for it; they arrive as keyword arguments, texts."""

    def decorate(function: Decorated) -> Decorated:
        for one in reversed([one for one in OPTIONS if one.flag and command in one.commands]):
            function = _click_option(one)(function)
        return function

    return decorate


def config_option(function: Decorated) -> Decorated:
    """`--config FILE`."""
    return click.option("--config", metavar="FILE", cls=HeadedOption, heading="Run", help=CONFIG_HELP)(function)


def _click_option(one: Option) -> Callable[[Decorated], Decorated]:
    default = f"  [default: {one.shown_default}]" if one.shown_default else ""
    many = "  [repeatable]" if one.many is not Many.NO else ""
    return click.option(
        f"--{one.name}",
        one.key,
        metavar="|".join(one.choices) or one.metavar,
        multiple=one.many is not Many.NO,
        cls=HeadedOption,
        heading=one.group,
        help=one.help + many + default,
    )
