"""Make the Python stubs of `api/proto`: messages by protoc, typed clients and servers by us.

grpcio's own stubs tie callers to grpcio and know no types; ours are written against `ultracloud.api.rpc`, so a channel
of our own can take grpcio's place and mypy checks every call. `./dev check` compares what it
makes with the tree.

Source: protobuf's FileDescriptorSet; style.md 16.
"""

from __future__ import annotations

import argparse
import filecmp
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet, ServiceDescriptorProto
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "api" / "proto"
STUBS = ROOT / "api" / "src" / "ultracloud" / "api"
WELL_KNOWN = {"google.protobuf.Empty": "from google.protobuf.empty_pb2 import Empty"}


def main() -> int:
    """Write the stubs, or with --check say which are not what the protos make."""
    parser = argparse.ArgumentParser(prog="./dev gen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a stub is out of date")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = make(Path(scratch))
        if arguments.check:
            return report_stale(made)
        for relative in made_files(made):
            (STUBS / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made / relative, STUBS / relative)
        for relative in stale_files(made):
            (STUBS / relative).unlink()
    return 0


def make(scratch: Path) -> Path:
    """Make all stubs below `scratch` and give the folder that corresponds to STUBS."""
    out = scratch / "out"
    out.mkdir()
    protos = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    descriptors = scratch / "descriptors.bin"
    google = str(resources.files("grpc_tools").joinpath("_proto"))
    annotations = str(resources.files("google.api").joinpath("http.proto")).removesuffix("google/api/http.proto")
    status = protoc.main(
        [
            "protoc",
            f"-I{PROTO}",
            f"-I{google}",
            f"-I{annotations}",
            f"--python_out={out}",
            f"--pyi_out={out}",
            f"--descriptor_set_out={descriptors}",
            "--include_source_info",
            *protos,
        ]
    )
    if status:
        raise SystemExit("protoc refused the protos; its message is above")
    made = scratch / "made"
    for path in [*out.rglob("*.py"), *out.rglob("*.pyi")]:
        target = made / moved(path.relative_to(out))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(with_imports_moved(path.read_text()))
    for file in FileDescriptorSet.FromString(descriptors.read_bytes()).file:
        if file.service:
            target = made / moved(Path(file.name)).with_name(Path(file.name).stem + "_rpc.py")
            target.write_text(rpc_module(file))
    for folder in {path.parent for path in made.rglob("*.py")} | {made}:
        for parent in [folder, *folder.relative_to(made).parents]:
            package = (made / parent) if not parent.is_absolute() else parent
            if package != made and not (package / "__init__.py").exists():
                (package / "__init__.py").write_text('"""Generated stubs."""\n')
    return made


def moved(relative: Path) -> Path:
    """`ultracloud/iam/v1/x` lives in `iam/v1/x` of `ultracloud.api`; other packages keep their path."""
    return Path(*relative.parts[1:]) if relative.parts[0] == "ultracloud" else relative


def with_imports_moved(text: str) -> str:
    """Stubs live below `ultracloud.api`; protoc writes imports by proto path."""
    text = re.sub(r"^from ultracloud\.(?!api)", "from ultracloud.api.", text, flags=re.MULTILINE)
    return re.sub(r"^from etcd(?=[. ])", "from ultracloud.api.etcd", text, flags=re.MULTILINE)


def made_files(made: Path) -> Iterator[Path]:
    """Relative paths of all files below `made`."""
    for path in sorted(made.rglob("*")):
        if path.is_file():
            yield path.relative_to(made)


def stale_files(made: Path) -> list[Path]:
    """Stubs in the tree that no proto makes any more."""
    here = [
        path.relative_to(STUBS) for pattern in ("*_pb2.py", "*_pb2.pyi", "*_rpc.py") for path in STUBS.rglob(pattern)
    ]
    return [relative for relative in here if not (made / relative).exists()]


def report_stale(made: Path) -> int:
    """Print what differs; 1 if anything does."""
    wrong = [
        relative
        for relative in made_files(made)
        if not (STUBS / relative).exists() or not filecmp.cmp(made / relative, STUBS / relative, shallow=False)
    ] + stale_files(made)
    for relative in wrong:
        print(f"stub {relative} is not what the protos make; run ./dev gen", file=sys.stderr)
    return 1 if wrong else 0


