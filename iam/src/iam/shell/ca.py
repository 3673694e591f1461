"""The Ca service: certificates against join tokens and certificates, the roots, and their rotation.

IssueCertificate and WatchTrust are open to callers without an identity: the first looks at the join token itself, and
roots are no secret.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import AsyncIterator, Mapping

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from google.protobuf.timestamp_pb2 import Timestamp

from iam.core.ca_admission import Asked, bad_token, check_asked, matches, require_own
from iam.core.ca_rotation import SHOWN_MAX, Authority, Certificate, Phase, Step, Wait
from iam.shell.ca_keeper import CaKeeper, Issued
from iam.shell.join_tokens import JoinTokens
from iam.shell.source import Source
from ultracloud.api.iam.v1 import ca_pb2 as pb
from ultracloud.api.rpc import Call
from ultracloud.base.faults import FailedPreconditionError, InvalidArgumentError, UnauthenticatedError
from ultracloud.base.policy import decide
from ultracloud.base.principals import SPIFFE_PREFIX
from ultracloud.servicekit import deadlines
from ultracloud.servicekit.authn import principal_of
from ultracloud.servicekit.certificates import Names, names_of
from ultracloud.servicekit.policy import authorise
from ultracloud.servicekit.resources import Resources
from ultracloud.servicekit.resources.deeds import deed
from ultracloud.wire import HttpReply, HttpRequest

OPEN_PATHS = ("/ultracloud.iam.v1.Ca/IssueCertificate", "/ultracloud.iam.v1.Ca/WatchTrust")
TRUST_PAGE = "/ca/trust"
REQUEST_BYTES_MAX = 16_384
"""A P-256 request with all the names that may be asked for has 3 KiB."""
ISSUE_ANY = "iam.ca.issuecertificate"
NONCE_LENGTH_MAX = 64
_PHASES = {
    Phase.STEADY: pb.CaStatus.STEADY,
    Phase.DISTRIBUTING: pb.CaStatus.DISTRIBUTING,
    Phase.RENEWING: pb.CaStatus.RENEWING,
}


class CaServer:
    """Serves ultracloud.iam.v1.Ca."""

    def __init__(self, keeper: CaKeeper, tokens: JoinTokens, source: Source, resources: Resources) -> None:
        self._keeper = keeper
        self._tokens = tokens
        self._source = source
        self._resources = resources

    async def issue_certificate(self, request: pb.IssueCertificateRequest, call: Call) -> pb.IssueCertificateResponse:
        """Sign a certificate for who may have it."""
        with deadlines.inside(call):
            names, public = parse_request(request.request)
            if request.join_token:
                return _response(await self._joined(request, call, names, public))
            caller = principal_of(call)
            if not decide(self._source.snapshot.policy, caller, ISSUE_ANY, "").allowed:
                require_own(caller.id, names.identity)
            issued = await self._keeper.issue(names, public, request.replaces)
            # A renewal changes nothing about who may do what, and there are thousands a day.
            if caller.id != names.identity:
                await self._record(call, caller.id, "issuecertificate", names.identity, {"serial": issued.serial})
            return _response(issued)

    async def _joined(
        self, request: pb.IssueCertificateRequest, call: Call, names: Names, public: EllipticCurvePublicKey
    ) -> Issued:
        """A certificate for whoever has a token, which is spent."""
        token, spent = await self._tokens.check(request.join_token)
        if not matches(token.spec.identity, names.identity):
            raise bad_token()
        issued = await self._keeper.issue(names, public, spent=spent)
        facts = {"serial": issued.serial, "join_token": token.metadata.id}
        await self._record(call, names.identity, "issuecertificate", names.identity, facts)
        await self._tokens.note_use(token, names.identity, call.peer.address)
        return issued

    async def watch_trust(self, request: pb.WatchTrustRequest, _call: Call) -> AsyncIterator[pb.Trust]:
        """The roots, and each change of them."""
        version, signing = request.known_version, request.known_signing
        while True:
            trust = await self._keeper.next_trust(version, signing)
            version, signing = trust.version, trust.signing
            yield trust

    async def acknowledge(self, request: pb.AcknowledgeRequest, call: Call) -> pb.AcknowledgeResponse:
        """Take a holder's word."""
        with deadlines.inside(call):
            caller = principal_of(call)
            certificate = _certificate(request.certificate)
            await self._keeper.acknowledge(caller.id, certificate, request.trust_version)
            return pb.AcknowledgeResponse()

    async def rotate_ca(self, request: pb.RotateCaRequest, call: Call) -> pb.CaStatus:
        """Begin, hasten or give up a rotation."""
        with deadlines.inside(call):
            caller = principal_of(call)
            await authorise(self._source, caller, "iam.ca.rotateca", "")
            action = pb.RotateCaRequest.Action.Name(request.action)
            await self._record(call, caller.id, "rotateca", "", {"action": action})
            match request.action:
                case pb.RotateCaRequest.BEGIN:
                    await self._keeper.begin()
                case pb.RotateCaRequest.FORCE:
                    await self._keeper.force()
                case pb.RotateCaRequest.ABORT:
                    await self._keeper.abort()
                case _:
                    raise InvalidArgumentError("action is not set; accepted: BEGIN, FORCE, ABORT")
            return render_status(*self._keeper.view())

    async def status(self, _request: pb.CaStatusRequest, call: Call) -> pb.CaStatus:
        """Where a rotation is."""
        with deadlines.inside(call):
            await authorise(self._source, principal_of(call), "iam.ca.status", "")
            return render_status(*self._keeper.view())

    async def _record(self, call: Call, principal: str, verb: str, identity: str, facts: Mapping[str, str]) -> None:
        """Write down what is done."""
        path = f"ca/{identity.removeprefix(SPIFFE_PREFIX)}".rstrip("/")
        draft = deed(call, self._resources.clock, principal, f"iam.ca.{verb}", path, facts)
        await self._resources.trail.record(draft)

    async def trust_page(self, request: HttpRequest) -> HttpReply:
        """The roots for who has a join token and knows nobody yet, with a proof that they come from here.

        The proof covers the caller's nonce, so that an older answer does not pass.
        """
        asked = _query(request.query)
        token, nonce = asked.get("token", ""), asked.get("nonce", "")
        if not nonce.isalnum() or len(nonce) > NONCE_LENGTH_MAX:
            return HttpReply(400, b"nonce: give up to 64 letters and digits\n")
        try:
            roots = self._keeper.trust().roots
            proof = await self._tokens.proof(token, f"{nonce}\n{roots}".encode())
        except FailedPreconditionError as error:
            return HttpReply(403, f"{error.public}\n".encode())
        return HttpReply(200, json.dumps({"roots": roots, "proof": proof}).encode(), "application/json")


