"""A backup as an object in S3, or in what speaks its protocol: written in parts, read in one stream.

Region, credentials and endpoint come from the environment, as every tool for S3 has it: AWS_PROFILE, AWS_REGION,
AWS_ACCESS_KEY_ID and so on, the files below ~/.aws, or the machine's role. An upload that is not completed leaves no
object; its parts are taken away, and a bucket should have a rule that removes what a killed process leaves.

Source: Amazon S3 API Reference (CreateMultipartUpload, UploadPart, CompleteMultipartUpload; GetObject's If-Match),
"Amazon S3 multipart upload limits".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from flaredb.errors import MIB
from ultracloud.servicekit.errors import ConfigError, StartError

PART_BYTES = 16 * MIB
"""At least 5 MiB, says S3; one is held in memory."""
PARTS_A_SIZE = 2000
"""S3 takes 10,000 parts: after so many the next are twice as large, which comes to 900 GiB in all."""
REGION_DEFAULT = "us-east-1"
"""What servers that are not Amazon's expect of clients that name none."""
CONNECT_S, ANSWER_S = 10, 60
TRIES = 5
BEGUN_S = 10.0
"""Who ends a backup while S3 is asked to begin it waits so long to hear what it has begun."""

_T = TypeVar("_T")


class Upload:
    """An object in the making; see `flaredb.shell.backup_places.Destination`."""

    def __init__(self, bucket: str, key: str, endpoint: str | None) -> None:
        self._object = {"Bucket": bucket, "Key": key}
        self._client = _client(endpoint)
        self._held = bytearray()
        self._parts: list[dict[str, object]] = []
        self._begun: Future[str] | None = None

    @property
    def _upload_id(self) -> str:
        assert self._begun is not None, "begin first"
        return self._begun.result()

    def begin(self) -> None:
        """See `Destination`."""
        # In a thread, which goes on where a signal ends our waiting: what it has begun must be taken away too.
        thread = ThreadPoolExecutor(1)
        self._begun = thread.submit(self._begin)
        thread.shutdown(wait=False)
        self._begun.result()

    def _begin(self) -> str:
        answer = self._asked(lambda: self._client.create_multipart_upload(**self._object))
        return str(answer["UploadId"])

    def write(self, piece: bytes) -> None:
        """See `Destination`."""
        self._held += piece
        size = PART_BYTES << (len(self._parts) // PARTS_A_SIZE)
        while len(self._held) >= size:
            self._send(bytes(self._held[:size]))
            del self._held[:size]

    def finish(self) -> None:
        """See `Destination`."""
        self._send(bytes(self._held))
        parts = {"Parts": self._parts}
        self._asked(
            lambda: self._client.complete_multipart_upload(
                **self._object, UploadId=self._upload_id, MultipartUpload=parts
            )
        )

    def abandon(self) -> None:
        """See `Destination`."""
        if self._begun is None:
            return
        with contextlib.suppress(BotoCoreError, ClientError, StartError, TimeoutError):
            upload_id = self._begun.result(BEGUN_S)
            self._client.abort_multipart_upload(**self._object, UploadId=upload_id)

    def _send(self, part: bytes) -> None:
        number = len(self._parts) + 1
        # The one checksum of a part that every server of the protocol knows.
        digest = base64.b64encode(hashlib.md5(part, usedforsecurity=False).digest()).decode()
        sent = self._asked(
            lambda: self._client.upload_part(
                **self._object, UploadId=self._upload_id, PartNumber=number, Body=part, ContentMD5=digest
            )
        )
        self._parts.append({"ETag": sent["ETag"], "PartNumber": number})

    def _asked(self, ask: Callable[[], _T]) -> _T:
        return _asked(ask, self._object, "nothing was left there")


class Download:
    """An object, read from its beginning; see `flaredb.shell.backup_places.Source`."""

    is_repeatable = True

    def __init__(self, bucket: str, key: str, endpoint: str | None) -> None:
        self._object = {"Bucket": bucket, "Key": key}
        self._client = _client(endpoint)
        self._etag = ""
        self._body: Any = None
        self.rewind()

    def read(self, size: int) -> bytes:
        """See `Source`."""
        pieces: list[bytes] = []
        while size and (piece := self._some(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _some(self, size: int) -> bytes:
        piece: bytes = self._asked(lambda: self._body.read(size))
        return piece

    def rewind(self) -> None:
        """See `Source`. The object must be the same one."""
        self.close()
        same = {"IfMatch": self._etag} if self._etag else {}
        answer = self._asked(lambda: self._client.get_object(**self._object, **same))
        self._etag, self._body = answer["ETag"], answer["Body"]

    def close(self) -> None:
        """See `Source`."""
        if self._body is not None:
            self._body.close()

    def _asked(self, ask: Callable[[], _T]) -> _T:
        return _asked(ask, self._object, "")


def _client(endpoint: str | None) -> Any:
    """A client of S3.

    Raises:
        ConfigError: The endpoint is no URL, or the environment names a profile that there is not.
    """
    session = botocore.session.get_session()
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=ANSWER_S,
        retries={"total_max_attempts": TRIES, "mode": "standard"},
        # Servers that are not Amazon's have one name for all buckets, and not all know Amazon's newer checksums.
        s3={"addressing_style": "path"} if endpoint else {},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        region = session.get_config_variable("region") or REGION_DEFAULT
        return session.create_client("s3", region_name=region, endpoint_url=endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(f"S3 cannot be used: {error}") from error


def _asked(ask: Callable[[], _T], place: dict[str, str], beside: str) -> _T:
    """What S3 answers.

    Raises:
        StartError: It refuses, or does not answer.
    """
    try:
        return ask()
    except ClientError as error:
        said = error.response.get("Error", {})
        why = f"{said.get('Code', 'refused')}: {said.get('Message') or error}"
    except (BotoCoreError, OSError) as error:
        why = str(error)
    url = f"s3://{place['Bucket']}/{place['Key']}"
    raise StartError("; ".join(filter(None, (f"{url}: {why}", beside))))
