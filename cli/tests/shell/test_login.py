"""Logging in, staying logged in, and out, at the endpoints that discovery names."""

import html
import io
import json
import os
import re
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from clouds import Cloud, Person
from rehearsed import Asked, Reply, Stage, stage

from iam.testing import PASSWORD
from ultracloud.cli.shell import oidc
from ultracloud.testkit.pki import TlsMaterial

DISCOVERY = {
    "issuer": "https://elsewhere.example",
    "device_authorization_endpoint": "https://elsewhere.example/oauth2/device",
    "token_endpoint": "https://elsewhere.example/oauth2/token",
    "revocation_endpoint": "https://elsewhere.example/oauth2/revoke",
}
CODE = {"device_code": "dc", "user_code": "ABCD-EFGH", "verification_uri": "https://x.example/device", "interval": 1}


class Provider:
    """Answers as iam's endpoints do."""

    def __init__(self, *polls: Reply) -> None:
        self.polls = list(polls)
        self.refreshed = 0

    def __call__(self, asked: Asked) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body).items()}
        match asked.path, form.get("grant_type"):
            case "/.well-known/openid-configuration", _:
                return Reply(DISCOVERY)
            case "/oauth2/device", _:
                return Reply(CODE)
            case "/oauth2/token", "refresh_token":
                self.refreshed += 1
                return Reply({"access_token": f"new{self.refreshed}", "refresh_token": "r2", "expires_in": 600})
            case "/oauth2/token", _:
                return self.polls.pop(0)
            case "/v1/whoami", _:
                return Reply({"principal": "user:usr-1"})
            case _:
                return Reply({})


def granted(expires_in: int = 600) -> Reply:
    return Reply({"access_token": "secret-access", "refresh_token": "secret-refresh", "expires_in": expires_in})


def credential_file(uc: Person) -> Path:
    return uc.home / "xdg_config_home/ultracloud/credentials/test.json"


def make_old(uc: Person) -> None:
    kept = json.loads(credential_file(uc).read_text())
    credential_file(uc).write_text(json.dumps({**kept, "expires_at_s": 1}))


