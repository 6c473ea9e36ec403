// `npm run test:long [--cases <prefix>] [--seeds <n>] [--first <seed>]`: test matrices that take hours. Each case has a seed and is independent of
// the others. Cases that passed on this commit are skipped, so an interrupted run resumes. Results: test/long-results.jsonl.
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { boardNamed, boardNames } from "../image/boards.ts";
import { labBoardNames } from "../image/lab/machine/boards.ts";
import type { LabStatus } from "../image/lab/supervisor/status.ts";
import { isWhole } from "../image/lab/supervisor/whole.ts";
import { proveClosed } from "./boot/closed.ts";
import { testImage } from "./boot/image.ts";
import { bootLab, deviceOf } from "./boot/lab.ts";
import { proveAdoption, proveCopy, proveRevocation } from "./boot/member-cases.ts";
import { proveColdBoot } from "./boot/power/cold-boot.ts";
import { proveStates } from "./boot/power/proof.ts";
import { openRecording, type Recording } from "./boot/power/recording.ts";
import { rebuild } from "./boot/rebuild.ts";
import { proveRehearsal } from "./boot/rehearse-cases.ts";
import { provePanics, proveUnverified } from "./boot/rescue.ts";
import { proveReset } from "./boot/reset-cases.ts";
import { proveRollout, proveTrouble } from "./boot/rollout-cases.ts";
import { proveSettled } from "./boot/settled.ts";
import { proveTrial } from "./boot/trial.ts";
import { proveBack, proveCut, proveInstall, proveWebCut } from "./boot/update-cases.ts";
import { proveWoken } from "./boot/woken.ts";
import { fuzz } from "./fuzz/fuzz.ts";
import type { Reader } from "./fuzz/reader.ts";
import { readers } from "./fuzz/readers.ts";
import { proveBadHome, proveGoodHome } from "./net/home-cases.ts";
import { proveNixos } from "./nix/boot.ts";
import { buildProgram } from "./ota/updater/process/device.ts";
import { killUpdates } from "./ota/updater/process/kills.ts";
import { commandOf as leaseCommandOf, runLeases } from "./sim/leases/world.ts";
import { Neighborhood } from "./sim/neighborhood.ts";
import {
  manyHomes,
  type CaseName as RolloutCase,
  cases as rolloutCases,
  commandOf as rolloutCommandOf,
} from "./sim/rollout-cases.ts";
import { commandOf, runWorld, type WorldOptions } from "./sim/world.ts";

/** `run` may return the number of inputs it tried, or what its result is about. */
type Case = { name: string; seed: number; run(): Promise<unknown> };
type Result = {
  name: string;
  seed: number;
  passed: boolean;
  seconds: number;
  commit: string;
  date: string;
  why?: string;
  inputs?: number;
  about?: string;
};

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "" },
    seeds: { type: "string", default: "20" },
    // So that two processes can share the work.
    first: { type: "string", default: "1" },
  },
});
const path = join(import.meta.dirname, "long-results.jsonl");
const git = (...args: string[]) => execFileSync("git", args, { cwd: import.meta.dirname, encoding: "utf8" }).trim();
const commit =
  git("rev-parse", "--short", "HEAD") +
  (git("status", "--porcelain", "--", ":/", ":(top,exclude)test/long-results.jsonl") ? "+" : "");
const seeds = Array.from({ length: Number(values.seeds) }, (_, index) => index + Number(values.first));

