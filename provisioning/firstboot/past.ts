// What this device has been until now, as far as a provision file is concerned: nobody, somebody whom no
// member ever let in, or a member.
import { z } from "zod";
import { HamletError } from "../../system/error.ts";
import { readJson } from "../../system/files.ts";
import { Id, Jws } from "../fields.ts";
import type { ProvisionFile } from "../provision-file.ts";
import type { Paths } from "./paths.ts";

/** `token`: the one it came by. */
export type Past =
  | { kind: "nobody" }
  | { kind: "waiting"; token: string }
  | { kind: "member"; token: string; neighborhood: string }
  /** Unreadable is not absent: an identity is never given up by mistake. */
  | { kind: "unreadable" };

// As the agent writes them; the rest of these files is its own business.
const IdentityFile = z.object({ provision: z.object({ token: Jws, neighborhood: z.object({ id: Id }) }) });
const StandingFile = z.object({ admissions: z.array(z.string()) });

export async function readPast(paths: Paths): Promise<Past> {
  const unreadable = () => "unreadable" as const;
  const identity = await readJson(paths.identity, IdentityFile).catch(unreadable);
  if (identity === undefined) return { kind: "nobody" };
  if (identity === "unreadable") return { kind: "unreadable" };
  const { token, neighborhood } = identity.provision;
  const standing = await readJson(paths.standing, StandingFile).catch(unreadable);
  const isLetIn = standing === "unreadable" || (standing?.admissions.length ?? 0) > 0;
  return isLetIn ? { kind: "member", token, neighborhood: neighborhood.id } : { kind: "waiting", token };
}

/** Throws `provision.otherNeighborhood`. */
export function requireNeighborhood({ neighborhood }: ProvisionFile, own: string): void {
  if (neighborhood.id === own) return;
  throw new HamletError(
    "provision.otherNeighborhood",
    `the provision file is of ${neighborhood.name}, this device is a member of another neighborhood`,
    { hint: "to move it there, start it and type on it: hamlet reset", exitCode: 3 },
  );
}
