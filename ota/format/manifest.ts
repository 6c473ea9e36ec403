// The manifest of a release for one board: the one TUF target of the two, so its signature covers everything below it.
// `ota/format.md` describes the format; a change there strands devices in the field.
// Pure.
import { z } from "zod";
import { BuiltS, Version } from "../../image/bundle/version.ts";
import { blockBytes } from "../../image/disk/block.ts";
import { RolloutPolicy } from "../../provisioning/trust/rollout-policy.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { maxPartBytes, maxRecipeBytes } from "./limits.ts";

export const Hex32 = z.string().regex(/^[0-9a-f]{64}$/);

/** Bytes of a part that differ from device to device. Digests are over zeros there. */
export const Place = z.object({
  name: z.enum(["slot", "disk"]).describe("slot: the letter a or b; disk: the MBR's signature in 8 hex digits"),
  offset: z.int().nonnegative().max(maxPartBytes),
  sizeBytes: z.int().positive().max(64),
});
export type Place = z.infer<typeof Place>;

export const partNames = ["root", "kernel", "boot"] as const;
export type PartName = (typeof partNames)[number];
export const Part = z.object({
  name: z.enum(partNames).describe("root: root filesystem; kernel: unified kernel image; boot: boot partition of a Pi"),
  sizeBytes: z.int().positive().max(maxPartBytes),
  sha256: Hex32,
  places: z.array(Place).max(8),
});
export type Part = z.infer<typeof Part>;

const ObjectRef = z.object({ sha256: Hex32, sizeBytes: z.int().positive().max(maxRecipeBytes) });

export const Manifest = z
  .object({
    format: z.literal(1),
    board: z.string().min(1).max(32),
    version: Version,
    installFrom: Version.optional().describe("the oldest release that may install this one; absent: any"),
    builtS: BuiltS,
    // One that this device does not understand is none: then the release waits until somebody asks for it.
    rollout: RolloutPolicy.optional()
      .catch(undefined)
      .describe("how homes without an operator take it by themselves; absent: not"),
    verity: z.object({ rootHash: Hex32, dataBlocks: z.int().positive() }),
    parts: z.array(Part).min(1).max(4).describe("in the order in which a recipe makes them"),
    recipes: z
      .array(
        ObjectRef.extend({
          from: Hex32.optional().describe("root hash of the release in the device's slot"),
          fetchBytes: z.int().positive().optional().describe("what a device fetches: recipe, chunks and pack"),
        }),
      )
      .min(1)
      .max(32)
      .describe("exactly one without `from`: of whole chunks, for a device with any other release"),
  })
  .refine(({ parts }) => new Set(parts.map(({ name }) => name)).size === parts.length, "a part is named twice")
  .refine(({ parts }) => parts.some(({ name }) => name === "root"), "there is no part root")
  .refine(
    ({ parts, verity }) => parts.find(({ name }) => name === "root")?.sizeBytes === verity.dataBlocks * blockBytes,
    "the size of root is not that of its hash tree",
  )
  .refine(
    ({ recipes }) =>
      recipes.filter(({ from }) => from === undefined).length === 1 &&
      new Set(recipes.map(({ from }) => from)).size === recipes.length,
    "there must be one recipe for each release and one for all others",
  )
  .refine(({ parts }) => parts.every(({ places, sizeBytes }) => areApart(places, sizeBytes)), "places overlap");
export type Manifest = z.infer<typeof Manifest>;

function areApart(places: Place[], sizeBytes: number): boolean {
  let end = 0;
  for (const { offset, sizeBytes: length } of places.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) return false;
    end = offset + length;
  }
  return end <= sizeBytes;
}

/** Throws `update.badManifest`. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const refuse = (why: string) => new HamletError("update.badManifest", `the manifest ${why}`, { hint: publishAgain });
  const read = parseJsonBytes(bytes);
  if ("trouble" in read) throw refuse(read.trouble);
  const parsed = Manifest.safeParse(read.json);
  if (parsed.success) return parsed.data;
  throw refuse(`is not valid: ${explainIssues(parsed.error)}`);
}

const publishAgain = "the publisher has to publish a release that this device can read";

/** The recipe for a device whose slot holds the release with `rootHash`. */
export function recipeFor({ recipes }: Manifest, rootHash: string | undefined): Manifest["recipes"][number] {
  const whole = recipes.find(({ from }) => from === undefined)!;
  return recipes.find(({ from }) => from !== undefined && from === rootHash) ?? whole;
}
