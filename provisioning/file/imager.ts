// Reads the files that Raspberry Pi Imager writes on a card, and gives the settings that apply to a device. Our list of images says
// `init_format: cloudinit`, for three reasons: it is data (`systemd` is a shell script, which we would have to run or guess at); Imager 1
// and 2 both write it (Imager 1 takes the formats that it does not know, `cloudinit-rpi` and `rpi-preseed`, for `systemd`); and it needs
// nothing on the partition, since `user-data`, `network-config` and `meta-data` are new files in the root folder of the first one, FAT16
// or FAT32. Imager also appends to `cmdline.txt` there. We have none, and the firmware reads the one of the slot, so nothing reads it.
// Pure.
import { z } from "zod";
import { wordsForNo, wordsForYes } from "../../system/environment.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { DeviceName } from "../trust/fields.ts";
import { countryTrouble } from "./country.ts";
import type { ImagerSettings } from "./imager-settings.ts";
import { wishesIn, withoutMeaning } from "./imager-wishes.ts";
import { maxSshKeys, Network } from "./provision-file.ts";
import { parseSshKey, type SshKeyLine } from "./ssh-key.ts";
import { zoneTrouble } from "./time-zone.ts";
import { parseYaml } from "./yaml.ts";

/** `warnings`: what the owner set and does not get. `notes`: what has no meaning on this system. */
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
  fqdn: z.string().optional(),
  timezone: z.string().optional(),
  password: z.string().optional(),
  user: z.union([User, z.string()]).optional(),
  users: z.array(z.union([User, z.string()])).optional(),
  ssh_authorized_keys: z.array(z.string()).optional(),
  ssh_import_id: z.unknown().optional(),
});
const AccessPoint = z.looseObject({
  password: z.string().optional(),
  hidden: z.string().optional(),
  mode: z.string().optional(),
  auth: z.looseObject({ password: z.string().optional(), "key-management": z.string().optional() }).optional(),
});
const Links = z
  .record(
    z.string(),
    z.union([
      z.looseObject({
        "regulatory-domain": z.string().optional(),
        "access-points": z.record(z.string(), AccessPoint).optional(),
      }),
      z.string(), // `renderer: networkd` is a key beside the links
    ]),
  )
  .optional();
const NetworkConfig = z.looseObject({ ethernets: Links, wifis: Links });

/** Throws `imager.invalid` for invalid YAML or another shape; a setting that is merely not possible becomes a warning. */
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

  // cloud-init accepts a whole domain name and capitals; a device's name is one label in lower case.
  const given = data.hostname ?? data.fqdn;
  const hostname = given?.split(".")[0]?.toLowerCase();
  const name = hostname === undefined ? undefined : DeviceName.safeParse(hostname);
  if (name && !name.success) warnings.push(`the hostname '${given}' ${name.error.issues[0]?.message}`);

  const { timezone } = data;
  const trouble = timezone && zoneTrouble(timezone);
  if (trouble) warnings.push(`the time zone '${timezone}' ${trouble}`);

  const keys = [...(data.ssh_authorized_keys ?? []), ...users.flatMap((user) => user.ssh_authorized_keys ?? [])];
  const lines = [...new Set(keys.flatMap((text) => text.split(/[\r\n]+/)).filter((line) => line.trim() !== ""))];
  const parsed = lines.map(parseSshKey).filter((key): key is SshKeyLine => !("trouble" in key));
  const good = [...new Set(parsed.map(({ line }) => line))].slice(0, maxSshKeys);
  const refused = lines.length - parsed.length;
  if (refused > 0) warnings.push(`${refused} of ${lines.length} SSH keys are unusable`);
  if (parsed.length > maxSshKeys) warnings.push(`only the first ${maxSshKeys} of ${parsed.length} SSH keys are taken`);
  if (data.ssh_import_id ?? users.some((user) => user.ssh_import_id))
    warnings.push("ssh_import_id is not supported: give the SSH key itself");

  const hasPassword =
    data.password ?? users.some((user) => user.passwd ?? user.plain_text_passwd ?? user.hashed_passwd);
  // With a key, the password would only be a second way to log in.
  if (hasPassword && good.length === 0) warnings.push("passwords are not supported: give an SSH key");
  const unused = wishesIn(data);
  if (unused.length > 0) warnings.push(`not used from user-data: ${unused.join(", ")}`);
  const notes = withoutMeaning.filter((key) => key in data);
  return {
    settings: {
      ...(name?.success && { name: name.data }),
      ...(good.length > 0 && { sshKeys: good }),
      ...(timezone && !trouble && { timezone }),
    },
    warnings,
    notes: [
      ...notes.map((key) => `${key}: has no meaning on this system`),
      ...(parsed.some(({ isWhole }) => !isWhole) ? ["an SSH key is cut off or damaged: sshd will not accept it"] : []),
      ...(users.length > 0 && good.length > 0 ? ["root is the only user who can log in"] : []),
    ],
  };
}

