# What of a machine a test needs: its address, the certificates it takes, each process's program and configuration, and
# its units, users and rules for folders as NixOS would have them.
{ lib, config }:
let
  cluster = config.ultracloud.cluster;
  processes = lib.filterAttrs (_: one: one.enable) config.services.ultracloud;
in
{
  inherit (cluster) profile node operators;
  inherit (cluster.nodes.${cluster.node}) address;
  certificates = cluster.pki.wanted;
  units = lib.mapAttrs'
    (name: _: lib.nameValuePair "${name}.service" { inherit (config.systemd.units."${name}.service") text wantedBy; })
    (processes // lib.optionalAttrs cluster.pki.generate { ultracloud-pki = { }; });
  users = lib.filter (name: config.users.users ? ${name}) (lib.attrNames processes);
  tmpfiles = config.systemd.tmpfiles.rules;
  inherit (config.boot) kernelModules;
  processes = lib.mapAttrs
    (name: one: {
      # The unit's own command line, so that what is tried is what systemd would start.
      command = lib.splitString " " config.systemd.services.${name}.serviceConfig.ExecStart;
      listen = one.settings.listen.address;
      unit = removeAttrs config.systemd.services.${name}.serviceConfig [ "ExecStart" ];
    })
    processes;
}
