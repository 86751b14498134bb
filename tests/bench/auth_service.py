"""What people run today behind nginx's `auth_request`: a small service that knows sessions.

It reads the cookie, looks the session up in a dict and answers 200 with the user, or 401.
"""

import argparse
import asyncio

import uvloop
from aiohttp import web

COOKIE_NAME = "__Host-pusterla"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def make_application(sessions: dict[str, str]) -> web.Application:
    """Return the service; *sessions* leads from a cookie's value to a user."""

    async def check(request: web.Request) -> web.Response:
        user = sessions.get(request.cookies.get(COOKIE_NAME, ""))
        if user is None:
            return web.Response(status=401)
        return web.Response(headers={"X-User": user})

    application = web.Application()
    application.router.add_get("/{path:.*}", check)
    return application


def main() -> None:
    """Serve on loopback until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--session", required=True, help="the value of the one good cookie")
    parser.add_argument("--loop", choices=LOOPS, required=True)
    options = parser.parse_args()
    web.run_app(
        make_application({options.session: "anna"}),
        host="127.0.0.1",
        port=options.port,
        access_log=None,
        keepalive_timeout=3600,
        loop=LOOPS[options.loop](),
        print=None,
    )


if __name__ == "__main__":
    main()
