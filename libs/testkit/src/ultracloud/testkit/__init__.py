"""What tests are made of, shipped with the product: no mocks, no sleeps, real parts or a simulated world.

- `golden`: texts and conversations that a person reads, kept in files
- `seeds`: random tests whose failures can be run again
- `sim`: a clock, a network and a disk that do what we say, from one seed
- `checks`: linearizability, watches and leases, judged by what clients were told
- `namespaces`: hosts as network namespaces, joined by cables
- `machines`: hosts with processes and mounts of their own, ended as by a power cut
- `libvirt`: a libvirtd of a machine's own
- `processes`: real processes under test, gone with the test
- `postgres`: Debian's PostgreSQL, as anybody but root
- `pki`: certificates for tests
"""
