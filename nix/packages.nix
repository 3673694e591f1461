# Every member of the workspace as a Python package, over nixpkgs' own Python set. Names, versions, dependencies and
# programs are read from each pyproject.toml, so that there is one list.
{ pkgs }:
let
  inherit (pkgs) lib;

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

  # 3.13 and no other: the wheels below are for it.
  python = pkgs.python313.override {
    self = python;
    packageOverrides = _: nixpkgs: {
      # What is generated of the protos demands a runtime at least as new, and refuses to be imported otherwise.
      protobuf = wheel {
        pname = "protobuf";
        version = "7.36.2";
        tag = "cp310";
        abi = "abi3";
        platform = "manylinux2014_x86_64";
        hash = "sha256-ifI6pTwkVTokFv1P0ewG90+kKxS1RtiIMSiBP3dbv9I=";
        imports = "google.protobuf";
      };
      # Where nixpkgs has them they are its own.
      rocksdict = nixpkgs.rocksdict or (rustWheel "rocksdict" "0.3.29" "sha256-ZoZuEibNSeIONxJTIIkwWcP0MweZmwbjI5cfI+fdUhk=");
      cedarpy = nixpkgs.cedarpy or (rustWheel "cedarpy" "4.12.2" "sha256-YeSbr00HUYnAaKAooB9uL1u5Hxh3ogOcVbT7hwllmgc=");
    };
  };

  # In place of nixpkgs' own, for our members only: others of the set would be built anew for it.
  instead = {
    # Before 4.2 it keeps in its table views of a frame, which are no bytes, and adds up integers without end.
    hpack = wheel {
      pname = "hpack";
      version = "4.2.0";
      tag = "py3";
      abi = "none";
      platform = "any";
      hash = "sha256-hYrAsCKA+lgrUIDWjbCJnGKoA3Xg5UE6dJcMXlGLaYY=";
    };
  };

  # A wheel as it was published, because to build one takes half an hour of Rust or C++. The hashes are among those of
  # requirements.lock, which a test compares.
  wheel = { pname, version, tag, abi, platform, hash, imports ? pname }: python.pkgs.buildPythonPackage {
    inherit pname version;
    format = "wheel";
    src = pkgs.fetchPypi {
      inherit pname version hash abi platform;
      format = "wheel";
      dist = tag;
      python = tag;
    };
    nativeBuildInputs = [ pkgs.autoPatchelfHook ];
    buildInputs = [ pkgs.stdenv.cc.cc.lib ];
    pythonImportsCheck = [ imports ];
  };
  rustWheel = pname: version: hash: wheel {
    inherit pname version hash;
    tag = "cp313";
    abi = "cp313";
    platform = "manylinux_2_17_x86_64.manylinux2014_x86_64";
  };

  ofNixpkgs = name: python.pkgs.${name} or (throw
    "nix/packages.nix: nixpkgs' Python set has no ${name}; name it in `named`, or add a wheel to the overrides");

  dependencyOf = requirement:
    let
      name = lib.head (builtins.match "([A-Za-z0-9_.-]+).*" requirement);
      member = lib.removePrefix "ultracloud-" name;
    in
    if lib.hasPrefix "ultracloud-" name then packages.${member}
    else instead.${name} or (ofNixpkgs (named.${name} or name));

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
    export PATH=${lib.makeBinPath [ pkgs.iproute2 pkgs.nftables pkgs.kmod pkgs.qemu pkgs.libvirt pkgs.util-linux ]}:$PATH
    exec ${python.withPackages (_: map (name: packages.${name}) [ "quickstart" "chainfire" "flaredb" "iam" "prismnet" "plasmavmc" "apigateway" "cli" ])}/bin/python -m quickstart "$@"
  '';
  default = pkgs.symlinkJoin {
    name = "ultracloud";
    paths = map (name: packages.${name}) [ "chainfire" "flaredb" "iam" "prismnet" "plasmavmc" "apigateway" "cli" ];
    meta.mainProgram = "ultracloud";
  };
}
