"""Whether a request that changes something was begun on our own page.

Browsers say where a request comes from in `Sec-Fetch-Site` (W3C Fetch Metadata),
older ones at least in `Origin`. That takes the place of form tokens: nothing to
store, nothing that a page from yesterday can have wrong.
"""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing (RFC 9110, section 9.2.1) and may come from anywhere."""

# "none": the person's own act, such as typing the address again.
_OUR_OWN = frozenset({"same-origin", "none"})


def is_foreign(method: str, sec_fetch_site: str | None, origin: str | None, own: str) -> bool:
    """Say whether another site had a hand in an unsafe request to the origin *own*.

    What sends neither field is no browser, and so carries nobody's cookies
    but its own: nothing can be forged in its name.
    """
    if method in SAFE_METHODS:
        return False
    if sec_fetch_site is not None:
        return sec_fetch_site not in _OUR_OWN
    return origin is not None and origin != own
