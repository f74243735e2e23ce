"""Frames that hurt: damaged lines between good ones, damaged bytes, noise. The same seed gives the same frames."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

WORDS = [
    "hello",
    "how",
    "can",
    "i",
    "help",
    "AC-130",
    "C++",
    "don't",
    "café",
    "東京",
    "\U0001f600",
    "a\tb",
    "\x1b[2J",
    "\u202e",
]
SCALARS = ["null", "true", "0", "-1", "1e999", "1E-999", "9" * 5000, str(2**70), '""', '" "', '"\\ud800"', '"\\u0000x"']
SCALARS += ['"system"', '"System"', '"agent"', '"2026-03-21T01:09:55.225Z"', '"99"']
WRONG = ["[]", "{}", "[null]", '{"text":"x"}', "NaN", "-Infinity", '["a","b"]', "[" * 70 + "]" * 70]
TIMES = ["2026-03-21T01:09:55.225Z", "2026-03-21 01:09:55+02:00", "", "yesterday", 1774055395225, -5, 1e300, None]
TOKENS = [b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u", b"\\ud800", b"\x00", b"\xff", b"NaN", b"null"]
TOKENS += [b"\xef\xbb\xbf", b"\xed\xa0\x80", b"1e5", b"-", b"/*", b"\n"]
DEEP = "[" * 100_000 + "]" * 100_000


@dataclass(frozen=True)
class Case:
    """A message, and the lines that must be heard in it whatever else it holds.

    Attributes:
        payload: The message, as text or as bytes of text.
        binary: Whether it comes as a binary message; nothing is heard in one.
        good: Texts that must come out, in this order.
    """

    payload: str | bytes
    binary: bool
    good: tuple[str, ...]


def cases(seed: int) -> Iterator[Case]:
    """Endless cases; kinds as likely as their harm is."""
    chance = Random(seed)
    while True:
        kind = chance.random()
        if kind < 0.50:
            yield _hostile_line(chance)
        elif kind < 0.55:
            yield _hostile_envelope(chance)
        elif kind < 0.90:
            yield _damaged(chance)
        elif kind < 0.9995:
            yield _noise(chance)
        else:
            yield _deep(chance)


def good_line(chance: Random) -> dict[str, object]:
    """A line as it should be. Its text is unlike any other's."""
    line: dict[str, object] = {"text": f"{chance.getrandbits(64):x} {_words(chance)}"}
    if chance.random() < 0.9:
        line["timestamp"] = chance.choice(TIMES)
        line["speaker"] = chance.choice(["agent", "customer", "IVR", "external", None])
    if chance.random() < 0.5:
        line["type"] = chance.choice(["final", "partial", "", None])
        line["confidence"] = chance.random()
    return line


def _frame(chance: Random, lines: list[str], **envelope: str) -> str:
    fields = {
        "conversationId": f'"{chance.randrange(1000)}"',
        "mediaType": '"voice"',
        "timestamp": json.dumps(chance.choice(TIMES)),
    } | envelope
    names = list(fields)
    chance.shuffle(names)
    members = [f'"{name}":{fields[name]}' for name in names]
    members.insert(chance.randrange(len(members) + 1), f'"transcript":[{",".join(lines)}]')
    return "{" + ",".join(members) + "}"


def _case(chance: Random, text: str, good: list[dict[str, object]]) -> Case:
    binary = chance.random() < 0.01
    payload = text.encode() if chance.random() < 0.5 else text
    return Case(payload, binary, () if binary else tuple(str(line["text"]) for line in good))


def _hostile_line(chance: Random) -> Case:
    before = [good_line(chance) for _ in range(chance.randrange(3))]
    after = [good_line(chance) for _ in range(1 + chance.randrange(2))]
    bad = [_bad_line(chance) for _ in range(1 + chance.randrange(2))]
    ascii_only = chance.random() < 0.5
    lines = [*(_json(line, ascii_only) for line in before), *bad, *(_json(line, ascii_only) for line in after)]
    return _case(chance, _frame(chance, lines), before + after)


def _bad_line(chance: Random) -> str:
    if chance.random() < 0.3:
        return chance.choice(SCALARS + WRONG)
    names = chance.sample(["text", "speaker", "type", "timestamp", "words", "te\\u0078t"], chance.randrange(1, 5))
    return "{" + ",".join(f'"{name}":{chance.choice(SCALARS + WRONG)}' for name in names) + "}"


def _hostile_envelope(chance: Random) -> Case:
    good = [good_line(chance)]
    name = chance.choice(["conversationId", "mediaType", "timestamp", "more"])
    return _case(chance, _frame(chance, [_json(good[0], False)], **{name: chance.choice(SCALARS + WRONG)}), good)


def _deep(chance: Random) -> Case:
    good = [good_line(chance), good_line(chance)]
    bad = chance.choice(
        [DEEP, f'{{"text":{DEEP}}}', DEEP.replace("[", '{"a":').replace("]", "1}", 1).replace("]", "}")]
    )
    return _case(chance, _frame(chance, [_json(good[0], True), bad, _json(good[1], True)]), good)


def _damaged(chance: Random) -> Case:
    lines = [_json(good_line(chance), False) for _ in range(chance.randrange(4))]
    payload = bytearray(_frame(chance, lines).encode())
    for _ in range(1 + chance.randrange(3)):
        place = chance.randrange(len(payload) + 1)
        span = chance.randrange(1, 9)
        harm = chance.randrange(6)
        if harm == 0:
            del payload[place : place + span]
        elif harm == 1:
            payload[place:place] = chance.choice(TOKENS)
        elif harm == 2:
            payload[place : place + 1] = bytes([chance.randrange(256)])
        elif harm == 3:
            payload[place:place] = payload[place : place + 10 * span]
        elif harm == 4:
            del payload[place:]
        else:
            payload[place : place + span] = chance.choice(SCALARS + WRONG).encode()
    return Case(bytes(payload), chance.random() < 0.01, ())


def _noise(chance: Random) -> Case:
    if chance.random() < 0.5:
        return Case(chance.randbytes(chance.randrange(200)), chance.random() < 0.1, ())
    tokens = [*TOKENS, *(item.encode() for item in SCALARS + WRONG), b'"transcript"', b'"text"', b" "]
    return Case(b"".join(chance.choices(tokens, k=chance.randrange(30))), False, ())


def _words(chance: Random) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randrange(1, 12)))


def _json(line: object, ascii_only: bool) -> str:
    return json.dumps(line, ensure_ascii=ascii_only)
