// What this device has been until now, as far as a provision file is concerned: nobody, somebody whom no
// member ever let in, or a member. It is the agent's word; where it is damaged or missing, more is believed of it, never less: an
// identity that is deleted does not come back.
import { describeError, HamletError } from "../../system/error.ts";
import { asideOf } from "../../system/kept.ts";
import type { ProvisionFile } from "../file/provision-file.ts";
import { isThere, readTextFrom } from "../handover/files.ts";
import { type ProvisionedForRoot, readProvisioned } from "../handover/identity.ts";
import { readAdmissions } from "../handover/standing.ts";
import { DeviceName } from "../trust/fields.ts";
import type { Paths } from "./paths.ts";

/** What it was provisioned with; `token`: the one it came by; `name`: what it goes by now. */
type Self = Pick<ProvisionFile, "token" | "seeds" | "config"> & { neighborhood: string; name?: string | undefined };
export type Past =
  | { kind: "nobody" }
  | ({ kind: "waiting" } & Self)
  /** `isSure` unless that it was let in is only what can not be ruled out. */
  | ({ kind: "member"; isSure: boolean } & Self)
  /** Unreadable is not absent: an identity is never given up by mistake. */
  | { kind: "unreadable"; because: HamletError };

export async function readPast(paths: Paths): Promise<Past> {
  let provisioned: ProvisionedForRoot | undefined;
  try {
    provisioned = await readProvisioned(paths.identity);
  } catch (cause) {
    return { kind: "unreadable", because: damagedIdentity(cause) };
  }
  if (provisioned === undefined) {
    // The agent has put it aside: no other is made in its place before somebody says so.
    const { lost } = asideOf(paths.identity);
    if (!(await isThere(lost))) return { kind: "nobody" };
    return { kind: "unreadable", because: damagedIdentity(new HamletError("file.invalid", `${lost} is damaged`)) };
  }
  // Root's own file has what it was renamed to.
  const name = DeviceName.safeParse((await readTextFrom(paths.hostname))?.trim()).data ?? provisioned.name;
  const { token, seeds, config, neighborhood } = provisioned;
  const self = { token, seeds, config, neighborhood: neighborhood.id, name };
  const isLetIn = await wasLetIn(paths);
  return isLetIn === false ? { kind: "waiting", ...self } : { kind: "member", isSure: isLetIn === true, ...self };
}

async function wasLetIn({ standing, roster }: Paths): Promise<boolean | "unclear"> {
  try {
    const admissions = await readAdmissions(standing);
    if (admissions !== undefined && admissions.length > 0) return true;
    // The agent has put one aside that it could not read, or has lost it: what was in it nobody knows.
    const isLost = (await isThere(asideOf(standing).lost)) || (admissions === undefined && (await isThere(roster)));
    return isLost ? "unclear" : false;
  } catch {
    return "unclear";
  }
}

const damagedIdentity = (cause: unknown): HamletError =>
  new HamletError(
    "identity.invalid",
    `who this device is can not be read, so its card is not: ${describeError(cause)}`,
    {
      hint: "to give that identity up, type on the device: hamlet reset; then it takes its card like a new one",
      cause,
    },
  );

/** Throws `provision.otherNeighborhood`. */
export function requireNeighborhood({ neighborhood }: ProvisionFile, own: string): void {
  if (neighborhood.id === own) return;
  throw new HamletError(
    "provision.otherNeighborhood",
    `the provision file is of ${neighborhood.name}, this device is a member of another neighborhood`,
    { hint: "to move it there, start it and type on it: hamlet reset", exitCode: 3 },
  );
}
