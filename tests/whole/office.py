"""An office with its paper form: asked for, approved, agreed to, and so many days a month.

No clock is patched to see tomorrow: the site moves to the other side of the date line, where
the same moment is the same hour of the next day.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from tests.gateway.mail.server import Letterbox, write_certificate
from tests.whole.people import GROUP, Person, now
from tests.whole.rules import HEAD
from tests.whole.sites import HOST, LiveSite, choose, wait_for

WIKI = f"wiki.{HOST}"
AGREEMENT = "smart-working-2026"
TITLES = {"en": "Working from elsewhere", "it": "Lavoro agile"}
"""Of the agreement, as `agreement add` writes it."""
ASKED_FOR = f"""\
[[rules]]
name = "from home"
effect = "allow"
groups = ["{GROUP}"]
requires = ["approval", "agreement:{AGREEMENT}"]
days = {{ per_month = 2, consecutive = false }}
"""
# Both sides of the date line, whole days apart; the second pair has its midnight an hour before.
_ZONES = (
    ("Pacific/Pago_Pago", "Pacific/Tongatapu"),
    ("Pacific/Honolulu", "Pacific/Kiritimati"),
)
_LAST_HOUR = 23
_DAY = timedelta(days=1)


def date_line() -> tuple[ZoneInfo, ZoneInfo]:
    """Return two zones with a day between them, in which none ends within the hour."""
    pairs = [tuple(map(ZoneInfo, names)) for names in _ZONES]
    here, there = next(one for one in pairs if now().astimezone(one[0]).hour < _LAST_HOUR)
    return here, there


@dataclass(slots=True)
class Office:
    """A site whose wiki opens by the paper form; one manager at a time decides."""

    site: LiveSite
    letterbox: Letterbox
    zones: tuple[ZoneInfo, ZoneInfo] = field(default_factory=date_line)
    _settings: str = field(init=False)

    def __post_init__(self) -> None:
        self._settings = self.site.folder.settings.read_text(encoding="utf-8")

    def days(self, count: int) -> list[date]:
        """Return today, and the days after it, on this side of the date line."""
        today = now().astimezone(self.zones[0]).date()
        return [today + number * _DAY for number in range(count)]

    def put_up(self, upstream: str) -> None:
        """Write the agreement and the wiki, before the site runs."""
        folder = self.site.folder
        self.site.command("agreement", "add", AGREEMENT, "--due", "2026-01-01")
        head = HEAD.format(host=WIKI, upstream=upstream)
        folder.app_file("wiki").write_text(head + ASKED_FOR, encoding="utf-8")

    def settle(self, manager: str, *, tomorrow: bool = False) -> None:
        """Write the settings: who decides, and on which side of the date line the office is."""
        folder = self.site.folder
        ca = write_certificate(folder.path.parent)
        folder.settings.write_text(self._settings, encoding="utf-8")
        choose(
            folder,
            ("site.time_zone", f'"{self.zones[tomorrow].key}"'),
            ("mail.server", '"127.0.0.1"'),
            ("mail.port", str(self.letterbox.port)),
            ("mail.ca", f'"{ca}"'),
            ("mail.from", '"pusterla@example.it"'),
            (f"groups.{GROUP}", f'{{ managers = ["{manager}"] }}'),
        )

    def letter(self, to: Person) -> str:
        """Wait for the first letter to somebody, and return what it says."""

        def find() -> str | None:
            found = [one for one in self.letterbox.letters if to.email in str(one["To"])]
            return found[0].get_content() if found else None

        return wait_for(f"a letter to {to.email}", find)
