"""How an application is reached: the tables of apps/NAME.toml that are about its upstreams."""

from datetime import timedelta
from typing import Final

from gateway.core.site import AppLimits
from policies.reading import Section

_LONGEST_WAIT: Final = timedelta(hours=1)
_LONGEST_SILENCE: Final = timedelta(days=1)


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
