"""What the store refuses, and the border that no database error passes.

::

    StoreError
    +-- PersonExists        the name is taken
    +-- NoSuchPerson        nobody has this name
    +-- NoSuchCertificate   no certificate fits what was named
    +-- SignInOvertaken     what a sign-in relied on has changed before it was done
    +-- NoSuchDay           a day does not count that is to count no more
    +-- TicketGone          an enrolment ticket was used, has ended, or is another by now
    +-- StoreMissing        there is no store at the address
    +-- StoreExists         there is one already
    +-- StoreOutdated       its tables are those of another Pusterla
    +-- StoreDamaged        a row is not such as we write

`gateway.core.ports.StoreUnavailable` stands apart: the store could not be
asked or could not answer, and nothing may be concluded from that.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.core.ports import StoreUnavailable


class StoreError(Exception):
    """The root of what the store refuses on purpose."""


class PersonExists(StoreError):
    """Somebody has this name already."""

    def __init__(self, user: str) -> None:
        super().__init__(f"there is a user {user!r} already")
        self.user = user


class NoSuchPerson(StoreError):
    """Nobody has this name."""

    def __init__(self, user: str) -> None:
        super().__init__(f"there is no user {user!r}; `pusterla user list` names them all")
        self.user = user


class NoSuchCertificate(StoreError):
    """No certificate fits what was named."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"there is no certificate with {wanted}; `pusterla cert list` names all")


class SignInOvertaken(StoreError):
    """Person, credentials or certificate changed while somebody was signing in with them.

    The sign-in must not succeed: it proved something that is no longer so.
    """

    def __init__(self, user: str) -> None:
        super().__init__(f"the account or certificate of {user!r} changed during the sign-in")
        self.user = user


class NoSuchDay(StoreError):
    """The day does not count."""

    def __init__(self, user: str, day: date, count: str | None) -> None:
        named = "" if count is None else f" of {count!r}"
        super().__init__(
            f"{day} is no day{named} that {user!r} has used; `pusterla day list --user {user}` "
            "names them"
        )


class TicketGone(StoreError):
    """The enrolment ticket was used, has ended, or another has taken its place."""

    def __init__(self, user: str) -> None:
        super().__init__(f"the ticket of {user!r} is not good any more")
        self.user = user


class RenewalRefused(StoreError):
    """There is nothing to renew, or nothing to hand over; the message says why."""


class StoreMissing(StoreError):
    """There is no store at the address."""


class StoreExists(StoreError):
    """There is a store already, and it is not overwritten."""


class StoreOutdated(StoreError):
    """The tables are those of another version of Pusterla."""


class StoreDamaged(StoreError):
    """A row is not such as we write: somebody else wrote it."""


NETWORK = (ConnectionError, TimeoutError)
"""What a database driver lets through from the sockets below it."""


@contextmanager
def border(*kinds: type[Exception]) -> Iterator[None]:
    """Turn database errors, and errors of *kinds*, into `StoreUnavailable`.

    What the database says goes into the message; statements and their
    parameters (hashes, sealed secrets) do not.
    """
    translated: tuple[type[Exception], ...] = (SQLAlchemyError, *kinds)
    try:
        yield
    except translated as error:
        cause: BaseException = error
        if isinstance(error, DBAPIError) and error.orig is not None:
            # What the driver raised, where SQLAlchemy has put its own error around it.
            cause = error.orig.__cause__ or error.orig
        said = str(cause).partition("\n")[0] or type(cause).__name__
        raise StoreUnavailable(f"the store did not answer: {said}") from error
