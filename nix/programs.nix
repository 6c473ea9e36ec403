# Our programs: the ones that `hamlet image build` has already built, or a build from source.
# package-lock.json names no registry, so a build from source reads it from the environment:
#   npm_config_registry=$(npm config get registry) nix build --impure ./nix#agent
{ lib, pkgs, version }:
let
  registry = lib.removeSuffix "/" (builtins.getEnv "npm_config_registry");
  source = lib.fileset.toSource {
    root = ./..;
    fileset = lib.fileset.unions (map (name: ../. + "/${name}")
      [ "agent" "cli" "dashboard" "image" "nix" "ota" "provisioning" "system" "package.json" "package-lock.json" "tsconfig.json" ]);
  };
  lock = lib.importJSON ../package-lock.json;
  # node_modules/a/node_modules/@b/c -> @b/c
  nameOf = path: lib.last (lib.splitString "node_modules/" path);
  address = path: { version, ... }:
    "${registry}/${nameOf path}/-/${baseNameOf (nameOf path)}-${version}.tgz";
  packageLock = lock // {
    packages = lib.mapAttrs (path: entry: if entry ? integrity then entry // { resolved = address path entry; } else entry) lock.packages;
  };
in
if builtins.pathExists ./programs then
  # A flake's packages must be derivations.
  pkgs.runCommand "hamlet-programs" { src = ./programs; } "cp -R $src $out; exit 0"
else if registry == "" then
  # Evaluation must not fail: `nix flake check` evaluates every package.
  pkgs.runCommand "hamlet-programs" { } ''
    echo "hamlet: building the programs from source needs an npm registry" >&2
    echo "hamlet: hint: set npm_config_registry and pass --impure, or run hamlet image build --base nixos" >&2
    exit 1
  ''
else pkgs.buildNpmPackage {
  pname = "hamlet-programs";
  inherit version;
  src = source;
  nodejs = pkgs.nodejs_24;
  npmDeps = pkgs.importNpmLock { npmRoot = source; inherit packageLock; };
  inherit (pkgs.importNpmLock) npmConfigHook;
  # The npm package `node` downloads a runtime on installation; nixpkgs already has one.
  npmFlags = [ "--ignore-scripts" ];
  buildPhase = "node cli/package/build.ts";
  installPhase = "mkdir -p $out && cp dist/*.mjs $out/ && rm $out/supervisor.mjs $out/join-inside.mjs $out/lab-web.mjs $out/publish-thread.mjs";
}
