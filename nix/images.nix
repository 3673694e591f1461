# Images that machines start from: those whose services exist. docs/component-matrix.md has the others.
{
  # The whole cloud on one machine that starts from the network and keeps nothing.
  netboot-all-in-one = (import ./configurations.nix).single-node-quickstart.modules ++ [
    ({ modulesPath, ... }: { imports = [ (modulesPath + "/installer/netboot/netboot-minimal.nix") ]; })
  ];
}