const cases: Case[] = [
  ...[3, 10, 30].flatMap((size) =>
    seeds.map((seed) => ({ name: `sim/calm-${size}`, seed, run: async () => stayAlive(size, seed) })),
  ),
  ...[3, 10, 100].flatMap((size) =>
    seeds.map((seed) => ({ name: `sim/churn-${size}`, seed, run: async () => churn(size, seed) })),
  ),
  ...[
    { members: 10, loss: 0.05 },
    { members: 30, loss: 0.25 },
    { members: 100, loss: 0.05 },
  ].flatMap((of) =>
    seeds.map((seed) => ({
      name: `sim/world-${of.members}`,
      seed,
      run: async () => endure({ ...of, seed, hostile: of.members / 10, minutes: 9 }),
    })),
  ),
  ...seeds.flatMap((seed) => [
    ...(["good", "bad"] as const).flatMap((of) =>
      [5, 200].map((size) => ({ name: `sim/rollout-${of}-${size}`, seed, run: async () => rollOut(of, size, seed) })),
    ),
    ...(["good", "bad", "night", "stuck"] as const).map((of) => ({
      name: `sim/rollout-homes-${of}`,
      seed,
      run: async () => rollOutInHomes(of, seed),
    })),
    { name: "sim/rollout-rare-200", seed, run: async () => rollOut("rare", 200, seed) },
  ]),
  ...seeds.map((seed) => ({ name: "sim/leases", seed, run: async () => lease(seed) })),
  ...seeds.map((seed) => ({ name: "boot/power", seed, run: () => cutPower(seed) })),
  ...seeds.map((seed) => ({ name: "ota/power", seed, run: () => cutUpdate(seed) })),
  { name: "ota/rollout", seed: 0, run: proveRollout },
  { name: "ota/rollout-trouble", seed: 0, run: proveTrouble },
  ...(["bad", "good"] as const).map((of) => ({ name: `ota/rehearse-${of}`, seed: 0, run: () => proveRehearsal(of) })),
  { name: "ota/back", seed: 0, run: proveBack },
  { name: "ota/install", seed: 0, run: proveInstall },
  ...seeds.map((seed) => ({ name: "ota/cut", seed, run: () => proveCut(seed) })),
  ...seeds.map((seed) => ({ name: "ota/web", seed, run: () => proveWebCut(seed) })),
  ...seeds.map((seed) => ({ name: "ota/powercut", seed, run: async () => proveColdBoot(await recorded(), seed) })),
  // Three minutes a seed: an hour with the usual number of seeds.
  ...seeds.map((seed) => ({ name: "ota/kill", seed, run: () => killFor(seed, 180_000) })),
  ...(process.env["HAMLET_NIXPKGS"] ? [{ name: "nixos/boot", seed: 0, run: proveNixos }] : []),
  { name: "boot/woken", seed: 0, run: proveWoken },
  { name: "homes/good", seed: 0, run: proveGoodHome },
  { name: "homes/bad", seed: 0, run: proveBadHome },
  { name: "members/adopt", seed: 0, run: proveAdoption },
  { name: "members/revoke", seed: 0, run: proveRevocation },
  { name: "members/copy", seed: 0, run: proveCopy },
  { name: "boot/reset", seed: 0, run: proveReset },
  { name: "boot/settled", seed: 0, run: proveSettled },
  { name: "boot/rescue-unverified", seed: 0, run: proveUnverified },
  { name: "boot/rescue-panics", seed: 0, run: provePanics },
  ...boardNames
    .filter((board) => boardNamed(board).builders.includes("debian"))
    .map((board) => ({ name: `boards/rebuild-${board}`, seed: 0, run: () => buildTwice(board) })),
  ...labBoardNames.map((board) => ({ name: `boards/boot-${board}`, seed: 0, run: () => bootAlone(board) })),
  ...labBoardNames.map((board) => ({ name: `boards/closed-${board}`, seed: 0, run: () => proveClosed(board) })),
  ...labBoardNames.map((board) => ({ name: `boards/trial-${board}`, seed: 0, run: () => proveTrial(board) })),
  // Half a minute per reader and seed; every reader runs its first seed before any reader runs its second.
  ...seeds.flatMap((seed) =>
    readers.map((reader) => ({ name: `fuzz/${reader.name}`, seed, run: () => fuzzFor(reader, seed, 30_000) })),
  ),
];
const done = new Set(
  results()
    .filter((result) => result.passed && result.commit === commit)
    .map(({ name, seed }) => `${name} ${seed}`),
);

/** By whole words: `ota/power` is not the beginning of `ota/powercut`. */
const isAsked = (name: string): boolean =>
  name.startsWith(values.cases) && !/[a-z]{2}/.test(name.slice(values.cases.length - 1, values.cases.length + 1));

let failed = 0;
for (const { name, seed, run } of cases) {
  if (!isAsked(name) || done.has(`${name} ${seed}`)) continue;
  const startedAt = performance.now();
  let why: string | undefined;
  let inputs: number | undefined;
  let about: string | undefined;
  try {
    const told = await run();
    if (typeof told === "number") inputs = told;
    if (typeof told === "string") about = told;
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
    failed++;
  }
  const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
  const date = new Date().toISOString();
  const more = { ...(inputs !== undefined && { inputs }), ...(about && { about }), ...(why && { why }) };
  const result: Result = { name, seed, passed: why === undefined, seconds, commit, date, ...more };
  appendFileSync(path, `${JSON.stringify(result)}\n`);
  console.log(`${why === undefined ? "passed" : "FAILED"}  ${name} seed ${seed}  ${seconds} s${why ? `  ${why}` : ""}`);
}
process.exitCode = failed === 0 ? 0 : 1;
if (!process.env["HAMLET_NIXPKGS"] && isAsked("nixos/boot"))
  console.log("unproven  nixos/boot: needs HAMLET_NIXPKGS (nix/README.md)");
for (const { name } of readers) {
  const runs = results().filter((result) => result.name === `fuzz/${name}`);
  const hours = runs.reduce((sum, { seconds }) => sum + seconds, 0) / 3600;
  if (`fuzz/${name}`.startsWith(values.cases)) console.log(`fuzz/${name}: ${hours.toFixed(2)} hours so far`);
}

/** Every result so far, of any commit. */
function results(): Result[] {
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n").filter(Boolean) : [];
  return lines.map((line) => JSON.parse(line) as Result);
}

/** Fails at the first input for which the reader neither returns a value nor throws a coded error. */
function fuzzFor(reader: Reader, seed: number, ms: number): Promise<number> {
  const endsAt = performance.now() + ms;
  return fuzz(reader, seed, () => performance.now() >= endsAt);
}

