"""Users over restarts, tokens and their times, signed tokens, and users named by certificates."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from shell.auth_speaker import AuthSpeaker, TokenClient
from shell.servers import ETCD_35, chainfire, etcd, needs_etcd_35, wait_until
from shell.test_access import caller

from ultracloud.testkit.pki import TlsMaterial
from ultracloud.testkit.processes import Process, ProcessFailedError

FAST = "bcrypt_cost = 4\n"
USERS = [
    "user add root secret",
    "user grant root root",
    "user add alice secret",
    "role add r",
    "role grant r readwrite a --prefix",
    "user grant alice r",
]
INVALID = "UNAUTHENTICATED: etcdserver: invalid auth token"
OLD = "INVALID_ARGUMENT: etcdserver: revision of auth store is old"
DENIED = "PERMISSION_DENIED: etcdserver: permission denied"
Start = Callable[[Path, str], AbstractContextManager[Process]]


def _chainfire(folder: Path, option: str) -> AbstractContextManager[Process]:
    key, _, value = option.partition("=")
    name = {"auth-token": f'token = "{value}"', "auth-token-ttl": f"token_ttl_s = {value}"}[key]
    return chainfire(folder, f"[auth]\n{FAST}{name}\n")


def _etcd(folder: Path, option: str) -> AbstractContextManager[Process]:
    return etcd(folder, program=ETCD_35, flags=["--bcrypt-cost", "4", f"--{option}"])


both_kinds = pytest.mark.parametrize("start", [_chainfire, pytest.param(_etcd, marks=needs_etcd_35)])


@contextmanager
def speaker(server: Process) -> Iterator[AuthSpeaker]:
    """A partner in conversations with a server."""
    with grpc.insecure_channel(server.addresses[0]) as channel:
        yield AuthSpeaker(TokenClient(channel))


def say(partner: AuthSpeaker, *lines: str) -> list[str]:
    """Say lines, and give the first line of each answer."""
    return [partner.say(line.split()).partition("\n")[0] for line in lines]


def test_users_are_there_after_the_process_was_killed(tmp_path: Path) -> None:
    with chainfire(tmp_path, f"[auth]\n{FAST}") as server, speaker(server) as partner:
        say(partner, *USERS, "auth enable", "login alice secret", "as alice put a 1")
        token = partner.tokens["alice"]
        server.kill()
    with chainfire(tmp_path, f"[auth]\n{FAST}") as server, speaker(server) as partner:
        partner.tokens["old"] = token
        assert say(partner, "get a", "as old get a") == ["INVALID_ARGUMENT: etcdserver: user name is empty", INVALID]
        assert say(partner, "login alice secret", "as alice get a", "as alice get b") == [
            "has a token",
            "revision 2, 1 keys",
            DENIED,
        ]


@both_kinds
def test_a_token_dies_when_it_is_not_used(start: Start, tmp_path: Path) -> None:
    with start(tmp_path, "auth-token-ttl=1") as server, speaker(server) as partner:
        say(partner, *USERS, "auth enable", "login root secret")
        used_at = time.monotonic()
        # To ask with the token itself would be to use it. etcd looks for old ones once a second.
        wait_until(lambda: time.monotonic() > used_at + 2.5)
        assert say(partner, "as root get a") == [INVALID]


def keys(folder: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> tuple[Path, Path]:
    """A key pair in two files."""
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    private, public = folder / "jwt.key", folder / "jwt.pub"
    private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@both_kinds
@pytest.mark.parametrize("method", ["ES256", "PS384"])
def test_a_signed_token_holds_until_users_change(start: Start, method: str, tmp_path: Path) -> None:
    made = ec.generate_private_key(ec.SECP256R1()) if method == "ES256" else rsa.generate_private_key(65537, 2048)
    private, public = keys(tmp_path, made)
    option = f"auth-token=jwt,sign-method={method},priv-key={private},pub-key={public},ttl=10m"
    with start(tmp_path, option) as server, speaker(server) as partner:
        say(partner, *USERS, "auth enable", "login alice secret", "login root secret")
        assert say(partner, "as alice put a 1", "as alice get b") == ["revision 2", DENIED]
        assert say(partner, "as root role add other", "as alice get a", "as alice put a 2") == ["done", OLD, OLD]
        # What only asks for the role root does not look at the revision.
        assert say(partner, "as root user list", "login alice secret", "as alice put a 2")[1:] == [
            "has a token",
            "revision 3",
        ]
        token = partner.tokens["alice"]
        assert token is not None
        for forged in (token[:-4] + "AAAA", token.rpartition(".")[0] + ".", f"{token}.1"):
            partner.tokens["forged"] = forged
            assert say(partner, "as forged get a") == [INVALID]


@both_kinds
def test_a_signed_token_ends_with_its_time(start: Start, tmp_path: Path) -> None:
    private, public = keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    option = f"auth-token=jwt,sign-method=ES256,priv-key={private},pub-key={public},ttl=1s"
    with start(tmp_path, option) as server, speaker(server) as partner:
        say(partner, *USERS, "auth enable", "login alice secret")
        wait_until(lambda: say(partner, "as alice get a") == [INVALID], timeout_s=5)


def test_a_member_with_the_public_key_alone_gives_no_tokens(tmp_path: Path) -> None:
    _, public = keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    option = f"auth-token=jwt,sign-method=ES256,pub-key={public}"
    with _chainfire(tmp_path, option) as server, speaker(server) as partner:
        answer = say(partner, *USERS, "auth enable", "login alice secret")[-1]
    assert answer == "UNKNOWN: auth: token signing attempted with verify-only key"


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        ("jwt,sign-method=RS256,priv-key={private}", "the key for tokens is none of RS256"),
        ("jwt,sign-method=ES256,priv-key={private},pub-key={other}", "do not belong together"),
        ("jwt,sign-method=ES256,priv-key={folder}/none", "No such file"),
        ("jwt,sign-method=ES256", "need priv-key=FILE"),
    ],
)
def test_keys_that_cannot_sign_end_the_start(token: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    private, _ = keys(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    _, other = keys(tmp_path / "other", ec.generate_private_key(ec.SECP256R1()))
    option = "auth-token=" + token.format(private=private, other=other, folder=tmp_path)
    with pytest.raises(ProcessFailedError) as failed, _chainfire(tmp_path, option):
        pass
    assert sentence in str(failed.value)


def test_a_certificate_names_a_user_unless_a_token_does(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    own = material.service("chainfire")
    with chainfire(tmp_path / "node", f"{material.toml(own)}[auth]\n{FAST}") as server:

        def partner(service: str) -> AuthSpeaker:
            return AuthSpeaker(TokenClient(caller(server.addresses[0], own.ca, material.service(service)).channel))

        alice, ghost = partner("alice"), partner("ghost")
        say(alice, *USERS, "user add service/alice --no-password", "user grant service/alice r", "auth enable")
        assert say(alice, "as nobody put a 1", "as nobody put b 1", "as forged put a 1") == [
            "revision 2",
            DENIED,
            INVALID,
        ]
        assert say(alice, "login root secret", "as root put b 1") == ["has a token", "revision 3"]
        # A certificate can name a user that is none.
        assert say(ghost, "as nobody get a", "as nobody user list") == [
            DENIED,
            "FAILED_PRECONDITION: etcdserver: user name not found",
        ]


def test_certificates_name_nobody_if_they_are_not_to(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path)
    own = material.service("chainfire")
    settings = f"{material.toml(own)}[auth]\n{FAST}by_certificate = false\n"
    with chainfire(tmp_path / "node", settings) as server:
        partner = AuthSpeaker(TokenClient(caller(server.addresses[0], own.ca, material.service("alice")).channel))
        say(partner, *USERS, "user add service/alice --no-password", "user grant service/alice r", "auth enable")
        assert say(partner, "as nobody get a") == ["INVALID_ARGUMENT: etcdserver: user name is empty"]
