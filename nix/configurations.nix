# The machines that the flake has: one for each canonical profile that can be had, as an operator would write them.
let
  # What any NixOS needs to be evaluated; a real machine has its own.
  machine = hostName: {
    networking.hostName = hostName;
    system.stateVersion = "26.05";
    nixpkgs.hostPlatform = "x86_64-linux";
    boot.loader.grub.enable = false;
    fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
  };
  three = {
    ultracloud.cluster = {
      profile = "ha-control-plane";
      operators = [ "ada" ];
      # Addresses that RFC 5737 sets aside for examples.
      nodes.node01 = { address = "192.0.2.11"; uplink = "eth0"; zone = "a"; };
      nodes.node02 = { address = "192.0.2.12"; uplink = "eth0"; zone = "b"; };
      nodes.node03 = { address = "192.0.2.13"; uplink = "eth0"; zone = "c"; };
    };
  };
  node = name: { profile = "ha-control-plane"; modules = [ (machine name) three ]; };
in
{
  single-node-quickstart = {
    profile = "single-node-dev";
    modules = [
      (machine "quickstart")
      {
        ultracloud.cluster = {
          profile = "single-node-dev";
          operators = [ "ada" ];
          nodes.quickstart.uplink = "eth0";
        };
      }
    ];
  };
  node01 = node "node01";
  node02 = node "node02";
  node03 = node "node03";
}
