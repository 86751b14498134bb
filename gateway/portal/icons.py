"""Pictures of applications, for whoever may see that the application is there.

Their names change with what is in them, so browsers keep them for good. An SVG is a document: it
is shown as a picture only, and who opens it by its address gets one that can do nothing.
"""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.core.asking import subject_on
from gateway.core.refusals import Refusal
from gateway.core.site import Application, Icon
from gateway.portal.callers import Visitor
from gateway.portal.refuse import Refused
from gateway.portal.services import SERVICES
from policies.prospect import Hidden, prospect

ICONS: Final = "/icons/"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"

_DIGEST_SHOWN: Final = 16


def icon_path(application: Application) -> str:
    """Return where the picture of *application* is; "" where it has none."""
    icon = application.icon
    return "" if icon is None else f"{ICONS}{application.name}.{icon.digest[:_DIGEST_SHOWN]}"


async def show_icon(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Serve a picture; there is none by a name that nobody was told."""
    if visitor.session is None:
        raise Refused(Refusal.NOT_FOUND)
    path = request.rel_url.raw_path
    name = path.removeprefix(ICONS).partition(".")[0]
    services = request.app[SERVICES]
    application = services.applications().get(name)
    if application is None or application.icon is None or icon_path(application) != path:
        raise Refused(Refusal.NOT_FOUND)
    subject = subject_on(visitor.holder, visitor.session)
    if isinstance(prospect(application.policy, subject, services.clock()), Hidden):
        raise Refused(Refusal.NOT_FOUND)
    return web.Response(
        body=await asyncio.to_thread(_read, application.icon),
        content_type=application.icon.content_type,
        headers={
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Security-Policy": POLICY,
        },
    )


def _read(icon: Icon) -> bytes:
    """Return the bytes that were judged; raise `Refused` where the file is another by now."""
    try:
        data = Path(icon.path).read_bytes()
    except OSError:
        data = b""
    if sha256(data).hexdigest() != icon.digest:
        # The watcher will see it in a moment; until then it is nobody's picture.
        raise Refused(Refusal.NOT_FOUND)
    return data
