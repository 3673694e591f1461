{
  description = "A stand-in for nixpkgs, to check our flake where nixpkgs cannot be had. Never used for a real system.";

  outputs = { self }:
    let
      host = import ./host.nix;
      plain = import ./lib.nix;
      packagesFor = system: import ./pkgs.nix { inherit system host; lib = plain // { makeBinPath = plain.concatMapStringsSep ":" (package: "${package}/bin"); licenses.asl20 = { }; }; };
      nixosSystem = { modules, system ? "x86_64-linux", specialArgs ? { } }:
        plain.evalModules {
          modules = [ ./options.nix ] ++ modules;
          specialArgs = { pkgs = packagesFor system; modulesPath = throw "modulesPath: the stub has no NixOS tree"; } // specialArgs;
        };
    in
    {
      lib = plain // { inherit nixosSystem; };
      legacyPackages = plain.genAttrs [ "x86_64-linux" "aarch64-linux" ] packagesFor;
    };
}