@pytest.fixture
def at(uc: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(oidc, "pause", lambda _s: None)
    with stage() as made:
        uc.ok("context", "add", "test", "--server", made.url, "-p", "blue")
        yield made


def test_a_device_code_logs_in_and_is_kept_private(uc: Person, at: Stage) -> None:
    at.answer = Provider(Reply({"error": "authorization_pending"}, 400), Reply({"error": "slow_down"}, 400), granted())
    said = uc.ok("login")
    assert "ABCD-EFGH" in said.err
    assert said.out == f"logged in as user:usr-1 at {at.url}\n"
    assert stat.S_IMODE(credential_file(uc).stat().st_mode) == 0o600
    assert at.asked[-1].headers["authorization"] == "Bearer secret-access"


def test_a_refusal_in_the_browser_is_denied(uc: Person, at: Stage) -> None:
    at.answer = Provider(Reply({"error": "access_denied"}, 400))
    assert "refused in the browser" in uc.fails(4, "login")


def test_a_code_that_nobody_enters_is_a_timeout(uc: Person, at: Stage) -> None:
    at.answer = Provider(Reply({"error": "expired_token"}, 400))
    uc.fails(6, "login")


def test_an_old_token_is_refreshed_without_a_word(uc: Person, at: Stage) -> None:
    provider = at.answer = Provider(granted(expires_in=600))
    uc.ok("login")
    make_old(uc)
    said = uc.ok("whoami")
    assert (provider.refreshed, said.err) == (1, "")
    assert json.loads(credential_file(uc).read_text())["refresh_token"] == "r2"
    uc.ok("whoami")
    assert at.asked[-1].headers["authorization"].startswith("Bearer new")


def test_a_token_that_the_server_refuses_is_refreshed_once(uc: Person, at: Stage) -> None:
    provider = Provider(granted())
    at.answer = provider
    uc.ok("login")
    at.answer = lambda asked: (
        Reply({"detail": "expired"}, 401)
        if asked.headers.get("authorization") == "Bearer secret-access"
        else provider(asked)
    )
    uc.ok("whoami")
    assert at.asked[-1].headers["authorization"] == "Bearer new1"


def test_a_session_that_has_ended_says_so(uc: Person, at: Stage) -> None:
    at.answer = Provider(granted(expires_in=600))
    uc.ok("login")
    make_old(uc)
    at.answer = lambda _asked: Reply({"error": "invalid_grant", "error_description": "the session was revoked"}, 400)
    said = uc.fails(4, "whoami")
    assert said == "error: the login has ended: the session was revoked\nhint: run `uc login`\n"


def test_tokens_go_to_the_server_of_the_context_and_nowhere_else(uc: Person, at: Stage) -> None:
    at.answer = Provider(granted())
    uc.ok("login")
    with stage() as other:
        said = uc.types("whoami", "--server", other.url)
    assert (said.code, other.asked) == (4, [])


def test_logout_ends_the_session_and_forgets_it(uc: Person, at: Stage) -> None:
    at.answer = Provider(granted())
    uc.ok("login")
    assert uc.ok("logout").out == "logged out\n"
    assert "token=secret-refresh" in at.asked[-1].body
    assert not credential_file(uc).exists()
    assert "run `uc login`" in uc.fails(4, "whoami")


def test_a_credential_that_others_can_read_is_refused(uc: Person, at: Stage) -> None:
    at.answer = Provider(granted())
    uc.ok("login")
    credential_file(uc).chmod(0o644)
    assert "can be read by others" in uc.fails(1, "whoami")


def test_a_token_in_the_arguments_is_refused(uc: Person, at: Stage) -> None:
    assert "can be read by others" in uc.fails(2, "login", "--token", "eyJ...")


def test_a_personal_token_is_exchanged(uc: Person, at: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ULTRACLOUD_TOKEN", "ucp_abc")
    at.answer = lambda _asked: Reply({"access_token": "short", "expires_at": "2099-01-01T00:00:00Z"})
    uc.ok("api", "GET", "/v1/whoami")
    assert [asked.path for asked in at.asked] == ["/v1/personaltokens:exchange", "/v1/whoami"]
    assert at.asked[-1].headers["authorization"] == "Bearer short"


def test_the_password_login_asks_for_a_code_only_if_the_server_wants_one(uc: Person, at: Stage) -> None:
    (uc.home / "password").write_text("correct horse\n")
    at.answer = lambda _asked: Reply({"access_token": "a", "refresh_token": "r", "expires_at": "2099-01-01T00:00:00Z"})
    uc.ok("login", "--user", "ada@acme", "--password", f"@{uc.home / 'password'}")
    assert json.loads(at.asked[0].body) | {"client": ""} == {
        "login": "ada@acme",
        "password": "correct horse",
        "client": "",
    }


def test_a_second_factor_is_asked_for(uc: Person, at: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    (uc.home / "password").write_text("correct horse\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("123456\n"))
    session = {"access_token": "a", "refresh_token": "r", "expires_at": "2099-01-01T00:00:00Z"}
    at.follows(Reply({"detail": "and the code", "reason": "SECOND_FACTOR_NEEDED"}, 401), Reply(session))
    uc.ok("login", "--user", "ada@acme", "--password", f"@{uc.home / 'password'}")
    assert [json.loads(asked.body).get("code") for asked in at.asked[:2]] == [None, "123456"]


def test_a_certificate_of_an_unknown_authority_is_not_believed(
    uc: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULTRACLOUD_TOKEN", "t")
    with stage(TlsMaterial(tmp_path / "ca")) as secure:
        said = uc.fails(1, "api", "GET", "/openapi.json", "--server", secure.url)
        assert "cannot be believed" in said
        uc.ok("context", "add", "tls", "--server", secure.url, "--ca", secure.ca)
        uc.ok("version")


def test_a_token_of_the_real_iam_is_taken_by_the_real_gateway(dev: Person, cloud: Cloud) -> None:
    who = dev.ok("whoami", "-o", "json").json
    assert who["principal"].startswith("user:usr-")
    assert cloud.url in dev.ok("whoami").out


def browse(cloud: Cloud, where: str) -> None:
    """Open the address of a device login at the gateway, log in as ada, and agree."""
    trust = ssl.create_default_context(cafile=str(cloud.ca))
    with httpx.Client(base_url=cloud.url, verify=trust) as browser:
        parts = urlsplit(where)
        page = browser.get(f"{parts.path}?{parts.query}")
        entered = browser.post("/login", data={**hidden(page.text), "login": "ada@acme", "password": PASSWORD})
        page = browser.get(urlsplit(entered.headers["location"])._replace(scheme="", netloc="").geturl())
        agreed = browser.post("/device", data={**hidden(page.text), "answer": "yes"})
        assert "logged in" in agreed.text


def hidden(page: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in found}


def test_a_person_logs_in_through_the_real_gateway_and_stays_logged_in(uc: Person, cloud: Cloud) -> None:
    uc.ok("context", "add", "test", "--server", cloud.url, "--ca", str(cloud.ca), "-p", "blue")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME")}
    words = [sys.executable, "-m", "ultracloud.cli", "login", "--no-open"]
    waiting = subprocess.Popen(words, env=kept, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert waiting.stderr is not None
    browse(cloud, waiting.stderr.readline().removeprefix("Open ").strip())
    out, err = waiting.communicate(timeout=40)
    assert (waiting.returncode, out.startswith("logged in as ada@acme at ")) == (0, True), err
    uc.ok("vpc", "list")
    checks = uc.types("doctor", "-o", "json").json["checks"]
    assert next(check["state"] for check in checks if check["what"] == "clock") == "ok"
    make_old(uc)
    uc.ok("vpc", "list")
    assert json.loads(credential_file(uc).read_text())["expires_at_s"] > 1
    uc.ok("logout")
    assert "run `uc login`" in uc.fails(4, "vpc", "list")


def test_of_many_commands_at_once_one_refreshes(uc: Person, at: Stage) -> None:
    provider = at.answer = Provider(granted())
    uc.ok("login")
    make_old(uc)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME")}
    words = [sys.executable, "-m", "ultracloud.cli", "whoami"]
    running = [subprocess.Popen(words, env=kept, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [one.wait(20) for one in running] == [0] * 4
    assert provider.refreshed == 1


def test_a_password_logs_in_through_the_real_gateway_and_is_refreshed(uc: Person, cloud: Cloud) -> None:
    (uc.home / "password").write_text(PASSWORD + "\n")
    uc.ok("context", "add", "test", "--server", cloud.url, "--ca", str(cloud.ca), "-p", "blue")
    said = uc.ok("login", "--user", "ada@acme", "--password", f"@{uc.home / 'password'}")
    assert said.out.startswith("logged in as ada@acme at ")
    first = json.loads(credential_file(uc).read_text())
    make_old(uc)
    uc.ok("vpc", "list")
    assert json.loads(credential_file(uc).read_text())["refresh_token"] != first["refresh_token"]


def test_a_wrong_password_is_denied(uc: Person, cloud: Cloud) -> None:
    (uc.home / "password").write_text("wrong horse\n")
    uc.ok("context", "add", "test", "--server", cloud.url, "--ca", str(cloud.ca))
    uc.fails(4, "login", "--user", "ada@acme", "--password", f"@{uc.home / 'password'}")
    assert not credential_file(uc).exists()


def test_a_personal_token_is_made_used_and_narrow(dev: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dev.ok("personaltoken", "create", "ci", "--scope", "*.list", "--scope", "*.get", "-o", "json").json
    monkeypatch.setenv("ULTRACLOUD_TOKEN", made["token"])
    dev.ok("vpc", "list")
    dev.fails(4, "vpc", "create", "no", "--cidr", "10.0.0.0/16")
