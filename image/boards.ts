// The boards and disk layouts that images are made for; the same JSON is read by Nix.
import { z } from "zod";
import boardsJson from "../nix/boards.json" with { type: "json" };
import layoutJson from "../nix/layout.json" with { type: "json" };
import { HamletError } from "../system/error.ts";

export const Board = z.strictObject({
  describe: z.string(),
  debianArchitecture: z.enum(["amd64", "arm64"]),
  nodePlatform: z.enum(["linux-x64", "linux-arm64"]),
  layout: z.enum(["uefi"]),
  removableLoader: z.string(),
  bootTries: z.int().min(1),
  kernelArguments: z.array(z.string()),
});
export type Board = z.infer<typeof Board> & { name: string };

export const Layout = z.strictObject({
  sectorBytes: z.literal(512),
  provisionBlockBytes: z.int(),
  partitions: z.array(
    z.strictObject({ label: z.string().max(36), sizeMiB: z.int().positive(), grows: z.boolean().default(false) }),
  ),
});
export type Layout = z.infer<typeof Layout>;

const boards = z.record(z.string(), Board).parse(boardsJson);
const layouts = z.strictObject({ uefi: Layout }).parse(layoutJson);

export const boardNames = Object.keys(boards);

/** Throws `usage.invalid` for a board we make no images for. */
export function boardNamed(name: string): Board {
  const board = boards[name];
  if (board) return { name, ...board };
  throw new HamletError("usage.invalid", `there is no image for the board '${name}'`, {
    hint: `known boards: ${boardNames.join(", ")}`,
    exitCode: 2,
  });
}

export const layoutOf = (board: Board): Layout => layouts[board.layout];

/** Size of the part of the provision file inside an image; the same for every layout. */
export const provisionBlockBytes = layouts.uefi.provisionBlockBytes;
