// What the neighborhood runs, and where images of that may be.
import { join } from "node:path";
import { imageName } from "../../../../image/assemble/assemble.ts";
import { cacheFolder } from "../../../../system/paths.ts";
import type { Values } from "../../../terminal/command.ts";
import { findDevice } from "../../../terminal/device.ts";
import { labDevices } from "../../lab/lab.ts";
import type { Wanted } from "./subject.ts";

/** What each board of the neighborhood runs, by any member. Throws `device.notFound`. */
export async function runningReleases(values: Values): Promise<Wanted[]> {
  const device = await findDevice(values);
  try {
    const { self, members } = await device.status();
    const all: Pick<typeof self, "name" | "board" | "release">[] = members.length > 0 ? members : [self];
    const byKind = Map.groupBy(all, ({ board, release }) => `${board} ${release}`);
    return [...byKind.values()].map((some) => ({
      ...{ board: some[0]!.board, from: some[0]!.release },
      devices: some.map(({ name }) => name),
    }));
  } finally {
    device.close();
  }
}

/** Those that were named, or that of the lab that runs and the last one that a lab built. */
export async function candidateImages(named: readonly string[]): Promise<(subject: Wanted) => string[]> {
  if (named.length > 0) return () => [...named];
  const devices = await labDevices();
  return ({ board, from }) => [
    ...new Set(devices.filter((one) => one.board === board).map(({ image }) => image)),
    join(cacheFolder(), "image", imageName(board, from)),
  ];
}
