"""What chainfire tells a caller that it will not do, in etcd's own words.

etcd's clients match on the gRPC code and the whole sentence, so both are part of the API and may not be improved.

Source: etcd 3.5, api/v3rpc/rpctypes/error.go (codes and sentences only).
"""

from __future__ import annotations

from typing import ClassVar

from ultracloud.base.faults import (
    DataLossError,
    FailedPreconditionError,
    Fault,
    InvalidArgumentError,
    NotFoundError,
    OutOfRangeError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
)


class EtcdError(Fault):
    """A refusal whose public sentence is fixed by etcd."""

    sentence: ClassVar[str] = ""

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(self.sentence, detail=detail)


class KeyNotProvidedError(EtcdError, InvalidArgumentError):
    """The request names no key."""

    sentence = "etcdserver: key is not provided"


class KeyNotFoundError(EtcdError, InvalidArgumentError):
    """A put wants to keep the value or lease of a key that does not exist, or an operation of a txn is empty."""

    sentence = "etcdserver: key not found"


class ValueProvidedError(EtcdError, InvalidArgumentError):
    """A put both brings a value and says to ignore it."""

    sentence = "etcdserver: value is provided"


class LeaseProvidedError(EtcdError, InvalidArgumentError):
    """A put both names a lease and says to ignore it."""

    sentence = "etcdserver: lease is provided"


class TooManyOperationsError(EtcdError, InvalidArgumentError):
    """A txn has more comparisons or operations than the limit."""

    sentence = "etcdserver: too many operations in txn request"


class DuplicateKeyError(EtcdError, InvalidArgumentError):
    """A txn would change one key twice."""

    sentence = "etcdserver: duplicate key given in txn request"


class RequestTooLargeError(EtcdError, InvalidArgumentError):
    """The request is over the limit of bytes."""

    sentence = "etcdserver: request is too large"


class CompactedError(EtcdError, OutOfRangeError):
    """The revision asked for is no longer kept."""

    sentence = "etcdserver: mvcc: required revision has been compacted"


class FutureRevisionError(EtcdError, OutOfRangeError):
    """The revision asked for has not happened."""

    sentence = "etcdserver: mvcc: required revision is a future revision"


class NoSpaceError(EtcdError, ResourceExhaustedError):
    """The quota or the disk is full, or the NOSPACE alarm is still raised."""

    sentence = "etcdserver: mvcc: database space exceeded"


class TooManyRequestsError(EtcdError, ResourceExhaustedError):
    """More writes wait for the disk than the queue holds."""

    sentence = "etcdserver: too many requests"


class LeaseNotFoundError(EtcdError, NotFoundError):
    """No such lease, or it has expired."""

    sentence = "etcdserver: requested lease not found"


class LeaseExistsError(EtcdError, FailedPreconditionError):
    """The lease id is taken."""

    sentence = "etcdserver: lease already exists"


class LeaseTtlTooLargeError(EtcdError, OutOfRangeError):
    """The time to live is over the limit."""

    sentence = "etcdserver: too large lease TTL"


class AuthNotEnabledError(EtcdError, FailedPreconditionError):
    """etcd's own users and roles are not in use."""

    sentence = "etcdserver: authentication is not enabled"


class RootUserNotFoundError(EtcdError, FailedPreconditionError):
    """Authentication cannot be enabled before there is a user root."""

    sentence = "etcdserver: root user does not exist"


class RootRoleNotGrantedError(EtcdError, FailedPreconditionError):
    """Authentication cannot be enabled before the user root has the role root."""

    sentence = "etcdserver: root user does not have root role"


class UserExistsError(EtcdError, FailedPreconditionError):
    """The user's name is taken."""

    sentence = "etcdserver: user name already exists"


class UserEmptyError(EtcdError, InvalidArgumentError):
    """The name is empty, or nobody knows who calls while authentication is enabled."""

    sentence = "etcdserver: user name is empty"


class UserNotFoundError(EtcdError, FailedPreconditionError):
    """There is no such user."""

    sentence = "etcdserver: user name not found"


class RoleExistsError(EtcdError, FailedPreconditionError):
    """The role's name is taken."""

    sentence = "etcdserver: role name already exists"


class RoleNotFoundError(EtcdError, FailedPreconditionError):
    """There is no such role."""

    sentence = "etcdserver: role name not found"


class RoleEmptyError(EtcdError, InvalidArgumentError):
    """The name is empty."""

    sentence = "etcdserver: role name is empty"


class RoleNotGrantedError(EtcdError, FailedPreconditionError):
    """The user does not have the role that is to be taken from it."""

    sentence = "etcdserver: role is not granted to the user"


class PermissionNotGivenError(EtcdError, InvalidArgumentError):
    """The request to grant a permission holds none."""

    sentence = "etcdserver: permission not given"


class PermissionNotGrantedError(EtcdError, FailedPreconditionError):
    """The role does not have the permission that is to be taken from it."""

    sentence = "etcdserver: permission is not granted to the role"


class PermissionRefusedError(EtcdError, PermissionDeniedError):
    """The caller is a user that may not do this."""

    sentence = "etcdserver: permission denied"


class AuthFailedError(EtcdError, InvalidArgumentError):
    """No user has this name and password."""

    sentence = "etcdserver: authentication failed, invalid user ID or password"


class NoPasswordUserError(EtcdError, UnknownError):
    """The user has no password to check, or its hash is no base64."""

    sentence = "auth: authentication failed, password was given for no password user"


class PasswordTooLongError(EtcdError, UnknownError):
    """bcrypt looks at 72 bytes only."""

    sentence = "bcrypt: password length exceeds 72 bytes"


