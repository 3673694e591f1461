"""What the gateway does.

- `server`: builds all of it;
- `gateway`: the endpoint: from a plain HTTP request to its answer;
- `streams`: watches, as long as both sides like; `feeds`: their messages;
- `conversations`: consoles, over WebSocket;
- `backends`: the services behind it; `asking`: what one is asked, `visits`: for which request;
- `passing`: gRPC calls of SDKs, passed on;
- `login`: iam's login and OpenID Connect pages, passed on;
- `versions`: what can change while it runs, its versions, and the way back.
"""
