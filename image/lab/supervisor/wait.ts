// Waits for a state of the whole lab, and says which device is late or broken.
import { sleep } from "../../../system/clock.ts";
import { HamletError } from "../../../system/error.ts";
import type { LabClient } from "./client.ts";
import { type LabStatus, milestones } from "./status.ts";

/** Emulated on two cores three devices take about two minutes; six on a busy machine take longer. */
const deadlineMs = 900_000;

/** Resolves when `test` holds. Throws `lab.bootFailed` when a machine ends by itself or time is up. */
export async function waitForLab(
  lab: LabClient,
  test: (status: LabStatus) => boolean,
  onStatus: (status: LabStatus) => void = () => {},
  signal?: AbortSignal,
): Promise<LabStatus> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const status = await lab.status();
    onStatus(status);
    if (test(status)) return status;
    const broken = status.devices.find((device) => device.problem !== undefined);
    if (broken) {
      throw new HamletError("lab.bootFailed", `${broken.name}'s machine ended: ${broken.problem}`, {
        hint: `its console output is in ${broken.console}`,
      });
    }
    if (performance.now() > deadline) {
      const late = status.devices.filter((device) => device.state !== "alive");
      throw new HamletError(
        "lab.bootFailed",
        `not up in ${deadlineMs / 60_000} minutes: ${late.map(howFar).join("; ")}`,
        { hint: `the console output of a device is in ${(late[0] ?? status.devices[0])?.console}` },
      );
    }
    await sleep(500, signal);
  }
}

const howFar = ({ name, state, reached }: LabStatus["devices"][number]): string =>
  `${name} is ${state}, reached ${milestones.findLast((milestone) => reached[milestone] !== undefined) ?? "nothing"}`;
