"""How an application is reached: the tables of apps/NAME.toml that are about its upstreams."""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from gateway.core.routes import PLAIN_TARGET, normalise_host
from gateway.core.site import (
    AppLimits,
    HealthCheck,
    Upstream,
    UpstreamTLS,
    check_length,
    parse_upstream,
)
from policies.reading import Section

_LONGEST_WAIT: Final = timedelta(hours=1)
_LONGEST_SILENCE: Final = timedelta(days=1)
LARGEST_BUFFER: Final = 16 * 1024 * 1024
"""How large a body may be that is held, in bytes."""
_PORT_DIGITS: Final = 5
_HIGHEST_PORT: Final = 65535
_PATH: Final = re.compile(PLAIN_TARGET.decode())


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


def read_upstream_tls(
    section: Section, upstreams: tuple[Upstream, ...], folder: Path
) -> UpstreamTLS:
    """Read how https *upstreams* are verified; files are relative to the site's *folder*."""

    def file(key: str) -> str | None:
        def check(text: str) -> None:
            try:
                (folder / text).stat()
            except FileNotFoundError:
                raise ValueError(f"there is no file {folder / text}") from None
            except OSError:
                # Not every process of a site may look; the edge will say what is wrong.
                return

        text = section.text(key, default=None, check=check)
        return None if text is None else str((folder / text).absolute())

    settings = UpstreamTLS(
        ca=file("ca"),
        name=section.text("name", default=None, check=_check_name),
        certificate=file("certificate"),
        key=file("key"),
    )
    if settings.key is not None and settings.certificate is None and "certificate" not in section:
        section.report("key", "a key without a certificate: name the certificate too")
    if settings != UpstreamTLS() and upstreams and not any(one.tls for one in upstreams):
        section.report(None, "no upstream is https://…, so nothing of this would be used")
    section.finish()
    return settings


def read_health_check(section: Section) -> HealthCheck | None:
    """Read what upstreams are asked to see whether they are well; None: nothing."""
    default = HealthCheck("/")
    interval = section.duration("interval", default=default.interval, maximum=_LONGEST_WAIT)
    timeout = section.duration("timeout", default=default.timeout, maximum=_LONGEST_WAIT)
    path = section.text("path", default=None, check=_check_path)
    if "path" not in section and ("interval" in section or "timeout" in section):
        section.report("path", "missing: without a path nothing is checked")
    section.finish()
    return None if path is None else HealthCheck(path, interval, timeout)


def check_authority(text: str) -> None:
    """Raise `ValueError` unless *text* is a host as a Host field names it, perhaps with a port."""
    host, colon, port = text.partition(":")
    number = int(port) if port.isdecimal() and len(port) <= _PORT_DIGITS else 0
    if normalise_host(host) != host or (colon and not 0 < number <= _HIGHEST_PORT):
        message = f"{text!r} is not a host; write one such as wiki.internal or wiki.internal:8080"
        raise ValueError(message)


def _check_name(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        if normalise_host(text) != text:
            message = f"{text!r} is not the name of a host; write one such as wiki.internal"
            raise ValueError(message) from None
        check_length(text)


def _check_path(text: str) -> None:
    if not _PATH.fullmatch(text):
        raise ValueError(f"{text!r} is not a path; write one such as /healthz")


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
