// `logs [--follow] [--since 1h]`: what the device's programs said; `--bundle <file>`: all that a bug report needs, without secrets.
import { createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { localDoors } from "../image/lab/channel/doors.ts";
import packageJson from "../package.json" with { type: "json" };
import { parseDuration } from "../provisioning/token.ts";
import { systemClock } from "../system/clock.ts";
import { run } from "../system/command.ts";
import { HamletError } from "../system/error.ts";
import { writeFileAtomic } from "../system/files.ts";
import { type Command, text } from "./command.ts";
import { type Device, deviceOption, findDevice, localDevice, runThrough, takesNoOrders } from "./device.ts";
import { makeLogBundle } from "./log-bundle.ts";

export const logs: Command = {
  usage: "logs [--follow] [--since <when>] [--bundle <file>]",
  summary: "what a device's programs said; as one archive for a bug report, without secrets",
  example: "hamlet logs --device attic --bundle attic.tar.gz",
  details: `
Works on the device itself, as root, also when its agent does not run, and in the lab.
The archive has status, config, journal, kernel messages, WireGuard's and nftables' state and versions. Keys, passwords and
tokens are left out; look through it before you send it, for it names your devices and their addresses.`,
  options: {
    ...deviceOption,
    follow: { type: "boolean", short: "f", describe: "go on until Ctrl-C" },
    since: { type: "string", argument: "when", describe: "1h, 30m, 2d, or a time as journalctl takes it" },
    bundle: { type: "string", argument: "file", describe: "write a .tar.gz instead; - is stdout" },
  },
  async run({ values }, { note }) {
    const device = await findDeviceWithPrograms(text(values, "device"));
    try {
      const bundle = text(values, "bundle");
      if (bundle === undefined) return await device.exec(journalOf(text(values, "since"), values["follow"] === true));
      if (device.isHere) await writeBundle(bundle, await bundleHere(device));
      else await fetchBundle(bundle, device);
      if (bundle !== "-") note(`${bundle} has no keys, passwords or tokens; it names your devices and their addresses`);
      return 0;
    } finally {
      device.close();
    }
  },
};

type WithPrograms = Device & Required<Pick<Device, "exec">>;

/** On a device it is the device itself, whether or not its agent runs: that is when its logs are wanted. */
async function findDeviceWithPrograms(wanted: string | undefined): Promise<WithPrograms & { isHere: boolean }> {
  if (wanted === undefined && existsSync("/etc/hamlet/agent.json")) {
    return { ...localDevice(), exec: (argv) => runThrough(localDoors.exec({ argv })), isHere: true };
  }
  const { exec, ...device } = await findDevice({ device: wanted });
  if (exec) return { ...device, exec, isHere: false };
  device.close();
  throw takesNoOrders(device.found);
}

/** Exported for its test. */
export function journalOf(since: string | undefined, isFollowing: boolean): string[] {
  const ms = since === undefined ? undefined : parseDuration(since);
  const from = ms === undefined ? since : `-${ms / 1_000}s`;
  return [
    ...["journalctl", "--no-pager", "-o", "short-iso", "-u", "hamlet-*"],
    ...(from === undefined ? [] : [`--since=${from}`]),
    ...(isFollowing ? ["--follow"] : []),
  ];
}

const bundleHere = (device: Device): Promise<Buffer> =>
  makeLogBundle({
    run,
    status: async () => JSON.stringify(await device.status(), null, 2),
    version: packageJson.version,
    now: systemClock.now(),
  });

async function writeBundle(path: string, bundle: Buffer): Promise<void> {
  if (path !== "-") return writeFileAtomic(path, bundle);
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(bundle, (error) => (error ? reject(error) : resolve()));
  });
}

/** Made on the device, where its secrets are known; here it arrives without them. */
async function fetchBundle(path: string, { exec, found }: WithPrograms): Promise<void> {
  const partial = `${path}.partial`;
  const output = path === "-" ? process.stdout : createWriteStream(partial, { mode: 0o600 });
  try {
    const code = await exec(["hamlet", "logs", "--bundle", "-"], output);
    if (code !== 0) throw new HamletError("command.failed", `${found} could not make its archive (exit ${code})`);
    if (output === process.stdout) return;
    output.end();
    await finished(output);
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}
