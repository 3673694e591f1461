# Every member of the workspace as a Python package, over nixpkgs' own Python set. Names, versions, dependencies and
# programs are read from each pyproject.toml, so that there is one list.
{ pkgs }:
let
  inherit (pkgs) lib;
  python = pkgs.python3;

  members = {
    api = ../api;
    base = ../libs/base;
    raft = ../libs/raft;
    wire = ../libs/wire;
    servicekit = ../libs/servicekit;
    testkit = ../libs/testkit;
    chainfire = ../chainfire;
    flaredb = ../flaredb;
    iam = ../iam;
    prismnet = ../prismnet;
    plasmavmc = ../plasmavmc;
    apigateway = ../apigateway;
    cli = ../cli;
    quickstart = ../quickstart;
  };

  # What nixpkgs calls otherwise than its distribution.
  named = { libvirt-python = "libvirt"; };

  # What nixpkgs has not: wheels, because each is Rust that takes half an hour to build. The hashes are among those of
  # requirements.lock, which a test compares.
  wheel = pname: version: hash: python.pkgs.buildPythonPackage rec {
    inherit pname version;
    format = "wheel";
    src = pkgs.fetchPypi {
      inherit pname version format hash;
      dist = "cp313";
      python = "cp313";
      abi = "cp313";
      platform = "manylinux_2_17_x86_64.manylinux2014_x86_64";
    };
    nativeBuildInputs = [ pkgs.autoPatchelfHook ];
    buildInputs = [ pkgs.stdenv.cc.cc.lib ];
    pythonImportsCheck = [ pname ];
  };
  added = {
    rocksdict = wheel "rocksdict" "0.3.29" "sha256-ZoZuEibNSeIONxJTIIkwWcP0MweZmwbjI5cfI+fdUhk=";
    cedarpy = wheel "cedarpy" "4.12.2" "sha256-YeSbr00HUYnAaKAooB9uL1u5Hxh3ogOcVbT7hwllmgc=";
  };
  ofNixpkgs = name: python.pkgs.${name} or (throw
    "nix/packages.nix: nixpkgs' Python set has no ${name}; name it in `named`, or add a wheel to `added`");

  dependencyOf = requirement:
    let
      name = lib.head (builtins.match "([A-Za-z0-9_.-]+).*" requirement);
      member = lib.removePrefix "ultracloud-" name;
    in
    if lib.hasPrefix "ultracloud-" name then packages.${member}
    else added.${name} or (ofNixpkgs (named.${name} or name));

  # Tests and benchmarks change more often than what is built of a member, and are no part of it.
  sourceOf = name: folder: builtins.path {
    path = folder;
    name = "ultracloud-${name}-source";
    filter = path: _: !(lib.elem (baseNameOf path) [ "tests" "bench" "__pycache__" "module.nix" ]);
  };

  packageOf = name: folder:
    let
      project = (builtins.fromTOML (builtins.readFile (folder + "/pyproject.toml"))).project;
    in
    python.pkgs.buildPythonPackage {
      pname = project.name;
      inherit (project) version;
      pyproject = true;
      src = sourceOf name folder;
      build-system = [ python.pkgs.hatchling python.pkgs.editables ];
      dependencies = map dependencyOf project.dependencies;
      # The tests of all members run from a checkout, `./dev test`: they need each other, and tools.
      doCheck = false;
      meta = {
        inherit (project) description;
        license = lib.licenses.asl20;
        mainProgram = lib.head (lib.attrNames (project.scripts or { ${name} = ""; }));
      };
    };
  packages = lib.mapAttrs packageOf members;

  # A program that is `python -m MODULE` of a member.
  moduleProgram = name: member: module: pkgs.writeShellScriptBin name ''
    exec ${python.withPackages (_: [ packages.${member} ])}/bin/python -m ${module} "$@"
  '';
in
packages // {
  # Hosts' agents are parts of their service's package, with a program of their own.
  prismnet-agent = moduleProgram "prismnet-agent" "prismnet" "prismnet.agent";
  plasmavmc-agent = moduleProgram "plasmavmc-agent" "plasmavmc" "plasmavmc.agent";
  pki = pkgs.writeShellScriptBin "ultracloud-pki" ''
    exec ${python.withPackages (_: [ packages.servicekit ])}/bin/python ${./make_pki.py} "$@"
  '';
  # Everything the quickstart starts, and the tools of the host that it starts them with.
  quickstart-command = pkgs.writeShellScriptBin "single-node-quickstart" ''
    export PATH=${lib.makeBinPath [ pkgs.iproute2 pkgs.nftables pkgs.kmod pkgs.qemu pkgs.libvirt pkgs.busybox ]}:$PATH
    exec ${python.withPackages (_: map (name: packages.${name}) [ "quickstart" "chainfire" "flaredb" "iam" "prismnet" "plasmavmc" ])}/bin/python -m quickstart "$@"
  '';
  default = pkgs.symlinkJoin {
    name = "ultracloud";
    paths = map (name: packages.${name}) [ "chainfire" "flaredb" "iam" "prismnet" "plasmavmc" "apigateway" "cli" ];
    meta.mainProgram = "ultracloud";
  };
}
