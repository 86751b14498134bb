"""Runs the command in this process, on a site of its own."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.cli import main

PASSWORD = "correct horse battery"
PASSPHRASE = "staple of the stick"


@dataclass(frozen=True, slots=True)
class Runner:
    """`pusterla --site SITE ...`."""

    site: Path

    def run(self, *words: str, stdin: str | None = None) -> Result:
        """Run one command line, whatever comes of it."""
        return CliRunner().invoke(
            main, ["--site", str(self.site), *words], input=stdin, catch_exceptions=False
        )

    def done(self, *words: str, stdin: str | None = None) -> Result:
        """Run one that must succeed."""
        result = self.run(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result

    def json(self, *words: str, stdin: str | None = None) -> Any:
        """Run one that must succeed, with --json, and return its answer."""
        return json.loads(self.done(*words, "--json", stdin=stdin).stdout)

    def refused(self, *words: str, stdin: str | None = None) -> str:
        """Run one that must be refused: status 1, nothing on stdout; return the reason."""
        result = self.run(*words, stdin=stdin)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("pusterla: ")
        return result.stderr.removeprefix("pusterla: ").removesuffix("\n")

    def add_user(self, user: str = "anna", *groups: str) -> str:
        """Add somebody and return their otpauth URI."""
        words = [word for group in groups for word in ("--group", group)]
        answer = self.json("user", "add", user, *words, "--password-stdin", stdin=PASSWORD + "\n")
        return str(answer["totp_uri"])

    def issue(self, user: str = "anna", device: str = "stick-1", *words: str) -> dict[str, Any]:
        """Issue a certificate, with its file beside the site."""
        file = self.site.parent / f"{user}-{device}.p12"
        answer: dict[str, Any] = self.json(
            *("cert", "issue", user, "--device", device, "--p12", str(file)),
            *("--p12-password-stdin", *words),
            stdin=PASSPHRASE + "\n",
        )
        return answer

    def add_app(self, name: str = "wiki", *words: str) -> None:
        """Add an application at a host of its own."""
        host = f"{name}.pusterla.localhost"
        upstream = "http://127.0.0.1:9000"
        self.done("app", "add", name, "--host", host, "--upstream", upstream, *words)

    def audit(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of the audit log that are of *kind*."""
        lines: list[dict[str, Any]] = self.json("audit", "tail", "-n", "1000")
        return [line for line in lines if line["kind"] == kind]
