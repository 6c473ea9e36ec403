# A double of the profile of this name.
{ lib, ... }: { nix.enable = false; networking.useNetworkd = lib.mkDefault true; }
