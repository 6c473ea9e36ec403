// The index of a folder of published images: `images.json` with one entry for each board, and the checksums for sha256sum.
// Pure.
import { z } from "zod";
import { boardNames } from "../boards.ts";
import { BuiltS } from "../bundle/version.ts";

const FileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._~+-]*$/, "is not a plain file name");
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const Beside = z.strictObject({ name: FileName, sha256: Sha256 });

export const PublishedImage = z.strictObject({
  board: z.string(),
  version: z.string(),
  inputs: Sha256,
  builtS: BuiltS.describe("date of the packages, seconds since 1970"),
  file: FileName.describe("the compressed image"),
  downloadBytes: z.int().positive(),
  downloadSha256: Sha256,
  extractBytes: z.int().positive(),
  extractSha256: Sha256,
  bmap: Beside,
  sbom: Beside.optional(),
});
export type PublishedImage = z.infer<typeof PublishedImage>;

export const PublishedImages = z.strictObject({ format: z.literal(1), images: z.array(PublishedImage) });

export const indexName = "images.json";
export const sumsName = "SHA256SUMS";
export const osListName = "os_list.json";

/** One image for each board, newly published ones in place of older ones, in the order of our boards. */
export function withPublished(known: readonly PublishedImage[], made: readonly PublishedImage[]): PublishedImage[] {
  const kept = known.filter(({ board }) => made.every((one) => one.board !== board));
  const rank = ({ board }: PublishedImage) => boardNames.indexOf(board);
  return [...kept, ...made].sort((a, b) => rank(a) - rank(b) || (a.board < b.board ? -1 : 1));
}

/** For `sha256sum --check SHA256SUMS`. */
export function sumsText(images: readonly PublishedImage[]): string {
  const files = images.flatMap(({ file, downloadSha256, bmap, sbom }) => [
    { name: file, sha256: downloadSha256 },
    bmap,
    ...(sbom ? [sbom] : []),
  ]);
  return files
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, sha256 }) => `${sha256}  ${name}\n`)
    .join("");
}
