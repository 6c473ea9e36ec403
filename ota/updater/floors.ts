// The lowest versions that the updater still accepts, kept apart from the metadata: metadata that is lost or damaged must not let an
// older state of the repository in.
// Pure.
import { hash } from "node:crypto";
import { z } from "zod";
import { HamletError } from "../../system/error.ts";

const RoleFloor = z.object({
  version: z.int().positive(),
  keys: z.string().max(64).describe("digest of the role's keys: a verified root that replaces them ends the floor"),
});
export const Floors = z.object({
  /** The newest release that was committed. */
  release: z.string().max(64).exactOptional(),
  /** No verified release was built later; a clock that shows an earlier time is wrong. */
  clockS: z.int().nonnegative().exactOptional(),
  roles: z.record(z.string().max(32), RoleFloor),
});
export type Floors = z.infer<typeof Floors>;
export type RoleFloors = Floors["roles"];

/** The digest of public keys, in any order. */
export const keysDigest = (publicKeys: string[]): string =>
  hash("sha256", publicKeys.toSorted().join("\n"), "hex").slice(0, 32);

/** Throws `update.badMetadata` for a role under its floor. */
export function checkFloors(floors: RoleFloors, found: RoleFloors): void {
  for (const [role, { version, keys }] of Object.entries(found)) {
    const floor = Object.hasOwn(floors, role) ? floors[role] : undefined;
    if (!floor || floor.keys !== keys || version >= floor.version) continue;
    throw new HamletError(
      "update.badMetadata",
      `the repository has version ${version} of ${role}, older than ${floor.version}, which this device has seen`,
    );
  }
}

/** What has passed `checkFloors` becomes the floor, beside the roles that were not looked at. */
export const raiseFloors = (floors: RoleFloors, found: RoleFloors): RoleFloors => ({ ...floors, ...found });
