"""Lanes over a cluster of the flake's machines.

`__main__` takes the arguments, `machines` reads what Nix made, `backend` says what a lane may ask of a cluster,
`namespaces` is a cluster of namespaces with its units' `fences`, whose VMs (`vms`) boot `vm_image`;
`guests` a machine with a systemd
(`guest_image` is what it boots, `guest_root` its files), `fresh_smoke` and `single_node` are lanes.
"""
