"""Where a site's first issuing CA is, for tests that look at it or take it away."""

from pathlib import Path

from ca.hierarchy import ISSUER_NAME, files_of
from gateway.bootstrap.folder import SiteFolder


def issuing_key(folder: SiteFolder) -> Path:
    """Return the file of its key."""
    return files_of(folder.ca, ISSUER_NAME).key


def issuing_certificate(folder: SiteFolder) -> Path:
    """Return the file of its certificate."""
    return files_of(folder.ca, ISSUER_NAME).certificate
