from datetime import datetime, timedelta

from tests.gateway.cli.runner import Runner


def test_a_new_site_has_published_one(pusterla: Runner) -> None:
    """It lists nobody, and says where it is had."""
    (shown,) = pusterla.json("crl", "show")
    assert (shown["kind"], shown["partition"], shown["entries"]) == ("full", None, 0)
    assert shown["address"] == "http://public.pusterla.localhost:8080/crl/issuing-1.crl"
    begins, ends = (datetime.fromisoformat(shown[key]) for key in ("this_update", "next_update"))
    assert ends - begins == timedelta(days=7)


def test_one_is_published_when_asked(pusterla: Runner) -> None:
    """The number rises; the audit log has a line for each."""
    (before,) = pusterla.json("crl", "show")
    (after,) = pusterla.json("crl", "publish")
    assert after["number"] > before["number"]
    assert pusterla.json("crl", "show") == [after]
    numbers = [line["detail"]["number"] for line in pusterla.audit("crl-published")]
    assert numbers == [str(before["number"]), str(after["number"])]


def test_all_that_are_published_are_shown(pusterla: Runner) -> None:
    """Everything, what has changed, and each partition, with the address of each."""
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("# delta = false", "delta = true").replace(
        "# partitions = 1", "partitions = 2"
    )
    settings.write_text(text, encoding="utf-8")
    pusterla.json("crl", "publish")
    shown = pusterla.json("crl", "show")
    names = ("", "~delta", "~1-of-2", "~1-of-2~delta", "~2-of-2", "~2-of-2~delta")
    addresses = [each["address"].rpartition("/")[2] for each in shown]
    assert addresses == [f"issuing-1{name}.crl" for name in names]
    assert [each["base"] for each in shown[::2]] == [None] * 3
    assert [each["base"] for each in shown[1::2]] != [None] * 3
    text = pusterla.done("crl", "show").stdout
    assert "what has changed, partition 1 of 2" in text


def test_people_read_how_long_it_is_good(pusterla: Runner) -> None:
    """In words."""
    text = pusterla.done("crl", "show").stdout
    assert "6 days 23 hours" in text
    assert "0 revoked certificates" in text


def test_without_the_key_none_is_published(pusterla: Runner) -> None:
    """The file is named."""
    key = pusterla.site / "keys" / "ca" / "issuing.key"
    key.unlink()
    assert f"{key} cannot be read" in pusterla.refused("crl", "publish")


def test_the_lifetime_is_the_settings(pusterla: Runner) -> None:
    """As pusterla.toml says."""
    settings = pusterla.site / "pusterla.toml"
    text = settings.read_text(encoding="utf-8").replace('# lifetime = "7d"', 'lifetime = "1d"')
    settings.write_text(text, encoding="utf-8")
    (shown,) = pusterla.json("crl", "publish")
    begins, ends = (datetime.fromisoformat(shown[key]) for key in ("this_update", "next_update"))
    assert ends - begins == timedelta(days=1)


def test_size_and_state_are_told(pusterla: Runner) -> None:
    """The size is that of the file everybody fetches; a delta nobody asks for is no longer kept."""
    settings = pusterla.site / "pusterla.toml"
    plain = settings.read_text(encoding="utf-8")
    settings.write_text(plain.replace("# delta = false", "delta = true"), encoding="utf-8")
    pusterla.json("crl", "publish")
    settings.write_text(plain, encoding="utf-8")
    full, delta = pusterla.json("crl", "show")
    assert (full["state"], full["kept"], delta["kept"]) == ("good", True, False)
    assert 200 < full["size"] < 500
    text = pusterla.done("crl", "show").stdout
    assert "good; a warning comes at" in text
    assert "no longer signed" in text
    assert "This gateway refuses what is revoked at once" in text
