// A device whose updater is a real process with the flags of its unit, over real files: slots, an EFI partition's folder, state. It can be
// killed at any moment, and started again in the same boot or in the next one.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleProgram } from "../../../../cli/package/bundle.ts";
import type { Slot } from "../../../../image/boot/boot-control.ts";
import { makeTree } from "../../../../ota/format/verity.ts";
import type { Evidence } from "../../../../provisioning/handover/update.ts";
import { packageFolder } from "../../../../system/package.ts";
import { chooseEntry } from "../../../image/boot/systemd-boot/bench.ts";
import { startAgent } from "../agent.ts";
import { kernelFor, type Release, type Repository } from "../repository.ts";
import type { Boot } from "./program.ts";

/** The bundle that every device starts. */
export async function buildProgram(): Promise<{ path: string; [Symbol.dispose](): void }> {
  const folder = mkdtempSync(join(tmpdir(), "hamlet-program-"));
  const path = join(folder, "updater.mjs");
  await bundleProgram(join(import.meta.dirname, "program.ts"), path, "");
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** As hamlet-updater.service starts it. */
function unitSays(): { flags: string[]; env: Record<string, string> } {
  const unit = readFileSync(join(packageFolder, "ota/updater/units/hamlet-updater.service"), "utf8");
  const flags = /^ExecStart=\S+\/node (.*) \S+\.mjs$/m.exec(unit)?.[1]?.split(" ");
  const env = /^Environment=(.*)$/m.exec(unit)?.[1]?.split(" ");
  if (!flags || !env) throw new Error("the unit starts no program");
  return { flags, env: Object.fromEntries(env.map((one) => one.split("="))) };
}

export type Ended = "restart" | "killed";

/** `speed`: how fast time passes for the updater. */
export async function makeDevice(
  program: string,
  repository: Repository,
  releases: [Release, ...Release[]],
  { speed = 100 } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "hamlet-process-"));
  const at = (path: string) => join(folder, path);
  for (const one of ["disk", "EFI/Linux", "update", "run"]) mkdirSync(at(one), { recursive: true });
  const [first] = releases;
  const slotBytes = Math.max(...releases.map(({ root }) => root.length)) + 16 * 4096;
  const whole = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(slotBytes - bytes.length)]);
  const treeOf = ({ root }: Release) => {
    const made = makeTree(root.length / 4096);
    made.add(root);
    return made.finish().tree;
  };
  writeFileSync(at("disk/root-a"), whole(first.root));
  writeFileSync(at("disk/verity-a"), whole(treeOf(first)));
  for (const label of ["root-b", "verity-b"]) writeFileSync(at(`disk/${label}`), Buffer.alloc(slotBytes));
  writeFileSync(at(`EFI/Linux/hamlet_${first.version}.efi`), kernelFor(first, "a"));
  writeFileSync(at("root.json"), repository.firstRoot);
  const agent = await startAgent(folder, repository);
  const { flags, env } = unitSays();
  let boots = 0;
  let boot: Boot | undefined;
  let child: ChildProcess | undefined;

  /** Throws unless the slot holds all of the release. */
  function verify(slot: Slot, version: string): Release {
    const release = releases.find((one) => one.version === version);
    const has = (label: string, bytes: Buffer) =>
      readFileSync(at(`disk/${label}-${slot}`))
        .subarray(0, bytes.length)
        .equals(bytes);
    if (!release || !has("root", release.root) || !has("verity", treeOf(release)))
      throw new Error(`slot ${slot} starts and is not ${version}`);
    return release;
  }
  const choose = (entries: string) =>
    chooseEntry(
      readdirSync(entries),
      (file) => readFileSync(join(entries, file)),
      (from, to) => renameSync(join(entries, from), join(entries, to)),
    );

  const device = {
    agent,
    folder,
    speed,
    /** What the agent of a release says. */
    evidenceOf: (_version: string): Evidence | undefined => undefined,
    running: () => boot && { slot: boot.slot, version: boot.version },
    kept: () => readdirSync(at("update")),
    /** What the loader would start now has to verify, and something has to start. */
    check(): void {
      cpSync(at("EFI/Linux"), at("copy"), { recursive: true });
      const chosen = choose(at("copy"));
      rmSync(at("copy"), { recursive: true });
      if (!chosen) throw new Error("neither slot starts");
      verify(chosen.slot, chosen.version);
    },
    powerOn(): void {
      const chosen = choose(at("EFI/Linux"));
      if (!chosen) throw new Error("neither slot starts");
      const { slot, version, countPath } = chosen;
      const { rootHash } = verify(slot, version);
      boot = {
        ...{ folder, socket: agent.socketPath, speed, slot, version, rootHash, bootId: `boot ${boots++}` },
        ...(countPath !== undefined && { countPath }),
      };
      writeFileSync(at("boot.json"), JSON.stringify(boot));
      agent.evidence = device.evidenceOf(version);
    },
    start(): void {
      agent.closeHeld();
      child = spawn(process.execPath, [...flags, program, at("boot.json")], {
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, ...env, HAMLET_LOG: process.env["HAMLET_PROCESS_LOG"] ?? "error" },
      });
      child.stderr!.on("data", (text) => process.env["HAMLET_PROCESS_LOG"] && process.stderr.write(text));
    },
    /** When the process is gone. */
    async ended(): Promise<{ how: Ended; code: number | null }> {
      let said = "";
      child!.stdout!.on("data", (text) => {
        said += text;
      });
      const [code] = (await once(child!, "close")) as [number | null];
      agent.closeHeld();
      return { how: said === "restart\n" ? "restart" : "killed", code };
    },
    kill: () => child?.kill("SIGKILL"),
    async close() {
      child?.kill("SIGKILL");
      await agent.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return device;
}
export type ProcessDevice = Awaited<ReturnType<typeof makeDevice>>;
