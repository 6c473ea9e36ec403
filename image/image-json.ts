// What an image says about itself: `hamlet/image.json` on its EFI partition, beside the provision block.
import { z } from "zod";
import { BundleJson } from "./bundle/bundle.ts";

export const imageJsonPath = "hamlet/image.json";
export const provisionPath = "hamlet/provision.json";

export const ImageJson = z.object({
  format: z.literal(1),
  board: z.string().min(1).max(32),
  version: z.string().min(1).max(64),
  inputs: BundleJson.shape.inputs,
  builtS: z.int().positive(),
  rootHash: z.string(),
  sizeBytes: z.int().positive().describe("of the whole image"),
  parts: z.record(z.string(), z.int().nonnegative()),
  relocked: BundleJson.shape.relocked,
});
export type ImageJson = z.infer<typeof ImageJson>;