class LocalIssuer:
    """iam's own way to a certificate: no call to itself."""

    def __init__(self, keeper: CaKeeper) -> None:
        self._keeper = keeper

    async def issue(self, request: bytes, replaces: str) -> tuple[bytes, pb.Trust]:
        """See `ultracloud.servicekit.renewal.Issuer`."""
        names, public = parse_request(request)
        issued = await self._keeper.issue(names, public, replaces)
        return issued.certificate, issued.trust

    async def acknowledge(self, certificate: bytes, trust_version: int) -> None:
        """See there."""
        parsed = _certificate(certificate)
        await self._keeper.acknowledge(names_of(parsed).identity, parsed, trust_version)

    async def trusts(self, version: int, signing: str) -> AsyncIterator[pb.Trust]:
        """See there."""
        while True:
            trust = await self._keeper.next_trust(version, signing)
            version, signing = trust.version, trust.signing
            yield trust


def parse_request(raw: bytes) -> tuple[Names, EllipticCurvePublicKey]:
    """Who is to be certified, and their key.

    Raises:
        InvalidArgumentError: It is no request, not signed with its own key, of another sort of key, or asks for what
            nobody gets.
    """
    if len(raw) > REQUEST_BYTES_MAX:
        raise InvalidArgumentError(f"the request has {len(raw)} bytes; at most {REQUEST_BYTES_MAX} are accepted")
    try:
        is_text = raw.lstrip().startswith(b"-----")
        parsed = x509.load_pem_x509_csr(raw) if is_text else x509.load_der_x509_csr(raw)
        names, public, is_signed = names_of(parsed), parsed.public_key(), parsed.is_signature_valid
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise InvalidArgumentError(
            f"the certification request is not good: {error}", reason="REQUEST_INVALID"
        ) from error
    if not isinstance(public, EllipticCurvePublicKey) or not isinstance(public.curve, SECP256R1) or not is_signed:
        raise InvalidArgumentError(
            "the certification request must be signed with its own key, of the curve P-256", reason="REQUEST_INVALID"
        )
    check_asked(Asked(names.identity, names.hosts, names.addresses))
    return names, public


