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
  unitNames = option
    (types.listOf (types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|device|mount|automount|swap|target|path|timer|scope|slice)"))
    [ ];
  oneOf = name: accepted: config:
    !(config ? ${name}) || lib.isAttrs config.${name} || lib.elem config.${name} accepted;
  isService = config:
    oneOf "Type" [ "exec" "simple" "forking" "oneshot" "dbus" "notify" "notify-reload" "idle" ] config
    && oneOf "Restart" [ "no" "on-success" "on-failure" "on-abnormal" "on-abort" "always" ] config;
  unitOptions = {
    description = option (types.strMatching "[^\n\r]*\n?") "";
    enable = option types.bool true;
    wantedBy = unitNames;
    requiredBy = unitNames;
    wants = unitNames;
    requires = unitNames;
    after = unitNames;
    before = unitNames;
    partOf = unitNames;
    bindsTo = unitNames;
    conflicts = unitNames;
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
      hostName = option (types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$") "nixos";
      useDHCP = option types.bool true;
      dhcpcd.denyInterfaces = strings;
      firewall = {
        enable = option types.bool true;
        allowedTCPPorts = option (types.listOf types.port) [ ] // {
          apply = ports: lib.unique (builtins.sort builtins.lessThan ports);
        };
        checkReversePath = option (types.either types.bool (types.enum [ "strict" "loose" ])) true;
      };
    };
    users.users = attributesOf {
      isSystemUser = switch;
      isNormalUser = switch;
      group = text;
      description = option (types.passwdEntry types.str) "";
      extraGroups = strings;
    };
    users.groups = attributesOf { members = strings; };
    systemd.services = attributesOf (unitOptions // {
      serviceConfig = option (types.addCheck (types.attrsOf unitValue) isService) { };
      environment = option (types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]))) { };
      path = option (types.listOf (types.either types.package types.str)) [ ];
    });
    # Unit name -> file, as systemd reads it.
    systemd.units = attributesOf { text = text; wantedBy = strings; };
    systemd.tmpfiles.rules = strings;
    environment.systemPackages = option (types.listOf types.package) [ ];
    virtualisation.libvirtd.enable = switch;
    security.polkit.enable = switch;
    boot.kernelModules = strings;
    boot.loader.grub.enable = option types.bool true;
    boot.loader.grub.devices = strings;
    fileSystems = attributesOf { device = text; fsType = text; };
    services.openssh.enable = switch;
    nixpkgs.hostPlatform = option types.str "x86_64-linux";
    system.stateVersion = option types.str "";
    system.build = {
      units = mkOption { type = types.attrsOf types.str; readOnly = true; };
      toplevel = mkOption { type = types.package; readOnly = true; };
    };
  };

  config.systemd.units = lib.mapAttrs'
    (name: unit: lib.nameValuePair "${name}.service" { text = rendered unit; inherit (unit) wantedBy; })
    config.systemd.services;
  # What NixOS's own modules demand of ours.
  config.assertions = [
    {
      assertion = config.virtualisation.libvirtd.enable -> config.security.polkit.enable;
      message = "The libvirtd module currently requires Polkit to be enabled ('security.polkit.enable = true').";
    }
    {
      assertion = config.boot.loader.grub.enable -> config.boot.loader.grub.devices != [ ];
      message = "You must set the option ‘boot.loader.grub.devices’ or 'boot.loader.grub.mirroredBoots' to make the system bootable.";
    }
    {
      assertion = config.fileSystems ? "/";
      message = "The ‘fileSystems’ option does not specify your root file system.";
    }
  ] ++ lib.concatMap
    (name:
      let user = config.users.users.${name}; in
      [
        {
          assertion = user.isSystemUser != user.isNormalUser;
          message = "Exactly one of users.users.${name}.isSystemUser and users.users.${name}.isNormalUser must be set.";
        }
        {
          assertion = user.isNormalUser || user.group != "";
          message = "users.users.${name}.group is unset. This used to default to nogroup, but this is unsafe.";
        }
      ])
    (lib.attrNames config.users.users);

  config.system.build = {
    units = lib.mapAttrs (_: unit: unit.text) config.systemd.units;
    toplevel =
      if failed != [ ] then throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (one: "- ${one.message}") failed}"
      else pkgs.linkFarm "nixos-system-${config.networking.hostName}" (lib.mapAttrsToList
        (name: content: { inherit name; path = pkgs.writeText name content; })
        config.system.build.units);
  };
}
