// The boards and disk layouts that images are made for. Nix reads the same JSON.
import { z } from "zod";
import boardsJson from "../nix/boards.json" with { type: "json" };
import layoutJson from "../nix/layout.json" with { type: "json" };
import { HamletError } from "../system/error.ts";

const PiKernel = z.strictObject({
  console: z.string().describe("its name for the serial port on the header"),
  deviceTrees: z.array(z.string()),
});
const common = {
  describe: z.string(),
  debianArchitecture: z.enum(["amd64", "arm64"]),
  nodePlatform: z.enum(["linux-x64", "linux-arm64"]),
  nixSystem: z.enum(["x86_64-linux", "aarch64-linux"]),
  builders: z.array(z.enum(["debian", "nixos"])).min(1),
  bootTries: z.int().min(1).describe("boots of a new slot before the firmware gives up on it"),
  kernelArguments: z
    .array(z.string())
    .describe(
      "cryptomgr.notests: Debian's kernel tests its ciphers at each boot, which took half of its start in QEMU",
    ),
};
export const Board = z.discriminatedUnion("layout", [
  z.strictObject({
    ...common,
    layout: z.literal("uefi"),
    efi: z.enum(["x64", "aa64"]).describe("the architecture's name in EFI file names"),
  }),
  z.strictObject({
    ...common,
    layout: z.literal("rpi"),
    firmware: z.array(z.string()).describe("files that the board's boot ROM or EEPROM starts; a Pi 5 has them inside"),
    kernels: z
      .strictObject({ mainline: PiKernel.optional(), vendor: PiKernel.optional() })
      .describe("kernel.org's, which Debian packages, and the Raspberry Pi's own, which NixOS bundles use"),
    imagerDevices: z.array(z.string()).describe("tags of Raspberry Pi Imager's device list"),
  }),
]);
export type Board = z.infer<typeof Board> & { name: string };
export type UefiBoard = Extract<Board, { layout: "uefi" }>;
export type RpiBoard = Extract<Board, { layout: "rpi" }>;

/** In disk order. A partition without a format holds a file system from the bundle, or raw data. */
const LayoutPartition = z.strictObject({
  label: z.string().max(36),
  sizeMiB: z.int().positive(),
  format: z.enum(["fat16", "fat32"]).optional(),
  grows: z.boolean().default(false),
});
export const Layout = z.strictObject({
  table: z.enum(["gpt", "mbr"]),
  partitions: z.array(LayoutPartition),
});
export type Layout = z.infer<typeof Layout>;

const boards = z.record(z.string(), Board).parse(boardsJson);
const { provisionBlockBytes, ...layouts } = z
  .strictObject({ provisionBlockBytes: z.int(), uefi: Layout, rpi: Layout })
  .parse(layoutJson);

/** Size of the part of the provision file inside an image; the same for every layout. */
export { provisionBlockBytes };

export const boardNames = Object.keys(boards);

/** Throws `usage.invalid` for an unknown board. */
export function boardNamed(name: string): Board {
  // hasOwn: an image may claim to be for the board "constructor".
  const board = Object.hasOwn(boards, name) ? boards[name] : undefined;
  if (board) return { name, ...board };
  throw new HamletError("usage.invalid", `there is no image for the board '${name}'`, {
    hint: `known boards: ${boardNames.join(", ")}`,
    exitCode: 2,
  });
}

export type Builder = Board["builders"][number];
/** What a Raspberry Pi has with the kernel of this builder's bundles. */
export function piKernelOf(board: RpiBoard, builder: Builder): z.infer<typeof PiKernel> {
  const kernel = builder === "debian" ? board.kernels.mainline : board.kernels.vendor;
  if (kernel) return kernel;
  throw new HamletError("build.failed", `the ${builder} builder has no kernel for ${board.describe}`);
}
export function kernelArgumentsOf(board: Board, builder: Builder): string[] {
  const serial = board.layout === "rpi" ? [`console=${piKernelOf(board, builder).console}`] : [];
  return [...board.kernelArguments, ...serial];
}

export const layoutOf = (board: Pick<Board, "layout">): Layout => layouts[board.layout];

/** The loader's path on removable media: UEFI specification 3.5.1.1. */
export const removableLoader = ({ efi }: UefiBoard): string => `EFI/BOOT/BOOT${efi.toUpperCase()}.EFI`;
