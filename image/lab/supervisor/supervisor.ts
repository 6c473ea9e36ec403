// The process that owns the virtual neighborhood: hub, machines, control socket; one per state folder. The kernel kills its
// machines with it, however it ends.
import { rmSync } from "node:fs";
import { link, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../../system/clock.ts";
import { run } from "../../../system/command.ts";
import { describeError, errnoOf, HamletError } from "../../../system/error.ts";
import { parseJson } from "../../../system/files.ts";
import { errorAnswer } from "../../../system/http/answer.ts";
import { makeLog } from "../../../system/log.ts";
import { findProvisionBlock } from "../../card/provision.ts";
import { type Accelerator, chooseAccelerator } from "../machine/accelerator.ts";
import { labBoard } from "../machine/boards.ts";
import { labDevices } from "../machine/devices.ts";
import { findPast, type Past } from "../saved/past.ts";
import { controlSocket, serveControl } from "./control.ts";
import { type Lab, makeLab } from "./lab.ts";
import { alreadyRunning, takeLock } from "./lock.ts";
import { makeLabNeighborhood, type ProvisionDevice } from "./neighborhood.ts";
import { lockName, logName, SupervisorOptions } from "./options.ts";

const log = makeLog("lab");
const tell = (message: unknown) => process.connected && process.send?.(message);
let lab: Lab | undefined;
let isHolder = false;
let ending: Promise<void> | undefined;

// The process that started it must stay until it is ready.
const orphaned = () => down("whoever started it is gone", 1);
process.on("disconnect", orphaned);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => down(signal));
try {
  await start(SupervisorOptions.parse(parseJson(process.argv[2] ?? "")));
  tell({ ready: true });
  process.off("disconnect", orphaned);
  if (process.connected) process.disconnect();
} catch (error) {
  log.error(describeError(error));
  tell({
    error: errorAnswer(error, "lab.bootFailed"),
  });
  await down("it could not start", 1);
}

async function start(options: SupervisorOptions): Promise<void> {
  const { folder } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  process.chdir(folder);
  const holder = await takeLock(lockName);
  if (holder !== undefined) throw alreadyRunning(holder);
  isHolder = true;
  // Last of all: a process that waits for the lock relies on everything being over.
  process.on("exit", () => rmSync(lockName, { force: true }));
  await clear(folder);
  const images = await Promise.all(options.images.map((path, index) => keepImage(path, folder, index)));
  const accelerator = options.accelerator ?? (await chooseAccelerator());
  const past = await findPastOf(options, images, accelerator);
  // A lab that resumes takes its neighborhood from the state.
  let neighborhood: ReturnType<typeof makeLabNeighborhood> | undefined;
  const provision: ProvisionDevice = async (device, image, adopt) => {
    if (!options.isProvisioned) return;
    neighborhood ??= makeLabNeighborhood(run, folder, systemClock.now(), options.updates);
    await (await neighborhood)(device, image, adopt);
  };
  log.info(`starting ${options.devices} devices from ${options.images.join(", ")} with ${accelerator}`);
  lab = await makeLab({ ...options, images, accelerator, provision, past, run, log, clock: systemClock });
  await serveControl(controlSocket, lab, (why) => down(why));
}

async function findPastOf(
  { states, isProvisioned, updates, ...options }: SupervisorOptions,
  images: { path: string; board: string }[],
  accelerator: Accelerator,
): Promise<Past> {
  // A saved lab would take its updates from where its own devices did.
  if (!states || updates) return {};
  const boards = images.map(({ board }) => board);
  const machines = labDevices(options.devices, boards).map((device) => ({ ...options, device, accelerator }));
  return findPast(states, { run, machines, images: images.map(({ path }) => path), isProvisioned });
}

/** Stops machines, hub and this process; a second call waits for the first. */
function down(why: string, exitCode = 0): Promise<void> {
  ending ??= (async () => {
    log.info(`going down: ${why}`);
    await lab?.close();
    if (isHolder) await clear(process.cwd());
    // After the answer has been sent.
    setTimeout(() => process.exit(exitCode), 100);
  })();
  return ending;
}

/** Removes everything of an earlier lab except its console logs: disks and keys are not reused. */
async function clear(folder: string): Promise<void> {
  const kept = (name: string) => [lockName, logName].includes(name) || (ending !== undefined && name.endsWith(".log"));
  for (const name of await readdir(folder)) {
    if (!kept(name)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/**
 * Links the image under our own name: a rebuild replaces the user's file, but our overlays need this one. An image without a board
 * is started as a NUC's.
 */
async function keepImage(image: string, folder: string, index: number): Promise<{ path: string; board: string }> {
  const path = join(folder, `image-${index}.img`);
  const kept = await link(image, path).then(
    () => path,
    (cause) => {
      if (errnoOf(cause) === "ENOENT") {
        throw new HamletError("file.unreadable", `there is no image ${image}`, {
          cause,
          hint: "hamlet image build makes one",
        });
      }
      // It is on another file system, or on one without hard links.
      return image;
    },
  );
  const board = await findProvisionBlock(image).then(
    (block) => block.image.board,
    () => "nuc",
  );
  labBoard(board);
  return { path: kept, board };
}
