"""The sans-IO core: what one connection does with bytes and time, and nothing else.

- `limits`: every bound, with its reason.
- `frames`, `headers`, `heads`, `messages`, `timeouts`, `status`: codecs, from frames up to gRPC's status.
- `blocks`: a header block over several frames.
- `floods`: budgets for frames that cost the client nothing.
- `streams`: one call's state; `requests` and `sending`: the two halves of a connection.
- `connection`: the machine; `events`: what it tells the shell.
- `client`: the machine of a client; `client_events`: what it tells the shell; `client_sending`: requests under the
  server's windows; `client_blocks`: headers; `client_answers`: whole answers.
- `http1`: the machine of an HTTP/1.1 connection, for pages such as /healthz and for gateways; `http1_heads`: its heads;
  `websocket`: what one may turn into.
"""
