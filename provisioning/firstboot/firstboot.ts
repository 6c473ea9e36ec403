// Root's one-shot before the agent, at each boot. The first time it moves the provision file to `data`; every time it puts network
// settings where systemd-networkd reads them and tells the agent which board this is. It has no listener and ends by itself.
import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { BoardFacts } from "../board.ts";
import { reportBlock } from "../report.ts";
import { readBoardFacts } from "./board-facts.ts";
import { eraseIfWished } from "./erase.ts";
import { type FromImager, takeFromImager } from "./imager.ts";
import { type MoveOutcome, settleMove } from "./moving.ts";
import type { Paths } from "./paths.ts";
import { giveToAgent, type Owner, type Settled, settleProvision } from "./settle.ts";
import { putReport, sayOnConsoles } from "./voice.ts";

const AgentConfig = z.object({ board: z.string().default("nuc"), release: z.string().default("0.0.0") });

const TroubleReport = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().default("provision the card again: hamlet provision <card> --neighborhood <folder> --name <name>"),
  since: z.number(),
});

export async function firstBoot(paths: Paths, { run, log, now }: { run: Run; log: Log; now: number }): Promise<void> {
  const agent = await agentOwner(paths.passwd);
  const { board, release } = (await readJson(paths.agentConfig, AgentConfig)) ?? AgentConfig.parse({});
  await sayOnConsoles(paths, `Hamlet ${release} (${board}) starts`);
  // Before anything else reads who this is: it may have moved to another disk.
  const move = await settleMove(paths, agent);
  if (move !== "none") log.info(`the move to another disk: ${move}`);
  // Nobody waits any more for what was asked before a restart.
  await rm(paths.installWish, { force: true });
  // Throws if it can not be done: half a device must not go on as the one it was.
  if (await eraseIfWished(paths)) log.info("this device was reset: it belongs to nobody");
  const imager = await takeFromImager(paths, log);
  const settled = await settle(paths, board, agent, imager, log, now);
  // A failure below leaves a device that is reached some other way; one above must not keep the rest from being done.
  const steps: [what: string, step: () => Promise<void>][] = [
    ["console", () => tellProgress(paths, settled)],
    ["hostname", () => applyHostname(paths, settled)],
    ["network", () => applyNetwork(paths, run)],
    ["board facts", () => tellBoard(paths, agent)],
    ["lost state", () => tellLostState(paths, agent, now)],
    ["move", () => tellMove(paths, move, agent, now)],
    ["report", () => tellTroubles(paths, board, release)],
  ];
  for (const [what, step] of steps) {
    await step().catch((error: unknown) => log.warn(`${what}: ${describeError(error)}`));
  }
}

/** What stopped it goes to the agent as a coded report, which the public page and the console show. */
async function settle(
  paths: Paths,
  board: string,
  agent: Owner,
  { wishes, trouble }: FromImager,
  log: Log,
  now: number,
): Promise<Settled | undefined> {
  try {
    const settled = await settleProvision(paths, board, agent, wishes);
    if (settled.outcome === "settled") log.info(`provisioned as ${settled.name ?? "a device without a name"}`);
    if (settled.outcome === "resettled") log.info("new network settings or SSH keys from the provision file");
    // Told while it is news: on the boot that took it, and as long as the device is nobody.
    if (trouble && (settled.outcome === "unprovisioned" || settled.outcome === "settled"))
      await report(paths, trouble, agent, log, now);
    else if (settled.outcome !== "settled") await rm(paths.report, { force: true });
    return settled;
  } catch (error) {
    log.error(describeError(error));
    const told =
      error instanceof HamletError
        ? error
        : new HamletError("provision.invalid", describeError(error), { hint: "provision the card again" });
    await report(paths, told, agent, log, now);
    return undefined;
  }
}

/** The rest is the agent's to tell; until it does, a minute may pass on a small board. */
async function tellProgress(paths: Paths, settled: Settled | undefined): Promise<void> {
  if (settled?.outcome !== "settled") return;
  await sayOnConsoles(
    paths,
    `provisioned as ${settled.name ?? "a device without a name"}; next it looks for its neighbors`,
  );
}

