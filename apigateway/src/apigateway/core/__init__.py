"""What the gateway decides, without a socket.

- `writing`, `reading`: messages as JSON, and back; `answers`: JSON by the bytes of a message, and kept;
- `query`, `binding`: an HTTP request as the request of an RPC;
- `problems`: faults as problem details;
- `streaming`: watches as lines or events;
- `conversing`: streaming in both directions as a WebSocket;
- `rates`: token buckets;
- `cors`: origins;
- `proxies`: where a request comes from;
- `traffic`: what can change while it runs: limits, origins, closed operations.
"""
