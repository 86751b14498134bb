"""The file with which somebody renews their stick by themselves, for the portal's process."""

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.hashes import SHA256

from gateway.core.people import Fingerprint
from gateway.core.site import Application, Site
from gateway.kit.renewal import renewal_members, word_of
from gateway.kit.store import Shown
from gateway.portal.services import KitRenewal

MODE = 0o600


@dataclass(frozen=True, slots=True)
class RenewalFiles:
    """Makes them; *site_key* is what a stick's word comes from."""

    site_key: bytes

    def make(
        self,
        wanted: KitRenewal,
        site: Site,
        applications: Iterable[Application],
        now: datetime,
    ) -> bytes:
        """Return the file for the stick of *wanted*; `ValueError` where no stick has such a key."""
        hosts = [
            one.host for one in applications if wanted.scope is None or one.name in wanted.scope
        ]
        certificate, *chain = wanted.certificates
        new = Fingerprint(certificate.fingerprint(SHA256()).hex())
        words = (word_of(self.site_key, wanted.old), word_of(self.site_key, new))
        shown = Shown(wanted.name, certificate, tuple(chain))
        members = renewal_members(shown, (site.host, *sorted(hosts)), words, now)
        return _archive(members.items(), now)


def _archive(members: Iterable[tuple[str, bytes]], now: datetime) -> bytes:
    """Return a tar file (ustar) such as every system of the last years opens."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), MODE, int(now.timestamp())
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()
