// A system bundle: the folder from which the image of one board and version is made.
//
//   bundle.json       what is in the folder, with digests (the schema below)
//   root.erofs        root filesystem
//   verity.img        its dm-verity hash tree; the root hash is in bundle.json and on the command line
//   kernel, initrd    started by the firmware
//   cmdline           kernel command line without the slot, which the assembler adds
//   os-release        name and version, as the boot loader shows and sorts them
//   sbom.cdx.json     bill of materials, if the builder writes one; also in the root filesystem
// for a board with UEFI:
//   stub.efi          systemd-stub: kernel, initrd and command line become one EFI program with it
//   loader.efi        systemd-boot
// for a Raspberry Pi:
//   config.txt        settings of its firmware
//   boot/...          firmware, device trees and overlays, as they lie on a boot partition
import { join } from "node:path";
import { z } from "zod";
import { digestFile } from "../../system/digest.ts";
import { errnoOf, HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { readJsonFile } from "../../system/json-file.ts";
import { boardNamed } from "../boards.ts";
import { Difference } from "./lock/lock.ts";
import { BuiltS, Version } from "./version.ts";

const Hex32 = z.string().regex(/^[0-9a-f]{64}$/);

const commonFiles = ["root.erofs", "verity.img", "kernel", "initrd", "cmdline", "os-release"] as const;
const filesOfLayout = { uefi: ["stub.efi", "loader.efi"], rpi: ["config.txt"] } as const;
/** The files that every bundle of a layout has; any others are in `boot/`. */
export const requiredFiles = (layout: keyof typeof filesOfLayout): readonly string[] => [
  ...commonFiles,
  ...filesOfLayout[layout],
];

const FileFacts = z.strictObject({ sha256: Hex32, sizeBytes: z.int().nonnegative() });

/** A path inside the bundle; it must not lead out of the folder. */
const FileName = z.string().regex(/^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/+-]*$/);

export const BundleJson = z.strictObject({
  format: z.literal(2),
  board: z.string().min(1).max(32),
  version: Version,
  /** Digest of its inputs; equal inputs give equal bytes. */
  inputs: Hex32,
  builtS: BuiltS.describe("date of the packages, seconds since 1970: no clock can be earlier"),
  verity: z.strictObject({ rootHash: Hex32, dataBlocks: z.int().positive() }),
  parts: z.record(z.string(), z.int().nonnegative()).describe("bytes in the root filesystem by origin"),
  files: z.record(FileName, FileFacts),
  compression: z.literal("lz4hc").optional().describe("the root filesystem's, where it does not fit the slot without"),
  relocked: z.array(Difference).min(1).optional().describe("what was not as locked; absent where all was"),
});
export type BundleJson = z.infer<typeof BundleJson>;
export type Bundle = BundleJson & { folder: string };

const invalid = (folder: string, why: string, cause?: unknown) =>
  new HamletError("bundle.invalid", `${folder} is not a valid system bundle: ${why}`, {
    cause,
    hint: "build it again; if it was copied, copy it again",
  });

/** Reads a bundle and checks every file against bundle.json. Throws `bundle.invalid` naming the first that differs. */
export async function readBundle(folder: string): Promise<Bundle> {
  const json = await readJsonFile(join(folder, "bundle.json")).catch((cause) => {
    throw invalid(folder, "bundle.json cannot be read", cause);
  });
  if (json === undefined) throw invalid(folder, "bundle.json is missing");
  const parsed = BundleJson.safeParse(json);
  if (!parsed.success) throw invalid(folder, `bundle.json: ${explainIssues(parsed.error)}`);
  for (const name of requiredFiles(boardNamed(parsed.data.board).layout)) {
    if (!parsed.data.files[name]) throw invalid(folder, `bundle.json names no ${name}`);
  }
  for (const [name, wanted] of Object.entries(parsed.data.files)) {
    const found = await digestFile(join(folder, name)).catch((cause) => {
      throw invalid(folder, `${name} ${errnoOf(cause) === "ENOENT" ? "is missing" : "cannot be read"}`, cause);
    });
    if (found.sizeBytes !== wanted.sizeBytes) {
      throw invalid(folder, `${name} has ${found.sizeBytes} bytes instead of ${wanted.sizeBytes}`);
    }
    if (found.sha256 !== wanted.sha256) throw invalid(folder, `${name} is not the file that was built`);
  }
  return { ...parsed.data, folder };
}
