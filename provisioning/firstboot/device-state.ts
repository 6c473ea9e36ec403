// What this device is, as far as a card is concerned: unprovisioned, pending (no member ever admitted it) or a member. The agent's files
// say it. Where they are damaged or missing, this assumes more rather than less, for a deleted identity does not come back.
import { describeError, HamletError } from "../../system/error.ts";
import { asideOf } from "../../system/kept.ts";
import type { ProvisionFile } from "../file/provision-file.ts";
import { isThere, readTextFrom } from "../handover/files.ts";
import { type ProvisionedForRoot, readProvisioned } from "../handover/identity.ts";
import { readAdmissions } from "../handover/standing.ts";
import { DeviceName } from "../trust/fields.ts";
import type { Paths } from "./paths.ts";

/** What it was provisioned with, and its present name. */
type Provisioned = Pick<ProvisionFile, "token" | "seeds" | "config"> & {
  neighborhood: string;
  name?: string | undefined;
};
export type DeviceState =
  | { phase: "unprovisioned" }
  | ({ phase: "pending" } & Provisioned)
  /** `isSure` is false where an admission can only not be ruled out. */
  | ({ phase: "member"; isSure: boolean } & Provisioned)
  /** Not the same as absent: an identity is never given up by mistake. */
  | { phase: "unreadable"; because: HamletError };

export async function readDeviceState(paths: Paths): Promise<DeviceState> {
  let provisioned: ProvisionedForRoot | undefined;
  try {
    provisioned = await readProvisioned(paths.identity);
  } catch (cause) {
    return { phase: "unreadable", because: damagedIdentity(cause) };
  }
  if (provisioned === undefined) {
    // The agent puts a damaged identity aside, and makes no other until the owner resets the device.
    const { lost } = asideOf(paths.identity);
    if (!(await isThere(lost))) return { phase: "unprovisioned" };
    return { phase: "unreadable", because: damagedIdentity(new HamletError("file.invalid", `${lost} is damaged`)) };
  }
  // Root's own file has the name that it was given since.
  const name = DeviceName.safeParse((await readTextFrom(paths.hostname))?.trim()).data ?? provisioned.name;
  const { token, seeds, config, neighborhood } = provisioned;
  const own = { token, seeds, config, neighborhood: neighborhood.id, name };
  const isAdmitted = await wasAdmitted(paths);
  return isAdmitted === false ? { phase: "pending", ...own } : { phase: "member", isSure: isAdmitted === true, ...own };
}

async function wasAdmitted({ standing, roster }: Paths): Promise<boolean | "unclear"> {
  try {
    const admissions = await readAdmissions(standing);
    if (admissions !== undefined && admissions.length > 0) return true;
    // The agent has put a damaged file aside, or has lost it: nobody knows what was in it.
    const isLost = (await isThere(asideOf(standing).lost)) || (admissions === undefined && (await isThere(roster)));
    return isLost ? "unclear" : false;
  } catch {
    return "unclear";
  }
}

const damagedIdentity = (cause: unknown): HamletError =>
  new HamletError(
    "identity.invalid",
    `this device cannot read its own identity, so it takes nothing from its card: ${describeError(cause)}`,
    {
      hint: "to give that identity up, type on the device: hamlet reset; then it takes its card as a new device",
      cause,
    },
  );

/** Throws `provision.otherNeighborhood`. */
export function requireNeighborhood({ neighborhood }: ProvisionFile, own: string): void {
  if (neighborhood.id === own) return;
  throw new HamletError(
    "provision.otherNeighborhood",
    `the provision file is for ${neighborhood.name}, and this device is a member of another neighborhood`,
    { hint: "to move it there, start it and type on it: hamlet reset", exitCode: 3 },
  );
}
