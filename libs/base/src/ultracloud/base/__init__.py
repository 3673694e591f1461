"""Pure words every service shares.

- `faults`: one exception class per google.rpc.Code
- `ids`, `names`: what things are called
- `paths`: the resource tree
- `principals`, `permissions`, `roles`: who asks, for what, and the built-in answers
- `directory`, `policy`: everything there is at one version, and the decision made from it
- `tokens`: what the claims of a verified token must say
- `narrowing`, `attenuation`: what a token leaves of what its principal may, and how its holder makes it leave less
"""
