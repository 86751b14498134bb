"""The gateway: what stands between a technician's browser and an application.

The rooms, from the floor up; an arrow goes down only (import-linter holds it):

- `core`       pure rules and values: sessions, cookies, credentials, routes, headers, audit
- `config`     pusterla.toml and apps/*.toml, read into the values of `core.site`
- `store`      people, sessions, change feed and audit log, on SQLite or PostgreSQL
- `mail`       letters to administrators and people
- `edge`       the hot path: TLS, admission, forwarding
- `portal`     sign-in and the pages a person sees (aiohttp)
- `verifier`   what other people's CAs say of their certificates, fetched and verified
- `kit`        what is on a stick: certificate store, settings, launchers; pure
- `bootstrap`  one module per process: opens what that process may open, and runs it
- `supervisor` starts the processes and keeps them running
- `cli`        the `pusterla` command
"""
