// The heap of the updater's unit holds what a manifest and its recipes may be at most.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { maxManifestBytes, maxRecipeBytes } from "../../../../ota/format/limits.ts";
import { Manifest } from "../../../../ota/format/manifest.ts";
import { encodeRecipe, type Step } from "../../../../ota/format/recipe.ts";
import { HamletError } from "../../../../system/error.ts";
import { eventually } from "../../../eventually.ts";
import { healthy } from "../agent.ts";
import { board, makeRepository, type Release, type Repository, sha256 } from "../repository.ts";
import { buildProgram, makeDevice } from "./device.ts";

test("a release whose manifest and recipes are as large as they may be is installed, tried and kept", async () => {
  using program = await buildProgram();
  const repository = makeRepository();
  const first = repository.makeRelease("1.0");
  repository.publish(first);
  const damage = [5_000, 700_000, 1_300_000];
  const release = repository.publish(largest(repository, first, damage));
  const device = await makeDevice(program.path, repository, [first, release], { speed: 1 });
  try {
    // Of an attempt that was cut off: each step is one request otherwise.
    const slot = Buffer.from(release.root);
    for (const at of damage) slot[at]! ^= 1;
    writeFileSync(join(device.folder, "disk/root-b"), Buffer.concat([slot, Buffer.alloc(16 * 4096)]));
    // So the recipe of whole chunks is needed beside that of differences.
    device.agent.unpack = async () => {
      throw new HamletError("update.noRanges", "no ranges");
    };
    device.evidenceOf = () => healthy;
    device.powerOn();
    device.agent.ask({ kind: "now" });
    device.start();
    expect(await device.ended()).toEqual({ how: "restart", code: 0 });
    expect(device.agent.packed.length).toBeGreaterThan(0);
    device.powerOn();
    expect(device.running()).toEqual({ slot: "b", version: "1.1" });
  } finally {
    await device.close();
  }
});

test("metadata that nobody signed, however long and full, is refused and kills no updater", async () => {
  using program = await buildProgram();
  const repository = makeRepository();
  const first = repository.publish(repository.makeRelease("1.0"));
  const device = await makeDevice(program.path, repository, [first], { speed: 1 });
  try {
    for (const count of [8_000, 40_000]) {
      const targets = Object.fromEntries(Array.from({ length: count }, (_, index) => [index.toString(36), {}]));
      const full = JSON.stringify({ signed: { _type: "targets", targets }, signatures: [] }).padEnd(512 << 10);
      device.agent.mischief = ({ kind, ...request }, response) => {
        const isBoards = kind === "file" && "path" in request && request.path.endsWith(`.${board}.json`);
        if (isBoards) response.end(full);
        return isBoards;
      };
      device.agent.reports.length = 0;
      device.powerOn();
      device.agent.ask({ kind: "check" });
      device.start();
      const { activity } = await eventually(
        () => {
          const report = device.agent.last();
          if (report?.activity.phase === "waiting") return report;
          throw new Error(JSON.stringify(report));
        },
        { within: 30_000, every: 20 },
      );
      expect(activity).toMatchObject({ because: { code: "update.badMetadata" } });
      device.kill();
      await device.ended();
    }
  } finally {
    await device.close();
  }
});

/** Two recipes of the largest size, of steps with a few bytes: their number is what costs memory. */
function largest(repository: Repository, first: Release, damage: number[]): Release {
  const made = repository.makeRelease("1.1", { rootBytes: 350 * 4096 });
  const { root, kernel, manifest } = made;
  const kernelSteps = cut(kernel, 8).map((bytes): Step => ({ kind: "chunk", ...stepOf(repository.put(bytes), bytes) }));
  const sizeOf = (steps: Step[]) => encodeRecipe({ steps }).length;
  const countOf = (kind: "chunk" | "packed") => {
    const one = sizeOf([stepFor(kind, 0, root.subarray(0, 1))]) - sizeOf([]);
    return Math.floor((maxRecipeBytes - sizeOf(kernelSteps)) / one);
  };
  const recipe = (kind: "chunk" | "packed") => {
    let at = 0;
    const steps = cut(root, countOf(kind)).map((bytes) => {
      const isNear = damage.some((one) => one >= at - 64 && one < at + bytes.length + 64);
      if (isNear && kind === "chunk") repository.put(bytes);
      const step = stepFor(kind, at, bytes);
      at += bytes.length;
      return step;
    });
    const pack = { sha256: sha256(Buffer.from("pack")), sizeBytes: 1 << 20 };
    const bytes = encodeRecipe({ steps: [...steps, ...kernelSteps], ...(kind === "packed" && { pack }) });
    expect(maxRecipeBytes - bytes.length).toBeLessThan(60);
    return { sha256: repository.put(bytes), sizeBytes: bytes.length };
  };
  const recipes = [recipe("chunk"), { ...recipe("packed"), from: first.rootHash }];
  const text = JSON.stringify(Manifest.parse({ ...manifest, recipes }));
  return { ...made, manifest: JSON.parse(text), manifestBytes: Buffer.from(text.padEnd(maxManifestBytes)) };
}

const stepOf = (digest: string, { length }: Buffer) => ({ sha256: digest, length });
function stepFor(kind: "chunk" | "packed", at: number, bytes: Buffer): Step {
  const step = stepOf(sha256(bytes), bytes);
  if (kind === "chunk") return { ...step, kind };
  return { ...step, kind, from: { part: "root", offset: at % 4096, length: 8 }, pack: { offset: 0, length: 10 } };
}

/** In so many pieces of about the same length. */
function cut(bytes: Buffer, count: number): Buffer[] {
  const end = (index: number) => Math.round((index * bytes.length) / count);
  return Array.from({ length: count }, (_, index) => bytes.subarray(end(index), end(index + 1)));
}
