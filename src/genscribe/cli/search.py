"""`genscribe search WORDS`: what was said, newest first."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

import click

from genscribe.cli import output
from genscribe.cli.filters import filter_options, given
from genscribe.cli.options import Command, config_option, settings_options
from genscribe.events import decode
from genscribe.sinks.console import Lines

_UNWANTED = re.compile(r'(^|\s)-("[^"]*"|\S+)')
_WORD = re.compile(r"\w[\w'’.-]*")


class Search(Command):
    """Words may begin with `-`; options that do not exist are still told, unless they stand behind `--`."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """No short one: `-word` leaves a word out, whatever it begins with."""
        return ["--help"]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuses mistyped long options, then lets every other word be a word; `-h` for all words asks for help."""
        known = [name for param in self.get_params(ctx) for name in param.opts if name.startswith("--")]
        for word in takewhile(lambda arg: arg != "--", args):
            name = word.partition("=")[0]
            if name.startswith("--") and not any(option.startswith(name) for option in known):
                raise click.NoSuchOption(name, possibilities=known, ctx=ctx)
        rest = super().parse_args(ctx, args)
        if ctx.params.get("words") == ("-h",) and "--" not in args:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return rest


@click.command(
    cls=Search,
    context_settings={"ignore_unknown_options": True},
    examples=[
        ("genscribe search late delivery", "Both words, anywhere in one utterance."),
        ("genscribe search '\"late delivery\"' -refund", "The phrase, without the word."),
        ("genscribe search --since 2h --speakers customer cancel", "What customers said in the last two hours."),
    ],
)
@click.argument("words", nargs=-1)
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many.")
@filter_options()
@settings_options("search")
@config_option
def command(words: tuple[str, ...], limit: int, as_json: bool, **options: Any) -> None:
    """Find what was said; newest first.

    WORDS all have to occur in one utterance, in any order; the last may be the beginning of a word. "..." is a
    phrase, -word leaves out. Without WORDS: the newest utterances.
    """
    with output.open_store(options) as reader:
        found = reader.search(" ".join(words), given(options).resolve(reader), limit=limit)
    if as_json:
        output.write_json(output.json_lines(found))
        return
    lines = Lines(output.screen(), highlight=highlight(words))
    for record in found:
        output.write(lines.draw(decode(record.body)))
    if not found:
        click.echo("Nothing found.", err=True)


def highlight(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """What to make bold: the words as typed, wherever a word begins with them."""
    wanted = _WORD.findall(_UNWANTED.sub(" ", " ".join(words)))
    # Scripts without blanks have no beginnings of words.
    parts = [re.escape(word) if ord(word[0]) >= 0x0E00 else rf"(?<!\w){re.escape(word)}" for word in wanted]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None
