# A writer of TOML: the same text from every nixpkgs, so that what was checked in one place is what runs in another.
# Null and empty tables are left out: TOML has no null, and what is not said takes the service's own default.
{ lib }:
let
  inherit (lib) attrNames concatMapStringsSep filterAttrs isAttrs isBool isList mapAttrs;

  pruned = value:
    if isAttrs value then filterAttrs (_: kept) (mapAttrs (_: pruned) value)
    else if isList value then map pruned value
    else value;
  kept = value: value != null && value != { };

  # A JSON string is a TOML basic string, but for DEL, which only TOML escapes.
  text = value: builtins.replaceStrings [ del ] [ "\\u007F" ] (builtins.toJSON (toString value));
  del = builtins.fromJSON "\"\\u007f\"";
  key = name: if builtins.match "[A-Za-z0-9_-]+" name != null then name else text name;
  inline = value:
    if isBool value then lib.boolToString value
    else if isList value then "[${concatMapStringsSep ", " inline value}]"
    else if isAttrs value then "{${concatMapStringsSep ", " (name: "${key name} = ${inline value.${name}}") (attrNames value)}}"
    else if lib.isInt value || lib.isFloat value then builtins.toJSON value
    else text value;
  line = name: value: "${key name} = ${inline value}\n";

  section = path: table:
    let
      names = attrNames table;
      tables = lib.filter (name: isAttrs table.${name}) names;
      lines = lib.filter (name: !(isAttrs table.${name})) names;
      header = lib.optionalString (path != [ ] && lines != [ ]) "\n[${concatMapStringsSep "." key path}]\n";
    in
    header + lib.concatStringsSep "" (map (name: line name table.${name}) lines)
    + lib.concatStringsSep "" (map (name: section (path ++ [ name ]) table.${name}) tables);
in
{
  render = table: section [ ] (pruned table);
  inherit pruned;
}
