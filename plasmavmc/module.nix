# plasmavmc on NixOS: services.ultracloud.plasmavmc for the server, services.ultracloud.plasmavmc-agent for each host.
{ config, lib, ... }:
let
  hardening = import ../nix/lib/hardening.nix;
in
{
  imports = [
    (import ../nix/lib/service.nix {
      name = "plasmavmc";
      about = "virtual machines";
      after = [ "flaredb.service" "iam.service" "prismnet.service" ];
      # It reads the headers of images.
      unit = { pkgs, ... }: { path = [ pkgs.qemu-utils ]; };
    })
    (import ../nix/lib/service.nix {
      name = "plasmavmc-agent";
      about = "virtual machines of this host";
      isAgent = true;
      after = [ "libvirtd.service" "plasmavmc.service" ];
      unit = { pkgs, ... }: {
        path = [ pkgs.qemu-utils pkgs.qemu_kvm ];
        wants = [ "libvirtd.service" ];
        serviceConfig = {
          # Machines are libvirt's and run on while the agent is away.
          KillMode = "process";
          RuntimeDirectory = "ultracloud/plasmavmc-agent";
          # prismnet's agent, and QEMU under libvirt, keep open what is in it.
          RuntimeDirectoryPreserve = true;
          # What secrets of guests held is in it, too.
          RuntimeDirectoryMode = "0700";
          # Disks of guests belong to QEMU's user; everything else is libvirt's work.
          CapabilityBoundingSet = [ "CAP_CHOWN" "CAP_DAC_OVERRIDE" "CAP_FOWNER" ];
          DeviceAllow = [ "/dev/kvm rw" ];
          DevicePolicy = "closed";
          # The kernel tells over netlink when the network of a guest is there.
          RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" "AF_NETLINK" ];
          RestrictNamespaces = true;
          SystemCallFilter = [ "@system-service" "~@obsolete" ];
        } // {
          inherit (hardening.service)
            PrivateTmp ProtectControlGroups ProtectHome ProtectKernelLogs ProtectKernelModules ProtectKernelTunables
            ProtectSystem;
        };
      };
    })
  ];

  config = lib.mkMerge [
    { services.ultracloud.plasmavmc-agent.settings.runtime_dir = lib.mkDefault "/run/ultracloud/plasmavmc-agent"; }
    (lib.mkIf config.services.ultracloud.plasmavmc-agent.enable {
      virtualisation.libvirtd.enable = true;
      # libvirt asks it who may come, and NixOS refuses the one without the other.
      security.polkit.enable = lib.mkDefault true;
    })
  ];
}
