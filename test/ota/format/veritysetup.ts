// The reference: cryptsetup's own program.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** Rejects unless the slot's root verifies with its hash tree. */
export const verifyTree = (disk: string, slot: string, rootHash: string) =>
  promisify(execFile)("/sbin/veritysetup", [
    "verify",
    join(disk, `root-${slot}`),
    join(disk, `verity-${slot}`),
    rootHash,
  ]);
