# Options of a service's settings, from the schema that its configuration's dataclass is (nix/settings/NAME.json), and
# what is wrong with settings that types alone do not tell: keys that nobody reads, and secrets that everybody could.
{ lib }:
let
  inherit (lib) attrNames concatMap concatStringsSep filter hasAttr isAttrs isList mapAttrs types;

  typeOf = schema: {
    string = types.str;
    integer = types.int;
    number = types.number;
    boolean = types.bool;
    path = types.str;
    secret = types.either types.path types.str;
    choice = types.enum (schema.choices or [ ]);
    list = types.listOf (typeOf schema.of);
    map = types.attrsOf (typeOf schema.of);
    table = types.submodule { freeformType = types.attrsOf types.anything; options = optionsOf schema.fields; };
  }.${schema.kind};

  aboutOf = schema:
    (schema.about or "")
    + lib.optionalString (schema ? default) " Unset, it is ${builtins.toJSON schema.default}."
    + lib.optionalString (schema.kind == "secret") " A path outside the Nix store, which everybody on the machine may read.";

  # Unset is null, and left out of the file: a default is the service's own, and stands in one place.
  optionsOf = mapAttrs (_: schema: lib.mkOption ({
    description = aboutOf schema;
  } // (
    if schema.kind == "table" then { type = typeOf schema; default = { }; }
    else { type = types.nullOr (typeOf schema); default = null; }
  )));

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
    else if schema.kind == "string" && lib.hasInfix "priv-key=${builtins.storeDir}/" value then [ path ]
    else [ ];
  isInStore = value: builtins.isPath value || lib.hasPrefix "${builtins.storeDir}/" (toString value);

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
      (exposedKeys [ ] fields settings);
in
{
  inherit assertionsOf;
  submodule = fields: typeOf { kind = "table"; inherit fields; };
}
