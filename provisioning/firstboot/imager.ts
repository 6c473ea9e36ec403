// Takes what Raspberry Pi Imager left on the first partition to `data`, once, and wipes it there. It is kept, for root's eyes: it stands
// beneath every provision file to come, so that who adds a token later need not say the Wi-Fi again.
// Power may go after any line: `data` has all before the first byte is wiped, and `meta-data`, which names the writing, goes last.
import { hash } from "node:crypto";
import { z } from "zod";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { decodeText } from "../../system/text.ts";
import type { ImagerSaid } from "../file/imager.ts";
import { keepJson, readKeptFrom } from "../handover/files.ts";
import { Folder } from "../handover/folder.ts";
import { blanking } from "../handover/wipe.ts";
import { ImagerWishes } from "../handover/wishes.ts";
import { applyNamed } from "./apply.ts";
import { type Past, readPast } from "./past.ts";
import type { Paths } from "./paths.ts";

/** `wishes`: for a device that is nobody. `taken`: what one that has an identity took just now. */
export type FromImager = { wishes: ImagerWishes; taken: string[]; problem?: HamletError | undefined };

const Kept = z.object({
  instance: z.string(),
  wishes: ImagerWishes,
  warnings: z.array(z.string()),
  /** Of what was read, by its file: the same writing may be changed by hand and put back. */
  sums: z.record(z.string(), z.string()).default({}),
});
type Kept = z.infer<typeof Kept>;

/** Ours is a few kilobytes; what is larger is not by Imager. */
const maxBytes = 256 << 10;
/** Imager's other ways, which it takes if somebody tells it a wrong `init_format`, and older ones by hand. Some hold passwords. */
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
    lost = new HamletError("state.damaged", "what Imager once wrote on the card for this device is damaged, and lost", {
      hint: "write it again with Imager, or provision the card with what it needs: hamlet provision --help",
    });
  }
  try {
    const past = await readPast(paths);
    const { now, taken, warnings, renameTo } = await take(paths, past, kept, log);
    const problem = problemIn(warnings, renameTo);
    // Whoever has an identity has taken all of it long ago.
    return {
      wishes: now?.wishes ?? {},
      taken,
      problem: problem ?? (past.kind === "nobody" && !now ? lost : undefined),
    };
  } catch (error) {
    const problem =
      error instanceof HamletError
        ? error
        : new HamletError("imager.invalid", `what Imager wrote could not be taken: ${describeError(error)}`, {
            hint: "write the card again",
          });
    return { wishes: kept?.wishes ?? {}, taken: [], problem };
  }
}

/** `warnings`: what its owner asked for and does not get, told while it is news and as long as the device is nobody. */
type Taken = { now: Kept | undefined; taken: string[]; warnings: string[]; renameTo?: string | undefined };

