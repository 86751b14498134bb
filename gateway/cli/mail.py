"""pusterla mail: the letters that people are sent."""

import click

from gateway.cli.output import ExampleCommand, json_option, say, say_json
from gateway.cli.surroundings import Surroundings, pass_surroundings


@click.group()
def mail() -> None:
    """The letters that administrators and people are sent."""


@mail.command(cls=ExampleCommand, example="mail test --to helpdesk@example.org")
@click.option(
    "--to",
    "names",
    multiple=True,
    metavar="ADDRESS",
    help="To whom; may be given several times.  [default: the administrators]",
)
@json_option
@pass_surroundings
def test(here: Surroundings, *, names: tuple[str, ...], as_json: bool) -> None:
    """Send one letter now, and say whether the mail server has taken it."""
    from gateway.bootstrap.mail import send_trial

    sent = here.run(lambda command: send_trial(command, names))
    if as_json:
        say_json({"to": list(sent)})
    else:
        say(f"taken by the mail server, for {', '.join(sent)}")
