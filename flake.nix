{
  description = "UltraCloud: a full cloud stack for your own machines";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

  outputs = { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      packagesOf = pkgs: import ./nix/packages.nix { inherit pkgs; };
      packages = packagesOf pkgs;
      module = import ./nix/module.nix packagesOf;
      nixosSystem = modules: lib.nixosSystem { inherit system; modules = [ module ] ++ modules; };

      configurations = import ./nix/configurations.nix;
      # Images are made by parts of NixOS that the stand-in for nixpkgs has not got.
      images = import ./nix/images.nix;
      skipped = name: builtins.trace "skipped: nixosConfigurations.${name} is made by NixOS's own installer modules, which this nixpkgs (${lib.version}) has not";
      isWhole = !(lib.isOfflineStub or false);

      guards = import ./nix/guards { inherit lib; evalConfig = modules: (nixosSystem modules).config; };
      passed = name: holds: assert holds; pkgs.runCommand name { } "touch $out";
      appOf = package: program: about: { type = "app"; program = "${package}/bin/${program}"; meta.description = about; };
    in
    {
      packages.${system} = packages;
      overlays.default = final: _: { ultracloud = packagesOf final; };

      apps.${system} = rec {
        single-node-quickstart = appOf packages.quickstart-command "single-node-quickstart" "A whole cloud on this machine, proven and removed";
        all-in-one-quickstart = single-node-quickstart;
        ultracloud = appOf packages.cli "ultracloud" "The command line";
        default = ultracloud;
      };

      devShells.${system}.default = pkgs.mkShell {
        packages = [ pkgs.python313 pkgs.git pkgs.pkg-config pkgs.libvirt pkgs.iproute2 pkgs.nftables pkgs.qemu ];
        shellHook = "echo './dev lists what a checkout can do'";
      };

      # One service each, with its package; `default` is all of them and `ultracloud.cluster`.
      nixosModules = lib.mapAttrs
        (name: path: { lib, pkgs, ... }: {
          imports = [ path ];
          config.services.ultracloud = lib.genAttrs
            (builtins.filter (process: process == name || process == "${name}-agent") (import ./nix/processes.nix))
            # Weaker than the default module's, or who imports both would define it twice.
            (process: { package = lib.mkOverride 1100 (packagesOf pkgs).${process}; });
        })
        (removeAttrs (import ./nix/modules.nix) [ "cluster" ]) // { default = module; };

      nixosConfigurations = lib.mapAttrs (_: one: nixosSystem one.modules) configurations
        // (if isWhole then lib.mapAttrs (_: modules: nixosSystem modules) images
            else builtins.foldl' (none: name: skipped name none) { } (builtins.attrNames images));

      checks.${system} = {
        canonical-profile-eval-guards = passed "canonical-profile-eval-guards" guards.canonicalProfileEval;
        canonical-profile-build-guards = pkgs.linkFarm "canonical-profile-build-guards" guards.configFiles;
        portable-control-plane-regressions = passed "portable-control-plane-regressions" guards.portableControlPlane;
      };
    };
}
