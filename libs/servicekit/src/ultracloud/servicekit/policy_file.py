"""The policy on a service's own disk: messages as they came, a whole policy first, then its changes.

A change is appended, at most once a second, whatever the policy's size; when the changes outweigh what they change, the
file is written anew. Each message stands behind its length and checksum, so that a torn end costs only what it tore:
the policy is then some versions old, and iam sends the rest.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from ultracloud.api.iam.v1 import iam_pb2 as pb
from ultracloud.base.policy import Policy
from ultracloud.servicekit.clock import Clock
from ultracloud.servicekit.files import write_atomically
from ultracloud.servicekit.policy_wire import (
    Snapshot,
    entities_of,
    keys_of,
    parse_delta,
    render_parts,
    revocations_of,
)

FILE_NAME = "policy.bin"
PAUSE_S = 1.0
"""Between two writes: many changes make one, and a start without iam lacks at most this."""
CHANGES_BYTES_MIN = 1 << 20
"""Changes up to this size never make the file be written anew."""
_HEAD = struct.Struct(">II")
"""Length and CRC-32 of what follows."""


class PolicyFile:
    """Writes what a policy copy takes in. `run` does so in a task."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: list[bytes] = []
        self._is_whole = False
        self._whole_bytes = self._changes_bytes = 0
        self._dirty = asyncio.Event()

    def read(self) -> Snapshot:
        """What is in the file, as `read_policy`. Behind a torn end nothing is appended: it would not be found there.

        Raises:
            OSError: The file cannot be read.
        """
        content = self._path.read_bytes()
        snapshot, good_bytes = _parse(content)
        self._whole_bytes = good_bytes
        self._changes_bytes = 0 if good_bytes == len(content) else CHANGES_BYTES_MIN + good_bytes + 1
        return snapshot

    def begin(self) -> None:
        """What is kept from now on is a whole policy, in the place of what was before."""
        self._frames.clear()
        self._dirty.clear()  # half of it is not written
        self._is_whole = True
        self._whole_bytes = self._changes_bytes = 0

    def keep(self, message: pb.PolicySnapshot) -> None:
        """Write `message` soon."""
        framed = frame(message)
        self._frames.append(framed)
        if message.base_version:
            self._changes_bytes += len(framed)
        else:
            self._whole_bytes += len(framed)
        if not message.more:
            self._dirty.set()

    def keep_whole(self, snapshot: Snapshot) -> None:
        """Write all of `snapshot` soon, in the place of what was before."""
        self.begin()
        for part in render_parts(snapshot):
            self.keep(part)

    @property
    def is_bloated(self) -> bool:
        """Whether the changes outweigh what they change: time for `keep_whole`."""
        return self._changes_bytes > max(CHANGES_BYTES_MIN, self._whole_bytes)

    async def run(self, clock: Clock) -> None:
        """Write for ever; a full disk costs only that."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            frames, is_whole = b"".join(self._frames), self._is_whole
            self._frames.clear()
            self._is_whole = False
            try:
                await asyncio.to_thread(_write, self._path, frames, is_whole=is_whole)
            except OSError as error:
                logging.getLogger(__name__).warning("policy not written to disk: %s", error.strerror)
                # The changes to come are of what is not there now.
                self._changes_bytes = CHANGES_BYTES_MIN + self._whole_bytes + 1
            await clock.sleep(PAUSE_S)


def frame(message: pb.PolicySnapshot) -> bytes:
    """A message as it stands in the file."""
    payload = message.SerializeToString()
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def read_policy(path: Path) -> Snapshot:
    """The policy in a file, as far as it goes; empty where nothing in it is whole.

    Raises:
        OSError: The file cannot be read.
    """
    return _parse(path.read_bytes())[0]


def _parse(content: bytes) -> tuple[Snapshot, int]:
    """The policy in a file, and how many bytes of it are good."""
    policy, keys, good_bytes = Policy(), dict[str, bytes](), 0
    building: Policy | None = None
    for message, end in _messages(content):
        if message.base_version:
            if building is not None or not policy.version or message.base_version > policy.version:
                break  # a change of something that is not here
            policy, keys, good_bytes = policy.advanced(parse_delta(message)), keys_of(message), end
            continue
        building = building or Policy(version=message.version)
        building.put(entities_of(message))
        building.revoke(revocations_of(message))
        if not message.more:
            policy, keys, building, good_bytes = building, keys_of(message), None, end
    return Snapshot(policy, keys), good_bytes


def _messages(content: bytes) -> Iterator[tuple[pb.PolicySnapshot, int]]:
    """The messages of a file and where each ends, until the first that is torn or damaged."""
    start = 0
    while start + _HEAD.size <= len(content):
        length, checksum = _HEAD.unpack_from(content, start)
        payload = content[start + _HEAD.size : start + _HEAD.size + length]
        if len(payload) != length or zlib.crc32(payload) != checksum:
            return
        try:
            message = pb.PolicySnapshot.FromString(payload)
        except DecodeError:
            return
        start += _HEAD.size + length
        yield message, start


def _write(path: Path, frames: bytes, *, is_whole: bool) -> None:
    if is_whole:
        write_atomically(path, frames)
        return
    with path.open("ab") as file:
        file.write(frames)
        file.flush()
        os.fsync(file.fileno())
