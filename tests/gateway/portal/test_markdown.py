"""Texts in Markdown as they stand on a page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.markdown import rendered


def test_what_markdown_means() -> None:
    """Headings below that of the page, lists, emphasis, tables."""
    html = rendered("# Terms\n\n1. *one*\n2. two\n\n###### deep\n\n|a|b|\n|-|-|\n|1|2|\n")
    assert "<h2>Terms</h2>" in html
    assert "<li><em>one</em></li>" in html
    assert "<h6>deep</h6>" in html
    assert "<td>2</td>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html,<script>)",
        "[x](http://example.org/)",
        "[x](//example.org/)",
        "[x](/account)",
        "![x](https://example.org/x.png)",
        '<https://example.org/"onmouseover="alert(1)>',
        "[x][y]\n\n[y]: vbscript:x",
        "`<b>`",
        "&lt;script&gt;",
    ],
)
def test_nothing_of_a_browser(text: str) -> None:
    """No element, no handler and no place but those that Markdown and we mean."""
    html = rendered(text)
    allowed = ("<p>", "</p>", '<a href="https://', "</a>", "<code>", "</code>")
    rest = html
    for one in allowed:
        rest = rest.replace(one, "")
    assert "<" not in rest
    assert 'href="http:' not in html
    assert 'href="/' not in html


def test_links_lead_to_https_and_mail() -> None:
    """And tell nobody where they come from."""
    html = rendered("[law](https://example.org/law?a=1&b=2) <help@example.org>")
    assert '<a href="https://example.org/law?a=1&amp;b=2" rel="noreferrer">law</a>' in html
    assert 'href="mailto:help@example.org"' in html


@given(st.text(alphabet="<>&\"'()[]!*_`#-|: \n/xhtps", max_size=60))
def test_whatever_is_written(text: str) -> None:
    """Nothing gets an attribute but links, and what CommonMark numbers or aligns."""
    html = rendered(text)
    assert "<script" not in html
    assert "<img" not in html
    assert "javascript:" not in html
