# Addresses and names as people write them: an option type each, whose description is what a refusal says to write.
{ lib }:
let
  inherit (builtins) head length match;
  inherit (lib) all concatLists last splitString types;

  textOf = description: check: types.addCheck types.str check // { name = "text"; inherit description; };

  isNumber = most: text: match "0|[1-9][0-9]{0,4}" text != null && lib.toInt text <= most;
  ipv4 = text:
    let parts = splitString "." text; in
    if length parts == 4 && all (isNumber 255) parts then map lib.toInt parts else null;

  # Eight groups, in small letters and without zeros in front, so that two ways to write one address are equal (RFC 5952).
  ipv6 = text:
    let
      halves = map (half: if half == "" then [ ] else map group (splitString ":" half)) (splitString "::" text);
      given = concatLists halves;
      zeros = builtins.genList (_: "0") (8 - length given);
    in
    if builtins.elem null given then null
    else if length halves == 1 && length given == 8 then given
    else if length halves == 2 && length given < 8 then head halves ++ zeros ++ last halves
    else null;
  group = text:
    let found = if match "[0-9a-fA-F]{1,4}" text == null then null else match "0*([1-9a-fA-F][0-9a-fA-F]*|0)" text; in
    if found == null then null
    else builtins.replaceStrings [ "A" "B" "C" "D" "E" "F" ] [ "a" "b" "c" "d" "e" "f" ] (head found);

  isHost = text: match "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?" text != null;
  isEndpoint = text:
    let
      bracketed = match "\\[([^]]*)]:([0-9]+)" text;
      plain = match "([^]:[]+):([0-9]+)" text;
      found = if bracketed != null then bracketed else plain;
    in
    found != null && isNumber 65535 (last found)
    && (if bracketed != null then ipv6 (head found) != null else isHost (head found));
  isTarget = text:
    let bare = match " *([^ ]+) *" text; in
    bare != null && (isEndpoint (head bare) || match "unix:/.+" (head bare) != null);
in
{
  # What is equal of two ways to write an address.
  canonical = text: if ipv4 text != null then ipv4 text else ipv6 text;
  # Whether it may be where other machines reach one: no loopback, no wildcard, no link's own, no group.
  isReachable = text:
    let four = ipv4 text; six = ipv6 text; in
    if four != null then !(builtins.elem (head four) [ 0 127 ]) && head four < 224
    else six != null && match "0:0:0:0:0:0:0:[01]|(fe[89ab]|ff).*" (builtins.concatStringsSep ":" six) == null;

  types = {
    address = textOf "IPv4 or IPv6 address without a port, such as 10.0.0.1" (text: ipv4 text != null || ipv6 text != null);
    endpoint = textOf "HOST:PORT, such as 10.0.0.1:7003 or [fd00::1]:7003" isEndpoint;
    targets = textOf "HOST:PORT or unix:/PATH, several with commas between them" (text: all isTarget (splitString "," text));
    # What services take for a host in a certificate.
    nodeName = textOf "name of 1 to 63 small letters, digits, \"-\" and \".\", such as node01"
      (text: match "[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?" text != null);
    operator = textOf "name of 1 to 63 small letters, digits and \"-\", such as \"ada\""
      (text: match "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?" text != null);
    origin = textOf "https://HOST or https://HOST:PORT in small letters, without a path, such as https://cloud.example.org"
      (text:
        let rest = lib.removePrefix "https://" text; in
        lib.hasPrefix "https://" text && match "[][a-z0-9.:-]+" rest != null && (isEndpoint rest || isEndpoint "${rest}:443"));
    port = types.addCheck types.port (port: port > 0) // { name = "port"; description = "port, 1 to 65535"; };
    # Linux takes 15 characters.
    link = textOf "name of a network link, such as eth0, or empty" (text: match "[^ /]{0,15}" text != null);
    # It also stands in tmpfiles.d, where a blank ends it.
    folder = textOf "absolute path outside the Nix store, without blanks, \"..\" or a \"/\" at its end, such as /var/lib/ultracloud/pki"
      (text: match "(/[A-Za-z0-9_.@:+-]+)+" text != null && match ".*/\\.{1,2}/.*" "${text}/" == null
        && !(lib.hasPrefix "${builtins.storeDir}/" "${text}/"));
  };
}
