"""Other people's calls, to be played instead of the bundled dialogues: JSON Lines, one call a line."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from random import Random  # noqa: TID251 - seeded: the same seed plays the same script

import msgspec

from genscribe.emulator.calls import Call, Utterance
from genscribe.emulator.pacing import delay_ms
from genscribe.errors import ConfigError


class _Utterance(msgspec.Struct):
    speaker: str
    offset_ms: float
    text: str
    duration_ms: float = 0


class _Call(msgspec.Struct):
    id: str
    utterances: list[_Utterance]
    media_type: str = "voice"
    topic: str = ""


_DECODER = msgspec.json.Decoder(_Call)


def load_calls(path: Path | str, *, seed: int = 0) -> list[Call]:
    """The calls of a JSON Lines file, gzipped if its name ends in `.gz`.

    A line is `{"id", "utterances": [{"speaker", "offset_ms", "duration_ms", "text"}]}`, utterances in any order;
    `media_type` (default `voice`), `topic` and a missing `duration_ms` are optional, other fields are ignored.

    Args:
        path: The file.
        seed: Draws how late the platform sends each utterance.

    Raises:
        ConfigError: The file cannot be read, is empty, or has a bad line, which is named by its number.
    """
    lines = _lines(Path(path))
    calls = [_call(path, number, line, seed) for number, line in enumerate(lines, 1) if line.strip()]
    if not calls:
        raise ConfigError(f"{path} holds no call.", advice="It must be JSON Lines, one call a line.")
    return calls


def _lines(path: Path) -> list[bytes]:
    try:
        raw = path.read_bytes()
        return (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines()
    except (OSError, EOFError, zlib.error) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "it is not a whole gzip file"
        raise ConfigError(f"cannot read the calls in {path}: {reason}.") from None


def _call(path: Path | str, number: int, line: bytes, seed: int) -> Call:
    try:
        call = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as bad:
        raise ConfigError(f"{path}, line {number}, is not a call: {_shape(bad)}.") from None
    chance = Random(f"{seed}:{call.id}")
    said = [
        Utterance(one.speaker, one.text, round(one.offset_ms), round(one.duration_ms), delay_ms(chance))
        for one in call.utterances
    ]
    return Call(call.id, tuple(sorted(said, key=lambda one: one.offset_ms)), call.media_type, call.topic)


def _shape(bad: Exception) -> str:
    """What is wrong, without a word of the line itself."""
    return str(bad) if isinstance(bad, msgspec.ValidationError) else "it is not JSON"
