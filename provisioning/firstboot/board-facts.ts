// Reads what firmware and network cards report about this board. Some of it only root may read, so the agent gets it as a file.
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BoardFacts, sortFacts } from "../handover/board.ts";
import type { Paths } from "./paths.ts";

export async function probeBoard(paths: Paths): Promise<BoardFacts> {
  const dmi = (name: string) => readText(join(paths.dmi, name));
  const serials = await Promise.all([
    dmi("product_serial"),
    dmi("board_serial"),
    readText(join(paths.deviceTree, "serial-number")),
  ]);
  return sortFacts({ serials, uuid: await dmi("product_uuid"), macs: await readMacs(paths.links) });
}

async function readMacs(links: string): Promise<string[]> {
  const names = await readdir(links).catch(() => []);
  const macs = await Promise.all(
    names.map(async (name) => {
      const bus = await readlink(join(links, name, "device/subsystem")).catch(() => undefined);
      // Without a device it is virtual; on USB it may move to another board.
      if (bus === undefined || basename(bus) === "usb") return "";
      // 0 (NET_ADDR_PERM): permanent, neither random nor set by software.
      return (await readText(join(links, name, "addr_assign_type"))) === "0"
        ? readText(join(links, name, "address"))
        : "";
    }),
  );
  return macs.filter((mac) => mac !== "");
}

const readText = (path: string): Promise<string> =>
  readFile(path, "utf8").then(
    (text) => text.trim(),
    () => "",
  );