def rpc_module(file: FileDescriptorProto) -> str:
    """The text of one `*_rpc.py`."""
    types = sorted({t for s in file.service for m in s.method for t in (m.input_type, m.output_type)})
    imports = sorted({import_line(file, t.lstrip(".")) for t in types})
    blocks = [service_block(file, service) for service in file.service]
    head = [
        f'"""Typed clients and servers of {file.name}. Made by `./dev gen`; do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import AsyncIterable, AsyncIterator, Awaitable",
        "from typing import Protocol",
        "",
        *imports,
        "from ultracloud.api.rpc import Call, Channel, Method, ServiceDescriptor",
        "",
        "",
    ]
    return "\n".join(head) + "\n\n".join(blocks) + "\n"


def import_line(file: FileDescriptorProto, full: str) -> str:
    """The import that brings message `full` into a `*_rpc.py`."""
    if full in WELL_KNOWN:
        return WELL_KNOWN[full]
    package, _, name = full.rpartition(".")
    home = next((d for d in [file.name, *file.dependency] if package_of(d) == package), file.name)
    module = ".".join(["ultracloud", "api", *moved(Path(home)).with_suffix("").parts]) + "_pb2"
    return f"from {module} import {name}"


def package_of(proto: str) -> str:
    """The package a proto file of ours declares."""
    path = PROTO / proto
    found = re.search(r"^package ([\w.]+);", path.read_text(), re.MULTILINE) if path.exists() else None
    return found.group(1) if found else ""


def snake(name: str) -> str:
    """`DeleteRange` -> `delete_range`; `WhoAmI` -> `who_am_i`; `HashKV` -> `hash_kv`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def service_block(file: FileDescriptorProto, service: ServiceDescriptorProto) -> str:
    """Descriptor, client class and server Protocol of one service."""
    full = f"{file.package}.{service.name}"
    constant = snake(service.name).upper()
    lines = [f"{constant} = ServiceDescriptor(", f'    name="{full}",', f'    file="{file.name}",', "    methods=("]
    client: list[str] = [f"class {service.name}Client:", f'    """Calls {full}."""', ""]
    client += ["    def __init__(self, channel: Channel) -> None:", "        self._channel = channel"]
    server: list[str] = [f"class {service.name}Server(Protocol):", f'    """Serves {full}."""']
    for method in service.method:
        path, name = f"/{full}/{method.name}", snake(method.name)
        request, response = (t.rpartition(".")[2] for t in (method.input_type, method.output_type))
        lines.append(
            f'        Method("{method.name}", "{path}", "{name}", {request}, {response}, '
            f"{method.client_streaming}, {method.server_streaming}),"
        )
        client += ["", *client_method(path, name, request, response, method.client_streaming, method.server_streaming)]
        server += ["", *server_method(name, request, response, method.client_streaming, method.server_streaming)]
    lines += ["    ),", ")"]
    return "\n".join(lines) + "\n\n\n" + "\n".join(client) + "\n\n\n" + "\n".join(server) + "\n"


def client_method(path: str, name: str, request: str, response: str, many_in: bool, many_out: bool) -> list[str]:  # noqa: FBT001
    """One method of a client class."""
    if not many_in and not many_out:
        return [
            f"    async def {name}(self, request: {request}, timeout_s: float | None = None) -> {response}:",
            f'        """Call {path}."""',
            f'        return await self._channel.unary("{path}", request, {response}, timeout_s)',
        ]
    taken = f"AsyncIterable[{request}]" if many_in else request
    return [
        f"    def {name}(self, request: {taken}, timeout_s: float | None = None) -> AsyncIterator[{response}]:",
        f'        """Call {path}; closing the iterator cancels it."""',
        f'        return self._channel.stream("{path}", request, {response}, timeout_s)',
    ]


def server_method(name: str, request: str, response: str, many_in: bool, many_out: bool) -> list[str]:  # noqa: FBT001
    """One method of a server Protocol."""
    taken = f"requests: AsyncIterator[{request}]" if many_in else f"request: {request}"
    given = f"AsyncIterator[{response}]" if many_out else f"{response} | Awaitable[{response}]"
    return [f"    def {name}(self, {taken}, call: Call, /) -> {given}: ..."]


if __name__ == "__main__":
    sys.exit(main())
