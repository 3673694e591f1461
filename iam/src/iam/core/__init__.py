"""What iam decides, without a clock, a socket or a store.

- `references`: names that people write in bindings -> ids that policies hold
- `powers`: nobody gives (or takes) more than they hold themselves
- `admission`: what roles, bindings and deletions must satisfy
- `issuing`: whether a token may be issued, and what it says
- `keyring`: which signing key signs, which are published, when one is made and when one is dropped
- `passwords`, `totp`, `throttle`, `session_tokens`: which passwords are taken, which codes are right, how long who was
  wrong waits, which refresh token is good
- `federation`: whom of ours another issuer's word means
- `oauth`, `pages`: what OAuth and OpenID Connect ask and answer, and the pages people log in on
"""
