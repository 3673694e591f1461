"""What iam does: keys, the policy and its feed, and the RPCs.

- `root_key`, `sealing`, `keys`: the signing keys, sealed in the store
- `source`: the policy as the store has it, in memory and on disk
- `kinds`: organisations, projects, service accounts, roles and bindings as the resource kit wants them
- `tokens`, `policy`: the other two RPC services
- `server`: all of it together
- `keep`, `secrets_of_users`: credentials, sessions and tickets in the store; what of them is sealed
- `people`, `hashing`, `logins`, `security_keys`: who somebody is, and how they prove it
- `sessions`, `sessions_rpc`, `personal_tokens`, `credentials_rpc`: what they get for it, and how they change it
- `oidc_clients`, `oidc_browser`, `oidc_login`, `oidc_tokens`, `oidc_http`: the OpenID Connect provider
- `forgetting`: what is kept of users who are gone
- `federation`: logging in through another issuer
- `identity`: all of these put together
- `invite`: the command that lets the first person in
"""
