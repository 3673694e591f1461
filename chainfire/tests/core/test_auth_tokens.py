from chainfire.core.auth_tokens import TokenTable


def test_a_token_lives_as_long_as_it_is_used() -> None:
    table = TokenTable(ttl_ms=100)
    table.assign("used", "alice")
    table.assign("unused", "bob")
    table.tick(99)
    assert table.use("used") == "alice"
    table.tick(100)
    assert (table.use("used"), table.use("unused")) == ("alice", None)
    table.tick(200)
    assert table.use("used") is None


def test_the_tokens_of_one_user_end_together() -> None:
    table = TokenTable()
    for token, user in (("1", "alice"), ("2", "bob"), ("3", "alice")):
        table.assign(token, user)
    table.drop_user("alice")
    assert [table.use(token) for token in "123"] == [None, "bob", None]


def test_too_many_tokens_push_out_the_one_that_was_not_used_longest() -> None:
    table = TokenTable(tokens_max=2)
    table.assign("1", "alice")
    table.assign("2", "alice")
    table.use("1")
    table.assign("3", "alice")
    assert len(table) == 2
    assert [table.use(token) for token in "123"] == ["alice", None, "alice"]
