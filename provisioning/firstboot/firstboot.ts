// Root's one-shot before the agent, at each boot. The first time it moves the provision file to `data`; every time it puts network
// settings where systemd-networkd reads them and tells the agent which board this is. It has no listener and ends by itself.
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { giveBoardFacts } from "../handover/board.ts";
import { removeFile } from "../handover/files.ts";
import { Folder, type Owner } from "../handover/folder.ts";
import { type Problem, problemOf } from "../handover/problems.ts";
import { probeBoard } from "./board-facts.ts";
import { resetIfRequested } from "./erase.ts";
import { takeFromImager } from "./imager.ts";
import { agentOwner, isDataLost, readImage, setKernelHostname } from "./machine.ts";
import { problemOfMove, settleMove } from "./moving.ts";
import type { Paths } from "./paths.ts";
import { type Settled, settleProvision } from "./settle.ts";
import { tellProblems } from "./tell-problems.ts";
import { sayOnConsoles } from "./voice.ts";

type Parts = { run: Run; log: Log; now: number };

export async function firstBoot(paths: Paths, { run, log, now }: Parts): Promise<void> {
  const agent = await agentOwner(paths.passwd);
  const { board, release } = await readImage(paths);
  await sayOnConsoles(paths, `Hamlet ${release} (${board}) starts`);
  const problems: Problem[] = [];
  if (await isDataLost(paths)) problems.push(problemOf(dataLost(), now));
  let settled: Settled | undefined;
  try {
    settled = await become(paths, board, agent, problems, log, now);
  } catch (error) {
    problems.push(problemOf(error, now));
  }
  // A failure below leaves a device that is reached some other way; one above must not keep the rest from being done.
  const steps: [what: string, step: () => Promise<unknown>][] = [
    ["hostname", () => applyHostname(paths, settled)],
    ["network", () => applyNetwork(paths, run)],
    ["board facts", async () => giveBoardFacts(paths.boardFacts, await probeBoard(paths), agent)],
    ["report", () => tellProblems(paths, problems, { board, release, agent, log })],
  ];
  for (const [what, step] of steps) {
    await step().catch((error: unknown) => log.warn(`${what}: ${describeError(error)}`));
  }
}

/** Who this device is from now on. Throws what stopped it. */
async function become(
  paths: Paths,
  board: string,
  agent: Owner,
  problems: Problem[],
  log: Log,
  now: number,
): Promise<Settled> {
  // Before anything else reads who this is: it may have moved to another disk.
  const move = await settleMove(paths, agent);
  if (move !== "none") log.info(`the move to another disk: ${move}`);
  const moved = problemOfMove(move);
  if (moved) problems.push(problemOf(moved, now));
  // Nobody waits any more for what was asked before a restart.
  await removeFile(paths.installRequest);
  if (await resetIfRequested(paths)) log.info("this device was reset: it belongs to nobody");
  const imager = await takeFromImager(paths, log);
  if (imager.problem) problems.push(problemOf(imager.problem, now));
  const settled = await settleProvision(paths, board, agent, imager.wishes);
  const taken = [...imager.taken, ...(settled.outcome === "resettled" ? settled.taken : [])];
  const news = [
    ...(settled.outcome === "settled"
      ? [`provisioned as ${settled.name ?? "a device without a name"}; next it looks for its neighbors`]
      : []),
    ...(taken.length > 0 ? [`taken from the card: ${[...new Set(taken)].join(", ")}`] : []),
  ];
  for (const line of news) {
    log.info(line);
    // The rest is the agent's to tell; until it does, a minute may pass on a small board.
    await sayOnConsoles(paths, line);
  }
  if (settled.outcome === "resettled" && settled.refused) problems.push(problemOf(settled.refused, now));
  return settled;
}

/** systemd has set the name of earlier boots already; this is for the boot on which it came. */
async function applyHostname(paths: Paths, settled: Settled | undefined): Promise<void> {
  if ((settled?.outcome === "settled" || settled?.outcome === "unprovisioned") && settled.name)
    await setKernelHostname(paths, settled.name);
}

async function applyNetwork(paths: Paths, run: Run): Promise<void> {
  await using kept = await Folder.open(paths.networkFolder);
  if (!kept) return;
  await using target = await Folder.make(paths.runtimeNetwork);
  let isAny = false;
  for await (const { name } of kept.entries()) {
    const content = await kept.read(name, 64 << 10);
    // networkd does not run as root, and our umask is strict.
    if (content) await target.put(name, content, { mode: 0o644 });
    isAny = true;
  }
  // If networkd does not run yet it will read them when it starts.
  if (isAny) await run(["networkctl", "reload"]).catch(() => "");
}

const dataLost = (): HamletError =>
  new HamletError("state.lost", "the data partition could not be mounted: this device has lost its identity", {
    hint: "its card or disk may be worn out: flash another one and provision it",
  });
