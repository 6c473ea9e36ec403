// Makes the dm-verity hash tree of a root filesystem image, without root privileges and without the kernel.
import { stat } from "node:fs/promises";
import constants from "../../nix/constants.json" with { type: "json" };
import type { Run } from "../../system/command.ts";
import { HamletError } from "../../system/error.ts";
import { blockBytes } from "../disk/block.ts";

/** The salt is fixed: the same root filesystem must give the same hash. */
const { verityUuid } = constants;
export const { veritySalt } = constants;

type Verity = { rootHash: string; dataBlocks: number };

export async function makeVerity(root: string, tree: string, run: Run): Promise<Verity> {
  const argv = ["/sbin/veritysetup", "format", `--salt=${veritySalt}`, `--uuid=${verityUuid}`, root, tree] as const;
  const told = await run(argv, { timeoutMs: 120_000 });
  const rootHash = /Root hash:\s+([0-9a-f]{64})/.exec(told)?.[1];
  if (!rootHash) throw new HamletError("build.failed", "veritysetup printed no root hash");
  return { rootHash, dataBlocks: (await stat(root)).size / blockBytes };
}
