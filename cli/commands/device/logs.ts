// `logs [--follow] [--since 1h]`: prints the journal of a device's programs; `--archive <file>` packs what a bug report needs.
import { existsSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import packageJson from "../../../package.json" with { type: "json" };
import { parseDuration } from "../../../provisioning/trust/token.ts";
import { systemClock } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { localDoors } from "../../../system/doors.ts";
import { errnoOf, HamletError } from "../../../system/error.ts";
import { replaceFile } from "../../../system/files.ts";
import { type Command, text, usageError } from "../../terminal/command.ts";
import { type Device, deviceOption, findDevice, localDevice, runThrough } from "../../terminal/device.ts";
import { takesNoRequests } from "../../terminal/linked-device.ts";
import { makeLogArchive } from "./log-archive.ts";

export const logs: Command = {
  usage: "logs [--follow] [--since <when>] [--archive <file>]",
  summary: "print a device's journal, or pack it for a bug report without secrets",
  example: "hamlet logs --device attic --archive attic.tar.gz",
  details: `
Works on the device itself, as root, even if its agent is not running, and in the lab.
The archive contains status, config, journal, kernel messages, the state of WireGuard and nftables, and versions. It contains no
keys, passwords or tokens, but names your devices and their addresses: look through it before you send it.`,
  options: {
    ...deviceOption,
    follow: { type: "boolean", short: "f", describe: "keep printing until Ctrl-C" },
    since: { type: "string", argument: "when", describe: "1h, 30m, 2d, or any time that journalctl accepts" },
    archive: { type: "string", argument: "file", describe: "write a .tar.gz instead; - is stdout" },
  },
  async run({ values }, { note }) {
    const archive = text(values, "archive");
    if (archive !== undefined && (values["follow"] || values["since"] !== undefined)) {
      throw usageError(
        logs,
        "--archive packs the whole journal of this boot: --since and --follow cannot be used with it",
      );
    }
    const device = await findDeviceWithPrograms(text(values, "device"));
    try {
      if (archive === undefined) return await device.exec(journalOf(text(values, "since"), values["follow"] === true));
      if (device.isHere) await writeArchive(archive, await archiveHere(device));
      else await fetchArchive(archive, device);
      if (archive !== "-")
        note(`${archive} contains no keys, passwords or tokens, but names your devices and their addresses`);
      return 0;
    } finally {
      device.close();
    }
  },
};

type WithPrograms = Device & Required<Pick<Device, "exec">>;

/** On a device: the device itself, even if its agent is not running, because people need the logs then. */
async function findDeviceWithPrograms(wanted: string | undefined): Promise<WithPrograms & { isHere: boolean }> {
  if (wanted === undefined && existsSync("/etc/hamlet/agent.json")) {
    return { ...localDevice(), exec: (argv) => runThrough(localDoors.exec({ argv })), isHere: true };
  }
  const { exec, ...device } = await findDevice({ device: wanted });
  if (exec) return { ...device, exec, isHere: false };
  device.close();
  throw takesNoRequests(device.found);
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

const archiveHere = (device: Device): Promise<Buffer> =>
  makeLogArchive({
    run,
    status: async () => JSON.stringify(await device.status(), null, 2),
    version: packageJson.version,
    now: systemClock.now(),
  });

async function writeArchive(path: string, archive: Buffer): Promise<void> {
  if (path !== "-") return keep(path, (file) => file.writeFile(archive));
  await new Promise<void>((resolve, reject) => {
    process.stdout.write(archive, (error) => (error ? reject(error) : resolve()));
  });
}

/** The device makes the archive, because it knows its secrets and they must not leave it. Exported for its test. */
export async function fetchArchive(path: string, { exec, found }: Pick<WithPrograms, "exec" | "found">): Promise<void> {
  const fetch = async (output: NodeJS.WritableStream) => {
    const code = await exec(["hamlet", "logs", "--archive", "-"], output);
    if (code !== 0) throw new HamletError("command.failed", `${found} could not make its archive (exit ${code})`);
  };
  if (path === "-") return fetch(process.stdout);
  await keep(path, async (file) => {
    const output = new Writable({
      write: (chunk: Buffer, _, done) => void file.writeFile(chunk).then(() => done(), done),
    });
    const written = finished(output);
    // A failed write also ends the program, and is the cause of the program's error.
    await Promise.all([written, fetch(output).finally(() => output.end())]);
  });
}

/** Writes the archive completely or not at all. Throws `file.full` or `file.unreadable`. */
async function keep(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  await replaceFile(path, write).catch((cause: unknown) => {
    if (cause instanceof HamletError || errnoOf(cause) === undefined) throw cause;
    throw new HamletError("file.unreadable", `cannot write ${path}`, {
      hint: "name a file in an existing folder that you may write to",
      cause,
    });
  });
}
