"""Addresses of mail, as far as we write to them: plain ASCII, one line, nothing quoted."""

import re
from typing import Final

_LONGEST: Final = 254
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")


def check_address(text: str) -> None:
    """Raise `ValueError` unless *text* is a mail address (RFC 5321, section 4.1.2, `Mailbox`).

    Of that only what people have: no quoted name, no address of a machine in brackets.
    """
    if len(text) > _LONGEST or not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is not a mail address; write one such as help@example.org")
