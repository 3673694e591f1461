"""grpc.reflection.v1 and v1alpha: what a server serves, for clients that have no protos.

Only files that the served services need are told of, whatever else the process has loaded.

Source: the gRPC server reflection protocol.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor

from ultracloud.api.grpc.reflection.v1 import reflection_pb2 as v1
from ultracloud.api.grpc.reflection.v1alpha import reflection_pb2 as v1alpha
from ultracloud.api.rpc import Call, ServiceDescriptor
from ultracloud.base.faults import InvalidArgumentError, NotFoundError


class Catalogue:
    """The services of a server and the proto files they need."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        pool = descriptor_pool.Default()
        self.services = sorted({each.name for each in services})
        self._files: dict[str, FileDescriptor] = {}
        for name in self.services:
            self._add(pool.FindServiceByName(name).file)
        self._pool = pool

    def file(self, name: str) -> FileDescriptor:
        """A file by its name.

        Raises:
            NotFoundError: No service needs such a file.
        """
        found = self._files.get(name)
        if found is None:
            raise NotFoundError(f"no file {name[:200]!a} here")
        return found

    def file_of(self, symbol: str) -> FileDescriptor:
        """The file that defines `symbol`.

        Raises:
            NotFoundError: No service needs such a file.
        """
        parent, _, name = symbol.rpartition(".")
        for file in self._files.values():
            owner = file.services_by_name.get(parent.removeprefix(f"{file.package}."))
            if owner is not None and name in owner.methods_by_name:
                return file  # the pool finds everything but methods
        try:
            return self.file(self._pool.FindFileContainingSymbol(symbol).name)
        except KeyError as error:
            raise NotFoundError(f"no symbol {symbol[:200]!a} here") from error

    def with_imports(self, file: FileDescriptor, sent: set[str]) -> list[bytes]:
        """A file and what it imports, serialised, but for what is in `sent`, which grows."""
        files: list[bytes] = []
        todo = [file]
        while todo:
            each = todo.pop()
            if each.name not in sent:
                sent.add(each.name)
                files.append(each.serialized_pb)
                todo.extend(each.dependencies)
        return files

    def _add(self, file: FileDescriptor) -> None:
        """Note a file and all it imports."""
        if file.name not in self._files:
            self._files[file.name] = file
            for each in file.dependencies:
                self._add(each)


class V1Reflection:
    """Implements grpc.reflection.v1.ServerReflection."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def server_reflection_info(
        self, requests: AsyncIterator[v1.ServerReflectionRequest], _call: Call, /
    ) -> AsyncGenerator[v1.ServerReflectionResponse, None]:
        """Answer one question after the other."""
        sent: set[str] = set()
        async for request in requests:
            yield answer(self._catalogue, request, sent)


class V1AlphaReflection:
    """Implements grpc.reflection.v1alpha.ServerReflection: the same messages under another name."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def server_reflection_info(
        self, requests: AsyncIterator[v1alpha.ServerReflectionRequest], _call: Call, /
    ) -> AsyncGenerator[v1alpha.ServerReflectionResponse, None]:
        """Answer one question after the other."""
        sent: set[str] = set()
        async for request in requests:
            asked = v1.ServerReflectionRequest.FromString(request.SerializeToString())
            given = answer(self._catalogue, asked, sent).SerializeToString()
            yield v1alpha.ServerReflectionResponse.FromString(given)


def answer(catalogue: Catalogue, request: v1.ServerReflectionRequest, sent: set[str]) -> v1.ServerReflectionResponse:
    """The answer to one question; `sent` has the names of files that this stream has had."""
    response = v1.ServerReflectionResponse(valid_host=request.host, original_request=request)
    try:
        _fill(response, catalogue, request, sent)
    except (NotFoundError, InvalidArgumentError) as error:
        response.error_response.error_code = error.code
        response.error_response.error_message = error.public
    return response


def _fill(
    response: v1.ServerReflectionResponse, catalogue: Catalogue, request: v1.ServerReflectionRequest, sent: set[str]
) -> None:
    """Put the answer of one question into its response."""
    match request.WhichOneof("message_request"):
        case "list_services":
            names = [v1.ServiceResponse(name=name) for name in catalogue.services]
            response.list_services_response.service.extend(names)
        case "file_by_filename":
            file = catalogue.file(request.file_by_filename)
            response.file_descriptor_response.file_descriptor_proto.extend(catalogue.with_imports(file, sent))
        case "file_containing_symbol":
            file = catalogue.file_of(request.file_containing_symbol)
            response.file_descriptor_response.file_descriptor_proto.extend(catalogue.with_imports(file, sent))
        case "all_extension_numbers_of_type":
            catalogue.file_of(request.all_extension_numbers_of_type)
            response.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
        case "file_containing_extension":
            raise NotFoundError("no extensions here: the files are proto3")
        case _:
            raise InvalidArgumentError("the request asks nothing")
