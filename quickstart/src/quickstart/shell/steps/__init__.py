"""The steps of the quickstart, in order; each module does one and proves what it claims.

- `identity`: organisation, projects, service account, token; a call without rights
- `network`: VPC, subnet, security group, a probe inside
- `machine`: image, flavour, VM; from create to HTTP
- `proofs`: security groups, console, NAT, isolation
- `resilience`: services killed one by one, then the power of everything cut
"""
