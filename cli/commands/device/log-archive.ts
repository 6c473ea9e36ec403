// Packs everything that a bug report needs from a device into one archive, without secrets. Runs on the device itself, as root.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { passwordsIn } from "../../../agent/telemetry/broker-url.ts";
import { file, tar } from "../../../image/bundle/archive.ts";
import { type Paths, pathsUnder } from "../../../provisioning/firstboot/paths.ts";
import { importSigningKey } from "../../../provisioning/trust/keys.ts";
import { wireguardPrivateKeyOf } from "../../../provisioning/trust/wireguard-key.ts";
import type { Argv, Run } from "../../../system/command.ts";
import { describeError, errnoOf, HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { makeRedaction } from "./redaction.ts";

type Source = [name: string, read: () => Promise<string>];

/** Makes a `.tar.gz`. Throws `file.unreadable` if a secret cannot be read, because an unknown secret cannot be removed. */
export async function makeLogArchive(options: {
  run: Run;
  /** The agent's status as JSON; rejects if no agent answers. */
  status(): Promise<string>;
  version: string;
  /** ms since 1970. */
  now: number;
  root?: string;
}): Promise<Buffer> {
  const { run, status, version, now, root = "/" } = options;
  const paths = pathsUnder(root);
  const redact = makeRedaction(await secretsOn(paths));
  const told = (argv: Argv) => () => run(argv, { timeoutMs: 30_000 });
  const read = (path: string) => () => readFile(join(root, path), "utf8");
  const sources: Source[] = [
    ["status.json", status],
    ["config.json", () => readFile(paths.agentConfig, "utf8")],
    ["release.json", read("/usr/lib/hamlet/release.json")],
    ["packages.tsv", read("/usr/share/hamlet/packages.tsv")],
    ["os-release", read("/etc/os-release")],
    ["cmdline", read("/proc/cmdline")],
    ["firstboot.json", () => readFile(paths.problems, "utf8")],
    ["report.txt", () => readFile(paths.cardReport, "utf8")],
    ["kernel.json", read("/var/lib/hamlet/agent/kernel.json")],
    ["journal.txt", told(["journalctl", "--no-pager", "-o", "short-iso-precise", "-b", "-u", "hamlet-*"])],
    [
      "journal-network.txt",
      told(["journalctl", "--no-pager", "-b", "-u", "systemd-networkd", "-u", "systemd-resolved"]),
    ],
    ["kernel.txt", told(["journalctl", "--no-pager", "-o", "short-monotonic", "-b", "-k"])],
    ["units.txt", told(["systemctl", "--no-pager", "list-units", "--all", "hamlet-*", "systemd-networkd*", "ssh*"])],
    ["failed.txt", told(["systemctl", "--no-pager", "--failed"])],
    // Unlike `dump`, it hides keys.
    ["wg.txt", told(["wg", "show"])],
    ["addresses.txt", told(["ip", "-d", "address"])],
    ["routes.txt", told(["ip", "-6", "route", "show", "table", "all"])],
    ["nft.txt", told(["nft", "list", "table", "inet", "hamlet"])],
    ["disk.txt", told(["df", "-h"])],
    ["memory.txt", read("/proc/meminfo")],
    ["versions.txt", async () => `hamlet ${version}\nnode ${process.version}\n${await run(["uname", "-a"])}`],
  ];
  const entries = await Promise.all(
    sources.map(async ([name, get]) => {
      // Write down why a source is missing: without it, it would look as if there had been nothing.
      const text = await get().catch((error: unknown) => `missing: ${describeError(error)}\n`);
      return file(`hamlet-logs/${name}`, redact(text), 0o600);
    }),
  );
  return gzipSync(Buffer.concat([...tar(entries, Math.floor(now / 1_000))]));
}

/** Every secret on this device. */
async function secretsOn(paths: Paths): Promise<string[]> {
  const json = async (path: string) => parseJson((await secret(path)) ?? "null");
  const identity = strings(await json(paths.identity), ["deviceKey"]).flatMap((pem) => [
    pem,
    ...wireguardSecretOf(pem),
  ]);
  const waiting = strings(await json(paths.provision), ["tokenKey", "password", "psk"]);
  const card = strings(parseJson((await secret(paths.provisionFile)) ?? "null"), ["tokenKey", "password", "psk"]);
  const wifi = [...((await secret(paths.wpaSupplicant)) ?? "").matchAll(/^\s*(?:psk|sae_password|password)=(.*)$/gm)];
  const ssh = join(paths.rootFolder, "ssh");
  const hostKeys = (await readdir(ssh).catch(() => [])).filter((name) => /^ssh_host_.*_key$/.test(name));
  const brokers = [await json(paths.agentConfig), await json(paths.identity)].flatMap((settings) =>
    strings(settings, ["broker"]).flatMap(passwordsIn),
  );
  return [
    ...[...identity, ...waiting, ...card],
    ...wifi.map(([, value = ""]) => value.trim().replace(/^"(.*)"$/, "$1")),
    ...(await Promise.all(hostKeys.map(async (name) => (await secret(join(ssh, name))) ?? ""))),
    ...brokers,
  ];
}

/** `wg` prints it. None for a damaged key. */
function wireguardSecretOf(deviceKey: string): string[] {
  try {
    return [wireguardPrivateKeyOf(importSigningKey(deviceKey))];
  } catch {
    return [];
  }
}

async function secret(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return undefined;
    throw new HamletError("file.unreadable", `cannot read ${path}, so its secret cannot be removed from the archive`, {
      hint: "run it as root",
      cause,
    });
  }
}

/** The strings under these keys, at any depth. */
function strings(value: unknown, keys: readonly string[]): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "string" ? (keys.includes(key) ? [inner] : []) : strings(inner, keys),
  );
}
