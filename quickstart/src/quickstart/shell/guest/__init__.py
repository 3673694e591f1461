"""The guest image of the quickstart, made from Debian's packages.

- `packages`: finds and downloads packages with the machine's own apt configuration, and reads files out of them
- `root`: the files of the guest's initial root
- `image`: builds kernel and initial root once and keeps them
- `rootfs/`: the guest's own scripts
"""
