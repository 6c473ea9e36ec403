// The vectors of `ota/format.md`, which other programs are written against, are what ours read and write.
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseManifest } from "../../../ota/format/manifest.ts";
import { applyPatch, encodePatch } from "../../../ota/format/patch.ts";
import { clearPlaces, fillPlaces } from "../../../ota/format/places.ts";
import { decodeRecipe, encodeRecipe } from "../../../ota/format/recipe.ts";
import { unpackPatch } from "../../../ota/format/unpack.ts";
import { chunkLength, gear } from "../../../ota/repository/chunker.ts";
import { autoId } from "../../../ota/rollout/auto.ts";
import { RolloutPolicy } from "../../../provisioning/trust/rollout-policy.ts";

const document = readFileSync(join(import.meta.dirname, "../../../ota/format.md"), "utf8");
const vector = (name: string) =>
  JSON.parse(new RegExp(`^\`\`\`json ${name}\n(.*?)^\`\`\``, "ms").exec(document)?.[1] ?? "");

function lengthsOf(bytes: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = chunkLength(bytes, at);
    lengths.push(length);
    at += length;
  }
  return lengths;
}

test("the gear table and the chunks of the document's input", () => {
  const { gear: wanted, sizeBytes, sha256, lengths, firstChunk, zeros } = vector("chunking");
  for (const [byte, word] of Object.entries(wanted)) {
    expect((gear[Number(byte)]! >>> 0).toString(16).padStart(8, "0")).toBe(word);
  }
  const digests = Array.from({ length: Math.ceil(sizeBytes / 32) }, (_, index) =>
    hash("sha256", `hamlet test ${index}`, "buffer"),
  );
  const input = Buffer.concat(digests).subarray(0, sizeBytes);
  expect(hash("sha256", input)).toBe(sha256);
  expect(lengthsOf(input)).toEqual(lengths);
  expect(hash("sha256", input.subarray(0, lengths[0]))).toBe(firstChunk);
  expect(lengthsOf(Buffer.alloc(zeros.sizeBytes))).toEqual(zeros.lengths);
});

test("a recipe's bytes are its steps, and the other way round", () => {
  const { parts, hex, recipe } = vector("recipe");
  const bytes = Buffer.from(hex.join(""), "hex");
  expect(decodeRecipe(bytes, parts)).toEqual(recipe);
  expect(encodeRecipe(recipe).equals(bytes)).toBe(true);
});

test("a patch is its pieces, and makes the new bytes of its dictionary, packed or not", async () => {
  const { dictionary, content, pieces, hex, frame } = vector("patch");
  const [old, bytes] = [Buffer.from(dictionary), Buffer.from(content)];
  const patch = Buffer.from(hex.join(""), "hex");
  expect(encodePatch(old, bytes, pieces).equals(patch)).toBe(true);
  expect(applyPatch(patch, old, bytes.length).equals(bytes)).toBe(true);
  const name = { sha256: hash("sha256", bytes), sizeBytes: bytes.length };
  expect((await unpackPatch(Buffer.from(frame, "hex"), name, old)).equals(bytes)).toBe(true);
});

test("places are cleared and filled in", () => {
  const { places, values, cleared, filled } = vector("places");
  const bytes = Buffer.from(filled);
  clearPlaces(bytes, 0, places);
  expect(bytes.toString("hex")).toBe(cleared);
  fillPlaces(bytes, 0, places, values);
  expect(bytes.toString()).toBe(filled);
});

test("the rollout has the id on which members of all releases agree", () => {
  const { id, ...rollout } = vector("rollout");
  expect(autoId(rollout)).toBe(id);
  expect(RolloutPolicy.parse(rollout.policy)).toEqual(rollout.policy);
});

test.each([
  ["another kind", { kind: "later" }],
  ["a word that no release knows yet", { restarts: "twice" }],
  ["waves that fall", { waves: [50, "canary"] }],
  ["no time of day", { window: "night" }],
])("of a rollout with %s a device takes the release only when somebody asks", (_, change) => {
  const manifest = vector("manifest");
  const parsed = parseManifest(
    Buffer.from(JSON.stringify({ ...manifest, rollout: { ...manifest.rollout, ...change } })),
  );
  expect(parsed.rollout).toBeUndefined();
  expect(parsed.version).toBe(manifest.version);
});

test("the manifest is valid as it stands", () => {
  const manifest = vector("manifest");
  expect(parseManifest(Buffer.from(JSON.stringify(manifest)))).toEqual(manifest);
});
