// Causes of errors with images and their builds.
import type { ErrorCode } from "../error.ts";
import type { Cause } from "./cause.ts";

export const imageCauses: Record<
  Extract<ErrorCode, `image.${string}` | `bmap.${string}` | `bundle.${string}` | `build.${string}` | `lock.${string}`>,
  Cause
> = {
  "image.changed": {
    cause: "The image was written to while it was read.",
    next: "Run the command again when no other program writes the image.",
  },
  "image.damaged": {
    cause: "The image is not what it was when it was built: its checksums or its file system do not match.",
    next: "Fetch or build the image again, and do not start this one.",
  },
  "image.notOurs": {
    cause: "The file is not an image that Hamlet built.",
    next: "Build one: `hamlet image build --board <board> -o <folder>`.",
  },
  "image.provisioned": {
    cause: "The image holds the secret of one device, so it must not be published.",
    next: "Use the image as it was built; `hamlet image build` makes it again.",
  },
  "image.truncated": {
    cause: "The image ends too early: a copy or a download was cut off.",
    next: "Copy, fetch or build the image again.",
  },
  "image.wrongSize": {
    cause: "The image is longer or shorter than when it was built.",
    next: "Fetch or build the image again; a copy of a used card is not an image.",
  },
  "bmap.invalid": {
    cause: "The map beside the image (.bmap) cannot be used.",
    next: "Delete the map: without it, flashing takes a little longer.",
  },
  "bundle.invalid": {
    cause: "The system bundle lacks a file, or a part of it does not fit its partition.",
    next: "Build the image again; if it persists, make the bundle smaller or the layout in nix/layout.json larger.",
  },
  "build.diskFull": {
    cause: "Nix ran out of disk space.",
    next: "Free space in /nix and in the temporary folder (`nix-collect-garbage`); a first build takes about 10 GB.",
  },
  "build.failed": {
    cause: "The image could not be built. The message says which step failed.",
    next: "Fix what the message and its cause name, then build again; finished steps come from the cache.",
  },
  "build.nixMissing": {
    cause: "An image with --base nixos needs Nix, and Nix is not installed.",
    next: "Install Nix 2.18 or newer, or build with --base debian.",
  },
  "build.nixNoBuilder": {
    cause: "This computer cannot build for the board's processor with Nix.",
    next: "Build on a machine of that kind, name one in Nix's builders, or install qemu-user-static and set extra-platforms in nix.conf.",
  },
  "build.nixNoDaemon": {
    cause: "Nix is installed, but this user may not use it, or its daemon does not run.",
    next: "Start nix-daemon and join the group that may use it (Debian: nix-users), or run as root.",
  },
  "build.nixTooOld": { cause: "The installed Nix is too old.", next: "Install Nix 2.18 or newer." },
  "build.noNetwork": {
    cause: "Nix could not fetch what it needs.",
    next: "Check the network and Nix's substituters; what was fetched is kept, so run the command again.",
  },
  "build.relocked": {
    cause: "A locked package or tool is not available, and --locked forbids another one.",
    next: "Build without --locked, or write the lock again with `hamlet image lock` and commit it.",
  },
  "build.wrongBase": {
    cause: "The packages that were asked for cannot make an image for this board.",
    next: "Build the board on the other base, such as --base nixos.",
  },
  "lock.invalid": {
    cause: "The file with the locked packages is damaged.",
    next: "Write it again: `hamlet image lock`.",
  },
};
