"""Forms as browsers send them: read in one way, or not at all."""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.core.refusals import Refusal
from gateway.portal.refuse import Refused

_FORM_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAXIMUM: Final = 16


async def read_form(request: web.Request, maximum: int = FIELDS_MAXIMUM) -> dict[str, str]:
    """Return the fields of a form, or raise `Refused`: each name comes once, in UTF-8, no NUL.

    Of more fields than *maximum* none is read.
    """
    if request.content_type != _FORM_TYPE:
        raise Refused(Refusal.BAD_REQUEST)
    body = await request.read()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=maximum,
        )
    except ValueError as error:
        raise Refused(Refusal.BAD_REQUEST) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # Two readings of one form: which of the two names would count?
        raise Refused(Refusal.BAD_REQUEST)
    if any("\0" in text for pair in pairs for text in pair):
        # No browser sends one, and PostgreSQL has no place for it in a text.
        raise Refused(Refusal.BAD_REQUEST)
    return fields
