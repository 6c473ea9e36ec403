// Takes what Raspberry Pi Imager left on the first partition to `data`, once, and wipes it there. It is kept, for root's eyes: it stands
// beneath every provision file to come, so that who adds a token later need not say the Wi-Fi again.
// Power may go after any line: `data` has all before the first byte is wiped, and `meta-data`, which names the writing, goes last.
import { open, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { describeError, HamletError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { decodeText } from "../../system/text.ts";
import { type ImagerSaid, ImagerWishes, readImagerFiles } from "../imager.ts";
import { readPast } from "./past.ts";
import type { Paths } from "./paths.ts";
import { wipe } from "./wipe.ts";

export type FromImager = { wishes: ImagerWishes; trouble?: HamletError };

const Kept = z.object({ instance: z.string(), wishes: ImagerWishes, warnings: z.array(z.string()) });
type Kept = z.infer<typeof Kept>;

/** Ours is a few kilobytes; what is larger is not by Imager. */
const maxBytes = 256 << 10;
/** Imager's other ways, which it takes if somebody tells it a wrong `init_format`. They hold passwords all the same. */
const otherFormats = ["firstrun.sh", "rpi-preseed.toml", "custom.toml"];

/** Never throws: whatever is wrong here, the provision file and the rest of the boot go on. */
export async function takeFromImager(paths: Paths, log: Log): Promise<FromImager> {
  const kept = await readJson(paths.imager, Kept).catch(() => undefined);
  try {
    const taken = await take(paths, kept, log);
    return { wishes: taken?.wishes ?? {}, ...(taken && troubleOf(taken.warnings)) };
  } catch (error) {
    log.error(describeError(error));
    const trouble =
      error instanceof HamletError
        ? error
        : new HamletError("imager.invalid", `what Imager wrote could not be taken: ${describeError(error)}`, {
            hint: "write the card again",
          });
    return { wishes: kept?.wishes ?? {}, trouble };
  }
}

async function take(paths: Paths, kept: Kept | undefined, log: Log): Promise<Kept | undefined> {
  // FAT knows no case, and who mends a file on another system may bring capitals.
  const found: string[] = await readdir(paths.bootFolder).catch(() => []);
  const pathOf = new Map(found.map((name) => [name.toLowerCase(), join(paths.bootFolder, name)]));
  const others = otherFormats.filter((name) => pathOf.has(name));
  const mine = ["network-config", "user-data", "meta-data"].filter((name) => pathOf.has(name));
  if (others.length === 0 && mine.length === 0) return kept;
  const past = await readPast(paths);
  // An identity that can not be read is not touched, and neither is what may belong to it.
  if (past.kind === "unreadable") return kept;

  const read = async (name: string) => (pathOf.has(name) ? await readText(pathOf.get(name)!) : "");
  const instance = /^instance-id:\s*(\S+)/m.exec(await read("meta-data"))?.[1] ?? "";
  const isKnown = kept !== undefined && instance !== "" && kept.instance === instance;
  let now = kept;
  if (past.kind !== "nobody") log.warn("this device has its identity: what Imager wrote is wiped and not used");
  else if (!isKnown) {
    const said = readImagerFiles({ userData: await read("user-data"), networkConfig: await read("network-config") });
    for (const note of said.notes) log.info(`Imager: ${note}`);
    now = mergeKept(kept, instance, said, others);
    await writeJson(paths.imager, now);
  }
  await removeCommandLine(pathOf.get("cmdline.txt"));
  for (const name of [...others, ...mine]) await wipe(pathOf.get(name)!);
  return now;
}

/** Without a name of the writing it may be the rest of one that a power cut left half wiped. */
function mergeKept(kept: Kept | undefined, instance: string, said: ImagerSaid, others: string[]): Kept {
  const beneath = instance === "" ? kept : undefined;
  const warnings = others.map((name) => `${name} is not read: Imager writes it for images that are not in our list`);
  return {
    instance: instance || (kept?.instance ?? ""),
    wishes: { ...beneath?.wishes, ...said.wishes },
    warnings: [...new Set([...(beneath?.warnings ?? []), ...said.warnings, ...warnings])],
  };
}

const troubleOf = (warnings: string[]): { trouble?: HamletError } =>
  warnings.length === 0
    ? {}
    : {
        trouble: new HamletError("imager.refused", `set in Imager and not possible: ${warnings.join("; ")}`, {
          hint: "write the card again without it, or use hamlet provision, which says it at once",
        }),
      };

async function readText(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
    if (bytesRead > maxBytes) throw new HamletError("imager.invalid", `${path} is larger than ${maxBytes} bytes`);
    const decoded = decodeText(buffer.subarray(0, bytesRead));
    // A wipe that power cut off leaves zeros.
    if ("text" in decoded) return decoded.text.replaceAll("\0", "");
    if (buffer.subarray(0, bytesRead).every((byte) => byte === 0)) return "";
    throw new HamletError("imager.invalid", `${basename(path)} on the card ${decoded.trouble}`, {
      hint: `mend ${basename(path)} on the card's first partition, or write the card again`,
    });
  } finally {
    await file.close();
  }
}

/** Imager's own `cmdline.txt`, for cloud-init. One that says anything else is somebody's. */
async function removeCommandLine(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const words = (await readText(path)).trim().split(/\s+/);
  if (words.every((word) => /^(ds=nocloud|cfg80211\.ieee80211_regdom=|systemd\.(run|unit))/.test(word))) await rm(path);
}
