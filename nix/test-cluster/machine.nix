# What of a machine a test needs: its address, the certificates it takes, and each process's program and configuration.
{ lib, config }:
let
  cluster = config.ultracloud.cluster;
  processes = lib.filterAttrs (_: one: one.enable) config.services.ultracloud;
in
{
  inherit (cluster) profile node operators;
  inherit (cluster.nodes.${cluster.node}) address;
  certificates = cluster.pki.wanted;
  processes = lib.mapAttrs
    (name: one: {
      # The unit's own command line, so that what is tried is what systemd would start.
      command = lib.splitString " " config.systemd.services.${name}.serviceConfig.ExecStart;
      listen = one.settings.listen.address;
      unit = removeAttrs config.systemd.services.${name}.serviceConfig [ "ExecStart" ];
    })
    processes;
}
