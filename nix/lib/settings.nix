# Options of a service's settings, from the schema that its configuration's dataclass is (nix/settings/NAME.json), and
# what is wrong with settings that types alone do not tell: keys that nobody reads, and secrets that everybody could.
{ lib }:
let
  inherit (lib) attrNames concatMap concatStringsSep filter hasAttr isAttrs isList mapAttrs types;

  addresses = (import ./addresses.nix { inherit lib; }).types;

  # `place` is the dotted key in the file.
  typeOf = place: schema: {
    string =
      if place == "listen.address" then addresses.endpoint
      else if lib.hasPrefix "peers." place then addresses.targets
      else types.str;
    integer = types.int;
    number = types.number;
    boolean = types.bool;
    # A unit has no folder that a relative path would be below.
    path = types.path;
    secret = types.path;
    choice = types.enum (schema.choices or [ ]);
    list = types.listOf (typeOf place schema.of);
    map = types.attrsOf (typeOf place schema.of);
    table = types.submodule {
      freeformType = types.attrsOf types.anything;
      options = optionsOf (if place == "" then "" else "${place}.") schema.fields;
    };
  }.${schema.kind};

  aboutOf = schema:
    (schema.about or "")
    + lib.optionalString (schema ? default) " Unset, it is ${builtins.toJSON schema.default}."
    + lib.optionalString (schema.kind == "secret") " A path outside the Nix store, which everybody on the machine may read.";

  # Unset is null, and left out of the file: a default is the service's own, and stands in one place.
  optionsOf = prefix: mapAttrs (name: schema: lib.mkOption ({
    description = aboutOf schema;
  } // (
    let type = typeOf "${prefix}${name}" schema; in
    if schema.kind == "table" then { inherit type; default = { }; }
    else { type = types.nullOr type; default = null; }
  ) // lib.optionalAttrs (schema.kind == "path") {
    # `./ca.crt` and what a derivation makes are copied to the machine with the configuration.
    apply = value: if value == null then null else "${value}";
  }));

  # Every dotted key of `value` that `fields` do not have, as { path, accepted }.
  unknownKeys = path: fields: value: concatMap
    (name:
      let here = path ++ [ name ]; in
      if !(hasAttr name fields) then [{ path = here; accepted = attrNames fields; }]
      else unknownBelow here fields.${name} value.${name})
    (attrNames value);
  unknownBelow = path: schema: value:
    if schema.kind == "table" && isAttrs value then unknownKeys path schema.fields value
    else if schema.kind == "list" && isList value then
      lib.concatLists (lib.imap0 (index: unknownBelow (path ++ [ "[${toString index}]" ]) schema.of) value)
    else [ ];

  missingKeys = path: fields: value: concatMap
    (name:
      let schema = fields.${name}; given = value.${name} or null; in
      if given == null then lib.optional (schema.required or false) (path ++ [ name ])
      else if schema.kind == "table" && isAttrs given then missingKeys (path ++ [ name ]) schema.fields given
      else if schema.kind == "list" && schema.of.kind == "table" then
        lib.concatLists (lib.imap0 (index: missingKeys (path ++ [ name "[${toString index}]" ]) schema.of.fields) given)
      else [ ])
    (attrNames fields);

  # Dotted keys of secrets that are, or would be copied to, files in the Nix store.
  exposedKeys = path: fields: value: concatMap
    (name: exposedBelow (path ++ [ name ]) (fields.${name} or { kind = "other"; }) value.${name})
    (attrNames value);
  exposedBelow = path: schema: value:
    if value == null then [ ]
    else if schema.kind == "table" then exposedKeys path schema.fields value
    else if schema.kind == "list" && isList value then
      lib.concatLists (lib.imap0 (index: exposedBelow (path ++ [ "[${toString index}]" ]) schema.of) value)
    else if schema.kind == "secret" && isInStore value then [ path ]
    else if schema.kind == "string" && lib.any isInStore (keysOf value) then [ path ]
    else [ ];
  # Files of private keys among `jwt,...,priv-key=FILE,...`.
  keysOf = text: concatMap (part: let found = builtins.match "priv-key=(.*)" part; in if found == null then [ ] else found) (lib.splitString "," text);
  isInStore = value: builtins.isPath value || lib.hasPrefix "${builtins.storeDir}/" (resolved (toString value) + "/");
  # A path without `.`, `..` and `//`, which lead into the store as well.
  resolved = text: builtins.foldl'
    (above: part:
      if part == "" || part == "." then above
      else if part == ".." then (if above == "" then "" else builtins.head (builtins.match "(.*)/[^/]*" above))
      else "${above}/${part}")
    ""
    (lib.splitString "/" text);

  # Assertions over the `settings` of an option at `at`, in plain words.
  assertionsOf = at: fields: settings:
    let
      dotted = path: concatStringsSep "." (at ++ path);
      refuse = message: { assertion = false; inherit message; };
    in
    map
      (unknown: refuse "${dotted unknown.path} does not exist; accepted here: ${concatStringsSep ", " unknown.accepted}.")
      (unknownKeys [ ] fields settings)
    ++ map (path: refuse "${dotted path} is missing; set it.") (missingKeys [ ] fields settings)
    ++ map
      (path: refuse "${dotted path} is in the Nix store, where everybody on the machine may read it; give a path outside, as a string, such as \"/run/secrets/NAME\".")
      (exposedKeys [ ] fields settings)
    ++ lib.optional (settings.state_dir or null != null && isInStore settings.state_dir)
      (refuse "${dotted [ "state_dir" ]} is in the Nix store, which nothing can be written to; give a path outside, such as \"/var/lib/ultracloud/NAME\".");
in
{
  inherit assertionsOf;
  submodule = fields: typeOf "" { kind = "table"; inherit fields; };
}
