# What must hold of every canonical profile, as pure functions: the same with the real nixpkgs and with the stand-in.
# A guard gives `true`, or throws a sentence. Whatever it claims to cover it evaluates whole: Nix is lazy, and an option
# that nobody asks for is not checked.
{ lib, evalConfig }:
let
  inherit (lib) attrNames concatMap concatMapStringsSep elem filter;
  configurations = import ../configurations.nix;
  components = import ../lib/components.nix;
  profiles = import ../lib/profiles.nix;

  existing = filter (component: !(components.${component} ? waitsFor)) (attrNames components);
  processesOf = config: filter (process: config.services.ultracloud.${process}.enable) existing;
  unitsOf = config: lib.genAttrs (processesOf config) (process: config.systemd.services.${process});
  failedOf = config: map (one: one.message) (filter (one: !one.assertion) config.assertions);
  refuse = messages: if messages == [ ] then true else throw "\n${concatMapStringsSep "\n" (message: "- ${message}") messages}";

  # Everything of a machine that is ours to say.
  covered = config: {
    services = lib.genAttrs existing (process: {
      inherit (config.services.ultracloud.${process}) enable settings openFirewall text;
    });
    cluster = removeAttrs config.ultracloud.cluster [ "pki" ];
    units = lib.mapAttrs (_: unit: { inherit (unit) after wants wantedBy serviceConfig; }) (unitsOf config);
    firewall = config.networking.firewall.allowedTCPPorts;
    users = attrNames config.users.users;
    unknown = failedOf config;
  };

  # One machine evaluates whole, no assertion fails, and what its profile requires of this node is on.
  machine = modules:
    let config = evalConfig modules; in
    builtins.deepSeq (covered config) (refuse (failedOf config));

  # Machines of one cloud that do not fit each other.
  misfits = configs:
    let
      names = attrNames configs;
      settingsOf = process: concatMap
        (name: lib.optional configs.${name}.services.ultracloud.${process}.enable configs.${name}.services.ultracloud.${process}.settings)
        names;
      members = lib.unique (map (settings: settings.cluster.members) (settingsOf "chainfire"));
      hosts = name: map (process: configs.${name}.services.ultracloud.${process}.settings.listen.address) (processesOf configs.${name});
      twice = values: lib.unique (filter (value: value != null && lib.count (other: other == value) values > 1) values);
      profile = profiles.${configs.${builtins.head names}.ultracloud.cluster.profile};
      missing = filter (process: elem process existing && settingsOf process == [ ]) profile.required;
      several = filter (process: components.${process}.single or false && builtins.length (settingsOf process) > 1) existing;
      bare = concatMap
        (name: concatMap
          (process:
            let unit = configs.${name}.systemd.services.${process}; in
            map (word: "${process} on ${name} has no ${word}; nix/lib/service.nix gives it") (filter (word: !(unit.serviceConfig ? ${word}))
              [ "WatchdogSec" "StateDirectory" "NoNewPrivileges" "TimeoutStopSec" "SystemCallFilter" "CapabilityBoundingSet" ])
            ++ lib.optional (unit.serviceConfig.Type != "notify") "${process} on ${name} does not tell systemd when it is ready")
          (processesOf configs.${name}))
        names;
    in
    lib.optional (builtins.length members > 1) "chainfire's members are told different lists of members"
    ++ concatMap (name: map (address: "${name} has two processes at ${address}") (twice (hosts name))) names
    ++ map (process: "the profile needs ${process}, and no machine runs it") missing
    ++ map (process: "${process} runs on several machines, and can only run on one") several
    ++ bare;
in
rec {
  inherit machine;

  clouds = {
    single-node-dev = { inherit (configurations) single-node-quickstart; };
    ha-control-plane = { inherit (configurations) node01 node02 node03; };
  };

  # Each canonical profile evaluates, on every one of its machines; one that waits for services says for which.
  canonicalProfileEval =
    builtins.all (name: builtins.all (one: machine one.modules) (builtins.attrValues clouds.${name})) (attrNames clouds);

  # What the parts of a cloud must agree upon.
  cloud = machines:
    let configs = lib.mapAttrs (_: one: evalConfig one.modules) machines; in
    builtins.deepSeq (lib.mapAttrs (_: covered) configs) (refuse (misfits configs));
  portableControlPlane = builtins.all (name: cloud clouds.${name}) (attrNames clouds);

  # Configurations of all machines, each checked by its own service when it is built.
  configFiles = concatMap
    (machines: concatMap
      (host:
        let config = evalConfig machines.${host}.modules; in
        map (process: { name = "${host}-${process}.toml"; path = config.services.ultracloud.${process}.configFile; }) (processesOf config))
      (attrNames machines))
    (builtins.attrValues clouds);
}