class VerifyOnlyError(EtcdError, UnknownError):
    """This member has the key that verifies tokens and not the one that signs them."""

    sentence = "auth: token signing attempted with verify-only key"


class InvalidTokenError(EtcdError, UnauthenticatedError):
    """The token is unknown, has expired, or does not verify; authenticate again."""

    sentence = "etcdserver: invalid auth token"


class InvalidAuthManagementError(EtcdError, InvalidArgumentError):
    """The permission holds no key, or the change would leave nobody who may change anything."""

    sentence = "etcdserver: invalid auth management"


class OldAuthRevisionError(EtcdError, InvalidArgumentError):
    """Users or roles changed after the caller was recognised; authenticate again and repeat."""

    sentence = "etcdserver: revision of auth store is old"


class MemberNotFoundError(EtcdError, NotFoundError):
    """The cluster has no such member."""

    sentence = "etcdserver: member not found"


class MemberExistsError(EtcdError, FailedPreconditionError):
    """The member's id is taken, or was."""

    sentence = "etcdserver: member ID already exist"


class PeerUrlExistsError(EtcdError, FailedPreconditionError):
    """A peer URL belongs to another member."""

    sentence = "etcdserver: Peer URLs already exists"


class NotEnoughStartedMembersError(EtcdError, FailedPreconditionError):
    """The change would leave the cluster without a quorum of members that answer."""

    sentence = "etcdserver: re-configuration failed due to not enough started members"


class UnhealthyClusterError(EtcdError, UnavailableError):
    """A change of members is refused while some of them do not answer, or another change is not done."""

    sentence = "etcdserver: unhealthy cluster"


class MemberNotLearnerError(EtcdError, FailedPreconditionError):
    """Who is to be promoted votes already."""

    sentence = "etcdserver: can only promote a learner member"


class LearnerNotReadyError(EtcdError, FailedPreconditionError):
    """Who is to be promoted has not received nearly all of the log."""

    sentence = "etcdserver: can only promote a learner member which is in sync with leader"


class TooManyLearnersError(EtcdError, FailedPreconditionError):
    """There are as many learners as there may be."""

    sentence = "etcdserver: too many learner members in cluster"


class LearnerRpcError(EtcdError, UnavailableError):
    """A learner answers only what needs no quorum."""

    sentence = "etcdserver: rpc not supported for learner"


class BadUrlsError(EtcdError, InvalidArgumentError):
    """A member's peer URLs are none, or no URLs."""

    sentence = "etcdserver: given member URLs are invalid"


class NotLeaderError(EtcdError, FailedPreconditionError):
    """Only the leader can do this."""

    sentence = "etcdserver: not leader"


class LeaderChangedError(EtcdError, UnavailableError):
    """The leader changed while the request was on its way."""

    sentence = "etcdserver: leader changed"


class NoLeaderError(EtcdError, UnavailableError):
    """Nobody leads."""

    sentence = "etcdserver: no leader"


class BadLeaderTransfereeError(EtcdError, FailedPreconditionError):
    """Who is to lead is no voter."""

    sentence = "etcdserver: bad leader transferee"


class RequestTimeoutError(EtcdError, UnavailableError):
    """No answer in time; what was asked may or may not happen."""

    sentence = "etcdserver: request timed out"


class LeaderFailedTimeoutError(EtcdError, UnavailableError):
    """No answer in time, and the leader was lost meanwhile; what was asked may or may not happen."""

    sentence = "etcdserver: request timed out, possibly due to previous leader failure"


class TransferTimeoutError(EtcdError, UnavailableError):
    """The leadership did not move in time."""

    sentence = "etcdserver: request timed out, leader transfer took too long"


class LockSessionError(EtcdError, UnknownError):
    """The lease of a caller that waited for a lock has ended."""

    sentence = "mutex: session is expired"


class CampaignSessionError(EtcdError, UnknownError):
    """The lease of a candidate has ended. etcd answers as if it had been elected."""

    sentence = "election: session is expired"


class DowngradeFormatError(EtcdError, InvalidArgumentError):
    """The version to go back to is none."""

    sentence = "etcdserver: wrong downgrade target version format"


class DowngradeTargetError(EtcdError, InvalidArgumentError):
    """Only the version before this one can be gone back to."""

    sentence = "etcdserver: invalid downgrade target version"


class NoDowngradeError(EtcdError, FailedPreconditionError):
    """There is no way back under way that could be called off."""

    sentence = "etcdserver: no inflight downgrade job"


class UnknownMethodError(EtcdError, UnknownError):
    """The request asks for an action that there is none of."""

    sentence = "etcdserver: unknown method"


class NotElectedError(EtcdError, UnknownError):
    """The caller does not lead, or no longer."""

    sentence = "election: not leader"


class NobodyElectedError(EtcdError, UnknownError):
    """The election has no candidate."""

    sentence = "election: no leader"


class LeaderKeyMissingError(EtcdError, UnknownError):
    """The request does not say which leadership it is about."""

    sentence = '"leader" field must be provided'


class CorruptError(EtcdError, DataLossError):
    """The CORRUPT alarm is raised: nothing is written until it is disarmed."""

    sentence = "etcdserver: corrupt cluster"


class StoppedError(EtcdError, UnavailableError):
    """The server is stopping; what was asked may or may not happen."""

    sentence = "etcdserver: server stopped"


class LogFailedError(UnavailableError):
    """The disk refused the log: nothing is written until the server is started again. etcd itself just dies."""


class StorageError(Exception):
    """What is on disk cannot be used; the node does not start, or stops.

    The sentence names the file and the offset, and what to do.
    """
