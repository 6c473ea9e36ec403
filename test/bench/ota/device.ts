// A device with a release in slot a: slots as files, and updater and agent as processes, bundled and started as in an image.
import { type ChildProcess, spawn } from "node:child_process";
import { cp, mkdir, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { bundleProgram } from "../../../cli/package/bundle.ts";
import { layoutOf } from "../../../image/boards.ts";
import { fillPlaces } from "../../../ota/format/places.ts";
import { treeBytes } from "../../../ota/format/verity.ts";
import { type ImageRelease, readImage, readPart } from "../../../ota/repository/read-image.ts";
import { sleep } from "../../../system/clock.ts";
import { packageFolder } from "../../../system/package.ts";
import { board } from "./images.ts";

export type Programs = { agent: string; updater: string };
export async function bundleBoth(folder: string): Promise<Programs> {
  const made = { agent: join(folder, "agent.mjs"), updater: join(folder, "updater.mjs") };
  for (const name of ["agent", "updater"] as const) {
    await bundleProgram(join(import.meta.dirname, `${name}.ts`), made[name], "");
  }
  return made;
}

/** Files of a release's parts: zeros in the kernel's place. */
export type PartFiles = { root: string; kernel: string; release: ImageRelease };

export async function extractParts(image: string, folder: string): Promise<PartFiles> {
  await mkdir(folder, { recursive: true });
  const release = await readImage(image);
  const made = { root: join(folder, "root"), kernel: join(folder, "kernel"), release };
  await using file = await open(image, "r");
  for (const part of release.parts) {
    await using to = await open(made[part.name as "root" | "kernel"], "w");
    for await (const piece of readPart(file, part, image)) await to.writeFile(piece);
  }
  return made;
}

const Told = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("check"), ms: z.number(), atMs: z.number(), version: z.string() }),
  z.object({ kind: z.literal("restart"), atMs: z.number(), peakRssBytes: z.number(), writtenBytes: z.number() }),
]);
export type Told<K extends string> = Extract<z.infer<typeof Told>, { kind: K }>;

export type Device = {
  check(): Promise<Told<"check">>;
  /** From the end of the check that finds it until the device would start the new release. */
  update(): Promise<Told<"restart"> & { applyMs: number; agentGrowthBytes: number }>;
  /** Kills the updater when it has written so much, and updates again; the bytes that the second updater writes. */
  updateAgain(killAtBytes: number): Promise<number>;
  /** Path of what slot b holds. */
  slotB: string;
  close(): Promise<void>;
};

const deadlineMs = 1_800_000;

export async function startDevice(
  folder: string,
  older: PartFiles,
  releaseRoot: string,
  url: string,
  programs: Programs,
): Promise<Device> {
  await rm(folder, { recursive: true, force: true });
  for (const name of ["disk", "EFI/Linux", "agent", "update"]) await mkdir(join(folder, name), { recursive: true });
  const { release } = older;
  const disk = join(folder, "disk");
  const sizeOf = (label: string) => layoutOf(board).partitions.find((one) => one.label === label)!.sizeMiB! << 20;
  await cp(older.root, join(disk, "root-a"));
  for (const label of ["root-b", "verity-b"]) {
    await writeFile(join(disk, label), "");
    await truncate(join(disk, label), sizeOf(label));
  }
  const kernel = await readFile(older.kernel);
  fillPlaces(kernel, 0, release.parts.find(({ name }) => name === "kernel")!.places, { slot: "a", disk: "" });
  await writeFile(join(folder, "EFI/Linux", `hamlet_${release.version}.efi`), kernel);
  await cp(releaseRoot, join(folder, "root.json"));
  const socket = join(folder, "agent.sock");
  const { version, builtS, verity } = release;
  const facts = { board: board.name, version, builtS, rootHash: verity.rootHash, socket };
  await writeFile(join(folder, "device.json"), JSON.stringify(facts));

  const agent = await startAs("agent/units/hamlet-agent.service", [programs.agent, socket, url, join(folder, "agent")]);
  const agentLines = linesOf(agent);
  await agentLines.next();
  const startUpdater = () =>
    startAs("ota/updater/units/hamlet-updater.service", [programs.updater, folder, join(folder, "device.json")]);
  let updater = await startUpdater();
  let lines = linesOf(updater);
  const orphaned = new Promise<never>((_, reject) => {
    agent.once("close", () => reject(new Error("the agent has ended")));
  });
  orphaned.catch(() => {});
  async function told<K extends "check" | "restart">(kind: K): Promise<Told<K>> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no ${kind} in time`)), deadlineMs);
    });
    try {
      for (;;) {
        const { value, done } = await Promise.race([lines.next(), late, orphaned]);
        if (done) throw new Error(`the updater ended before its ${kind}`);
        // Everything else is the log.
        const parsed = value.startsWith("{") ? Told.safeParse(JSON.parse(value)).data : undefined;
        if (parsed?.kind === kind) return parsed as Told<K>;
      }
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    slotB: join(disk, "root-b"),
    check() {
      agent.stdin!.write("check\n");
      return told("check");
    },
    async update() {
      const before = await rssOf(agent, "VmRSS");
      agent.stdin!.write("now\n");
      const { atMs } = await told("check");
      const end = await told("restart");
      const agentGrowthBytes = Math.max(0, (await rssOf(agent, "VmHWM")) - before);
      return { ...end, applyMs: end.atMs - atMs, agentGrowthBytes };
    },
    async updateAgain(killAtBytes) {
      agent.stdin!.write("now\n");
      await told("check");
      while ((await writtenBy(updater)) < killAtBytes) await sleep(2);
      await killed(updater);
      updater = await startUpdater();
      lines = linesOf(updater);
      agent.stdin!.write("now\n");
      return (await told("restart")).writtenBytes;
    },
    async close() {
      for (const one of [updater, agent]) await killed(one);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** With the flags and the environment that the unit has. */
async function startAs(unit: string, argv: string[]): Promise<ChildProcess> {
  const text = await readFile(join(packageFolder, unit), "utf8");
  const flags = /^ExecStart=\S+\/node (.*) \S+\.mjs$/m.exec(text)?.[1]?.split(" ");
  const environment = /^Environment=(.*)$/m.exec(text)?.[1]?.split(" ");
  if (!flags || !environment) throw new Error(`${unit} starts no program`);
  const env = { ...process.env, ...Object.fromEntries(environment.map((one) => one.split("="))) };
  return spawn(process.execPath, [...flags, ...argv], { stdio: ["pipe", "pipe", "inherit"], env });
}

const linesOf = (child: ChildProcess): AsyncIterator<string, undefined> =>
  createInterface({ input: child.stdout! })[Symbol.asyncIterator]() as AsyncIterator<string, undefined>;

async function killed(child: ChildProcess): Promise<void> {
  const ended = child.exitCode !== null ? undefined : new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
}

async function writtenBy({ pid }: ChildProcess): Promise<number> {
  return Number(/^write_bytes: (\d+)/m.exec(await readFile(`/proc/${pid}/io`, "utf8"))?.[1]);
}

async function rssOf({ pid }: ChildProcess, name: "VmRSS" | "VmHWM"): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024;
}

/** What a full update writes: parts and hash tree. */
export const bytesToWrite = ({ parts, verity }: ImageRelease): number =>
  parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) + treeBytes(verity.dataBlocks);
