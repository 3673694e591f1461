"""``python -m ultracloud.servicekit.join``: get the first certificate of this machine or program, with a join token.

    python -m ultracloud.servicekit.join --iam 10.0.0.1:7003 --identity node/web-1 --folder /etc/ultracloud < token

The machine knows nobody yet. It asks for the roots over a connection that it cannot verify, and believes the answer
because it carries a proof that only whoever knows the token's digest can make, over a nonce of its own. Only then, over
a connection verified with those roots, does the token itself leave the machine.

Source: kubeadm's discovery token (the same idea, with a signed ConfigMap).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import secrets
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.iam.v1.ca_rpc import CaClient
from ultracloud.base.faults import Fault
from ultracloud.base.principals import SPIFFE_PREFIX
from ultracloud.servicekit import channels
from ultracloud.servicekit.certificates import Names, key_pem, new_key, request_for
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.pki import TlsIdentity, file_stem, service_identity

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 1 << 20


class JoinError(Exception):
    """It did not work; the text says why, in a sentence."""


def join(
    target: str, token: str, identity: str, folder: Path, hosts: Sequence[str] = (), addresses: Sequence[str] = ()
) -> TlsIdentity:
    """Get a certificate of a SPIFFE `identity` and write it, its key and the roots into `folder`.

    It has a loop of its own, so call it where none runs.

    Raises:
        JoinError: iam does not answer, is not the one the token is from, or refuses.
    """
    roots = trusted_roots(target, token)
    key = new_key()
    request = request_for(key, Names(identity, tuple(hosts), tuple(addresses)))
    certificate, roots = asyncio.run(_issue(target, token, roots, request))
    folder.mkdir(parents=True, exist_ok=True)
    stem = file_stem(identity)
    files = TlsIdentity(folder / f"{stem}.crt", folder / f"{stem}.key", folder / "ca.crt")
    write_atomically(files.key, key_pem(key))
    write_atomically(files.certificate, certificate)
    write_atomically(files.ca, roots)
    return files


def trusted_roots(target: str, token: str) -> bytes:
    """The cloud's roots, PEM, if the answer proves that it is from where the token is from.

    Raises:
        JoinError: It does not, or nobody answers.
    """
    word, _, rest = token.partition(".")
    identifier, _, secret = rest.partition(".")
    if word != "ucj" or not secret:
        raise JoinError("this is no join token; it begins with ucj.")
    nonce = secrets.token_hex(16)
    context = ssl.create_default_context()
    # Nobody can be verified yet; the proof below does it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(f"https://{target}/ca/trust?token={identifier}&nonce={nonce}", timeout=TIMEOUT_S) as answer:
            told = json.loads(answer.read(ANSWER_BYTES_MAX))
        roots, proof = str(told["roots"]).encode(), str(told["proof"])
    except urllib.error.HTTPError as error:
        with error:
            raise JoinError(error.read(1000).decode(errors="replace").strip()) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JoinError(f"{target} does not answer as iam does: {error}") from error
    digest = hashlib.sha256(secret.encode()).digest()
    if not hmac.compare_digest(hmac.new(digest, f"{nonce}\n".encode() + roots, hashlib.sha256).hexdigest(), proof):
        raise JoinError(f"{target} is not the iam that this token is from, or the token is mistyped")
    return roots


async def _issue(target: str, token: str, roots: bytes, request: bytes) -> tuple[bytes, bytes]:
    """The certificate, and the roots as they are then."""
    channel = channels.connect(target, roots=roots.decode(), expect=service_identity("iam"), deadline_s=TIMEOUT_S)
    try:
        asked = pb.IssueCertificateRequest(request=request, join_token=token)
        answer = await CaClient(channel).issue_certificate(asked)
    except Fault as error:
        raise JoinError(error.public) from error
    finally:
        await channel.close()
    return answer.certificate.encode(), answer.trust.roots.encode()


def main(argv: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    parser = argparse.ArgumentParser(
        prog="join", description="Get a first certificate with a join token, read from stdin."
    )
    parser.add_argument("--iam", required=True, metavar="HOST:PORT", help="where iam listens")
    parser.add_argument("--identity", required=True, help="node/<host>, service/<name>, agent/<service>/<host>")
    parser.add_argument("--folder", required=True, type=Path, help="where the files go")
    parser.add_argument("--host", action="append", default=[], help="a further DNS name of this machine")
    parser.add_argument("--address", action="append", default=[], help="an IP address of this machine")
    given = parser.parse_args(argv)
    try:
        token = sys.stdin.readline().strip()
        files = join(given.iam, token, f"{SPIFFE_PREFIX}{given.identity}", given.folder, given.host, given.address)
    except (JoinError, OSError, ValueError) as error:
        sys.stderr.write(f"join: {error}\n")
        return 1
    sys.stdout.write(f"{files.certificate}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
