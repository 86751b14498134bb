"""What the files of a site say: pusterla.toml and apps/*.toml → values, or all problems at once.

- `files`         reading the files; everything of a site in one go
- `documents`     one file; all others read theirs with it
- `calendars`     holidays/NAME.toml → calendars by name
- `agreements`    agreements/NAME.toml with its texts → agreements by name
- `agreement_template` the former as the command writes it, with an example
- `cases`         tests/NAME.toml → what is expected of the rules
- `case_papers`   what somebody in such a case has accepted, been granted and used
- `settings`      pusterla.toml → `Site`
- `applications`  apps/NAME.toml → `Application`
- `reaching`      the part of it that is about how an application is reached
- `icons`         the picture of an application, a file beside its own
- `trusts`        trust/NAME.toml and trust/NAME.pem → `Trust`
- `watch`         has anything changed? for processes that go on running
- `differences`   what has changed in pusterla.toml, and what of it a running site can take up
- `trust_template`  trust/NAME.toml as the command writes it
- `template`      the files as the command writes them, with every key explained
"""

from gateway.config.files import (
    Configuration,
    Problems,
    read_configuration,
    read_site,
)
from gateway.config.watch import ConfigurationWatcher, signature

__all__ = [
    "Configuration",
    "ConfigurationWatcher",
    "Problems",
    "read_configuration",
    "read_site",
    "signature",
]
