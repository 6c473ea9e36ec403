// Takes the settings of Raspberry Pi Imager from the first partition to `data`, once, and wipes them there. Root keeps them as defaults
// beneath every later provision file, so that whoever adds a token later need not give the Wi-Fi again.
// Power may go after any line: `data` has everything before the first byte is wiped, and `meta-data`, which identifies the writing, goes last.
import { hash } from "node:crypto";
import { z } from "zod";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { decodeText } from "../../system/text.ts";
import type { ImagerFindings } from "../file/imager.ts";
import { ImagerSettings } from "../file/imager-settings.ts";
import { keepJson, readKeptFrom } from "../handover/files.ts";
import { Folder } from "../handover/folder.ts";
import { blanking } from "../handover/wipe.ts";
import { applyGiven } from "./apply.ts";
import { type DeviceState, readDeviceState } from "./device-state.ts";
import type { Paths } from "./paths.ts";

/** `settings`: defaults for an unprovisioned device. `taken`: what a device with an identity took on this boot. */
export type FromImager = { settings: ImagerSettings; taken: string[]; problem?: HamletError | undefined };

/** `imager.json`, in root's own folder. */
const Kept = z.object({
  instance: z.string().describe("cloud-init's id of one writing of a card"),
  wishes: ImagerSettings.describe("under its name in earlier releases"),
  warnings: z.array(z.string()),
  sums: z
    .record(z.string(), z.string())
    .default({})
    .describe("sha256 of each file as it was read: people edit one and put it back under the same instance"),
});
type Kept = z.infer<typeof Kept>;

/** Imager's files have a few kilobytes; larger ones are not by Imager. */
const maxBytes = 256 << 10;
/** Other formats of Imager, for a wrong `init_format`, and older ones by hand. Some hold passwords. */
const otherFormats = [
  "firstrun.sh",
  "rpi-preseed.toml",
  "custom.toml",
  "wpa_supplicant.conf",
  "userconf.txt",
  "userconf",
  "ssh.txt",
  "ssh",
];

/** Never throws: whatever is wrong here, the provision file and the rest of the boot go on. */
export async function takeFromImager(paths: Paths, log: Log): Promise<FromImager> {
  let kept: Kept | undefined;
  let lost: HamletError | undefined;
  try {
    kept = await readKeptFrom(paths.imager, Kept);
  } catch (error) {
    log.warn(describeError(error));
    lost = new HamletError(
      "state.damaged",
      "the settings by Raspberry Pi Imager for this device are damaged and lost",
      {
        hint: "write them again with Imager, or provision the card with what it needs: hamlet provision --help",
      },
    );
  }
  try {
    const state = await readDeviceState(paths);
    const { now, taken, warnings, renameTo } = await take(paths, state, kept, log);
    const problem = problemIn(warnings, renameTo);
    return {
      settings: now?.wishes ?? {},
      taken,
      // A device with an identity took all of it long ago, so it lost nothing.
      problem: problem ?? (state.phase === "unprovisioned" && !now ? lost : undefined),
    };
  } catch (error) {
    const problem =
      error instanceof HamletError
        ? error
        : new HamletError("imager.invalid", `the settings by Imager could not be taken: ${describeError(error)}`, {
            hint: "write the card again",
          });
    return { settings: kept?.wishes ?? {}, taken: [], problem };
  }
}

/** `warnings`: what the owner set and does not get; told once, and again on each boot while the device is unprovisioned. */
type Taken = { now: Kept | undefined; taken: string[]; warnings: string[]; renameTo?: string | undefined };

