// The kernel's settings under /proc/sys: any may be read, only those under net. are written.
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../system/error.ts";
import { SysctlKey } from "./changes.ts";

export type Sysctls = {
  /** The value as the kernel spells it, or undefined if this kernel (or namespace) has no such key. */
  read(key: string): Promise<string | undefined>;
  /** In a network namespace some keys only show what the machine's owner has set. */
  isReadOnly(key: string): Promise<boolean>;
  write(key: string, value: string): Promise<void>;
};

export function kernelSysctls(root = "/proc/sys"): Sysctls {
  const path = (key: string) => join(root, ...key.split("."));
  return {
    async read(key) {
      try {
        return (await readFile(path(key), "utf8")).replace(/\n$/, "");
      } catch (error) {
        if (errnoOf(error) === "ENOENT") return undefined;
        throw error;
      }
    },
    async isReadOnly(key) {
      return ((await stat(path(key))).mode & 0o222) === 0;
    },
    async write(key, value) {
      // r+: opening it must never create a file.
      await writeFile(path(SysctlKey.parse(key)), `${value}\n`, { flag: "r+" });
    },
  };
}
