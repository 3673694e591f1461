# The NixOS options that our modules set, typed as NixOS types them, and what becomes of them: unit files as text.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  option = type: default: mkOption { inherit type default; };
  strings = option (types.listOf types.str) [ ];
  text = option types.str "";
  switch = option types.bool false;
  attributesOf = options: option (types.attrsOf (types.submodule { inherit options; })) { };

  scalar = types.oneOf [ types.bool types.int types.float types.path types.package types.str ];
  unitValue = types.either scalar (types.listOf scalar);
  unitOptions = {
    description = text;
    enable = option types.bool true;
    wantedBy = strings;
    requiredBy = strings;
    wants = strings;
    requires = strings;
    after = strings;
    before = strings;
    partOf = strings;
    bindsTo = strings;
    conflicts = strings;
    unitConfig = option (types.attrsOf unitValue) { };
  };

  shown = value: if lib.isBool value then lib.boolToString value else toString value;
  line = name: value: lib.concatMapStringsSep "" (one: "${name}=${shown one}\n") (if lib.isList value then value else [ value ]);
  lines = set: lib.concatStringsSep "" (lib.mapAttrsToList line set);
  joined = name: values: lib.optionalString (values != [ ]) "${name}=${lib.concatStringsSep " " values}\n";
  rendered = unit: ''
    [Unit]
    Description=${unit.description}
    ${joined "Wants" unit.wants}${joined "Requires" unit.requires}${joined "After" unit.after}${joined "Before" unit.before}${lines unit.unitConfig}
    [Service]
    ${lib.optionalString (unit.path != [ ]) "Environment=PATH=${lib.concatMapStringsSep ":" (one: "${one}/bin") unit.path}:/usr/sbin:/usr/bin\n"}${lines unit.environment}${lines unit.serviceConfig}
    [Install]
    ${joined "WantedBy" unit.wantedBy}'';

  failed = lib.filter (one: !one.assertion) config.assertions;
in
{
  options = {
    assertions = option (types.listOf (types.submodule {
      options = { assertion = mkOption { type = types.bool; }; message = mkOption { type = types.str; }; };
    })) [ ];
    warnings = strings;
    networking = {
      hostName = option types.str "nixos";
      useDHCP = option types.bool true;
      firewall = { enable = option types.bool true; allowedTCPPorts = option (types.listOf types.port) [ ]; };
    };
    users.users = attributesOf {
      isSystemUser = switch;
      isNormalUser = switch;
      group = text;
      description = text;
      extraGroups = strings;
    };
    users.groups = attributesOf { members = strings; };
    systemd.services = attributesOf (unitOptions // {
      serviceConfig = option (types.attrsOf unitValue) { };
      environment = option (types.attrsOf scalar) { };
      path = option (types.listOf types.package) [ ];
    });
    systemd.tmpfiles.rules = strings;
    environment.systemPackages = option (types.listOf types.package) [ ];
    virtualisation.libvirtd.enable = switch;
    boot.loader.grub.enable = switch;
    fileSystems = attributesOf { device = text; fsType = text; };
    services.openssh.enable = switch;
    nixpkgs.hostPlatform = option types.str "x86_64-linux";
    system.stateVersion = option types.str "";
    system.build = {
      # Unit name -> file, as systemd reads it.
      units = mkOption { type = types.attrsOf types.str; readOnly = true; };
      toplevel = mkOption { type = types.package; readOnly = true; };
    };
  };

  config.system.build = {
    units = lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.service" (rendered unit)) config.systemd.services;
    toplevel =
      if failed != [ ] then throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (one: "- ${one.message}") failed}"
      else pkgs.linkFarm "nixos-system-${config.networking.hostName}" (lib.mapAttrsToList
        (name: content: { inherit name; path = pkgs.writeText name content; })
        config.system.build.units);
  };
}
