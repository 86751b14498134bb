from tests.gateway.cli.runner import Runner


def test_a_stick_is_put_on_hold_and_released(pusterla: Runner) -> None:
    """Each is in a published list when the command returns, and in the audit log."""
    pusterla.add_user("anna")
    serial, other = pusterla.issue()["serial"], pusterla.issue("anna", "stick-2")["serial"]
    answer = pusterla.json("cert", "hold", "--user", "anna", "--device", "stick-1")
    (held,) = answer["held"]
    assert (held["serial"], held["state"], held["reason"]) == (serial, "held", "certificateHold")
    assert answer["crl_published"] is True
    assert pusterla.json("crl", "show")[0]["entries"] == 1
    assert " held " in pusterla.done("cert", "list").stdout
    assert pusterla.json("cert", "show", other)["state"] == "valid"
    answer = pusterla.json("cert", "release", serial.upper())
    assert [(one["serial"], one["state"]) for one in answer["released"]] == [(serial, "valid")]
    assert answer["crl_published"] is True
    assert pusterla.json("crl", "show")[0]["entries"] == 0
    for kind in ("certificate-held", "certificate-released"):
        assert [line["serial"] for line in pusterla.audit(kind)] == [serial]


def test_people_read_what_was_done(pusterla: Runner) -> None:
    """One line for each certificate."""
    pusterla.add_user("anna")
    serial = pusterla.issue()["serial"]
    assert pusterla.done("cert", "hold", serial).stdout == f"on hold: {serial} of anna on stick-1\n"
    said = pusterla.done("cert", "release", "--user", "anna").stdout
    assert said == f"released {serial} of anna on stick-1\n"


def test_what_cannot_be_is_refused_with_the_reason(pusterla: Runner) -> None:
    """Holding what is held or revoked, releasing what is valid or revoked."""
    pusterla.add_user("anna")
    serial = pusterla.issue()["serial"]
    assert "is not on hold" in pusterla.refused("cert", "release", serial)
    pusterla.done("cert", "hold", serial)
    assert "is on hold already" in pusterla.refused("cert", "hold", "--user", "anna")
    pusterla.done("cert", "revoke", "--serial", serial, "--reason", "keyCompromise")
    for word in ("hold", "release"):
        reason = pusterla.refused("cert", word, serial)
        assert reason == (
            f"nothing was done: {serial} of anna on stick-1 is revoked, and that is for good"
        )
    assert "did you mean 'anna'" in pusterla.refused("cert", "hold", "--user", "ana")


def test_what_is_to_be_held_must_be_named_clearly(pusterla: Runner) -> None:
    """Nothing, or two things, named is wrong usage."""
    for word in ("hold", "release"):
        for words in ([], ["1", "--user", "anna"], ["--device", "stick-1"]):
            assert pusterla.run("cert", word, *words).exit_code == 2
