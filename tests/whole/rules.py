"""Files of applications, changed while the site runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.whole.sites import HOST, LiveSite

HEAD = 'host = "{host}"\nupstream = "{upstream}"\n'
ALLOW = '[[rules]]\nname = "technicians"\neffect = "allow"\ngroups = ["technicians"]\n'


def deny(user: str) -> str:
    """Return a rule that keeps *user* out."""
    return f'[[rules]]\nname = "not {user}"\neffect = "deny"\nusers = ["{user}"]\n'


@contextmanager
def edited(site: LiveSite, name: str, upstream: str, *rules: str, keys: str = "") -> Iterator[None]:
    """Write apps/NAME.toml as an administrator would, for the length of a block.

    *keys* are further lines of its head.
    """
    file = site.folder.app_file(name)
    before = file.read_bytes() if file.exists() else None
    head = HEAD.format(host=f"{name}.{HOST}", upstream=upstream)
    adopt(site, file, (head + keys + "\n".join(rules)).encode(), name)
    try:
        yield
    finally:
        adopt(site, file, before, name)


def adopt(site: LiveSite, file: Path, text: bytes | None, name: str) -> None:
    """Change *file*, and wait until every process that reads it has taken it up."""
    mark = site.log_size()
    if text is None:
        file.unlink()
    else:
        draft = file.with_name(".draft")
        draft.write_bytes(text)
        draft.rename(file)
    for process in ("edge-0", "edge-1", "portal"):
        site.wait_for_log(rf" {process} INFO applications changed: .*\b{name}\b", mark)
