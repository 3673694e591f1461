import pytest

from chainfire.core.token_options import JwtOptions, parse, parse_duration_s


def test_simple_tokens_have_no_options() -> None:
    assert parse("simple") is None


def test_options_of_signed_tokens_are_read() -> None:
    text = "jwt,sign-method=ES256,pub-key=/a,priv-key=/b,ttl=10m"
    assert parse(text) == JwtOptions("ES256", "/a", "/b", 600.0)
    assert parse("jwt,sign-method=RS512,pub-key=/a") == JwtOptions("RS512", "/a", "", 300.0)


@pytest.mark.parametrize(("text", "seconds"), [("300s", 300), ("1h30m", 5400), ("1.5h", 5400), ("1m0.5s", 60.5)])
def test_durations_are_those_of_go(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("paseto", "accepted: simple, or jwt,"),
        ("jwt", "sign-method ''; accepted: RS256"),
        ("jwt,sign-method=none,priv-key=/a", "sign-method 'none'"),
        ("jwt,sign-method=RS256", "need priv-key=FILE"),
        ("jwt,sign-method=HS256,pub-key=/a", "need priv-key=FILE"),
        ("jwt,sign-method=RS256,pub-key=/a,pub-key=/b", "'pub-key=/b'; accepted, once each"),
        ("jwt,sign-method=RS256,pub-key=/a,ttl", "'ttl'; accepted"),
        ("jwt,sign-method=RS256,pub-key=/a,ttl=soon", "'soon' is no duration"),
        ("jwt,sign-method=RS256,pub-key=/a,ttl=0s", "'0s' is no time"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_accepted(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"accepted|need") as refused:
        parse(text)
    assert sentence in str(refused.value)
