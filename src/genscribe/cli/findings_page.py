"""What `genscribe check` says of the live page: its settings, its certificate, its address. It is not served."""

from __future__ import annotations

from genscribe.cli.finding import Finding, failed
from genscribe.errors import GenscribeError
from genscribe.settings import Settings
from genscribe.settings.page import PageSetting
from genscribe.store.reader import Reader

WHAT = "live page"


async def of_page(settings: Settings) -> Finding:
    """Whether it could be served where `--web` says."""
    from genscribe.web.server import listen, tls_context

    try:
        setting = settings.page
        assert setting is not None, "ask only where there is to be one"
        if setting.cert is not None:
            tls_context(setting)
    except GenscribeError as error:
        return failed(WHAT, error)
    try:
        (await listen(setting.address)).close()
    except GenscribeError as error:
        if _runs(settings):
            return Finding(WHAT, None, f"{setting.address} is in use, perhaps by the genscribe that has this store.")
        return failed(WHAT, error)
    return Finding(WHAT, True, f"can be served at {setting.address}, {_for_whom(setting)}.")


def _runs(settings: Settings) -> bool:
    try:
        with Reader.open(settings.store) as reader:
            life = reader.life()
    except GenscribeError:
        return False
    return life is not None and life.running


def _for_whom(setting: PageSetting) -> str:
    how = "over TLS" if setting.cert is not None else "behind a proxy" if setting.proxies else "for this machine alone"
    if setting.token is not None:
        return f"{how}, with the token given"
    return f"{how}, with a token that is made at start" if setting.wants_token else how
