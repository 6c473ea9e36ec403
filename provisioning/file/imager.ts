// What Raspberry Pi Imager wrote on a card, as wishes for the device. Its list of our images says `init_format: cloudinit`: that is
// data (a shell script, `systemd`, would have to be run or guessed at), Imager 1 and 2 both write it (1 takes what it does not know,
// `cloudinit-rpi` and `rpi-preseed`, for `systemd`), and it needs nothing of ours on the partition: `user-data`, `network-config`
// and `meta-data` are new files in the root folder of the first one, be it FAT16 or FAT32. Imager also appends to `cmdline.txt`
// there; we have none, the firmware reads that of the slot, so the new file is never read.
// Pure.
import { z } from "zod";
import { wordsForNo, wordsForYes } from "../../system/environment.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { DeviceName } from "../trust/fields.ts";
import type { ImagerSettings } from "./imager-settings.ts";
import { maxSshKeys, Network } from "./provision-file.ts";
import { parseSshKey, type SshKeyLine } from "./ssh-key.ts";
import { parseYaml } from "./yaml.ts";

/** `warnings`: what its owner asked for and does not get. `notes`: what means nothing here. */
export type ImagerFindings = { settings: ImagerSettings; warnings: string[]; notes: string[] };
export type ImagerFiles = { userData?: string | undefined; networkConfig?: string | undefined };

const User = z.looseObject({
  passwd: z.string().optional(),
  plain_text_passwd: z.string().optional(),
  hashed_passwd: z.string().optional(),
  ssh_authorized_keys: z.array(z.string()).optional(),
  ssh_import_id: z.unknown().optional(),
});
const UserData = z.looseObject({
  hostname: z.string().optional(),
  user: z.union([User, z.string()]).optional(),
  users: z.array(z.union([User, z.string()])).optional(),
  ssh_authorized_keys: z.array(z.string()).optional(),
  ssh_import_id: z.unknown().optional(),
});
const AccessPoint = z.looseObject({
  password: z.string().optional(),
  hidden: z.string().optional(),
  auth: z.looseObject({ password: z.string().optional() }).optional(),
});
const Links = z
  .record(
    z.string(),
    z.union([
      z.looseObject({
        "regulatory-domain": z.string().optional(),
        "access-points": z.record(z.string(), AccessPoint).optional(),
      }),
      z.string(), // `renderer: networkd` stands among the links
    ]),
  )
  .optional();
const NetworkConfig = z.looseObject({ ethernets: Links, wifis: Links });

/** Throws `imager.invalid` for what is no YAML or has another shape; what is merely not possible becomes a warning. */
export function readImagerFiles({ userData, networkConfig }: ImagerFiles): ImagerFindings {
  const parts = [readUserData(userData ?? ""), readNetworkConfig(networkConfig ?? "")];
  return {
    settings: Object.assign({}, ...parts.map(({ settings }) => settings)),
    warnings: parts.flatMap(({ warnings }) => warnings),
    notes: parts.flatMap(({ notes }) => notes),
  };
}

function readUserData(text: string): ImagerFindings {
  const data = readYaml("user-data", text, UserData);
  const warnings: string[] = [];
  const users = [data.user, ...(data.users ?? [])].filter((user) => typeof user === "object");

  // cloud-init takes a whole domain name and capitals; a device's name is one small word.
  const hostname = data.hostname?.split(".")[0]?.toLowerCase();
  const name = hostname === undefined ? undefined : DeviceName.safeParse(hostname);
  if (name && !name.success) warnings.push(`the hostname '${data.hostname}' ${name.error.issues[0]?.message}`);

  const said = [...(data.ssh_authorized_keys ?? []), ...users.flatMap((user) => user.ssh_authorized_keys ?? [])];
  const lines = [...new Set(said.flatMap((text) => text.split(/[\r\n]+/)).filter((line) => line.trim() !== ""))];
  const parsed = lines.map(parseSshKey).filter((key): key is SshKeyLine => !("trouble" in key));
  const good = [...new Set(parsed.map(({ line }) => line))].slice(0, maxSshKeys);
  const refused = lines.length - parsed.length;
  if (refused > 0) warnings.push(`${refused} of ${lines.length} SSH keys are not usable`);
  if (parsed.length > maxSshKeys) warnings.push(`of ${parsed.length} SSH keys the first ${maxSshKeys} are taken`);
  if (data.ssh_import_id ?? users.some((user) => user.ssh_import_id))
    warnings.push("ssh_import_id is not used: give the SSH key itself");

  const hasPassword = users.some((user) => user.passwd ?? user.plain_text_passwd ?? user.hashed_passwd);
  // With a key the password would only have been a second way in.
  if (hasPassword && good.length === 0) warnings.push("passwords are not used: give an SSH key");
  const notes = ["timezone", "keyboard", "locale", "write_files", "rpi"].filter((key) => key in data);
  return {
    settings: { ...(name?.success && { name: name.data }), ...(good.length > 0 && { sshKeys: good }) },
    warnings,
    notes: [
      ...notes.map((key) => `${key}: means nothing to this system`),
      ...(parsed.some(({ isWhole }) => !isWhole) ? ["an SSH key is cut off or damaged: sshd will not take it"] : []),
      ...(users.length > 0 && good.length > 0 ? ["the only user to log in as is root"] : []),
    ],
  };
}

