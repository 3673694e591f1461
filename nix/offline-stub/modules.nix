# A module system: declarations make a tree of options, definitions are merged into it by priority and type.
# What nixpkgs' does and this does not: options declared twice, `disabledModules`, `_module.args`, documentation, renames.
{ lib }:
let
  inherit (lib) all any attrNames concatLists concatMap concatStringsSep elem filter foldl' head isAttrs isFunction isPath isString length mapAttrs optional showOption toJSON types unique;

  # Properties: a value with a wrapping that says when, how strongly, or in which order it counts.
  isProperty = kind: value: isAttrs value && (value._type or null) == kind;
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkOrder = order: content: { _type = "order"; inherit order content; };

  normalPriority = 100;
  normalOrder = 1000;
  optionDefaultPriority = 1500;

  # A configuration without properties at its top: they move into each of its attributes, so that its names are known
  # before any condition is.
  pushDown = value:
    if isProperty "merge" value then concatMap pushDown value.contents
    else if isProperty "if" value then map (mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if isProperty "override" value then map (mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
    else [ value ];

  # The definitions that a definition comes to: without properties, each with its priority and order.
  discharge = def:
    let value = def.value; in
    if isProperty "merge" value then concatMap (content: discharge (def // { value = content; })) value.contents
    else if isProperty "if" value then (if value.condition then discharge (def // { value = value.content; }) else [ ])
    else if isProperty "override" value then discharge (def // { value = value.content; inherit (value) priority; })
    else if isProperty "order" value then discharge (def // { value = value.content; inherit (value) order; })
    else [ (def // { priority = def.priority or normalPriority; order = def.order or normalOrder; }) ];

  shown = value:
    let text = builtins.tryEval (if isFunction value then "<function>" else toJSON value); in
    if text.success then text.value else "<value>";
  showDefs = defs: concatStringsSep "" (map (def: "\n- In `${def.file}': ${shown def.value}") defs);

  # [ value ] of an option, [ ] where nothing defines it.
  mergeDefinitions = loc: type: defs:
    let
      known = concatMap discharge defs;
      strongest = foldl' (least: def: if def.priority < least then def.priority else least) 9999 known;
      kept = builtins.sort (one: other: one.order < other.order) (filter (def: def.priority == strongest) known);
      wrong = filter (def: !(type.check def.value)) kept;
    in
    if known == [ ] then [ ]
    else if wrong != [ ] then
      throw "A definition for option `${showOption loc}' is not of type `${type.description or type.name}'. Definition values:${showDefs wrong}"
    else [ (type.merge loc kept) ];

  # Modules as they are imported, flat: each with its file, options, configuration and freeform type.
  moduleKeys = [ "_file" "key" "imports" "options" "config" "freeformType" ];
  load = args: file: module:
    if isPath module || isString module then
      map (loaded: loaded // { key = loaded.key or (toString module); }) (load args (toString module) (import module))
    else if isFunction module then load args file (module (argumentsOf args file module))
    else
      let
        isFull = module ? config || module ? options;
        stray = filter (key: !(elem key moduleKeys)) (attrNames module);
        from = module._file or file;
      in
      if isFull && stray != [ ] then
        throw "Module `${from}' has an attribute `${head stray}' beside `options' and `config'; move it into `config'"
      else
        [{
          file = from;
          options = module.options or { };
          config = if isFull then module.config or { } else removeAttrs module moduleKeys;
          freeform = module.freeformType or null;
        }] ++ concatMap (imported: map (loaded: { key = null; } // loaded) (load args from imported)) (module.imports or [ ]);
  argumentsOf = args: file: module:
    let wanted = builtins.functionArgs module; in
    if wanted == { } then args
    else mapAttrs
      (name: _: args.${name} or (throw "module argument `${name}' is not defined (in `${file}')"))
      (lib.filterAttrs (name: hasDefault: args ? ${name} || !hasDefault) wanted);

  # A file that several modules import counts once.
  onceEach = foldl'
    (seen: module:
      if (module.key or null) != null && any (one: (one.key or null) == module.key && one.file == module.file) seen
      then seen
      else seen ++ [ module ])
    [ ];

  isOption = value: isProperty "option" value;

  # The tree below `loc`: leaves are options with their values, and what was defined that nobody declared.
  treeOf = loc: declared: defined:
    let
      declaredNames = unique (concatMap (one: attrNames one.options) declared);
      node = name:
        let
          here = loc ++ [ name ];
          declarations = filter (one: one.options ? ${name}) declared;
          options = filter (one: isOption one.options.${name}) declarations;
          definitions = concatMap (def: optional (def.value ? ${name}) (def // { value = def.value.${name}; })) defined;
        in
        if options == [ ] then
          treeOf here
            (map (one: one // { options = one.options.${name}; }) declarations)
            (concatMap (def: map (value: def // { inherit value; }) (pushDown def.value)) definitions)
        else if length declarations > 1 then
          throw "The option `${showOption here}' is declared twice: in ${concatStringsSep " and " (map (one: one.file) declarations)}"
        else leafOf here (head options).options.${name} definitions;
      nodes = lib.genAttrs declaredNames node;
      strayOf = def: map
        (name: { inherit (def) file; loc = loc ++ [ name ]; value = def.value.${name}; })
        (filter (name: !(nodes ? ${name})) (attrNames def.value));
    in
    {
      value = mapAttrs (_: one: one.value) nodes;
      stray = concatMap strayOf defined ++ concatMap (name: nodes.${name}.stray) declaredNames;
      options = mapAttrs (_: one: one.options) nodes;
    };

  leafOf = loc: option: definitions:
    let
      type = option.type or types.unspecified;
      default = optional (option ? default) { file = "the option's default"; value = mkOverride optionDefaultPriority option.default; };
      merged = mergeDefinitions loc type (definitions ++ default);
      plain =
        if merged == [ ] then throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option."
        else head merged;
    in
    {
      value = if option ? apply then option.apply plain else plain;
      stray = [ ];
      options = option // { inherit loc; };
    };

  evalModules = { modules, specialArgs ? { }, prefix ? [ ] }:
    let
      args = { inherit lib; config = whole; options = tree.options; } // specialArgs // { lib = specialArgs.lib or full; };
      loaded = onceEach (concatMap (load args "<inline>") modules);
      tree = treeOf prefix loaded (concatMap (one: map (value: { inherit (one) file; inherit value; }) (pushDown one.config)) loaded);
      freeforms = filter (type: type != null) (map (one: one.freeform) loaded);
      # What nobody declared, as if it stood at the module's own top.
      free = mergeDefinitions prefix (head freeforms)
        (map (one: { inherit (one) file; value = lib.setAttrByPath (below one.loc) one.value; }) tree.stray);
      below = loc: builtins.genList (index: builtins.elemAt loc (index + length prefix)) (length loc - length prefix);
      whole = if freeforms != [ ] && tree.stray != [ ] then lib.recursiveUpdate (head free) tree.value else tree.value;
      checked =
        if freeforms == [ ] && tree.stray != [ ] then
          let first = head tree.stray; in
          throw "The option `${showOption first.loc}' does not exist. Definition values:${showDefs [ first ]}"
        else whole;
    in
    { config = checked; inherit (tree) options; };

  full = lib // exported;
  exported = {
    inherit evalModules mergeDefinitions showDefs mkIf mkMerge mkOverride mkOrder;
    mkForce = mkOverride 50;
    mkDefault = mkOverride 1000;
    mkOptionDefault = mkOverride optionDefaultPriority;
    mkBefore = mkOrder 500;
    mkAfter = mkOrder 1500;
    mkOption = option: { _type = "option"; } // option;
    mkEnableOption = what: exported.mkOption { type = types.bool; default = false; description = "Whether to enable ${what}."; };
  };
in
exported