async function take(paths: Paths, past: Past, kept: Kept | undefined, log: Log): Promise<Taken> {
  const nothing = { now: kept, taken: [], warnings: past.kind === "nobody" ? (kept?.warnings ?? []) : [] };
  // A partition that does not mount is told by who looks for the provision file on it.
  await using card = await Folder.open(paths.bootFolder).catch(() => undefined);
  if (!card) return nothing;
  // FAT knows no case, and who mends a file on another system may bring capitals.
  const nameOf = new Map<string, string>();
  for await (const { name } of card.entries()) nameOf.set(name.toLowerCase(), name);
  const others = otherFormats.filter((name) => nameOf.has(name));
  const mine = ["network-config", "user-data", "meta-data"].filter((name) => nameOf.has(name));
  if (others.length === 0 && mine.length === 0) return nothing;
  // An identity that can not be read is not touched, and neither is what may belong to it.
  if (past.kind === "unreadable") throw past.because;

  const read = async (name: string) => (nameOf.has(name) ? await readText(card, nameOf.get(name)!) : "");
  const instance = /^instance-id:\s*(\S+)/m.exec(await read("meta-data"))?.[1] ?? "";
  const isSame = kept !== undefined && instance !== "" && kept.instance === instance;
  const files = { userData: await read("user-data"), networkConfig: await read("network-config") };
  // A wipe that power cut off leaves zeros: of a writing that was taken that is no news, and what is left of it means nothing.
  const isRest = (text: string) => isSame && text.includes("\0");
  const rest = Object.fromEntries(Object.entries(files).map(([name, text]) => [name, isRest(text) ? "" : plain(text)]));
  const sums = Object.fromEntries(Object.entries(rest).map(([name, text]) => [name, hash("sha256", text)]));
  const isNews = Object.keys(files).some((name) => rest[name] !== "" && sums[name] !== kept?.sums[name]);
  let { now, taken }: Taken = nothing;
  // Of a writing that was taken on a boot that ended before it was told: it is wiped below, so it is told now.
  let warnings = kept?.warnings ?? [];
  let renameTo: string | undefined;
  if (!isSame || isNews || others.length > 0) {
    // Loaded for the card that needs it: reading YAML is a third of what firstboot would have to load at each start.
    const { readImagerFiles } = await import("../file/imager.ts");
    const said = readImagerFiles(isSame && !isNews ? {} : rest);
    for (const note of said.notes) log.info(`Imager: ${note}`);
    said.warnings.push(...others.map((name) => `${name} is not read: it is of another system`));
    now = { ...mergeKept(instance === "" || isSame ? kept : undefined, instance, said), sums };
    warnings = now.warnings;
    if (past.kind !== "nobody") {
      // Whoever holds its card is its owner: what can be taken without another identity is.
      taken = await applyNamed(paths, said.wishes);
      if (said.wishes.name !== past.name) renameTo = said.wishes.name;
      const left = renameTo ? [`the hostname ${renameTo}, for it is ${past.name ?? "somebody"} already`] : [];
      warnings = [...said.warnings, ...left];
    }
    await keepJson(paths.imager, now);
  }
  await removeCommandLine(card, nameOf.get("cmdline.txt"));
  for (const name of [...others, ...mine]) await card.remove(nameOf.get(name)!, blanking());
  return { now, taken, warnings, renameTo };
}

/** `beneath`: what was taken before, where this may be no more than the rest of it, or something added to it. */
function mergeKept(beneath: Kept | undefined, instance: string, said: ImagerSaid): Omit<Kept, "sums"> {
  return {
    instance: instance || (beneath?.instance ?? ""),
    wishes: { ...beneath?.wishes, ...said.wishes },
    warnings: [...new Set([...(beneath?.warnings ?? []), ...said.warnings])],
  };
}

function problemIn(warnings: string[], renameTo: string | undefined): HamletError | undefined {
  if (warnings.length === 0) return undefined;
  const hint =
    renameTo && warnings.length === 1
      ? `type on the device: hamlet rename ${renameTo}`
      : "write the card again without it, or use hamlet provision, which says it at once";
  return new HamletError("imager.refused", `set on the card and not possible: ${warnings.join("; ")}`, { hint });
}

const plain = (text: string): string => text.replaceAll("\0", "");

async function readText(card: Folder, name: string): Promise<string> {
  const bytes = await card.read(name, maxBytes).catch((cause: unknown) => {
    throw new HamletError("imager.invalid", describeError(cause), {
      hint: `mend or remove ${name} on the card`,
      cause,
    });
  });
  if (!bytes) return "";
  const decoded = decodeText(bytes);
  if ("text" in decoded) return decoded.text;
  if (bytes.every((byte) => byte === 0)) return "";
  throw new HamletError("imager.invalid", `${name} on the card ${decoded.trouble}`, {
    hint: `mend ${name} on the card's first partition, or write the card again`,
  });
}

/** Imager's own `cmdline.txt`, for cloud-init. One that says anything else is somebody's. */
async function removeCommandLine(card: Folder, name: string | undefined): Promise<void> {
  if (name === undefined) return;
  const words = plain(await readText(card, name))
    .trim()
    .split(/\s+/);
  if (words.every((word) => /^(ds=nocloud|cfg80211\.ieee80211_regdom=|systemd\.(run|unit))/.test(word)))
    await card.remove(name);
}
