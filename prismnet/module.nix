# prismnet on NixOS: services.ultracloud.prismnet for the server, services.ultracloud.prismnet-agent for each host.
{ config, lib, ... }:
{
  imports = [
    (import ../nix/lib/service.nix {
      name = "prismnet";
      about = "tenant networks";
      after = [ "flaredb.service" "iam.service" ];
    })
    (import ../nix/lib/service.nix {
      name = "prismnet-agent";
      about = "tenant networks of this host";
      isAgent = true;
      after = [ "prismnet.service" "plasmavmc-agent.service" ];
      unit = { pkgs, ... }: {
        path = [ pkgs.nftables ];
        serviceConfig = {
          # Networks go on while the agent is away; nothing of them is this unit's to end.
          KillMode = "process";
          # Namespaces and links (SYS_ADMIN, NET_ADMIN), DHCP on raw sockets (NET_RAW), metadata on port 80.
          CapabilityBoundingSet = [ "CAP_NET_ADMIN" "CAP_SYS_ADMIN" "CAP_NET_RAW" "CAP_NET_BIND_SERVICE" ];
          RestrictAddressFamilies = [ "AF_INET" "AF_INET6" "AF_UNIX" "AF_NETLINK" "AF_PACKET" ];
          RestrictNamespaces = [ "net" "mnt" ];
          SystemCallFilter = [ "@system-service" "@mount" "setns" "unshare" "~@obsolete" ];
        };
      };
    })
  ];

  config = lib.mkMerge [
    {
      # Where plasmavmc's agent serves what guests ask at 169.254.169.254.
      services.ultracloud.prismnet-agent.settings.metadata_socket =
        lib.mkDefault "/run/ultracloud/plasmavmc-agent/metadata.sock";
    }
    (lib.mkIf config.services.ultracloud.prismnet-agent.enable {
      # It brings what crosses a bridge before the rules; without it the agent does not start.
      boot.kernelModules = [ "br_netfilter" ];
      # Before NixOS's rules too: the host has no route back to a tenant's address, and this check would drop all of them.
      networking.firewall.checkReversePath = lib.mkDefault false;
      # The host's DHCP client takes every link it sees for its own.
      networking.dhcpcd.denyInterfaces = map (kind: "${kind}??????????") [ "br-" "rt" "tr" "tap" "vp" ];
    })
  ];
}