def render_status(authority: Authority, live: tuple[Certificate, ...], step: Step) -> pb.CaStatus:
    """What a person wants to know."""
    waiting = step.certificates if isinstance(step, Wait) else ()
    shown = sorted(f"{one.identity.removeprefix(SPIFFE_PREFIX)} until {_moment(one.not_after_ms)}" for one in waiting)
    counts = {root.id: sum(one.root == root.id for one in live) for root in authority.roots}
    roots = [
        pb.CaRoot(
            id=root.id,
            expires_at=Timestamp(seconds=root.not_after_ms // 1000),
            is_signing=root.id == authority.signing,
            certificates=counts[root.id],
            unaccounted_until=Timestamp(seconds=root.unaccounted_until_ms // 1000)
            if root.unaccounted_until_ms
            else None,
        )
        for root in authority.roots
    ]
    return pb.CaStatus(
        phase=_PHASES[authority.phase],
        since=Timestamp(seconds=authority.since_ms // 1000),
        roots=roots,
        certificates=len(live),
        waiting=len(waiting),
        waiting_for=shown[:SHOWN_MAX],
        next=_next(authority, step),
    )


def _next(authority: Authority, step: Step) -> str:
    """What happens next, in a sentence."""
    deed = {
        Phase.STEADY: "",
        Phase.DISTRIBUTING: "the new root signs",
        Phase.RENEWING: "the old root is dropped",
    }[authority.phase]
    if not deed:
        return "nothing: one root signs"
    if not isinstance(step, Wait):
        return f"{deed} at once"
    if step.unaccounted_until_ms:
        return (
            f"{deed} after {_moment(step.unaccounted_until_ms)}, because certificates may live that were made outside "
            "iam; or now by FORCE, if all their holders have got new ones from iam"
        )
    if step.certificates:
        return f"{deed} once those waited for have answered or ended; or now by FORCE, which cuts them off"
    return f"{deed} at {_moment(step.until_ms or 0)}"


def _moment(moment_ms: int) -> str:
    return dt.datetime.fromtimestamp(moment_ms // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _response(issued: Issued) -> pb.IssueCertificateResponse:
    return pb.IssueCertificateResponse(
        certificate=issued.certificate.decode(),
        trust=issued.trust,
        serial=issued.serial,
        expires_at=Timestamp(seconds=issued.expires_at_s),
    )


def _certificate(raw: bytes) -> x509.Certificate:
    """A certificate, PEM.

    Raises:
        UnauthenticatedError: It is none.
    """
    try:
        return x509.load_pem_x509_certificate(raw)
    except ValueError:
        raise UnauthenticatedError("what was sent is no certificate", reason="REQUEST_INVALID") from None


def _query(query: str) -> Mapping[str, str]:
    """The parameters of a page; ids and nonces have nothing that is escaped."""
    return dict(part.partition("=")[::2] for part in query.split("&"))
