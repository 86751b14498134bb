"""The pages of a new authenticator: its QR code with the field for a code, and recovery codes."""

import os

from aiohttp import web

from gateway.core.credentials import totp_uri
from gateway.core.pending import Pending, mint_pending
from gateway.core.sealing import NONCE_BYTES
from gateway.portal.callers import Visitor
from gateway.portal.drawing import qr_code
from gateway.portal.moments import date_in_words
from gateway.portal.pages import language_of, render
from gateway.portal.services import SERVICES

_GROUP = 4


def show_authenticator(  # one page, at every try
    request: web.Request,
    visitor: Visitor,
    pending: Pending,
    *,
    action: str,
    to: str = "",
    token: str | None = None,
    problem: str | None = None,
    status: int = 200,
) -> web.Response:
    """Show the secret of *pending* to be scanned or typed, and ask for the first code of it.

    *token* is *pending* as it travels, where it did so already: its end does not move.
    """
    services = request.app[SERVICES]
    if token is None:
        nonce = os.urandom(NONCE_BYTES)
        token = mint_pending(services.site_key, pending, services.clock(), nonce)
    uri = totp_uri(pending.secret, pending.user, services.site.name)
    groups = [pending.secret[at : at + _GROUP] for at in range(0, len(pending.secret), _GROUP)]
    values: dict[str, object] = {
        "visitor": visitor,
        "ground": pending.ground.value,
        "action": action,
        "to": to,
        "token": token,
        "qr": qr_code(uri),
        "uri": uri,
        "groups": groups,
        "problem": problem,
        "alarm": None,
        # What the page shows it was given by a form, and cannot be asked for again.
        "back": None,
    }
    return render(request, "authenticator.html", values, status=status)


def show_recovery_codes(
    request: web.Request, visitor: Visitor, codes: tuple[str, ...], *, action: str, to: str = ""
) -> web.Response:
    """Show new recovery codes, this once; the page leads on to *action*."""
    services = request.app[SERVICES]
    values: dict[str, object] = {
        "visitor": visitor,
        "codes": codes,
        "action": action,
        "to": to,
        "date": date_in_words(services.clock(), language_of(request), services.site.time_zone),
        "back": None,
    }
    return render(request, "recovery_codes.html", values)
