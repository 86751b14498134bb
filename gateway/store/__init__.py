"""People, sessions, the change feed and the audit log, on SQLite or PostgreSQL.

- `store`        `open_store` and `Store`: everything others use
- `steps`        one change, with what must be told of it
- `people`       rows of persons and credentials
- `recovery`     rows of recovery codes
- `tickets`      rows of enrolment tickets
- `accounts`     what people change of their own account
- `acceptances`  rows of texts that were accepted; `agreements` lets people accept them
- `papers`       what somebody has accepted, been granted and used, as policies ask for it
- `renewing`     renewals that people ask for, and letters that remind them
- `requests`     rows of requests for access; `deciding` asks and settles them
- `lost`         what somebody has that can be lost, and its end
- `devices`      where somebody is signed in, and with which certificates
- `papers`       what somebody has accepted, been granted and used, as policies ask for it
- `days`         days that were used of a quota, and one more
- `attempts`     failed sign-ins, counted per certificate
- `sessions`     rows of sessions
- `certificates` the ledger of `ca`, joined with persons
- `foreign`      certificates of other CAs, and how their lists stand
- `witness`      tells feed and audit log of what `ca.authority` does
- `feed`         the change feed's rows
- `followers`    how a process hears of them; `watch` asks the kernel who writes
- `audit`        the chained log; `recorder` writes many lines in one commit
- `database`     transactions that mean the same on both databases
- `schema`       tables; `migration` and `migrations/` make them
- `errors`       what is refused, and the border that no SQLAlchemy error passes
"""

from gateway.store.accounts import Actor, Change, NewCredentials, NewTotp
from gateway.store.address import POSTGRESQL, SQLITE, address_of
from gateway.store.attempts import AttemptReserved, LockedUntil
from gateway.store.certificates import IssuerRecord
from gateway.store.errors import (
    NoSuchCertificate,
    NoSuchDay,
    NoSuchPerson,
    PersonExists,
    RenewalRefused,
    SignInOvertaken,
    StoreDamaged,
    StoreError,
    StoreExists,
    StoreMissing,
    StoreOutdated,
    TicketGone,
)
from gateway.store.migration import create_store, migrate_store
from gateway.store.people import Credentials, NewPerson
from gateway.store.requests import RequestFile
from gateway.store.sessions import SessionRecord
from gateway.store.store import Store, open_store

__all__ = [
    "POSTGRESQL",
    "SQLITE",
    "Actor",
    "AttemptReserved",
    "Change",
    "Credentials",
    "IssuerRecord",
    "LockedUntil",
    "NewCredentials",
    "NewPerson",
    "NewTotp",
    "NoSuchCertificate",
    "NoSuchDay",
    "NoSuchPerson",
    "PersonExists",
    "RenewalRefused",
    "RequestFile",
    "SessionRecord",
    "SignInOvertaken",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreExists",
    "StoreMissing",
    "StoreOutdated",
    "TicketGone",
    "address_of",
    "create_store",
    "migrate_store",
    "open_store",
]
