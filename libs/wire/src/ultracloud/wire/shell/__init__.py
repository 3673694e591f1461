"""The shell: sockets, tasks and time around the core.

- `options`, `routes`: what a server is made of.
- `server`: listeners, drain, reload; `heap`: what large messages cost; `tls`: contexts and who the client is.
- `sniff`: which protocol a connection speaks; `http2`, `http1`: one connection each.
- `pages`: what plain HTTP requests are answered; `http2_pages`: those of an HTTP/2 connection;
  `websocket`: a conversation that one of HTTP/1.1 has turned into.
- `inner`: calls of our own methods, for gateways.
- `edge`: one call from its request to its status; `calls`: what a method sees of it; `details`: google.rpc.Status.
- `client`: one connection of a client; `client_calls`: its calls.
- `health`, `reflection`: the two standard services.
"""