function readNetworkConfig(text: string): ImagerFindings {
  const whole = readYaml("network-config", text, z.looseObject({ network: z.unknown().optional() }));
  const config = checkShape("network-config", whole.network ?? whole, NetworkConfig);
  const links = Object.values(config.wifis ?? {}).filter((link) => typeof link === "object");
  const beside = whole.network === undefined ? [] : Object.keys(whole).filter((key) => key !== "network");
  const other = [
    ...Object.keys(config).filter((key) => !["version", "renderer", "ethernets", "wifis"].includes(key)),
    ...beside,
  ];
  const warnings = unusedSettings({ ...config.ethernets, ...config.wifis }, other);
  const found = links.flatMap((link) =>
    Object.entries(link["access-points"] ?? {}).map(([ssid, point]) => ({ ssid, point, link })),
  );
  const [first] = found;
  if (!first) return { settings: {}, warnings, notes: [] };
  const foreign = foreignTo(first.point);
  if (foreign !== undefined) {
    warnings.push(`the Wi-Fi ${foreign}, which is not supported`);
    return { settings: {}, warnings, notes: [] };
  }
  const secret = first.point.password ?? first.point.auth?.password ?? "";
  const management = first.point.auth?.["key-management"] ?? "none";
  if (secret === "" && management !== "none") {
    // Without it the device would join any open network of that name.
    warnings.push(`the Wi-Fi is protected (${management}), and its password is missing`);
    return { settings: {}, warnings, notes: [] };
  }
  if (found.length > 1) warnings.push("only the first Wi-Fi is used");
  const country = first.link["regulatory-domain"]?.toUpperCase();
  // 00 is the kernel's code for "anywhere".
  const trouble = country && country !== "00" ? countryTrouble(country) : undefined;
  if (trouble !== undefined) warnings.push(`the country '${country}' ${trouble}`);
  const network = Network.safeParse({
    wifi: {
      ssid: ssidOf(first.ssid),
      ...(/^[0-9a-fA-F]{64}$/.test(secret) ? { psk: secret.toLowerCase() } : secret !== "" && { password: secret }),
      ...(country && country !== "00" && trouble === undefined && { country }),
      ...(wordsForYes.includes(first.point.hidden?.toLowerCase() ?? "") && { hidden: true }),
    },
  });
  if (network.success) return { settings: { network: network.data }, warnings, notes: [] };
  warnings.push(`the Wi-Fi settings are invalid: ${explainIssues(network.error)}`);
  return { settings: {}, warnings, notes: [] };
}

/** Why this system cannot join it: its password would be taken for another kind of password. */
function foreignTo({ mode, auth }: z.infer<typeof AccessPoint>): string | undefined {
  const management = auth?.["key-management"];
  if (management !== undefined && !["none", "psk", "psk-sha256", "sae"].includes(management))
    return `has a login (${management})`;
  if (auth && ["method", "identity", "client-certificate"].some((key) => key in auth)) return "has a login (802.1X)";
  return mode === undefined || mode === "infrastructure" ? undefined : `is of the mode ${mode}`;
}

/** Imager itself sets DHCP. People add more by hand, in the syntax of netplan, and none of that is supported here. */
function unusedSettings(links: Record<string, object | string>, other: string[]): string[] {
  const isUsed = (name: string, value: unknown): boolean =>
    /^dhcp[46]$/.test(name)
      ? !wordsForNo.includes(String(value).toLowerCase())
      : ["optional", "regulatory-domain", "access-points", "match", "set-name"].includes(name);
  const ofLinks = Object.entries(links).flatMap(([link, settings]) =>
    typeof settings === "string"
      ? []
      : Object.entries(settings).flatMap(([name, value]) =>
          isUsed(name, value) && !(name === "regulatory-domain" && !("access-points" in settings))
            ? ofPoints(name, value).map((one) => `${one} of ${link}`)
            : [`${name} of ${link}`],
        ),
  );
  const unused = [...new Set([...ofLinks, ...other])];
  if (unused.length === 0) return [];
  const isAddress = unused.some((one) => /^(addresses|gateway[46]|nameservers|routes|dhcp[46]) of /.test(one));
  const instead = isAddress ? "; set a static address with hamlet provision" : "";
  return [`not used from network-config: ${unused.join(", ")}${instead}`];
}

/** Without their names, which strangers need not read. */
const ofPoints = (name: string, points: unknown): string[] =>
  name !== "access-points"
    ? []
    : Object.values(Object(points) as object).flatMap((point) =>
        Object.keys(Object(point)).filter((key) => !["password", "hidden", "auth", "mode"].includes(key)),
      );

/** Imager escapes each byte above ASCII as `\xHH`, which YAML reads as one character: together they are UTF-8 again. */
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
    // An editor of an old Mac ends lines by CR alone, and YAML would take the whole file for its first line, a comment.
    found = parseYaml(text.replaceAll(/\r\n?/g, "\n"));
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
  new HamletError("imager.invalid", `${name} on the card cannot be read: ${why}`, {
    hint: `fix ${name} on the card's first partition, or write the card again`,
  });
