// What the updater keeps on `data`, in root's own folder: verified metadata, floors, the wish that it works on, the trial that it or
// somebody armed, and what became of earlier ones. Each file is written whole, with a checksum and a copy.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Confirmation, maxWitnesses, UpdateEnd, VerdictSeconds } from "../../provisioning/handover/update.ts";
import { copyOf, keep, readKept } from "../../system/kept.ts";
import { Manifest } from "../format/manifest.ts";
import { Floors } from "./floors.ts";

const Version = z.string().min(1).max(64);
const Running = z.object({ slot: z.enum(["a", "b"]), version: Version });

/** What a trial still waited for at its end, and the last lines of its log. The later release writes it, and the older one reads it. */
const Doubt = z.object({
  missing: z.array(z.string().max(64)).min(1).max(16),
  log: z.array(z.string().max(400)).max(200),
  confirmations: z.array(Confirmation).max(16).exactOptional(),
});
export type Doubt = z.infer<typeof Doubt>;

/** A trial that was armed: what the release that armed it saw, for the one that judges. */
export const Armed = z.object({
  from: Running,
  to: Running,
  rootHash: z.string().max(64),
  bootId: z.string().max(64).describe("the boot that wrote and verified the slot"),
  atMs: z.number(),
  failedUnits: z.array(z.string().max(256)).max(64),
  alive: z.array(z.string().max(64)).max(64),
  hadMesh: z.boolean(),
  hadTelemetry: z.boolean(),
  witnesses: z
    .object({
      self: z.string().max(64).describe("this device's id"),
      members: z
        .array(z.object({ id: z.string().max(64), key: z.string().max(64) }))
        .min(1)
        .max(maxWitnesses),
    })
    .exactOptional()
    .describe("members that confirmed before the trial that they reach this device, with their device keys"),
  verdictSeconds: VerdictSeconds.exactOptional().describe("how long the trial may take"),
  doubt: Doubt.exactOptional().describe(
    "the trial failed for want of others alone: the old release looks for them too",
  ),
});
export type Armed = z.infer<typeof Armed>;

/** A person has put this slot on trial (`hamlet boot try`) and judges it. */
export const HandMade = z.object({ slot: Running.shape.slot });
export type HandMade = z.infer<typeof HandMade>;

/** The device goes back to the release before, because somebody asked for it. */
export const Leaving = z.object({ from: Running, to: Running, atMs: z.number() });
export type Leaving = z.infer<typeof Leaving>;

/** Somebody wants a release installed. It outlives a power cut. */
export const Wanted = z.object({
  until: z.literal("ready").exactOptional().describe("no more than prepared: somebody else says when to restart"),
  version: Version.exactOptional().describe("the release to prepare; absent: the newest"),
  /** Trials of this release that ended without a verdict. */
  voids: z.object({ version: Version, count: z.int().min(1).max(16) }).exactOptional(),
});
export type Wanted = z.infer<typeof Wanted>;

/** A release that was written to the other slot and verified there, and waits to be started. */
export const Prepared = z.object({
  manifest: Manifest,
  bootId: z.string().max(64).describe("the boot in which it was verified"),
});
export type Prepared = z.infer<typeof Prepared>;

export const History = z.object({
  ends: z.array(UpdateEnd).max(20).describe("the newest first"),
  failed: z.array(Version).max(16),
  isSeen: z.boolean().describe("somebody has acknowledged the newest end"),
});
export type History = z.infer<typeof History>;

const Metadata = z.object({
  from: z.string().max(64).describe("digest of the release root that it began with"),
  files: z.record(z.string().max(48), z.string()),
});

const files = {
  "metadata.json": Metadata,
  "floors.json": Floors,
  "armed.json": Armed,
  "handMade.json": HandMade,
  "leaving.json": Leaving,
  "wanted.json": Wanted,
  "prepared.json": Prepared,
  "history.json": History,
} as const;
type Files = { [K in keyof typeof files]: z.infer<(typeof files)[K]> };

export type State = {
  /** Undefined if there is none, or it cannot be read: damage costs an update or a history, never a boot. */
  read<K extends keyof Files>(name: K): Promise<Files[K] | undefined>;
  /** Undefined removes it. Throws for what `read` would not accept: a trial whose record cannot be read has no verdict. */
  write<K extends keyof Files>(name: K, value: Files[K] | undefined): Promise<void>;
};

export const stateIn = (folder: string): State => ({
  async read(name) {
    return (await readKept(join(folder, name), files[name])).value as never;
  },
  async write(name, value) {
    const path = join(folder, name);
    if (value) await keep(path, (files[name] as z.ZodType<object>).parse(value));
    else for (const at of [copyOf(path), path]) await rm(at, { force: true });
  },
});

export const noHistory: History = { ends: [], failed: [], isSeen: true };

/** Before anything of the other slot changes, and once its release has been tried. */
export async function forgetPrepared(state: State): Promise<void> {
  if (await state.read("prepared.json")) await state.write("prepared.json", undefined);
}
