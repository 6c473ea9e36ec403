// Whether somebody has told this device its time zone: images come without one, and then the hours of its day are those of UTC.
import { readlink } from "node:fs/promises";
import { join } from "node:path";

const universal = /(^|\/)((Etc\/)?(UTC|UCT|Universal|Zulu|GMT|Greenwich)|Factory)$/;

/** `root` is the root folder of the device's files, for tests. */
export async function knowsZone(root = "/"): Promise<boolean> {
  const zone = await readlink(join(root, "etc/localtime")).catch(() => undefined);
  return zone !== undefined && !universal.test(zone);
}