function readNetworkConfig(text: string): ImagerFindings {
  const whole = readYaml("network-config", text, z.looseObject({ network: z.unknown().optional() }));
  const config = checkShape("network-config", whole.network ?? whole, NetworkConfig);
  const links = Object.values(config.wifis ?? {}).filter((link) => typeof link === "object");
  const warnings = unusedSettings({ ...config.ethernets, ...config.wifis });
  const found = links.flatMap((link) =>
    Object.entries(link["access-points"] ?? {}).map(([ssid, point]) => ({ ssid, point, link })),
  );
  const [first] = found;
  if (!first) return { settings: {}, warnings, notes: [] };
  if (found.length > 1) warnings.push("only the first Wi-Fi is used");
  const country = first.link["regulatory-domain"]?.toUpperCase();
  if (country && !/^[A-Z]{2}$/.test(country))
    warnings.push(`the country '${country}' is not one of two letters, as DE`);
  const secret = first.point.password ?? first.point.auth?.password ?? "";
  const network = Network.safeParse({
    wifi: {
      ssid: ssidOf(first.ssid),
      ...(/^[0-9a-fA-F]{64}$/.test(secret) ? { psk: secret.toLowerCase() } : secret !== "" && { password: secret }),
      // 00 is the kernel's own word for "anywhere".
      ...(country && /^[A-Z]{2}$/.test(country) && { country }),
      ...(wordsForYes.includes(first.point.hidden?.toLowerCase() ?? "") && { hidden: true }),
    },
  });
  if (network.success) return { settings: { network: network.data }, warnings, notes: [] };
  warnings.push(`the Wi-Fi can not be joined: ${explainIssues(network.error)}`);
  return { settings: {}, warnings, notes: [] };
}

/** Imager itself asks for DHCP; what people add by hand, as netplan has it, is more than a device is told here. */
function unusedSettings(links: Record<string, object | string>): string[] {
  const isUsed = (name: string, value: unknown): boolean =>
    /^dhcp[46]$/.test(name)
      ? !wordsForNo.includes(String(value).toLowerCase())
      : ["optional", "regulatory-domain", "access-points", "match", "set-name"].includes(name);
  const unused = Object.entries(links).flatMap(([link, settings]) =>
    typeof settings === "string"
      ? []
      : Object.entries(settings).flatMap(([name, value]) => (isUsed(name, value) ? [] : [`${name} of ${link}`])),
  );
  return unused.length === 0
    ? []
    : [`not used from network-config: ${unused.join(", ")}; static addresses are read from hamlet provision only`];
}

/** Imager escapes each byte of a name above ASCII as `\xHH`, which YAML reads as one character: put together they are UTF-8 again. */
function ssidOf(text: string): string {
  if (/[^\0-\xff]/.test(text)) return text;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, "latin1"));
  } catch {
    return text;
  }
}

function readYaml<T extends z.ZodType>(name: string, text: string, schema: T): z.infer<T> {
  let found: unknown;
  try {
    found = parseYaml(text);
  } catch (cause) {
    throw invalid(name, describeError(cause).split("\n")[0]!);
  }
  if (typeof found === "string") throw invalid(name, "it has no lines of the form `key: value`");
  return checkShape(name, found ?? {}, schema);
}

function checkShape<T extends z.ZodType>(name: string, found: unknown, schema: T): z.infer<T> {
  const parsed = schema.safeParse(found);
  if (parsed.success) return parsed.data;
  throw invalid(name, explainIssues(parsed.error));
}

const invalid = (name: string, why: string): HamletError =>
  new HamletError("imager.invalid", `${name} on the card can not be read: ${why}`, {
    hint: `mend ${name} on the card's first partition, or write the card again`,
  });
