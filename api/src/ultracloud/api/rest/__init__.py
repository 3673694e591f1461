"""The REST API as the protos say it, without any I/O: what the gateway serves and the documentation is made of.

- `templates`: ``/v1/projects/{project}/vms/{ref}:start`` taken apart, and found again by a tree of path segments;
- `routes`: every annotated RPC, with what of its request stands in the path, the query and the body;
- `descriptors`: protobuf's descriptors, typed;
- `absent`: every RPC that is not reached over HTTP, and why;
- `problems`: google.rpc codes as HTTP status, and the fields of an RFC 9457 problem.

Source: google/api/http.proto.
"""
