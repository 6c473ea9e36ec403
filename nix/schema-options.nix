# Turns JSON Schema into NixOS options: the agent's settings take their types, defaults and descriptions from agent/config.ts.
# An unknown keyword fails the evaluation, because silently dropping a check would be worse.
{ lib }:
let
  inherit (lib) hasPrefix hasSuffix mapAttrs mkOption optionalAttrs removePrefix removeSuffix subtractLists types;

  known = [ "$schema" "additionalProperties" "default" "description" "enum" "format" "items" "maximum" "minimum" "pattern" "properties" "required" "type" ];
  # The largest integer that JSON carries safely (RFC 8259, 6).
  farthest = 9007199254740991;
  # JSON Schema matches a pattern anywhere in the text; strMatching matches the whole text.
  whole = pattern:
    (if hasPrefix "^" pattern then "" else ".*") + removeSuffix "$" (removePrefix "^" pattern) + (if hasSuffix "$" pattern then "" else ".*");

  typeOf = schema:
    let unknown = subtractLists known (builtins.attrNames schema); in
    if unknown != [ ] then throw "schema-options.nix does not know '${builtins.head unknown}'"
    else if schema ? format && !(schema ? pattern) then throw "schema-options.nix cannot check the format '${schema.format}' without a pattern"
    else if schema ? enum then types.enum schema.enum
    else {
      boolean = types.bool;
      integer = types.ints.between (schema.minimum or (-farthest)) (schema.maximum or farthest);
      string = if schema ? pattern then types.strMatching (whole schema.pattern) else types.str;
      array = types.listOf (typeOf schema.items);
      object = types.submodule { options = optionsOf schema; };
    }.${schema.type};

  # An optional setting without a default is null here, and `written` drops it.
  optionOf = required: name: schema:
    let isOptional = !(schema ? default) && !(builtins.elem name required); in
    mkOption ({
      type = if isOptional then types.nullOr (typeOf schema) else typeOf schema;
      description = schema.description or "";
    } // optionalAttrs (schema ? default || isOptional) { default = schema.default or null; });

  optionsOf = schema: mapAttrs (optionOf (schema.required or [ ])) schema.properties;
in
{
  inherit optionsOf;
  # The settings as the agent reads them: without nulls.
  written = lib.filterAttrsRecursive (_: value: value != null);
}
