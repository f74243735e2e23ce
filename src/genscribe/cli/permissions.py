"""The permissions as text: what an engineer forwards to the administrator of Genesys Cloud."""

from __future__ import annotations

from textwrap import fill

from genscribe.genesys.permissions import PERMISSIONS, Permission, Proof, divisions_word
from genscribe.telemetry import admin

WIDTH = 100

HEAD = (
    f"Give the role of genscribe's OAuth client (grant Client Credentials, used by nothing else; {admin.OAUTH}) these "
    f"permissions ({admin.ROLES}), in all divisions that are to be heard. Scopes do not apply to this grant."
)
FOOT = (
    "required: without it there is nothing to hear, or nearly nothing. advised: part of what is said is not heard. "
    "optional: nothing said is lost. [?]: in no public document that we know of; `genscribe check` asks your "
    "organisation. The page for the administrator is docs/genesys-admin.md."
)


def table() -> str:
    """One paragraph a permission."""
    return "\n\n".join([_wrapped(HEAD), *(_entry(each) for each in PERMISSIONS), _wrapped(FOOT)])


def _entry(row: Permission) -> str:
    doubt = " [?]" if row.proof is Proof.ASSUMED else ""
    lines = [
        f"{row.name}{doubt}",
        f"  {row.need.value}, {divisions_word(row)}: {row.in_admin}",
        _wrapped(f"for: {row.why}.", "  "),
        _wrapped(f"without it: {row.without}.", "  "),
    ]
    return "\n".join(lines)


def _wrapped(text: str, indent: str = "") -> str:
    inner = indent + "  " if indent else ""
    return fill(
        text, WIDTH, initial_indent=indent, subsequent_indent=inner, break_long_words=False, break_on_hyphens=False
    )