async function report(paths: Paths, trouble: HamletError, agent: Owner, log: Log, now: number): Promise<void> {
  const { code, message, hint } = trouble;
  const known = await readJson(paths.report, TroubleReport).catch(() => undefined);
  const since = known?.code === code && known.message === message ? known.since : now;
  // A full disk may have stopped both; the journal has it either way.
  await giveToAgent(paths.report, { v: 1, code, message, hint, since }, agent).catch((cause: unknown) =>
    log.error(describeError(cause)),
  );
}

/** systemd has set the name of earlier boots already; this is for the boot on which it came. */
async function applyHostname(paths: Paths, settled: Settled | undefined): Promise<void> {
  if ((settled?.outcome === "settled" || settled?.outcome === "unprovisioned") && settled.name)
    await writeFile(paths.kernelHostname, settled.name);
}

async function applyNetwork(paths: Paths, run: Run): Promise<void> {
  const names = await readdir(paths.networkFolder).catch(() => []);
  if (names.length === 0) return;
  await mkdir(paths.runtimeNetwork, { recursive: true });
  for (const name of names) {
    const target = join(paths.runtimeNetwork, name);
    await writeFile(target, await readFile(join(paths.networkFolder, name)));
    await chmod(target, 0o644); // networkd does not run as root, and our umask is strict
  }
  // If networkd does not run yet it will read them when it starts.
  await run(["networkctl", "reload"]).catch(() => "");
}

async function tellBoard(paths: Paths, agent: Owner): Promise<void> {
  const facts = await readBoardFacts(paths);
  const known = await readJson(paths.boardFacts, BoardFacts).catch(() => undefined);
  // Written when it changes: cards wear out.
  if (JSON.stringify(known) !== JSON.stringify(facts)) await giveToAgent(paths.boardFacts, facts, agent);
}

async function tellLostState(paths: Paths, agent: Owner, now: number): Promise<void> {
  if (!(await readFile(paths.dataFailed).catch(() => undefined))) return;
  const message = "the data partition could not be mounted: this device has lost its identity";
  const hint = "its card or disk may be worn out: flash another one and provision it";
  await giveToAgent(paths.report, { v: 1, code: "state.lost", message, hint, since: now }, agent);
}

/** On consoles and card at once: what stopped us may stop the agent too. All is well only once the agent says so. */
async function tellTroubles(paths: Paths, board: string, release: string): Promise<void> {
  const trouble = await readJson(paths.report, TroubleReport);
  if (!trouble) return;
  await sayOnConsoles(paths, `! ${trouble.message}. Next: ${trouble.hint}`);
  const name = (await readFile(paths.hostname, "utf8").catch(() => board)).trim();
  await putReport(paths, reportBlock({ name, board, release, troubles: [trouble] }));
}

/** On the stick that an identity has left, or perhaps left. */
export async function tellMove(paths: Paths, move: MoveOutcome, agent: Owner, now: number): Promise<void> {
  if (move !== "moved" && move !== "unclear") return;
  const report =
    move === "moved"
      ? {
          code: "install.moved",
          message: "this device lives on its internal disk now; nothing of it is left here",
          hint: "pull this stick out and start again; provision it to make it another device",
        }
      : {
          code: "install.unclear",
          message: "this device was being installed to a disk that is not there now",
          hint: "put that disk back and start again: either of the two will be this device then",
        };
  await giveToAgent(paths.report, { v: 1, ...report, since: now }, agent);
}

export async function agentOwner(passwd: string): Promise<Owner> {
  const line = (await readFile(passwd, "utf8")).split("\n").find((entry) => entry.startsWith("hamlet:"));
  const [, , uid, gid] = line?.split(":").map(Number) ?? [];
  if (!uid || !gid) throw new HamletError("config.invalid", "there is no user hamlet on this device");
  return { uid, gid };
}
