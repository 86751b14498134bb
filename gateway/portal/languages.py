"""Choosing the language: one small form at the foot of every page that can be asked for again."""

from typing import Final

from aiohttp import web

from gateway.core.languages import as_language, language_cookie
from gateway.core.refusals import Refusal
from gateway.portal.forms import read_form
from gateway.portal.pages import see_other
from gateway.portal.public import refuse_foreign
from gateway.portal.refuse import Refused
from gateway.portal.targets import local_target

LANGUAGE_PATH: Final = "/language"


async def choose(request: web.Request) -> web.StreamResponse:
    """Have the browser remember a language, and send it back to the page it was on."""
    fields = await read_form(request)
    language = as_language(fields.get("language", ""))
    if language is None:
        raise Refused(Refusal.BAD_REQUEST)
    response = see_other(local_target(fields.get("back", "")))
    response.headers.add("Set-Cookie", language_cookie(language))
    return response


async def choose_in_public(request: web.Request) -> web.StreamResponse:
    """Do so on the public host."""
    refuse_foreign(request)
    return await choose(request)


async def go_back(request: web.Request) -> web.StreamResponse:
    """Send whoever asks for the form's address by itself to the start page."""
    del request
    return see_other("/")
