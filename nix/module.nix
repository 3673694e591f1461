# nixosModules.default: every module, with packages that `packagesOf pkgs` gives.
packagesOf:
{ config, lib, pkgs, ... }:
let
  packages = packagesOf pkgs;
in
{
  imports = builtins.attrValues (import ./modules.nix);
  config = {
    services.ultracloud = lib.genAttrs (import ./processes.nix) (name: { package = lib.mkDefault packages.${name}; });
    ultracloud.cluster.pki.package = lib.mkDefault packages.pki;
    environment.systemPackages = lib.mkIf (config.ultracloud.cluster.profile != null) [ packages.cli ];
  };
}
