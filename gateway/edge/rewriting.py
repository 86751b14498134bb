"""Heads for an application that insists on a name of its own, or thinks that it has no TLS.

Every application: a `Location` that names our own host with `http://` is made
`https://`, for behind a gateway an application often cannot know better, and
there is nothing of its at the plain port.

With `upstream_host` also: `Host` says that name, and what refers to our origin
refers to the application's, so that it agrees with `Host`: `Origin` and
`Referer`, by which applications tell foreign forms from their own, and
`Destination` and `If` of WebDAV (RFC 4918, sections 10.3 and 10.4). On the way
back `Location`, `Content-Location` and the domain of cookies are ours again.
Bodies are nobody's business here.
"""

import re
from dataclasses import replace
from typing import Final

from gateway.core.routes import normalise_host
from gateway.core.site import Application, Site
from gateway.edge.fields import Field
from gateway.edge.heads import RequestHead, ResponseHead

PLACES: Final = frozenset({201, 300, 301, 302, 303, 305, 307, 308})
"""Statuses whose `Location` matters (RFC 9110, section 10.2.2)."""

_PLACE_NAMES: Final = frozenset({b"location", b"content-location"})
_ABSOLUTE: Final = re.compile(rb"(https?:)?//([^/?#]*)([/?#].*)?", re.IGNORECASE | re.DOTALL)
_PLAIN: Final = b"http:"


class ForeignDestination(Exception):
    """A `Destination` that is not on the host that the request was for."""


class Rewriting:
    """What is written otherwise in the heads of one application's requests and answers."""

    def __init__(self, app: Application, site: Site) -> None:
        """Where the application has no *upstream_host*, `request` changes nothing."""
        self._host = app.host
        self._ours = site.origin(app.host).encode()
        own = self._ours.removeprefix(b"https://")
        # Some applications drop the port.
        self._own = frozenset({own, app.host.encode()})
        self.insists = app.upstream_host is not None
        self._name = app.upstream_host or ""
        self._domain = normalise_host(self._name) or ""
        secure = any(upstream.tls for upstream in app.upstreams)
        self._theirs = b"http%b://%b" % (b"s" if secure else b"", self._name.encode())
        addresses = {str(upstream) for upstream in app.upstreams if upstream.unix_path is None}
        named = {self._name, *(address.partition("://")[2] for address in addresses)}
        without = {name.removesuffix(":443" if secure else ":80") for name in named}
        self._insisted = frozenset(name.encode() for name in named | without if self.insists)
        self._tagged = re.compile(b"<%b(?=[/?#>])" % re.escape(self._ours), re.IGNORECASE)

    def request(self, head: RequestHead) -> RequestHead:
        """Return *head* as the application is to read it; raise `ForeignDestination`."""
        fields = [self._to_application(field) for field in head.fields]
        return replace(head, authority=self._name, fields=fields)

    def response(self, head: ResponseHead) -> ResponseHead:
        """Return *head* as the client is to read it; the very same where nothing changes."""
        fields = [self._to_client(field) for field in head.fields]
        if fields == head.fields:
            return head
        # Not the remembered blocks of the other form, either.
        return replace(head, fields=fields, blocks=None)

    # The request ------------------------------------------------------------

    def _to_application(self, field: Field) -> Field:
        name, value = field.name, field.value
        if name == b"origin":
            return self._changed(field, self._theirs if value.lower() == self._ours else value)
        if name == b"referer":
            return self._changed(field, self._within(value))
        if name == b"destination":
            return self._changed(field, self._destination(value))
        if name == b"if":
            return self._changed(field, self._tagged.sub(lambda _: b"<" + self._theirs, value))
        return field

    def _within(self, value: bytes) -> bytes:
        match = _ABSOLUTE.fullmatch(value)
        if match is None or match[1] is None or match[1].lower() == _PLAIN:
            return value
        return self._theirs + (match[3] or b"") if match[2].lower() in self._own else value

    def _destination(self, value: bytes) -> bytes:
        # A path alone is on the host of the request, whatever that is called.
        if value.startswith(b"/") and not value.startswith(b"//"):
            return value
        match = _ABSOLUTE.fullmatch(value)
        if match is None or match[1] is None or match[2].lower() not in self._own:
            # RFC 4918, section 9.8.5: elsewhere is not ours to copy to. The name
            # that the application insists on is none that a client may know.
            raise ForeignDestination
        return self._theirs + (match[3] or b"/")

    # The answer -------------------------------------------------------------

    def _to_client(self, field: Field) -> Field:
        if field.name in _PLACE_NAMES:
            return self._changed(field, self._place(field.value))
        if self.insists and field.name == b"set-cookie":
            return self._changed(field, self._cookie(field.value))
        return field

    def _place(self, value: bytes) -> bytes:
        match = _ABSOLUTE.fullmatch(value)
        if match is None:
            return value
        scheme, authority, rest = match[1], match[2].lower(), match[3] or b""
        plain = scheme is not None and scheme.lower() == _PLAIN
        if (plain and authority in self._own) or authority in self._insisted:
            return self._ours + rest
        return value

    def _cookie(self, value: bytes) -> bytes:
        """Return a cookie without a domain in which the application is and we are not."""
        parts = value.split(b";")
        kept = [part for part in parts[1:] if not self._is_foreign_domain(part)]
        return b";".join([parts[0], *kept])

    def _is_foreign_domain(self, attribute: bytes) -> bool:
        name, _, value = attribute.partition(b"=")
        if name.strip().lower() != b"domain":
            return False
        domain = value.strip().lower().removeprefix(b".").decode("latin-1")
        return _within(self._domain, domain) and not _within(self._host, domain)

    @staticmethod
    def _changed(field: Field, value: bytes) -> Field:
        return field if value == field.value else Field(b"%b: %b" % (field.name.title(), value))


def _within(host: str, domain: str) -> bool:
    """Say whether *host* is in *domain* (RFC 6265, section 5.1.3)."""
    return host == domain or host.endswith(f".{domain}")
