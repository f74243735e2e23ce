"""OAuth client credentials: from variables or the configuration file, never from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genscribe.errors import ConfigError
from genscribe.secrets import Secret
from genscribe.settings.files import checked_secret, read_secret

VARIABLES = {
    "client_id": "GENESYS_CLIENT_ID",
    "client_secret": "GENESYS_CLIENT_SECRET",
    "client_secret_file": "GENESYS_CLIENT_SECRET_FILE",
}
"""Key in `[genesys]` and keyword in Python → environment variable."""

HELP = {
    "client_id": "The OAuth client's id.",
    "client_secret": "The OAuth client's secret.",
    "client_secret_file": "A file, mode 0600, that holds the secret and nothing else; read again when the platform "
    "refuses the one in use.",
}


@dataclass(frozen=True)
class Credentials:
    """What the token endpoint wants from us.

    Attributes:
        file: Where the secret came from; `None` when it was given as such.
    """

    client_id: str
    client_secret: Secret
    file: Path | None = None

    def reread(self) -> Secret:
        """The secret as its file has it now; the same one when it came from no file.

        Raises:
            ConfigError: The file is no longer what it should be.
        """
        return self.client_secret if self.file is None else read_secret(self.file)


def from_layers(layers: list[Mapping[str, tuple[object, str]]], environ: Mapping[str, str]) -> Credentials | None:
    """Credentials of (value, origin) layers, strongest first; `None` when there is no id or no secret.

    Raises:
        ConfigError: A layer has both a secret and a file, or a value is not usable.
    """
    client_id = next((layer["client_id"] for layer in layers if "client_id" in layer), None)
    secret = next((layer for layer in layers if layer.keys() & {"client_secret", "client_secret_file"}), None)
    if secret is not None and secret.keys() >= {"client_secret", "client_secret_file"}:
        raise ConfigError(
            f"both {secret['client_secret'][1]} and {secret['client_secret_file'][1]} are set.",
            advice="Keep one of them.",
        )
    if client_id is None or secret is None:
        return None
    word = checked_secret(_text(*client_id), client_id[1]).reveal()
    if "client_secret" in secret:
        value, origin = secret["client_secret"]
        return Credentials(word, checked_secret(_text(value, origin), origin))
    file = Path(_text(*secret["client_secret_file"])).expanduser()
    return Credentials(word, read_secret(file, environ=environ), file)


def _text(value: object, origin: str) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, (str, Path)):
        return str(value)
    raise ConfigError(f"{origin} must be text.", advice="Put it in quotes.")
