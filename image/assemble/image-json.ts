// `hamlet/image.json`: the description of an image, on its first partition beside the provision block.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { parseJsonBytes } from "../../system/json-file.ts";
import { BundleJson } from "../bundle/bundle.ts";
import { BuiltS } from "../bundle/version.ts";

export const imageJsonPath = "hamlet/image.json";
export const provisionPath = "hamlet/provision.json";

const notOursHint = "make an image with `hamlet image build`; this one is damaged or none of ours";

const ImageJson = z.object({
  format: z.literal(1),
  board: z.string().min(1).max(32),
  version: z.string().min(1).max(64),
  inputs: BundleJson.shape.inputs,
  builtS: BuiltS,
  rootHash: z.string(),
  sizeBytes: z.int().positive().describe("of the whole image"),
  layout: z
    .array(z.object({ offset: z.int().nonnegative(), sizeBytes: z.int().positive() }))
    .optional()
    .describe("partitions, for whoever reads a stream: an MBR's logical ones have their records right before them"),
  parts: z.record(z.string(), z.int().nonnegative()),
  relocked: BundleJson.shape.relocked,
});
export type ImageJson = z.infer<typeof ImageJson>;

/** The description of `name`. Throws `image.notOurs`, with another hint if a newer Hamlet wrote it. */
export function parseImageJson(bytes: Uint8Array, name: string): ImageJson {
  const read = parseJsonBytes(bytes);
  if ("trouble" in read) {
    throw new HamletError("image.notOurs", `${imageJsonPath} of ${name} ${read.trouble}`, { hint: notOursHint });
  }
  const { json } = read;
  const parsed = ImageJson.safeParse(json);
  if (parsed.success) return parsed.data;
  const newer = z.object({ format: z.int().gt(1) }).safeParse(json).data;
  if (newer) {
    throw new HamletError("image.notOurs", `${name} has format ${newer.format}, but this Hamlet reads format 1 only`, {
      hint: "a newer Hamlet made this: update hamlet",
    });
  }
  throw new HamletError("image.notOurs", `${imageJsonPath} of ${name} is not valid: ${explainIssues(parsed.error)}`, {
    hint: notOursHint,
  });
}
