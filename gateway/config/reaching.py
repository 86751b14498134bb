"""How an application is reached: the tables of apps/NAME.toml that are about its upstreams."""

from datetime import timedelta
from typing import Final

from gateway.core.site import AppLimits, Upstream, parse_upstream
from policies.reading import Section

_LONGEST_WAIT: Final = timedelta(hours=1)
_LONGEST_SILENCE: Final = timedelta(days=1)


def read_upstreams(document: Section) -> tuple[Upstream, ...]:
    """Read where the application listens: one upstream, or a list of them; () after a problem."""
    if isinstance(document.raw("upstream"), list):
        texts = document.texts("upstream", default=(), check=parse_upstream)
    else:
        text = document.text("upstream", check=parse_upstream)
        texts = () if text is None else (text,)
    upstreams = tuple(map(parse_upstream, texts))
    twice = {str(one) for one in upstreams if upstreams.count(one) > 1}
    if twice:
        document.report("upstream", f"{', '.join(sorted(twice))} is listed twice")
    return upstreams


def read_app_limits(section: Section) -> AppLimits:
    """Read the limits of one application; what is left out is as the site says."""
    limits = AppLimits(
        upstream_connect=section.duration("upstream_connect", default=None, maximum=_LONGEST_WAIT),
        upstream_response=section.duration(
            "upstream_response", default=None, maximum=_LONGEST_WAIT
        ),
        upstream_idle=section.duration("upstream_idle", default=None, maximum=_LONGEST_SILENCE),
        body_bytes=section.integer("body_bytes", default=None, minimum=0),
    )
    section.finish()
    return limits
