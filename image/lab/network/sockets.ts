// Unix sockets in folders of any depth: the kernel allows 107 bytes of path, and state folders may be longer.
import { openSync } from "node:fs";
import { join } from "node:path";

const maxPathBytes = 107;
const opened = new Map<string, number>();

/** A path to `name` in `folder` that is short enough, if need be through an open folder in /proc. */
export function socketPath(folder: string, name: string): string {
  const plain = join(folder, name);
  if (Buffer.byteLength(plain) <= maxPathBytes) return plain;
  const handle = opened.get(folder) ?? openSync(folder, "r");
  opened.set(folder, handle);
  return `/proc/self/fd/${handle}/${name}`;
}
