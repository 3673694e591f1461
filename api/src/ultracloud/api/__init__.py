"""Generated protobuf messages and typed RPC clients of every service."""
