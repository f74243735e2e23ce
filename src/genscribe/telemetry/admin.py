"""Where in Genesys Cloud's administration a thing is set: one word for a page, wherever it is named.

Each stands in the platform's own help (help.mypurecloud.com) unless it says otherwise. Newer organisations show the
same pages below Menu instead of Admin; `docs/genesys-admin.md` has both.
"""

from __future__ import annotations

OAUTH = "Admin > Integrations > OAuth"
"""The OAuth client, its roles and their divisions. [articles/create-an-oauth-client]"""

ROLES = "Admin > People & Permissions > Roles / Permissions"
"""What a role permits. [articles/assign-roles]"""

DIVISIONS = f"{OAUTH} > the client > Roles"
"""In which divisions the client's role counts. [articles/create-an-oauth-client]"""

TRANSCRIPTION = "Admin > Quality > Speech and Text Analytics > Settings > Voice Transcription"
"""Transcription as a whole. [articles/speech-and-text-analytics]"""

LOW_LATENCY = "Admin > Quality > Speech and Text Analytics > Settings > Low Latency Transcription"
"""The switch is named so by third parties that use it; the platform's help does not show where it stands."""


def queue(name: str) -> str:
    """Transcription of one queue.

    [articles/set-behavior-and-thresholds-for-voice-and-chat-channels].
    """
    return f"Admin > Contact Center > Queues > {name} > Voice > Voice Transcription"
