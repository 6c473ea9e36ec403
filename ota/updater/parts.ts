// What the updater is made of: the doors to its device, to the agent and to time.
import type { BootControl } from "../../image/boot/boot-control.ts";
import type { StartMarks } from "../../image/boot/start-marks.ts";
import type { Clock } from "../../system/clock.ts";
import type { Log } from "../../system/log.ts";
import type { Turn } from "../../system/turn.ts";
import type { AgentDoor } from "./agent-door.ts";
import type { Device } from "./device.ts";
import type { InstallDoors } from "./install.ts";
import type { findNewest } from "./metadata.ts";
import type { State } from "./state.ts";

export type UpdaterParts = {
  control: BootControl;
  door: AgentDoor;
  state: State;
  device: Device;
  marks: StartMarks;
  disk: Pick<InstallDoors, "openPart" | "openOld">;
  findNewest: typeof findNewest;
  /** The release root of the provision file or of the image. */
  firstRoot: Buffer;
  clock: Clock;
  log: Log;
  random(): number;
  /** 16 bytes that nobody can guess, in base64url. */
  nonce(): string;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Undefined while another program of root's works on the disk. */
  takeTurn(): Promise<Turn | undefined>;
  /** A folder in memory. */
  workIn: string;
  pace: { firstCheckMs: number; checkEveryMs: number };
  /** The folder or file that the owner has named to update from: once for each time. */
  namedFolder(): Promise<string | undefined>;
  /** When the trial of this boot ends, on the monotonic clock. */
  trialDeadlineMs(verdictMs: number): Promise<number>;
};
