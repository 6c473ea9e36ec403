// Waits for the drivers of hardware that firstboot reads, because it runs while udev still loads them.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { sleep } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import type { Paths } from "./paths.ts";

const lookMs = 100;

/** Until the drivers of the hardware found so far are loaded. What takes longer than 20 s counts as missing. */
export const settle = (run: Run, signal?: AbortSignal): Promise<string> =>
  run(["udevadm", "settle", "--timeout=20"], { timeoutMs: 30_000, ...(signal && { signal }) }).catch(() => "");

/** Until each network card on PCI has a link, or, because a card may have no driver and a board no PCI, until the rest is done. */
export async function settleLinks(paths: Paths, run: Run): Promise<void> {
  const enough = new AbortController();
  let isSettled = false;
  const settling = settle(run, enough.signal).then(() => {
    isSettled = true;
  });
  while (!isSettled && !(await hasEachCardLinks(paths.pciDevices))) await sleep(lookMs);
  enough.abort();
  await settling;
}

async function hasEachCardLinks(pci: string): Promise<boolean> {
  const devices = (await readdir(pci).catch((): string[] => [])).map((name) => join(pci, name));
  const kinds = await Promise.all(devices.map((device) => readFile(join(device, "class"), "utf8").catch(() => "")));
  // PCI Code and ID Assignment Specification 1.3: base class 02, network controllers.
  const cards = devices.filter((_, at) => kinds[at]?.startsWith("0x02"));
  return cards.length > 0 && (await Promise.all(cards.map(hasLink))).every(Boolean);
}

/** The links of a virtio card are below the virtio device inside it. */
async function hasLink(device: string): Promise<boolean> {
  const names = await readdir(device);
  const inner = names.filter((name) => /^virtio\d+$/.test(name)).map((name) => readdir(join(device, name)));
  const all = [names, ...(await Promise.all(inner))];
  return all.some((entries) => entries.includes("net"));
}
