# The part of nixpkgs' `lib` that our modules use, written anew and small; same names, same meaning.
let
  inherit (builtins)
    all any attrNames attrValues concatLists concatStringsSep elem filter foldl' genList hasAttr head isAttrs isList
    isString length listToAttrs map mapAttrs replaceStrings stringLength substring tail toJSON;

  base = rec {
    inherit (builtins)
      all any attrNames attrValues concatLists concatMap concatStringsSep elem elemAt filter foldl' fromJSON functionArgs
      genList hasAttr head isAttrs isBool isFloat isFunction isInt isList isPath isString length listToAttrs map mapAttrs
      match replaceStrings stringLength substring tail toJSON seq deepSeq;

    # What tells a caller that this is no nixpkgs.
    isOfflineStub = true;
    version = "26.05-offline-stub";

    # Truths and lists.
    optional = condition: value: if condition then [ value ] else [ ];
    optionals = condition: values: if condition then values else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    unique = foldl' (seen: value: if elem value seen then seen else seen ++ [ value ]) [ ];
    imap0 = f: values: genList (index: f index (builtins.elemAt values index)) (length values);
    last = values: builtins.elemAt values (length values - 1);
    flatten = value: if isList value then concatLists (map flatten value) else [ value ];
    count = predicate: values: length (filter predicate values);
    mod = a: b: a - b * (a / b);
    findFirst = predicate: default: values:
      let found = filter predicate values; in if found == [ ] then default else head found;

    # Attribute sets.
    nameValuePair = name: value: { inherit name value; };
    mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
    mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
    filterAttrs = keep: set:
      listToAttrs (concatLists (map (name: optional (keep name set.${name}) (nameValuePair name set.${name})) (attrNames set)));
    genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
    attrByPath = path: default: set:
      if path == [ ] then set
      else if isAttrs set && hasAttr (head path) set then attrByPath (tail path) default set.${head path}
      else default;
    setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };
    isDerivation = value: isAttrs value && (value.type or null) == "derivation";
    recursiveUpdate = left: right:
      if isAttrs left && isAttrs right && !(isDerivation right) then
        left // mapAttrs (name: value: if hasAttr name left then recursiveUpdate left.${name} value else value) right
      else right;

    # Text.
    concatMapStringsSep = separator: f: values: concatStringsSep separator (map f values);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    hasSuffix = suffix: text:
      let over = stringLength text - stringLength suffix; in over >= 0 && substring over (stringLength suffix) text == suffix;
    hasInfix = infix: text: replaceStrings [ infix ] [ "" ] text != text;
    removePrefix = prefix: text:
      if hasPrefix prefix text then substring (stringLength prefix) (stringLength text) text else text;
    removeSuffix = suffix: text:
      if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
    # What a text was made of stays known of its parts, or nothing would be built for them.
    splitString = separator: text:
      map (part: substring 0 0 text + part) (filter isString (builtins.split (escapeRegex separator) text));
    escapeRegex = replaceStrings
      [ "\\" "." "+" "*" "?" "(" ")" "[" "]" "{" "}" "^" "$" "|" ]
      [ "\\\\" "\\." "\\+" "\\*" "\\?" "\\(" "\\)" "\\[" "\\]" "\\{" "\\}" "\\^" "\\$" "\\|" ];
    toInt = builtins.fromJSON;
    boolToString = value: if value then "true" else "false";
    escapeShellArg = value: "'${replaceStrings [ "'" ] [ "'\\''" ] (toString value)}'";
    escapeShellArgs = values: concatMapStringsSep " " escapeShellArg values;
    getExe = package: "${package}/bin/${package.meta.mainProgram or package.pname or package.name}";
    getExe' = package: name: "${package}/bin/${name}";
    importJSON = path: fromJSON (builtins.readFile path);
    showOption = concatStringsSep ".";
    literalExpression = text: { _type = "literalExpression"; inherit text; };
    warn = message: value: builtins.trace "warning: ${message}" value;
    throwIf = condition: message: value: if condition then throw message else value;
    systems.flakeExposed = [ "x86_64-linux" "aarch64-linux" ];
  };

  modules = import ./modules.nix { lib = base // { inherit types; }; };
  types = import ./types.nix { lib = base; inherit modules; };
in
base // modules // { inherit types; }