/** Kills real updaters at random moments; returns how many. */
async function killFor(seed: number, ms: number): Promise<number> {
  using program = await buildProgram();
  const endsAt = performance.now() + ms;
  return (await killUpdates(program.path, seed, () => performance.now() >= endsAt)).kills;
}

/** In three simulated hours at 5 % loss, no live member is declared dead. */
function stayAlive(size: number, seed: number): void {
  const town = new Neighborhood({ size, seed, loss: 0.05, delayMs: [1, 40] });
  town.meet();
  town.run(3 * 3_600_000);
  require(town.falseDeaths.length === 0, `${town.falseDeaths.length} live members were declared dead`);
  // A member may be suspect at this very moment; the suspicion must be gone a minute later.
  require(town.runUntil(() => town.isWhole(), 60_000) !== undefined, "not whole at the end");
}

/** Members lose power and come back one by one, with a partition in between; the neighborhood is whole after each round. */
function churn(size: number, seed: number): void {
  const town = new Neighborhood({ size, seed, loss: 0.02, delayMs: [1, 40] });
  town.meet();
  town.run(60_000);
  for (let round = 0; round < Math.min(size, 10); round++) {
    const victim = (seed + round) % size;
    const others = Array.from({ length: size }, (_, index) => index).filter((index) => index !== victim);
    town.kill(victim);
    require(town.runUntil(() => town.agree(victim, "dead", others), 120_000) !==
      undefined, `${victim} is not dead to all`);
    town.partition(others.slice(0, size >> 1), [...others.slice(size >> 1), victim]);
    town.run(30_000);
    town.restart(victim);
    town.heal();
    require(town.runUntil(() => town.isWhole(), 180_000) !== undefined, `not whole after round ${round}`);
  }
}

/** Everything that goes wrong at once, one member in ten hostile. */
function endure(options: WorldOptions): void {
  const { problems } = runWorld(options);
  require(problems.length === 0, `${problems.join("; ")}; again: ${commandOf(options)}`);
}

function rollOut(of: RolloutCase, size: number, seed: number): void {
  const { problems } = rolloutCases[of](size, seed);
  require(problems.length === 0, `${problems.join("; ")}; again: ${rolloutCommandOf(of, size, seed)}`);
}

/** In 200 neighborhoods of 5. Returns the homes tried. */
function rollOutInHomes(of: keyof typeof rolloutCases, part: number): number {
  const homes = 200;
  for (const { seed, problems } of manyHomes(of, { homes, size: 5, seed: (part - 1) * homes + 1 }))
    require(problems.length === 0, `${problems.join("; ")}; again: ${rolloutCommandOf(of, 5, seed)}`);
  return homes;
}

/** Fifty homes each, so that twenty cases are a thousand. Returns the homes tried. */
function lease(part: number): number {
  const homes = 50;
  for (let seed = (part - 1) * homes + 1; seed <= part * homes; seed++) {
    const { problems } = runLeases({ seed });
    require(problems.length === 0, `${problems.join("; ")}; again: ${leaseCommandOf(seed)}`);
  }
  return homes;
}

/** Cuts a device's power at a moment that the seed chooses, even during first boot: it keeps its identity if it had one. */
async function cutPower(seed: number): Promise<void> {
  await using lab = await bootLab({ images: [await testImage()], devices: 2 });
  const afterMs = 2_000 + ((seed * 7_919) % 97) * 1_000;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const before = deviceOf(await lab.status(), "cellar").id;
  await lab.cut("cellar");
  await lab.restore("cellar");
  const after = deviceOf(await lab.until(isWhole), "cellar").id;
  require(before === undefined || before === after, `cellar was ${before} and came back as ${after}`);
}

/** 1,000 disks that a power cut during an update may leave, 50 of them looked at as a boot would. */
async function cutUpdate(seed: number): Promise<number> {
  const { states, problems } = await proveStates(await recorded(), { count: 1_000, seed, recovered: 500, checked: 50 });
  require(problems.length === 0, problems.slice(0, 5).join("; "));
  return states;
}

async function recorded(): Promise<Recording> {
  const recording = await openRecording();
  if (!recording) throw new Error("no update is recorded on this computer: run test/boot/update.test.ts once");
  return recording;
}

/** The same packages give the same image, byte for byte. */
async function buildTwice(board: string): Promise<void> {
  const { first, again } = await rebuild(board);
  require(first.image === again.image && first.sbom === again.sbom, "the two builds differ");
}

/** A device of each board becomes a member, loses power, and comes back with the same identity. */
async function bootAlone(board: string): Promise<void> {
  await using lab = await bootLab({ images: [await testImage(board)], devices: 1 });
  const isAlive = (status: LabStatus) => status.devices.every(({ state }) => state === "alive");
  const before = deviceOf(await lab.until(isAlive), "attic").id;
  await lab.cut("attic");
  await lab.restore("attic");
  const after = deviceOf(await lab.until(isAlive), "attic").id;
  require(before === after, `attic was ${before} and came back as ${after}`);
}

function require(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}
