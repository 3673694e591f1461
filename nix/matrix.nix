# docs/component-matrix.md: which parts each canonical profile has, of the tables that the modules themselves read.
{ lib, configs }:
let
  inherit (lib) attrNames concatMapStringsSep elem filter mapAttrsToList optionalString;
  components = import ./lib/components.nix;
  profiles = import ./lib/profiles.nix;
  profileNames = [ "single-node-dev" "ha-control-plane" "bare-metal-bootstrap" ];
  existing = filter (name: !(components.${name} ? waitsFor)) (attrNames components);
  waiting = filter (name: components.${name} ? waitsFor) (attrNames components);
  row = cells: "| ${lib.concatStringsSep " | " cells} |\n";
  rows = concatMapStringsSep "" row;

  word = profile: component:
    if elem component profiles.${profile}.required then "required"
    else if elem component profiles.${profile}.optional then "optional" else "-";
  machinesOf = component:
    filter (machine: configs.${machine}.services.ultracloud.${component}.enable) (attrNames configs);
  portOf = component: machine: let address = configs.${machine}.services.ultracloud.${component}.settings.listen.address; in
    if address == null then "-" else lib.last (lib.splitString ":" address);
  placed = component:
    let part = components.${component}; in
    "each ${part.role} node" + optionalString (part.single or false) ", the first only";
  needs = profile: filter (component: elem component waiting) profiles.${profile}.required;
  state = profile: if needs profile == [ ] then "can be had" else "waits for ${lib.concatStringsSep ", " (needs profile)}";

  images = {
    netboot-control-plane = "deployer, nixagent";
    netboot-worker = "deployer, nixagent";
    ultracloud-iso = "deployer";
    baremetal-qemu-control-plane = "deployer, nodeagent, nixagent";
    baremetal-qemu-worker = "deployer, nodeagent, nixagent";
  };
in
''
  # Components of each profile

  Made from the modules' own tables by `nix eval --raw --file nix/guards/offline.nix matrix`; a test compares it.
  A profile is chosen with `ultracloud.cluster.profile`. What it requires and is off is refused at evaluation, and so is a
  profile that waits for a part.

  | profile | | control-plane nodes | now |
  |---|---|---|---|
''
+ rows (map (name: [ "`${name}`: ${profiles.${name}.title}" profiles.${name}.about (concatMapStringsSep " or " toString profiles.${name}.voters) (state name) ]) profileNames)
+ ''

  ## Parts that exist

  | part | | runs on | port | ${concatMapStringsSep " | " (name: "`${name}`") profileNames} |
  |---|---|---|---|---|---|---|
''
+ rows (map (name: [ name components.${name}.about (placed name) (portOf name (builtins.head (machinesOf name))) ] ++ map (profile: word profile name) profileNames) existing)
+ ''

  ## Parts that do not exist yet

  | part | | will run on | ${concatMapStringsSep " | " (name: "`${name}`") profileNames} |
  |---|---|---|---|---|---|
''
+ rows (map (name: [ name components.${name}.about (placed name) ] ++ map (profile: word profile name) profileNames) waiting)
+ ''

  ## Machines of the flake

  | `nixosConfigurations.` | profile | processes |
  |---|---|---|
''
+ rows (mapAttrsToList (name: config: [ name "`${config.ultracloud.cluster.profile}`" (lib.concatStringsSep ", " (filter (component: elem name (machinesOf component)) existing)) ]) configs)
+ rows (map (name: [ name "`single-node-dev`" "as `single-node-quickstart`; made by NixOS's own installer modules" ]) (attrNames (import ./images.nix)))
+ rows (mapAttrsToList (name: parts: [ name "`bare-metal-bootstrap`" "not yet: it waits for ${parts}" ]) images)
