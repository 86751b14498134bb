"""The `pusterla` command: parses, calls `gateway.bootstrap`, prints. One module a noun.

- `main`         the command itself: options of all, and the one place that ends it
- `site`         init, serve, demo, doctor
- `user`         people
- `cert`         certificates
- `kit`          folders for sticks
- `app`          applications
- `request`      access that people ask for; `request_record` the file of it
- `session`      sign-ins
- `day`          days of quotas
- `crl`          certificate revocation lists
- `audit`        the audit log
- `mail`         letters
- `surroundings` which site, and how a command gets at it
- `output`       tables, times and JSON
- `secret`       how a command is told a password

Exit status: 0 done, 1 refused or failed (the reason is on stderr), 2 wrong usage,
130 interrupted.
"""

from gateway.cli.main import main

__all__ = ["main"]
