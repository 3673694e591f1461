# Option types: a name for people, a check of one definition, and a merge of several. Same names as nixpkgs' `lib.types`.
{ lib, modules }:
let
  inherit (lib) all any concatLists concatMap concatMapStringsSep elem filter head isAttrs isList isString length optional showOption toJSON unique;

  mkType = type: {
    _type = "option-type";
    check = _: true;
    merge = mergeEqual;
  } // type;

  # Definitions that agree are one; those that do not are named with their files.
  mergeEqual = loc: defs:
    if all (def: def.value == (head defs).value) defs then (head defs).value
    else throw "The option `${showOption loc}' has conflicting definition values:${modules.showDefs defs}";

  # What cannot be compared, and so not agree either.
  mergeOne = loc: defs:
    if length defs == 1 then (head defs).value
    else throw "The option `${showOption loc}' is defined multiple times while it's expected to be unique.${modules.showDefs defs}";

  isStringLike = value: isString value || lib.isPath value || (isAttrs value && value ? outPath);

  types = rec {
    raw = mkType { name = "raw value"; merge = mergeOne; };
    unspecified = mkType { name = "unspecified value"; };
    anything = mkType {
      name = "anything";
      merge = loc: defs:
        if all (def: isAttrs def.value && !(lib.isDerivation def.value)) defs then (attrsOf anything).merge loc defs
        else mergeEqual loc defs;
    };

    bool = mkType { name = "boolean"; check = lib.isBool; };
    int = mkType { name = "signed integer"; check = lib.isInt; };
    float = mkType { name = "floating point number"; check = lib.isFloat; };
    number = either int float // { name = "number"; };
    ints = rec {
      between = least: most: mkType {
        name = "integer between ${toString least} and ${toString most} (both inclusive)";
        check = value: lib.isInt value && value >= least && value <= most;
      };
      unsigned = mkType { name = "unsigned integer, meaning >=0"; check = value: lib.isInt value && value >= 0; };
      positive = mkType { name = "positive integer, meaning >0"; check = value: lib.isInt value && value > 0; };
      u16 = between 0 65535;
    };
    port = ints.u16 // { name = "16 bit unsigned integer; between 0 and 65535 (both inclusive)"; };

    str = mkType { name = "string"; check = isString; };
    nonEmptyStr = mkType { name = "non-empty string"; check = value: isString value && builtins.match "[ \t\n]*" value == null; };
    strMatching = pattern: mkType {
      name = "string matching the pattern ${pattern}";
      check = value: isString value && builtins.match pattern value != null;
    };
    separatedString = separator: mkType {
      name = "strings concatenated with ${toJSON separator}";
      check = isString;
      merge = _: defs: concatMapStringsSep separator (def: def.value) defs;
    };
    lines = separatedString "\n";
    path = mkType {
      name = "absolute path";
      check = value: isStringLike value && builtins.substring 0 1 (toString value) == "/";
    };
    passwdEntry = type: addCheck type (value: !(lib.hasInfix ":" value || lib.hasInfix "\n" value));
    package = mkType {
      name = "package";
      check = value: lib.isDerivation value || (isAttrs value && value ? outPath);
      merge = mergeOne;
    };
    enum = values: mkType {
      name = "one of ${concatMapStringsSep ", " toJSON values}";
      check = value: elem value values;
    };

    nullOr = type: mkType {
      name = "null or ${type.description or type.name}";
      check = value: value == null || type.check value;
      merge = loc: defs:
        if all (def: def.value == null) defs then null
        else if any (def: def.value == null) defs then mergeEqual loc defs
        else type.merge loc defs;
    };
    either = one: other: mkType {
      name = "${one.name} or ${other.name}";
      check = value: one.check value || other.check value;
      merge = loc: defs:
        if all (def: one.check def.value) defs then one.merge loc defs
        else if all (def: other.check def.value) defs then other.merge loc defs
        else mergeEqual loc defs;
    };
    oneOf = several: builtins.foldl' either (head several) (builtins.tail several);
    addCheck = type: check: type // { check = value: type.check value && check value; };

    listOf = type: mkType {
      name = "list of ${type.description or type.name}";
      check = isList;
      merge = loc: defs: concatMap
        (def: concatLists (lib.imap0
          (index: value: modules.mergeDefinitions (loc ++ [ "[${toString index}]" ]) type [ (def // { inherit value; }) ])
          def.value))
        defs;
    };
    attrsOf = type: mkType {
      name = "attribute set of ${type.description or type.name}";
      check = isAttrs;
      merge = loc: defs:
        let
          names = unique (concatMap (def: lib.attrNames def.value) defs);
          defsOf = name: concatMap (def: optional (def.value ? ${name}) (def // { value = def.value.${name}; })) defs;
          # A name whose every definition is switched off by mkIf is absent.
          valueOf = name: modules.mergeDefinitions (loc ++ [ name ]) type (defsOf name);
        in
        builtins.listToAttrs (concatMap (name: map (lib.nameValuePair name) (valueOf name)) names);
    };
    lazyAttrsOf = attrsOf;
    attrs = attrsOf anything;

    submodule = module: submoduleWith { modules = if isList module then module else [ module ]; };
    submoduleWith = { modules, specialArgs ? { }, ... }: mkType {
      name = "submodule";
      check = value: isAttrs value || lib.isFunction value;
      merge = loc: defs: (evalModules {
        prefix = loc;
        specialArgs = { name = if loc == [ ] then "" else lib.last loc; } // specialArgs;
        modules = modules ++ map (def: if lib.isFunction def.value then def.value else { _file = def.file; config = def.value; }) defs;
      }).config;
    };
  };
  inherit (modules) evalModules;
in
types
