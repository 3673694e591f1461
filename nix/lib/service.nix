# The NixOS module of one process: what all of ours have in common. Each service's own module.nix calls this.
#
#   name         the process, and its systemd unit
#   about        one line for `systemctl status`
#   program      executable of the package, if not of the process's name
#   isAgent      runs as root on a host it changes; a service has a user of its own
#   ports        settings -> TCP ports that others must reach, beside that of `listen.address`
#   after        units of this machine that it is better started after; none is required, each waits for what it needs
#   unit         { config, lib, pkgs, settings } -> attributes of `systemd.services.<name>`, over those that are common
{ name, about, program ? name, isAgent ? false, ports ? (_: [ ]), after ? [ ], unit ? (_: { }) }:
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  settingsLib = import ./settings.nix { inherit lib; };
  toml = import ./toml.nix { inherit lib; };
  addresses = import ./addresses.nix { inherit lib; };
  hardening = import ./hardening.nix;

  fields = lib.importJSON (../settings + "/${name}.json");
  cfg = config.services.ultracloud.${name};
  at = [ "services" "ultracloud" name ];
  stateRoot = "/var/lib/";
  stateDir = cfg.settings.state_dir;
  isUnderVarLib = lib.hasPrefix stateRoot stateDir;
  # A folder of its own, whose mode and owner may be set.
  isOwnFolder = addresses.types.folder.check stateDir && builtins.match "/[^/]+/.+" stateDir != null
    && builtins.match "/(boot|dev|etc|home|nix|proc|run|sys|usr|var)/[^/]+" stateDir == null;
  user = if isAgent then "root" else name;

  # The service itself says whether the file is good, before anything is activated. Certificates are not there yet.
  configFile = pkgs.runCommand "${name}.toml"
    { text = cfg.text; passAsFile = [ "text" ]; }
    ''
      cp "$textPath" "$out"
      ${cfg.package}/bin/${program} check-config --no-files --config "$out"
    '';

  portOf = address: lib.toInt (lib.last (lib.splitString ":" address));
  isLocal = address: lib.hasPrefix "127." address || lib.hasPrefix "localhost:" address || lib.hasPrefix "[::1]:" address;
  listens = cfg.settings.listen.address;
  openPorts = lib.optional (listens != null && !(isLocal listens) && portOf listens != 0) (portOf listens) ++ ports cfg.settings;
  isLowPort = lib.any (port: port < 1024) openPorts;

  # Renewed certificates are written beside the old ones.
  writable = lib.optional (!isUnderVarLib) stateDir
    ++ lib.optional (cfg.settings.tls.renew == true && cfg.settings.tls.certificate != null) (builtins.dirOf cfg.settings.tls.certificate);

  own = unit { inherit config lib pkgs; inherit (cfg) settings; };
  common = {
    description = "UltraCloud ${name}: ${about}";
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ] ++ after;
    unitConfig.StartLimitIntervalSec = 0;
  };
  commonService = {
    Type = "notify";
    NotifyAccess = "main";
    ExecStart = "${cfg.package}/bin/${program} serve --config ${configFile}";
    # Until it serves: a large store is read first. Which of its peers it waits for then is in its STATUS.
    TimeoutStartSec = "5min";
    # 5 s for calls, 10 s for its state, and some to spare.
    TimeoutStopSec = "30s";
    WatchdogSec = "30s";
    Restart = "always";
    RestartSec = "1s";
    LimitNOFILE = 1048576;
    StateDirectoryMode = "0700";
    Slice = "ultracloud.slice";
  }
  // (if isUnderVarLib then { StateDirectory = lib.removePrefix stateRoot stateDir; } else { })
  # Most agents have no mount namespace, and this would give them one.
  // lib.optionalAttrs (writable != [ ] && (!isAgent || own ? serviceConfig.ProtectSystem)) { ReadWritePaths = writable; }
  // (if isAgent then hardening.agent else hardening.service // { User = name; Group = name; })
  // lib.optionalAttrs (isLowPort && !isAgent) {
    # Below 1024 only this capability may listen.
    AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
    CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
  };
in
{
  options.services.ultracloud.${name} = {
    enable = lib.mkEnableOption "UltraCloud's ${name}, ${about}";
    package = mkOption { type = types.package; description = "The package with `bin/${program}`."; };
    settings = mkOption {
      type = settingsLib.submodule fields;
      default = { };
      description = "What `${name}` is told; rendered to TOML and checked by `${program} check-config`.";
    };
    openFirewall = mkOption { type = types.bool; default = false; description = "Whether others may reach its ports."; };
    text = mkOption {
      type = types.str;
      readOnly = true;
      description = "The configuration as it is written.";
    };
    configFile = mkOption { type = types.package; readOnly = true; description = "The configuration, checked by the service."; };
  };

  config = lib.mkMerge [
    {
      services.ultracloud.${name} = {
        settings.state_dir = lib.mkDefault "${stateRoot}ultracloud/${name}";
        text = toml.render cfg.settings;
        inherit configFile;
      };
    }
    (lib.mkIf cfg.enable {
      assertions = settingsLib.assertionsOf (at ++ [ "settings" ]) fields cfg.settings ++ [
        {
          assertion = isOwnFolder;
          message = "${lib.concatStringsSep "." at}.settings.state_dir is \"${stateDir}\"; accepted: the absolute path of a folder that is ${name}'s alone, outside the Nix store, without blanks, \"..\" or a \"/\" at its end, such as /var/lib/ultracloud/${name} or /srv/${name}.";
        }
      ];
      # Of what is elsewhere systemd makes nothing.
      systemd.tmpfiles.rules = lib.optional (!isUnderVarLib) "d ${stateDir} 0700 ${user} ${user}";
      systemd.services.${name} = lib.mkMerge [ (common // { serviceConfig = commonService // own.serviceConfig or { }; }) (removeAttrs own [ "serviceConfig" ]) ];
      # What an operator types: `iam invite`, `chainfire why`, `flaredb regions`.
      environment.systemPackages = [ cfg.package ];
      networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall openPorts;
      users.users = lib.mkIf (!isAgent) { ${name} = { isSystemUser = true; group = name; description = "UltraCloud ${name}"; }; };
      users.groups = lib.mkIf (!isAgent) { ${name} = { }; };
    })
  ];
}
