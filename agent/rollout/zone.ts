// By which time zone this device knows its night: images come without one, and then the hours of its day are those of UTC. Node has the
// zones itself, summer time included.
import { readlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathsUnder } from "../../provisioning/firstboot/paths.ts";
import { readTimeZone } from "../../provisioning/handover/time-zone.ts";

const universal = /^((Etc\/)?(UTC|UCT|Universal|Zulu|GMT|Greenwich)|Factory)$/;
/** NixOS leads to the zone by one link more. */
const mostLinks = 4;

/**
 * What the device's card said, or else what its system knows; undefined if nobody has told it. `root` is the root folder of the device's
 * files, for tests.
 */
export async function findZone(root = "/"): Promise<string | undefined> {
  return (await readTimeZone(pathsUnder(root).timezone).catch(() => undefined)) ?? (await systemZone(root));
}

async function systemZone(root: string): Promise<string | undefined> {
  let path = join(root, "etc/localtime");
  for (let links = 0; links < mostLinks; links++) {
    const target = await readlink(path).catch(() => undefined);
    if (target === undefined) return undefined;
    const zone = /(?:^|\/)zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(target)?.[1];
    if (zone !== undefined) return universal.test(zone) ? undefined : zone;
    path = target.startsWith("/") ? join(root, target) : resolve(dirname(path), target);
  }
  return undefined;
}

/** Minutes since midnight by the device's time zone: the process's own, which `TZ` sets. */
export function minuteOfDay(epochMs: number): number {
  const date = new Date(epochMs);
  return date.getHours() * 60 + date.getMinutes() + date.getSeconds() / 60;
}
