// Whose neighborhood a command of the owner is about: the folder that it names, this folder, or that of the running lab.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Status } from "../../../agent/api/schema.ts";
import { findLab } from "../../../image/lab/supervisor/client.ts";
import { labNeighborhoodIn } from "../../../image/lab/supervisor/neighborhood.ts";
import {
  type Neighborhood,
  type OpenNeighborhood,
  openNeighborhood,
  readNeighborhood,
} from "../../../provisioning/neighborhood/neighborhood.ts";
import { openOperator } from "../../../provisioning/neighborhood/operators.ts";
import type { Operator } from "../../../provisioning/trust/order.ts";
import { HamletError } from "../../../system/error.ts";
import { type Option, text, type Values } from "../../terminal/command.ts";
import { askPassphrase, passphraseOptions } from "./passphrase.ts";

export const ownerOptions: Record<string, Option> = {
  neighborhood: {
    type: "string",
    argument: "folder",
    describe: "the folder that hamlet init made (default: this folder, or the running lab's)",
  },
  ...passphraseOptions,
};

/** A neighborhood, and how to open its root key, or the operator key: that asks for the passphrase. */
export type Owned = Neighborhood & {
  open(): Promise<OpenNeighborhood>;
  operator(): Promise<Operator>;
};

/** Throws `neighborhood.notFound`. */
export async function ownedNeighborhood(values: Values): Promise<Owned> {
  const named = text(values, "neighborhood");
  const folder = named ?? ".";
  if (named === undefined && !existsSync(join(folder, "neighborhood.json"))) {
    const lab = await labsOwn();
    if (lab) return lab;
  }
  return await ownedIn(folder, () => askPassphrase(values));
}

/** Undefined on a computer that has no neighborhood's keys, if no folder is named. Throws `neighborhood.notFound` for one that is none. */
export async function ownedIfAny(values: Values): Promise<Owned | undefined> {
  try {
    return await ownedNeighborhood(values);
  } catch (error) {
    const isNone = error instanceof HamletError && error.code === "neighborhood.notFound";
    if (isNone && values["neighborhood"] === undefined) return undefined;
    throw error;
  }
}

async function labsOwn(): Promise<Owned | undefined> {
  const lab = await findLab().catch((error: unknown) => {
    if (error instanceof HamletError && error.code === "lab.notRunning") return undefined;
    throw error;
  });
  if (!lab) return undefined;
  const { folder, passphrase } = labNeighborhoodIn(lab.folder);
  // A lab of devices without a neighborhood has none.
  if (!existsSync(folder)) return undefined;
  return await ownedIn(folder, () => readFile(passphrase, "utf8"));
}

async function ownedIn(folder: string, ask: () => Promise<string>): Promise<Owned> {
  const neighborhood = await readNeighborhood(folder);
  let asked: Promise<string> | undefined;
  const passphrase = () => (asked ??= ask());
  return {
    ...neighborhood,
    open: async () => openNeighborhood(folder, await passphrase()),
    operator: async () => openOperator(neighborhood, await passphrase()),
  };
}

/** Throws `provision.otherNeighborhood` if the device belongs to another one. */
export function refuseOtherNeighborhood(
  { keys }: Pick<Owned, "keys">,
  { neighborhood }: Pick<Status, "neighborhood">,
  found: string,
): void {
  if (!neighborhood || neighborhood.id === keys.id) return;
  throw new HamletError("provision.otherNeighborhood", `${found} belongs to ${neighborhood.name}`, {
    hint: "name that neighborhood's folder with --neighborhood",
    exitCode: 3,
  });
}
