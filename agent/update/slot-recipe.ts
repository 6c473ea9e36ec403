// Which chunks of the newest release lie where in a slot: by that release's recipe of whole chunks. This device's updater fetches the
// manifest that names it, by a digest that signed metadata gave it. The recipe itself is fetched once another member asks for a chunk:
// whoever wants chunks has it.
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type ChunkPlaces, openChunkPlaces } from "../../ota/format/chunk-places.ts";
import { maxRecipeBytes } from "../../ota/format/limits.ts";
import { Hex32, Part, parseManifest, recipeFor } from "../../ota/format/manifest.ts";
import { targetsFolder } from "../../ota/format/names.ts";
import { unpackObject } from "../../ota/format/unpack.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import { readJson, writeFileAtomic, writeJson } from "../../system/files.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import type { Swarm } from "../swarm/swarm.ts";

const Known = z.object({
  parts: z.array(Part.pick({ name: true, sizeBytes: true })).max(4),
  recipe: z.object({ sha256: Hex32, sizeBytes: z.int().positive().max(maxRecipeBytes) }),
});
type Known = z.infer<typeof Known>;

export type SlotRecipe = {
  /** The updater has been given this file. */
  saw(path: string, bytes: Buffer): void;
  places(): Promise<ChunkPlaces | undefined>;
  /** Gives back memory. */
  rest(): void;
};
export type SlotRecipeOptions = {
  folder: string;
  board: string;
  obtain: Swarm["obtain"];
  /** Throws if this device's line is not for this. */
  checkCost(): void;
  clock: Clock;
  log: Log;
};

/** Between two attempts to get the recipe. */
const againMs = 60_000;

export function openSlotRecipe(o: SlotRecipeOptions): SlotRecipe {
  const [knownPath, recipePath] = [join(o.folder, "slot-recipe.json"), join(o.folder, "slot-recipe")];
  const inTurn = makeQueue();
  const complain = (error: unknown) => o.log.debug(`what the slots hold: ${describeError(error)}`);
  let opened: ChunkPlaces | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;
  let isGetting = false;

  const known = () => readJson(knownPath, Known).catch(() => undefined);

  async function learn(bytes: Buffer): Promise<void> {
    const manifest = parseManifest(bytes);
    if (manifest.board !== o.board) return;
    const { sha256, sizeBytes } = recipeFor(manifest, undefined);
    const parts = manifest.parts.map((part) => ({ name: part.name, sizeBytes: part.sizeBytes }));
    if ((await known())?.recipe.sha256 === sha256) return;
    await writeJson(knownPath, { parts, recipe: { sha256, sizeBytes } } satisfies Known);
    opened = undefined;
    triedAt = Number.NEGATIVE_INFINITY;
  }

  async function load({ recipe, parts }: Known): Promise<ChunkPlaces | undefined> {
    const bytes = await readFile(recipePath).catch(() => Buffer.alloc(0));
    if (hash("sha256", bytes) !== recipe.sha256) return undefined;
    return openChunkPlaces(bytes, parts, "root");
  }

  async function get({ recipe }: Known): Promise<void> {
    const wanted = { kind: "object" as const, ...recipe };
    // Whoever brings it gives up when it brings nothing: a slow line may take as long as it needs.
    const need = { signal: new AbortController().signal, onCarried() {}, checkCost: o.checkCost };
    await writeFileAtomic(recipePath, await o.obtain(wanted, need, (bytes) => unpackObject(bytes, recipe)));
    triedAt = Number.NEGATIVE_INFINITY;
  }

  return {
    saw(path, bytes) {
      if (!path.startsWith(`${targetsFolder}/${o.board}/`)) return;
      // A copy: who asked for it may empty it.
      const copy = Buffer.from(bytes);
      inTurn(() => learn(copy)).catch(complain);
    },
    places: () =>
      inTurn(async () => {
        if (opened || o.clock.monotonic() - triedAt < againMs) return opened;
        triedAt = o.clock.monotonic();
        const now = await known();
        if (!now) return undefined;
        opened = await load(now);
        // Whoever asks asks others meanwhile, and this device again later.
        if (!opened && !isGetting) {
          isGetting = true;
          void get(now)
            .catch(complain)
            .finally(() => {
              isGetting = false;
            });
        }
        return opened;
      }).catch((error: unknown) => {
        complain(error);
        return undefined;
      }),
    rest() {
      opened = undefined;
      triedAt = Number.NEGATIVE_INFINITY;
    },
  };
}
