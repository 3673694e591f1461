"""What the doctor says of a cloud in which something is broken, and what else says it when people meet it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest
from clouds import Person
from rehearsed import Asked, Reply, Stage, stage

from ultracloud.servicekit import pki

OPENAPI = Reply({"info": {"version": "1.0.0"}})


@dataclass(frozen=True)
class Issued:
    """A certificate for the stage, and how long it is good for."""

    folder: Path
    days: float
    host: str = "localhost"

    def service(self, name: str) -> pki.TlsIdentity:
        ca = pki.make_ca(self.folder)
        return pki.issue(ca, pki.service_identity(name), self.folder, hosts=(self.host,), days=self.days)


def says(uc: Person) -> dict[str, tuple[str, str, str]]:
    """What the doctor says, by what it looked at."""
    checks = uc.types("doctor", "-o", "json").json["checks"]
    return {check["what"]: (check["state"], check["says"], check["todo"]) for check in checks}


def enter(uc: Person, at: Stage, monkeypatch: pytest.MonkeyPatch, **ca: str) -> None:
    monkeypatch.setenv("ULTRACLOUD_TOKEN", "t")
    flags = ["--ca", ca["ca"]] if "ca" in ca else []
    uc.ok("context", "add", "sick", "--server", at.url, *flags, "-p", "blue", "--org", "acme")


@pytest.mark.parametrize(
    ("days", "host", "sentence", "todo"),
    [
        (-1e-5, "localhost", "certificate has expired", "it is to be renewed"),
        (1, "elsewhere", "not valid for 'localhost'", "by a name that its certificate has"),
    ],
)
def test_a_certificate_that_is_wrong(
    uc: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float, host: str, sentence: str, todo: str
) -> None:
    with stage(Issued(tmp_path / "ca", days, host)) as at:
        enter(uc, at, monkeypatch, ca=at.ca)
        state, said, to_do = says(uc)["gateway"]
        assert (state, sentence in said, todo in to_do) == ("failed", True, True), (said, to_do)
        assert sentence in uc.fails(1, "vpc", "list", "--request-timeout", "1s")


def test_an_authority_that_is_another(uc: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(Issued(tmp_path / "ca", 1)) as at:
        pki.make_ca(tmp_path / "another")
        enter(uc, at, monkeypatch, ca=str(tmp_path / "another/ca.crt"))
        state, said, todo = says(uc)["gateway"]
        assert (state, "cannot be believed" in said, "uc context set --ca FILE" in todo) == ("failed", True, True)


def test_a_certificate_that_nobody_renewed(uc: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage(Issued(tmp_path / "ca", 0.001)) as at:
        enter(uc, at, monkeypatch, ca=at.ca)
        assert says(uc)["certificate"][0] == "warning"


def test_a_clock_that_is_behind(uc: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as at:
        at.answer = lambda _asked: Reply({}, headers={"Date": formatdate(time.time() + 630, usegmt=True)})
        enter(uc, at, monkeypatch)
        state, said, todo = says(uc)["clock"]
        assert (state, said.startswith("this machine's clock is 10m"), "timedatectl" in todo) == (
            "failed",
            True,
            True,
        ), said


def cloud_without(*away: str) -> Callable[[Asked], Reply]:
    """A gateway before services of which some do not answer."""
    mine = {"/v1/whoami": "iam", "accesskeys": "iam", "flavours": "plasmavmc"}

    def answer(asked: Asked) -> Reply:
        if asked.path == "/openapi.json":
            return OPENAPI
        service = next((name for part, name in mine.items() if part in asked.path), "prismnet")
        if service in away:
            return Reply({"detail": f"{service} does not answer", "reason": "PEER_DOWN"}, 503)
        return Reply({"principal": "serviceaccount:sa-1", "items": []})

    return answer


def test_a_service_that_is_away_is_asked_once_and_named(uc: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as at:
        at.answer = cloud_without("prismnet")
        enter(uc, at, monkeypatch)
        found = says(uc)
        assert found["service prismnet"][0] == "failed"
        assert "systemctl status ultracloud-prismnet" in found["service prismnet"][2]
        assert (found["login"][0], found["service plasmavmc"][0], "store" in found) == ("ok", "ok", False)
        paths = [asked.path for asked in at.asked]
        assert len(paths) == len(set(paths))


def test_without_iam_the_login_is_not_blamed(uc: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as at:
        at.answer = cloud_without("iam")
        enter(uc, at, monkeypatch)
        found = says(uc)
        assert (found["login"][0], "ultracloud-iam" in found["login"][2]) == ("failed", True)
        assert found["service prismnet"][0] == "ok"


def test_when_all_are_silent_the_store_is_suspected(uc: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as at:
        at.answer = cloud_without("iam", "prismnet", "plasmavmc")
        enter(uc, at, monkeypatch)
        assert "ultracloud-flaredb" in says(uc)["store"][2]


def test_a_login_that_has_ended_says_what_to_do(uc: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as at:
        at.follows(Reply({"detail": "the token has expired", "reason": "TOKEN_EXPIRED"}, 401))
        enter(uc, at, monkeypatch)
        uc.fails(4, "vpc", "list")
        assert says(uc)["login"][::2] == ("failed", "run `uc login`")
