# What two processes of one machine cannot share, and what they are told of each other that is not so, as sentences.
#
#   services  process -> its options, of those that are on
#   others    { what, address } of ports besides those of `listen.address`
#   endpoint  process -> where `ultracloud.cluster` says that this machine's is, as `peers` have it; or null
{ lib, services, others, endpoint }:
let
  inherit (lib) attrNames concatMap concatStringsSep filter;

  hostOf = address:
    let host = builtins.head (builtins.match "(.*):[0-9]+" address); in
    if host == "localhost" then "127.0.0.1" else host;
  portOf = address: lib.last (lib.splitString ":" address);
  isEverywhere = address: builtins.elem (hostOf address) [ "0.0.0.0" "[::]" ];
  isSame = one: other: portOf one == portOf other && (hostOf one == hostOf other || isEverywhere one || isEverywhere other);

  names = attrNames services;
  setting = process: key: "services.ultracloud.${process}.settings.${key}";
  # Where a process listens that is not told: at a port that nobody knows before.
  listensAt = process: let given = services.${process}.settings.listen.address; in if given == null then "127.0.0.1:0" else given;
  listening = filter (process: portOf (listensAt process) != "0") names;

  # Each two of `all`, which are { what, has }, that `clash`.
  pairs = clash: all: concatMap
    (one: concatMap (other: lib.optional (one.what < other.what && clash one.has other.has) "${one.what} is ${one.has} and ${other.what} is ${other.has}") all)
    all;
  ports = map (process: { what = setting process "listen.address"; has = listensAt process; }) listening ++ others;
  folders = map (process: { what = setting process "state_dir"; has = services.${process}.settings.state_dir; }) names;

  toldOf = peer: filter
    (process: let told = services.${process}.settings.peers.${peer} or null; in
      told != null && builtins.elem (endpoint peer) (lib.splitString "," told))
    names;
in
map (both: "${both}: both would have one port of this machine; give one of them another.") (pairs isSame ports)
++ map (both: "${both}: both would have one folder; give each its own.") (pairs (one: other: one == other) folders)
++ concatMap
  (peer: lib.optional (!(isSame (endpoint peer) (listensAt peer)) && toldOf peer != [ ])
    "${setting peer "listen.address"} is ${listensAt peer}, but ${setting "NAME" "peers.${peer}"} is ${endpoint peer} (NAME: ${concatStringsSep ", " (toldOf peer)}); leave the first out, or set the others as well, on every machine.")
  (filter (peer: endpoint peer != null) names)
