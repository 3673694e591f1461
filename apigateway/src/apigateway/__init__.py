"""The front door: one REST/JSON API for everything, made of the protos.

- `core`: an HTTP request as the request of an RPC, its answer as JSON, limits; no sockets.
- `shell`: the endpoint, the ways to the services behind it, what is watched and passed on.
- `config`: what it is told; `traffic` in `core`: what can change while it runs.
"""
