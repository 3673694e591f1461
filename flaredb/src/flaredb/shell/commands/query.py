"""`flaredb query`: lists keys of a namespace at one version, with what they hold."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import AsyncIterator

from flaredb.core.eventual_errors import REASON
from flaredb.core.limits import SCAN_LIMIT_DEFAULT
from flaredb.shell.commands.connections import add_connection_arguments, endpoint_of, run
from flaredb.shell.commands.decoding import Json, entry
from flaredb.shell.commands.printing import print_row
from ultracloud.api.flaredb.v1.flaredb_pb2 import KeyValue, ScanRequest
from ultracloud.api.flaredb.v1.flaredb_rpc import KvClient
from ultracloud.base.faults import FailedPreconditionError
from ultracloud.servicekit.printing import add_output_argument, print_json, remark
from ultracloud.servicekit.store import prefix_end

LIMIT_DEFAULT = 1000
"""Keys: more than a person reads, and over in an instant."""
WIDTHS = (48, 10)
"""Columns of key and version; most keys of resources fit."""
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})|\\\\")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `query`."""
    parser.description = (
        "Lists keys in order, all at one version. Each is a line of JSON with its key, its version, when it ends if it "
        "does, and what it holds: `record` (a resource), `text`, or `base64`. Keys may be given with \\xNN for "
        "any byte."
    )
    parser.add_argument("--namespace", "-n", required=True, metavar="NAME", help="whose keys: the service's name")
    parser.add_argument("--prefix", type=key_of, metavar="KEY", help="keys that begin so, as r/Vpc/")
    parser.add_argument("--start", type=key_of, default=b"", metavar="KEY", help="from this key on")
    parser.add_argument("--end", type=key_of, default=b"", metavar="KEY", help="before this key")
    parser.add_argument("--at", type=int, default=0, metavar="VERSION", help="as of this version (default: the newest)")
    parser.add_argument(
        "--limit", type=int, default=LIMIT_DEFAULT, metavar="KEYS", help=f"0 for all (default: {LIMIT_DEFAULT})"
    )
    parser.add_argument("--reverse", action="store_true", help="last key first")
    parser.add_argument("--keys-only", action="store_true", help="do not read what they hold")
    add_output_argument(parser, "json")
    add_connection_arguments(parser)
    parser.set_defaults(run=_query, usage_error=parser.error)


def key_of(text: str) -> bytes:
    r"""The key that an argument names: its UTF-8, with ``\xNN`` for any byte and ``\\`` for a backslash."""
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", text.encode())


def text_of(key: bytes) -> str:
    """The argument that names a key."""
    text = key.replace(b"\\", rb"\\").decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else "".join(f"\\x{one:02x}" for one in char.encode()) for char in text)


def _query(arguments: argparse.Namespace) -> int:
    if arguments.prefix is not None and (arguments.start or arguments.end):
        arguments.usage_error("--prefix and --start or --end exclude each other")
    if arguments.limit < 0:
        arguments.usage_error(f"--limit is {arguments.limit}; accepted: 0 and above")
    endpoint = endpoint_of(arguments)
    start, end = arguments.start, arguments.end
    if arguments.prefix is not None:
        start, end = arguments.prefix, prefix_end(arguments.prefix)
    request = ScanRequest(
        namespace=arguments.namespace,
        start=start,
        end=end,
        at_version=arguments.at,
        reverse=arguments.reverse,
        keys_only=arguments.keys_only,
    )

    async def whole() -> int:
        if arguments.output == "table":
            print_row(("KEY", "VERSION", "" if arguments.keys_only else "VALUE"), WIDTHS)
        async with endpoint.client() as kv:
            async for found in _found(kv, request, arguments.limit):
                _print(entry(found, keys_only=arguments.keys_only), arguments.output)
        return 0

    return run(whole)


async def _found(kv: KvClient, request: ScanRequest, limit: int) -> AsyncIterator[KeyValue]:
    """Keys page by page, all at the version of the first page where that can be. What is left is told at the end."""
    left, is_eventual, is_first = limit, False, True
    while True:
        request.limit = min(left, SCAN_LIMIT_DEFAULT) if limit else SCAN_LIMIT_DEFAULT
        try:
            answer = await kv.scan(request)
        except FailedPreconditionError as refused:
            if is_first or is_eventual or refused.reason != REASON:
                raise
            # Such a namespace has no pages at one version: each is as of its own moment.
            is_eventual, request.at_version = True, 0
            continue
        is_first = False
        for found in answer.kvs:
            yield found
        left -= len(answer.kvs)
        if not answer.more:
            return
        last = answer.kvs[-1].key
        request.at_version = 0 if is_eventual else answer.read_version
        if request.reverse:
            request.end = last
        else:
            request.start = last + b"\x00"
        if limit and left <= 0:
            place = f"--end '{text_of(last)}'" if request.reverse else f"--start '{text_of(request.start)}'"
            remark(f"more keys follow: {place}{'' if is_eventual else f' --at {answer.read_version}'}")
            return


def _print(told: Json, output: str) -> None:
    if output == "json":
        print_json(told)
        return
    key, version = str(told.pop("key", "") or f"base64:{told.pop('key_base64', '')}"), str(told.pop("version"))
    text = told.pop("text", None)
    held = [text if text.isprintable() else json.dumps(text, ensure_ascii=False)] if isinstance(text, str) else []
    print_row((key, version, " ".join([*held, *([json.dumps(told, ensure_ascii=False)] if told else [])])), WIDTHS)