async function take(paths: Paths, state: DeviceState, kept: Kept | undefined, log: Log): Promise<Taken> {
  const isUnprovisioned = state.phase === "unprovisioned";
  const nothing = { now: kept, taken: [], warnings: isUnprovisioned ? (kept?.warnings ?? []) : [] };
  // Taking the provision file reports a partition that does not mount.
  await using card = await Folder.open(paths.bootFolder).catch(() => undefined);
  if (!card) return nothing;
  // FAT ignores case, and an edit on another system may bring capitals.
  const nameOf = new Map<string, string>();
  for await (const { name } of card.entries()) nameOf.set(name.toLowerCase(), name);
  const others = otherFormats.filter((name) => nameOf.has(name));
  const own = ["network-config", "user-data", "meta-data"].filter((name) => nameOf.has(name));
  if (others.length === 0 && own.length === 0) return nothing;
  // Leave an unreadable identity alone, and whatever may belong to it.
  if (state.phase === "unreadable") throw state.because;

  const read = async (name: string) => (nameOf.has(name) ? await readText(card, nameOf.get(name)!) : "");
  const instance = /^instance-id:\s*(\S+)/m.exec(await read("meta-data"))?.[1] ?? "";
  const isSame = kept !== undefined && instance !== "" && kept.instance === instance;
  const files = { userData: await read("user-data"), networkConfig: await read("network-config") };
  // A wipe that a power cut interrupted leaves zeros. After a writing that was taken, ignore such a remnant.
  const isRemnant = (text: string) => isSame && text.includes("\0");
  const texts = Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, isRemnant(text) ? "" : withoutZeros(text)]),
  );
  const sums = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, hash("sha256", text)]));
  const isNew = Object.keys(files).some((name) => texts[name] !== "" && sums[name] !== kept?.sums[name]);
  let { now, taken }: Taken = nothing;
  // The boot that took this writing may have ended before it told the warnings. The files go below, so tell them now.
  let warnings = kept?.warnings ?? [];
  let renameTo: string | undefined;
  if (!isSame || isNew || others.length > 0) {
    // Loaded only for a card that needs it: the YAML reader is a third of what firstboot would load at each start.
    const { readImagerFiles } = await import("../file/imager.ts");
    const found = readImagerFiles(isSame && !isNew ? {} : texts);
    for (const note of found.notes) log.info(`Imager: ${note}`);
    found.warnings.push(...others.map((name) => `${name} is not read: it is for another system`));
    now = { ...mergeKept(instance === "" || isSame ? kept : undefined, instance, found), sums };
    warnings = now.warnings;
    if (!isUnprovisioned) {
      // Whoever holds the card is the owner, so the device takes all that needs no other identity.
      taken = await applyGiven(paths, found.settings);
      if (found.settings.name !== state.name) renameTo = found.settings.name;
      const refused = renameTo ? [`the hostname ${renameTo}, because it is ${state.name ?? "named"} already`] : [];
      warnings = [...found.warnings, ...refused];
    }
    await keepJson(paths.imager, now);
  }
  await removeCommandLine(card, nameOf.get("cmdline.txt"));
  for (const name of [...others, ...own]) await card.remove(nameOf.get(name)!, blanking());
  return { now, taken, warnings, renameTo };
}

/** `before`: what was taken earlier, where the card may hold only the rest of it or an addition to it. */
function mergeKept(before: Kept | undefined, instance: string, found: ImagerFindings): Omit<Kept, "sums"> {
  return {
    instance: instance || (before?.instance ?? ""),
    wishes: { ...before?.wishes, ...found.settings },
    warnings: [...new Set([...(before?.warnings ?? []), ...found.warnings])],
  };
}

function problemIn(warnings: string[], renameTo: string | undefined): HamletError | undefined {
  if (warnings.length === 0) return undefined;
  const hint =
    renameTo && warnings.length === 1
      ? `type on the device: hamlet rename ${renameTo}`
      : "write the card again without it, or use hamlet provision, which refuses it at once";
  return new HamletError("imager.refused", `set on the card and not possible: ${warnings.join("; ")}`, { hint });
}

const withoutZeros = (text: string): string => text.replaceAll("\0", "");

async function readText(card: Folder, name: string): Promise<string> {
  const bytes = await card.read(name, maxBytes).catch((cause: unknown) => {
    throw new HamletError("imager.invalid", describeError(cause), {
      hint: `fix or remove ${name} on the card`,
      cause,
    });
  });
  if (!bytes) return "";
  const decoded = decodeText(bytes);
  if ("text" in decoded) return decoded.text;
  if (bytes.every((byte) => byte === 0)) return "";
  throw new HamletError("imager.invalid", `${name} on the card ${decoded.trouble}`, {
    hint: `fix ${name} on the card's first partition, or write the card again`,
  });
}

/** Removes the `cmdline.txt` that Imager writes for cloud-init; keeps one with any other words. */
async function removeCommandLine(card: Folder, name: string | undefined): Promise<void> {
  if (name === undefined) return;
  const words = withoutZeros(await readText(card, name))
    .trim()
    .split(/\s+/);
  if (words.every((word) => /^(ds=nocloud|cfg80211\.ieee80211_regdom=|systemd\.(run|unit))/.test(word)))
    await card.remove(name);
}
