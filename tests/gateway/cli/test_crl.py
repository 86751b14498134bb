from datetime import datetime, timedelta

from tests.gateway.cli.runner import Runner


def test_a_new_site_has_published_one(pusterla: Runner) -> None:
    """It lists nobody, and says where it is had."""
    shown = pusterla.json("crl", "show")
    assert (shown["number"], shown["entries"]) == (1, 0)
    assert shown["address"] == "http://public.pusterla.localhost:8080/crl/issuing-1.crl"
    begins, ends = (datetime.fromisoformat(shown[key]) for key in ("this_update", "next_update"))
    assert ends - begins == timedelta(days=7)


def test_one_is_published_when_asked(pusterla: Runner) -> None:
    """The number rises; the audit log has a line for each."""
    assert pusterla.json("crl", "publish")["number"] == 2
    assert pusterla.json("crl", "show")["number"] == 2
    assert [line["detail"]["number"] for line in pusterla.audit("crl-published")] == ["1", "2"]


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
    shown = pusterla.json("crl", "publish")
    begins, ends = (datetime.fromisoformat(shown[key]) for key in ("this_update", "next_update"))
    assert ends - begins == timedelta(days=1)
