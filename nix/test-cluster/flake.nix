{
  description = "A cluster of the flake's own machines, started and tried: nix run ./nix/test-cluster#cluster -- LANE";

  inputs.root.url = "path:../..";
  inputs.nixpkgs.follows = "root/nixpkgs";

  outputs = { self, root, nixpkgs }:
    let
      system = "x86_64-linux";
      pkgs = nixpkgs.legacyPackages.${system};
      inherit (nixpkgs) lib;
      machines = lib.mapAttrs (_: machine: import ./machine.nix { inherit lib; inherit (machine) config; })
        (removeAttrs root.nixosConfigurations [ "netboot-all-in-one" ]);
      python = pkgs.python313.withPackages (_: [ root.packages.${system}.testkit root.packages.${system}.quickstart ]);
      cluster = pkgs.writeShellScriptBin "cluster" ''
        export PYTHONPATH=${./.}:''${PYTHONPATH:-}
        export ULTRACLOUD_PKI=${root.packages.${system}.pki}/bin/ultracloud-pki
        exec ${python}/bin/python -m test_cluster --machines ${pkgs.writeText "machines.json" (builtins.toJSON machines)} "$@"
      '';
    in
    {
      packages.${system} = { inherit cluster; default = cluster; };
      apps.${system}.cluster = {
        type = "app";
        program = "${cluster}/bin/cluster";
        meta.description = "Starts machines of the flake and tries them";
      };
    };
}
