from tests.gateway.edge.stage import Stage


async def test_a_request_of_somebody_signed_in_reaches_the_application(stage: Stage) -> None:
    """The whole way, once."""
    visitor = await stage.enter()
    reply = await visitor.ask("/page?x=1")
    assert reply.status == 200
    assert reply.body == b"/page?x=1"
    assert [seen.target for seen in stage.wiki.requests] == ["/page?x=1"]
    reply = await visitor.ask("/again")
    assert reply.body == b"/again"
