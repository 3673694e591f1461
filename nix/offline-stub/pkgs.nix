# Packages over the host's own tools: derivations really build, with the host's shell, and what they make runs here.
# Only what our flake asks for; a name that is not here is an error, as it should be.
{ lib, system, host }:
let
  # bash closes its output and becomes the last command if nothing follows it, and Nix takes that for the builder's end.
  build = name: environment: script: derivation
    (environment // {
      inherit name system;
      builder = "/bin/bash";
      args = [ "-euc" "export PATH=/usr/local/bin:/usr/bin:/bin HOME=\"$TMPDIR\"\n${script}\n:" ];
    }) // { pname = name; inherit name; };

  # Programs of the host under a name of nixpkgs; where the host has not got one, what needs it will say so.
  hostPrograms = name: programs: build name { } ''
    mkdir -p "$out/bin"
    for program in ${lib.concatStringsSep " " programs}; do
      ln -s "$(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin command -v "$program" || echo "/usr/bin/$program")" "$out/bin/$program"
    done
  '';

  script = name: interpreter: text: build name { inherit text; passAsFile = [ "text" ]; } ''
    mkdir -p "$out/bin"
    { echo '#!${interpreter}'; cat "$textPath"; } > "$out/bin/${name}"
    chmod 755 "$out/bin/${name}"
  '';

  # Modules of a distribution are already in the host's Python.
  hostDistribution = name: { pname = name; inherit name; modules = [ ]; };
  distributions = [
    "argon2-cffi" "asyncpg" "bcrypt" "botocore" "click" "cryptography" "editables" "fido2" "googleapis-common-protos"
    "hatchling" "hpack" "httpx" "libvirt" "prometheus-client" "protobuf" "pyjwt" "pynacl" "pyotp" "pyroute2" "pyyaml"
    "segno" "sortedcontainers" "uvloop"
  ];
  modulesOf = packages: lib.unique (lib.concatMap (package: package.modules or [ ]) packages);

  buildPythonPackage = { pname, src, dependencies ? [ ], format ? "", meta ? { }, ... }:
    if format == "wheel" then hostDistribution pname // { inherit src; }
    else
      let
        below = modulesOf dependencies;
        made = build pname { inherit src; } ''
          mkdir -p "$out/lib"
          cp -r --no-preserve=mode "$src/src" "$out/lib/python"
          # As a wheel's installer does; by hash, because the store sets every file's time.
          ${host.python} -m compileall -q --invalidation-mode unchecked-hash "$out/lib/python"
          ${host.python} ${./console_scripts.py} "$src/pyproject.toml" "$out/bin" ${host.python} "$out/lib/python:${lib.concatStringsSep ":" below}"
        '';
      in
      made // { modules = [ "${made}/lib/python" ] ++ below; inherit meta; };

  # The same host's Python whatever overrides are given; they count for the names of packages.
  pythonWith = overrides:
    let
      own = lib.genAttrs distributions hostDistribution // { inherit buildPythonPackage; };
      python = hostPrograms "python3" [ "python3" ] // {
        interpreter = host.python;
        pkgs = own // overrides python.pkgs own;
        override = { packageOverrides, ... }: pythonWith packageOverrides;
        withPackages = choose: script "python" "/bin/bash" ''
          export PYTHONPATH=${lib.concatStringsSep ":" (modulesOf (choose python.pkgs))}:''${PYTHONPATH:-}
          exec ${host.python} "$@"
        '';
      };
    in
    python;
  python313 = pythonWith (_: _: { });
in
{
  inherit lib system python313;
  stdenv = { hostPlatform = { inherit system; isx86_64 = true; }; cc.cc.lib = hostPrograms "libstdcxx" [ ]; };
  fetchPypi = { pname, ... }: "${pname}, of the host's own packages";
  runCommand = build;
  writeText = name: text: build name { inherit text; passAsFile = [ "text" ]; } ''cp "$textPath" "$out"'';
  writeShellScriptBin = name: script name "/bin/bash";
  linkFarm = name: entries: build name { } ''
    mkdir -p "$out"
    ${lib.concatMapStringsSep "\n" (entry: "ln -s ${entry.path} \"$out/${entry.name}\"") entries}
  '';
  symlinkJoin = { name, paths, meta ? { } }: build name { } ''
    mkdir -p "$out/bin"
    for path in ${lib.concatStringsSep " " paths}; do cp -s "$path"/bin/* "$out/bin/"; done
  '' // { inherit meta; };
  mkShell = { packages ? [ ], shellHook ? "", ... }: build "shell" { inherit shellHook; } ''
    mkdir -p "$out"
    echo "${lib.concatStringsSep " " packages}" > "$out/packages"
  '';
  autoPatchelfHook = hostPrograms "auto-patchelf" [ ];
  bash = hostPrograms "bash" [ "bash" ];
  git = hostPrograms "git" [ "git" ];
  iproute2 = hostPrograms "iproute2" [ "ip" "ss" "bridge" ];
  kmod = hostPrograms "kmod" [ "modprobe" "modinfo" ];
  libvirt = hostPrograms "libvirt" [ "libvirtd" ];
  nftables = hostPrograms "nftables" [ "nft" ];
  pkg-config = hostPrograms "pkg-config" [ "pkg-config" ];
  qemu = hostPrograms "qemu" [ "qemu-img" "qemu-system-x86_64" ];
  qemu_kvm = hostPrograms "qemu-kvm" [ "qemu-system-x86_64" ];
  qemu-utils = hostPrograms "qemu-utils" [ "qemu-img" ];
  util-linux = hostPrograms "util-linux" [ "mount" "nsenter" "setpriv" "umount" "unshare" ];
}
