"""Texts in Markdown as they stand on a page: what people read, and nothing that a browser runs.

The files are the site's own, and yet nothing of them reaches a page but what Markdown means
(CommonMark, and tables): HTML in them is shown as it is written, links lead to https and mail
alone, pictures are none.
"""

from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_SCHEMES: Final = ("https://", "mailto:")
_DEEPEST: Final = 6
_TEXTS: Final = 32


class _Plain(MarkdownIt):
    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table").disable("image")

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Say whether *url*, normalised, may be a link; else its Markdown is shown as it is."""
        return url.lower().startswith(_SCHEMES)


_PARSER: Final = _Plain()


# The largest takes tens of milliseconds, and each is shown to everybody.
@lru_cache(maxsize=_TEXTS)
def rendered(markdown: str) -> Markup:
    """Return *markdown* as HTML; its headings begin below that of the page."""
    tokens = _PARSER.parse(markdown)
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1:]) + 1, _DEEPEST)}"
        for part in token.children or ():
            _lead_away(part)
    html = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return Markup(html)  # noqa: S704 - the renderer escapes all that it does not write itself


def _lead_away(part: Token) -> None:
    if part.type == "link_open":
        part.attrSet("rel", "noreferrer")
