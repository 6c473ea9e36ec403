// What one member asks another for: a file, an object or a frame of a pack, by the names that a repository has for them.
// Pure.
import { hash } from "node:crypto";
import { z } from "zod";
import { maxRecipeBytes } from "../../ota/format/limits.ts";
import { metadataFolder, targetsFolder } from "../../ota/format/names.ts";
import { maxFrameBytes } from "../../ota/format/unpack.ts";
import { BytesRequest, PackedRequest } from "../../provisioning/handover/update.ts";

/** The dictionary of a frame stays with the device that unpacks it. */
export type Wanted = BytesRequest | (PackedRequest & { kind: "packed" });

/** A web server refuses a folder, or shows a page of it: the repository would seem unreachable to whoever asks for others. */
const FileOrObject = BytesRequest.refine(
  (wanted) => wanted.kind !== "file" || wanted.path.endsWith(".json"),
  "is no file of a repository",
);

export const Question = z.object({
  how: z
    .enum(["kept", "fetched"])
    .describe("kept: only what the lender has; fetched: from the repository as well, on behalf of who asks"),
  wanted: z.union([FileOrObject, PackedRequest.and(z.object({ kind: z.literal("packed") }))]),
});
export type Question = z.infer<typeof Question>;

export const lendPath = "/v1/lend";
/** Of an answer: the lender has unpacked this frame of a pack and found what it should hold. */
export const provenHeader = "hamlet-proven";
/** A question takes 500 bytes. */
export const maxQuestionBytes = 4 << 10;
/** How a lender answers without bytes. */
export const answers = {
  /** It has none, and was not asked to fetch. */
  notKept: 204,
  /** The repository has no such file. */
  notThere: 404,
  /** Too much is asked of it already. */
  busy: 429,
  /** It cannot fetch: its line is down or not for others. */
  noWay: 503,
} as const;

/** Whether its name says which bytes it has; the other files may change. */
export const isNamed = (wanted: Wanted): boolean => wanted.kind !== "file" || digestIn(wanted.path) !== undefined;

const digestIn = (path: string): string | undefined =>
  path.startsWith(`${targetsFolder}/`) ? /\/([0-9a-f]{64})\.[^/]+$/.exec(path)?.[1] : undefined;

/** The next root of the metadata, which most checks find missing. */
export const isNextRoot = (wanted: Wanted): boolean =>
  wanted.kind === "file" && wanted.path.startsWith(`${metadataFolder}/`) && /\/\d+\.root\.json$/.test(wanted.path);

/** Undefined if only who unpacks it can tell. */
export function isRightFile(path: string, bytes: Buffer): boolean | undefined {
  const digest = digestIn(path);
  return digest === undefined ? undefined : hash("sha256", bytes, "hex") === digest;
}

export function keyOf(wanted: Wanted): string {
  switch (wanted.kind) {
    case "file":
      return `f-${hash("sha256", wanted.path, "hex")}`;
    case "object":
      return `o-${wanted.sha256}`;
    case "packed":
      return `p-${wanted.pack.sha256}-${wanted.frame.offset}-${wanted.frame.length}`;
  }
}

/** The most bytes that an answer may have. */
export function mostBytes(wanted: Wanted): number {
  switch (wanted.kind) {
    case "file":
      return Math.min(wanted.maxBytes, maxRecipeBytes);
    case "object":
      return maxFrameBytes(Math.min(wanted.sizeBytes, maxRecipeBytes));
    case "packed":
      return wanted.frame.length;
  }
}
