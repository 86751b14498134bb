"""How a command is told a password: the first line of stdin, or typed twice at a terminal.

Never as an argument, which every process of the machine can read.
"""

import sys

import click

# Far above any password we take, and far below what would hurt.
_LONGEST_LINE = 8192


def read_secret_line(flag: str, *, from_stdin: bool, prompt: str) -> str:
    """Return the secret: the first line of stdin with *from_stdin*, otherwise asked for.

    *flag* is the option that stands for stdin, named when there is no terminal to ask at.
    """
    if from_stdin:
        return _first_line(flag)
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no terminal to ask at: hand the secret in with {flag}")
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))


def ask_person(words: str) -> str | None:
    """Ask for a secret that there is already, once; None where there is no terminal."""
    if not sys.stdin.isatty():
        return None
    return str(click.prompt(words, hide_input=True, err=True))


def _first_line(flag: str) -> str:
    data = sys.stdin.buffer.readline(_LONGEST_LINE)
    if len(data) == _LONGEST_LINE:
        # What is cut off would be a secret that nobody knows.
        raise click.ClickException("the secret on stdin is too long")
    # Only the end of the line is taken off: a space may be part of the secret.
    line = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        secret = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException("the secret on stdin is not UTF-8") from error
    if not secret:
        raise click.ClickException(f"stdin is empty, and {flag} takes the secret from it")
    return secret
