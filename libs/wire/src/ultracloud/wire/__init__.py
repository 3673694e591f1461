"""HTTP/2 and gRPC server: a sans-IO core with an asyncio shell."""
