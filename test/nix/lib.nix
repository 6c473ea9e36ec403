# A double of nixpkgs' `lib`, because these tests have no nixpkgs: the part that nix/ uses, with the same rules for merging,
# priorities and checks. It cannot show that nixpkgs still has these names; the workflow images.yml evaluates against the real one.
let
  inherit (builtins) all any attrNames attrValues concatLists concatStringsSep elem elemAt filter foldl' head isAttrs isBool
    isFunction isInt isList isPath isString length listToAttrs map match pathExists readDir readFile replaceStrings sort
    stringLength substring tail tryEval typeOf;
in
rec {
  inherit (builtins) filter isFunction mapAttrs removeAttrs;
  inherit listToAttrs;

  # strings and lists
  concatMap = f: list: concatLists (map f list);
  concatMapStringsSep = sep: f: list: concatStringsSep sep (map f list);
  inherit concatStringsSep;
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  hasSuffix = suffix: text: let at = stringLength text - stringLength suffix; in at >= 0 && substring at (-1) text == suffix;
  hasInfix = part: text: length (splitString part text) > 1;
  removePrefix = prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
  removeSuffix = suffix: text: if hasSuffix suffix text then substring 0 (stringLength text - stringLength suffix) text else text;
  splitString = sep: text:
    let escaped = replaceStrings [ "\\" "[" "]" "(" ")" "." "*" "+" "?" "^" "$" "|" "{" "}" ] [ "\\\\" "\\[" "]" "\\(" "\\)" "\\." "\\*" "\\+" "\\?" "\\^" "\\$" "\\|" "\\{" "\\}" ] sep; in
    filter isString (builtins.split escaped text);
  last = list: elemAt list (length list - 1);
  optionalString = condition: text: if condition then text else "";
  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalAttrs = condition: attrs: if condition then attrs else { };
  subtractLists = without: filter (value: !(elem value without));
  toInt = text: builtins.fromJSON text;
  unique = foldl' (kept: value: if elem value kept then kept else kept ++ [ value ]) [ ];
  makeBinPath = packages: concatStringsSep ":" (map (package: "${package}/bin") packages);

  # attribute sets
  nameValuePair = name: value: { inherit name value; };
  genAttrs = names: f: listToAttrs (map (name: nameValuePair name (f name)) names);
  filterAttrs = keep: attrs: listToAttrs (concatMap (name: optional (keep name attrs.${name}) (nameValuePair name attrs.${name})) (attrNames attrs));
  filterAttrsRecursive = keep: attrs:
    builtins.mapAttrs (_: value: if isAttrs value then filterAttrsRecursive keep value else value) (filterAttrs keep attrs);
  mapAttrs' = f: attrs: listToAttrs (map (name: f name attrs.${name}) (attrNames attrs));
  mapAttrsToList = f: attrs: map (name: f name attrs.${name}) (attrNames attrs);

  hasAttrByPath = path: attrs: path == [ ] || (attrs ? ${head path} && hasAttrByPath (tail path) attrs.${head path});
  setAttrByPath = path: value: if path == [ ] then value else { ${head path} = setAttrByPath (tail path) value; };

  importJSON = path: builtins.fromJSON (readFile path);
  getBin = package: package.bin or package;
  getName = package: package.pname or package.name;
  filesystem.listFilesRecursive = folder:
    concatMap (name: if (readDir folder).${name} == "directory" then filesystem.listFilesRecursive (folder + "/${name}") else [ (folder + "/${name}") ])
      (attrNames (readDir folder));

  # properties of definitions
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkDefault = mkOverride 1000;
  mkForce = mkOverride 50;
  isType = type: value: isAttrs value && (value._type or null) == type;

  # options
  mkOption = attrs: attrs // { _type = "option"; };
  isOption = isType "option";
  mkEnableOption = what: mkOption { type = types.bool; default = false; description = "whether to enable ${what}"; };

  show = loc: concatStringsSep "." loc;
  types =
    let
      type = name: check: { inherit name check; merge = mergeEqual; };
      mergeEqual = loc: values:
        if all (value: value == head values) values then head values
        else throw "The option `${show loc}' has conflicting definition values";
      within = low: high: value: isInt value && value >= low && value <= high;
    in
    {
      raw = { name = "raw"; check = _: true; merge = _: head; };
      anything = type "anything" (_: true);
      bool = type "boolean" isBool;
      int = type "signed integer" isInt;
      ints.between = low: high: type "integer between ${toString low} and ${toString high}" (within low high);
      str = type "string" isString;
      lines = { name = "strings by line"; check = isString; merge = _: concatStringsSep "\n"; };
      strMatching = pattern: type "string matching the pattern ${pattern}" (value: isString value && match pattern value != null);
      path = type "path" (value: isPath value || (isString value && hasPrefix "/" value) || (isAttrs value && value ? outPath));
      package = type "package" (value: (isAttrs value && value ? outPath) || (isString value && hasPrefix builtins.storeDir value));
      enum = values: type "one of ${builtins.toJSON values}" (value: elem value values);
      nullOr = inner: {
        name = "null or ${inner.name}";
        check = value: value == null || inner.check value;
        merge = loc: values: if all (value: value == null) values then null else inner.merge loc values;
      };
      either = one: other: {
        name = "${one.name} or ${other.name}";
        check = value: one.check value || other.check value;
        merge = loc: values: if all one.check values then one.merge loc values else other.merge loc values;
      };
      listOf = inner: {
        name = "list of ${inner.name}";
        check = isList;
        merge = loc: values: map (value: mergeDefinitions loc inner [ value ]) (concatLists values);
      };
      attrsOf = inner: {
        name = "attribute set of ${inner.name}";
        check = isAttrs;
        merge = loc: values:
          let pushed = concatMap pushDown values; in
          builtins.mapAttrs (name: defs: mergeDefinitions (loc ++ [ name ]) inner defs)
            (filterAttrs (_: defs: discharge defs != [ ])
              (builtins.zipAttrsWith (_: defs: defs) pushed));
      };
      submodule = module: {
        name = "submodule";
        check = value: isAttrs value || isFunction value;
        merge = loc: values: evalAt loc ([ module ] ++ map (config: { inherit config; }) values) { };
      };
    };

  # Push mkIf and mkMerge from an attribute set down into its values, so that its names are known without the conditions.
  pushDown = value:
    if isType "merge" value then concatMap pushDown value.contents
    else if isType "if" value then map (builtins.mapAttrs (_: mkIf value.condition)) (pushDown value.content)
    else if isType "override" value then map (builtins.mapAttrs (_: mkOverride value.priority)) (pushDown value.content)
    else [ value ];
  # The definitions whose conditions hold, each with its priority.
  discharge = defs: concatMap
    (def:
      if isType "merge" def then discharge def.contents
      else if isType "if" def then (if def.condition then discharge [ def.content ] else [ ])
      else if isType "override" def then map (inner: inner // { inherit (def) priority; }) (discharge [ def.content ])
      else [ { priority = 100; value = def; } ])
    defs;
  mergeDefinitions = loc: type: defs:
    let
      holding = discharge defs;
      best = foldl' (low: def: if def.priority < low then def.priority else low) 100000 holding;
      values = map (def: def.value) (filter (def: def.priority == best) holding);
      wrong = filter (value: !(type.check value)) values;
    in
    if values == [ ] then throw "The option `${show loc}' was accessed but has no value defined"
    else if wrong != [ ] then throw "A definition for option `${show loc}' is not of type `${type.name}': ${typeOf (head wrong)}"
    else type.merge loc values;

  # modules
  unify = args: module:
    let
      loaded = if isPath module || (isString module && hasPrefix "/" module) then import module else module;
      body = if isFunction loaded then loaded args else loaded;
      isLong = body ? options || body ? config;
    in
    {
      imports = body.imports or [ ];
      options = body.options or { };
      config = body.config or (if isLong then { } else removeAttrs body [ "imports" ]);
    };
  collect = args: modules:
    concatMap (module: let one = unify args module; in collect args one.imports ++ [ one ]) modules;
  mergeTrees = loc: one: other:
    if isOption one || isOption other then throw "The option `${show loc}' is already declared"
    else one // builtins.mapAttrs (name: value: if one ? ${name} then mergeTrees (loc ++ [ name ]) one.${name} value else value) other;

  evalAt = loc: modules: specialArgs:
    let
      args = specialArgs // { inherit config lib; options = tree; };
      all' = collect args modules;
      tree = foldl' (mergeTrees loc) { } (map (module: module.options) all');
      defs = concatMap (module: pushDown module.config) all';
      config = values loc tree defs;
      values = at: options: defsHere: builtins.mapAttrs
        (name: option:
          let
            here = at ++ [ name ];
            found = concatMap (def: optional (def ? ${name}) def.${name}) defsHere;
          in
          if isOption option
          then (option.apply or (value: value)) (mergeDefinitions here option.type (found ++ optional (option ? default) (mkOverride 1500 option.default)))
          else values here option (concatMap pushDown found))
        options;
      unknown = at: options: defsHere: concatMap
        (def: concatMap
          (name:
            if !(options ? ${name}) then [ (show (at ++ [ name ])) ]
            else if isOption options.${name} then [ ]
            else unknown (at ++ [ name ]) options.${name} (pushDown def.${name}))
          (attrNames def))
        defsHere;
      lost = unknown loc tree defs;
    in
    if lost != [ ] then throw "The option `${head lost}' does not exist" else config;
  evalModules = { modules, specialArgs ? { } }: { config = evalAt [ ] modules specialArgs; };
  lib = import ./lib.nix;
}
