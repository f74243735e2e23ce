"""The loop that this project began from, written anew from its description: what everything is compared with.

WebSocket to `json.loads` to a log line for each message and each utterance, into a file. Nothing is durable.

    python bench/tutorial.py PORT MESSAGES FOLDER

Prints what it took as JSON, for `bench/stream.py`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

import websockets

logger = logging.getLogger("transcripts")


def process_event(event: dict[str, Any]) -> int:
    """One event of the stream: empty lines and those of type `system` are skipped, the rest is logged."""
    conversation_id = event.get("conversationId", "unknown")
    media_type = event.get("mediaType", "unknown")
    logger.info("Received event for conversation %s (%s)", conversation_id, media_type)
    utterances = 0
    for line in event.get("transcript", []):
        text = line.get("text", "").strip()
        if not text or line.get("type") == "system":
            continue
        utterance = {
            "conversation_id": conversation_id,
            "media_type": media_type,
            "timestamp": line.get("timestamp", event.get("timestamp")),
            "speaker": line.get("speaker", "unknown"),
            "text": text,
        }
        logger.info("[%s] %s: %s", utterance["timestamp"], utterance["speaker"], utterance["text"])
        utterances += 1
    return utterances


async def stream(url: str, messages: int) -> tuple[int, float]:
    """Utterances heard, and the CPU seconds from the first message to the last."""
    seen = utterances = 0
    began = 0.0
    async with websockets.connect(url, ping_interval=20, ping_timeout=20, max_size=2**20) as socket:
        async for message in socket:
            try:
                utterances += process_event(json.loads(message))
            except json.JSONDecodeError:
                logger.exception("Malformed message")
            seen += 1
            began = began or time.process_time()
            if seen == messages:
                return utterances, time.process_time() - began
    raise ConnectionError("the stream ended early")


def main() -> None:
    port, messages, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    logging.basicConfig(
        filename=folder / "tutorial.log",
        level=logging.INFO,
        format="%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    )
    path = "/api/v2/interactions/conversations/transcripts?access_token=bench&mediaTypes=voice,chat"
    utterances, cpu_s = asyncio.run(stream(f"ws://127.0.0.1:{port}{path}", messages))
    print(json.dumps({"cpu_s": cpu_s, "utterances": utterances}))


if __name__ == "__main__":
    main()
