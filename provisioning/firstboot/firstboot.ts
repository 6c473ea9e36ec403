// Root's one-shot, which runs before the agent at each boot. On the first boot it moves the provision file to `data`; on every boot it puts
// network settings where systemd-networkd reads them, and tells the agent which board this is. It listens to nothing and ends by itself.
import { sleep } from "../../system/clock.ts";
import type { Run } from "../../system/command.ts";
import { describeError, HamletError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { type BoardFacts, giveBoardFacts, readBoardFacts } from "../handover/board.ts";
import { removeFile } from "../handover/files.ts";
import { Folder, type Owner } from "../handover/folder.ts";
import { type Problem, problemOf } from "../handover/problems.ts";
import { probeBoard } from "./board-facts.ts";
import { printOnConsoles } from "./consoles.ts";
import { renewIfCopied } from "./copied.ts";
import { settle, settleLinks } from "./drivers.ts";
import { agentOwner, isDataLost, readImage, setKernelHostname } from "./machine.ts";
import { finishMove, isMoving, problemOfMove } from "./move.ts";
import { pinOwnId } from "./owner.ts";
import type { Paths } from "./paths.ts";
import { resetIfRequested } from "./reset.ts";
import { takeFromImager } from "./take-imager.ts";
import { type Taken, takeProvision } from "./take-provision.ts";
import { tellProblems } from "./tell-problems.ts";

type Parts = { run: Run; log: Log; now: number };

/** The bus, by which networkd is reached, starts later than this. 20 s is several times the slowest seen. */
const [reloadTries, reloadPauseMs] = [50, 400];

export async function firstBoot(paths: Paths, { run, log, now }: Parts): Promise<void> {
  const agent = await agentOwner(paths.passwd);
  const { board, release } = await readImage(paths);
  await printOnConsoles(paths, `Hamlet ${release} (${board}) starts`);
  const problems: Problem[] = [];
  if (await isDataLost(paths)) problems.push(problemOf(dataLost(), now));
  let taken: Taken | undefined;
  try {
    taken = await takeAll(paths, board, agent, problems, { run, log, now });
  } catch (error) {
    problems.push(problemOf(error, now));
  }
  // Each step runs whatever happened to the others: any of them may be the way by which people still reach the device.
  const steps: [what: string, step: () => Promise<unknown>][] = [
    ["copy", () => renewCopy(paths, log)],
    ["own id", () => pinOwnId(paths)],
    ["hostname", () => applyHostname(paths, taken)],
    ["network", () => applyNetwork(paths, run)],
    ["board facts", async () => giveBoardFacts(paths.boardFacts, await wholeBoard(paths, run), agent)],
    ["report", () => tellProblems(paths, problems, { board, release, agent, log })],
  ];
  for (const [what, step] of steps) {
    await step().catch((error: unknown) => log.warn(`${what}: ${describeError(error)}`));
  }
}

/** Finishes a move or a reset, then takes what is on the card. Throws the first error; adds what is no error to `problems`. */
async function takeAll(
  paths: Paths,
  board: string,
  agent: Owner,
  problems: Problem[],
  { run, log, now }: Parts,
): Promise<Taken> {
  // Before anything else reads the identity: it may have moved to another disk.
  if (await isMoving(paths)) await settle(run);
  const move = await finishMove(paths, agent);
  if (move !== "none") log.info(`the move to another disk: ${move}`);
  const moved = problemOfMove(move);
  if (moved) problems.push(problemOf(moved, now));
  // Whoever requested an install before a restart has stopped waiting for it.
  await removeFile(paths.installRequest);
  if (await resetIfRequested(paths)) log.info("this device was reset: it belongs to no neighborhood");
  const imager = await takeFromImager(paths, log);
  if (imager.problem) problems.push(problemOf(imager.problem, now));
  const provision = await takeProvision(paths, board, agent, imager.settings);
  const settings = [...imager.taken, ...(provision.outcome === "updated" ? provision.taken : [])];
  const news = [
    ...(provision.outcome === "provisioned"
      ? [`provisioned as ${provision.name ?? "a device without a name"}; next it looks for its neighbors`]
      : []),
    ...(settings.length > 0 ? [`taken from the card: ${[...new Set(settings)].join(", ")}`] : []),
  ];
  for (const line of news) {
    log.info(line);
    // The agent prints the rest, but on a small board it may take a minute to start.
    await printOnConsoles(paths, line);
  }
  if (provision.outcome === "updated" && provision.refused) problems.push(problemOf(provision.refused, now));
  return provision;
}

async function renewCopy(paths: Paths, log: Log): Promise<void> {
  if (await renewIfCopied(paths))
    log.info("this device was a copy: it gets a new SSH host key, and a new machine-id at its next start");
}

/** systemd sets a name that an earlier boot stored; this is for the boot that brought it. */
async function applyHostname(paths: Paths, taken: Taken | undefined): Promise<void> {
  if ((taken?.outcome === "provisioned" || taken?.outcome === "unprovisioned") && taken.name)
    await setKernelHostname(paths, taken.name);
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
  if (isAny) await reload(run, reloadTries);
}

/** networkd may have started just before the files were there. */
async function reload(run: Run, triesLeft: number): Promise<void> {
  try {
    await run(["networkctl", "reload"], { timeoutMs: 2_000 });
  } catch (error) {
    if (triesLeft <= 1) throw error;
    await sleep(reloadPauseMs);
    await reload(run, triesLeft - 1);
  }
}

/** A card whose driver is still loading is no reason to be another board. Mostly nothing is missing, and this does not wait. */
async function wholeBoard(paths: Paths, run: Run): Promise<BoardFacts> {
  const known = await readBoardFacts(paths.boardFacts);
  let found = await probeBoard(paths);
  if (isSame(known, found)) return found;
  await settleLinks(paths, run);
  // A link that udev renames at this moment is not found by its old name.
  for (
    let [before, probes] = [undefined as BoardFacts | undefined, 0];
    !isSame(before, found) && probes < 10;
    probes++
  ) {
    [before, found] = [found, await probeBoard(paths)];
  }
  return found;
}

const isSame = (one: BoardFacts | undefined, other: BoardFacts): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

const dataLost = (): HamletError =>
  new HamletError("state.lost", "the data partition does not mount: this device has lost its identity", {
    hint: "its card or disk may be worn out: flash another one and provision it",
  });
