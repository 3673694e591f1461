# The guards over the stand-in for nixpkgs, without a flake: `nix eval --file nix/guards/offline.nix ...`.
{ stub ? toString ../offline-stub }:
let
  plain = import (stub + "/lib.nix");
  nixpkgs = (import (stub + "/flake.nix")).outputs { self = { }; };
  module = import ../module.nix (pkgs: import ../packages.nix { inherit pkgs; });
  evalWith = module: modules: (nixpkgs.lib.nixosSystem { modules = [ module ] ++ modules; }).config;
  evalConfig = evalWith module;
  # What is refused is refused for its options: packages need only names, and no source is read for them.
  named = name: { type = "derivation"; inherit name; outPath = "/packages/${name}"; };
  evalNamed = evalWith (import ../module.nix (_: plain.genAttrs ([ "cli" "pki" ] ++ import ../processes.nix) named));
  refusing = import ./default.nix { lib = plain; evalConfig = evalNamed; };
  configurations = import ../configurations.nix;
in
rec {
  inherit evalConfig;
  lib = plain;
  configs = plain.mapAttrs (_: one: evalConfig one.modules) configurations;
  # What a machine would get, as text: for systemd's and the services' own judgement.
  files = plain.mapAttrs
    (_: config: {
      units = config.system.build.units;
      settings = plain.mapAttrs (_: one: one.text) (plain.filterAttrs (_: one: one.enable) config.services.ultracloud);
      firewall = config.networking.firewall.allowedTCPPorts;
      users = plain.attrNames config.users.users;
      kernelModules = config.boot.kernelModules;
      checksReversePath = config.networking.firewall.checkReversePath;
      withoutDhcp = config.networking.dhcpcd.denyInterfaces;
    })
    configs;

  guards = import ./default.nix { lib = plain; inherit evalConfig; };
  mutants = import ./mutants.nix;
  # Throws what the guard says of each of them.
  refused = plain.mapAttrs (_: mutant: refusing.machine (configurations.node01.modules ++ mutant.modules)) mutants;
  says = plain.mapAttrs (_: mutant: mutant.says) mutants;

  # Machines of the three that are each well alone, and wrong together.
  misfits =
    let
      with_ = node: module: says: {
        inherit says;
        refused = refusing.cloud (refusing.clouds.ha-control-plane // {
          ${node}.modules = configurations.${node}.modules ++ [ module ];
        });
      };
    in
    {
      different-members = with_ "node02"
        { services.ultracloud.chainfire.settings.cluster.members = [ "node02=https://192.0.2.12:2380" ]; }
        "told different lists of members";
      two-at-one-port = with_ "node01"
        { services.ultracloud.prismnet.settings.listen.address = "192.0.2.11:7003"; }
        "node01 has two processes at 192.0.2.11:7003";
      silent-unit = with_ "node03"
        { systemd.services.flaredb.serviceConfig.Type = plain.mkForce "simple"; }
        "flaredb on node03 does not tell systemd when it is ready";
      unwatched-unit = with_ "node03"
        { systemd.services.flaredb.serviceConfig = plain.mkForce { Type = "notify"; }; }
        "flaredb on node03 has no WatchdogSec";
      two-iams = with_ "node02"
        { services.ultracloud.iam = { enable = true; settings.root_key_file = "/var/lib/ultracloud/iam/root.key"; }; }
        "iam runs on several machines";
    };

  # What differs where a node's name is not that of its attribute, and its address of the other kind.
  renamed =
    let
      config = evalNamed (configurations.node01.modules ++ [
        { ultracloud.cluster.nodes.node01 = { name = "alpha"; address = plain.mkForce "fd00::1"; }; }
        { services.ultracloud.iam.settings.peers.flaredb = "[fd00::1]:7002, unix:/run/flaredb.sock"; }
      ]);
    in
    {
      gateway = config.services.ultracloud.apigateway.settings.listen.address;
      failed = map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions);
      wanted = builtins.filter (plain.hasInfix ":agent/") config.ultracloud.cluster.pki.wanted;
      hosts = map (agent: config.services.ultracloud.${agent}.settings.host) [ "prismnet-agent" "plasmavmc-agent" ];
      member = config.services.ultracloud.chainfire.settings.name;
      inherit (config.services.ultracloud.chainfire.settings.cluster) members;
    };
  # Of folders for certificates, made here and brought here.
  folders = plain.genAttrs [ "single-node-quickstart" "node01" ] (machine:
    (evalNamed (configurations.${machine}.modules ++ [
      { ultracloud.cluster.pki.folder = "/srv/certificates"; }
    ])).systemd.tmpfiles.rules);
  brought = (evalNamed (configurations.node01.modules ++ [
    { services.ultracloud.iam.settings.tls.ca = ../../flake.nix; }
  ])).services.ultracloud.iam.settings.tls.ca;

  matrix = import ../matrix.nix { lib = plain; inherit configs; };
  packages = plain.mapAttrs (_: package: package.name) (import ../packages.nix { pkgs = nixpkgs.legacyPackages.x86_64-linux; });
  # Of the right type, and nothing that chainfire takes.
  outOfRange = (evalConfig (configurations.node01.modules ++ [
    { services.ultracloud.chainfire.settings.storage.quota_mib = 0; }
  ])).services.ultracloud.chainfire.configFile;
  # Each service's module without the others, on: what it takes of options is its own or NixOS's.
  alone = plain.mapAttrs
    (name: path:
      let
        settings = plain.optionalAttrs (name == "iam") { root_key_file = "/run/secrets/root.key"; };
        config = evalWith path [{
          services.ultracloud.${name} = { enable = true; package = named name; inherit settings; };
          networking.hostName = "box";
          boot.loader.grub.enable = false;
          fileSystems."/".device = "/dev/disk/by-label/nixos";
        }];
      in
      builtins.deepSeq [ config.services.ultracloud.${name}.text config.systemd.services.${name} config.assertions ]
        (map (one: one.message) (builtins.filter (one: !one.assertion) config.assertions)))
    (removeAttrs (import ../modules.nix) [ "cluster" ]);
}
