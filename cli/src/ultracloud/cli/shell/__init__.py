"""What the command line does.

`places` where its files are; `files` reading and writing them; `link` one connection to
the gateway; `client` calls with retries, pages and watches; `oidc` the endpoints of login; `credentials` the token of
each request; `websocket` consoles; `terminal` what a person sees; `documents` YAML and JSON files; `app` all of it for
one command.
"""
