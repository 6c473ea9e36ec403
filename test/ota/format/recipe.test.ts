import fc from "fast-check";
import { expect, test } from "vitest";
import { clearPlaces, fillPlaces } from "../../../ota/format/places.ts";
import { decodeRecipe, encodeRecipe, maxStepBytes, type Step } from "../../../ota/format/recipe.ts";

const digest = "ab".repeat(32);
const part = (sizeBytes: number) => ({ name: "root" as const, sizeBytes });

test("a recipe survives encoding, whatever its steps", () => {
  const length = fc.integer({ min: 1, max: maxStepBytes });
  const from = fc.record({
    part: fc.constantFrom("root" as const, "kernel" as const, "boot" as const),
    offset: fc.integer({ min: 0, max: 2 ** 40 }),
    length: fc.integer({ min: 0, max: maxStepBytes }),
  });
  const step: fc.Arbitrary<Step> = fc.oneof(
    length.map((bytes): Step => ({ kind: "chunk", length: bytes, sha256: digest })),
    fc
      .tuple(length, from)
      .map(
        ([bytes, range]): Step => ({ kind: "copy", length: bytes, sha256: digest, from: { ...range, length: bytes } }),
      ),
    fc.tuple(length, from).map(
      ([bytes, range]): Step => ({
        ...{ kind: "packed", length: bytes, sha256: digest, from: range },
        pack: { offset: 7, length: 9 },
      }),
    ),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
      const recipe = { steps, pack: { sha256: digest, sizeBytes: 16 } };
      const size = steps.reduce((sum, one) => sum + one.length, 0);
      expect(decodeRecipe(encodeRecipe(recipe), [part(size)])).toEqual(recipe);
    }),
  );
});

test("a recipe that is truncated, out of bounds or of other parts is refused with a code", () => {
  const steps: Step[] = [
    { kind: "chunk", length: 5, sha256: digest },
    { kind: "copy", length: 3, sha256: digest, from: { part: "root", offset: 1, length: 3 } },
  ];
  const bytes = encodeRecipe({ steps });
  const refused = expect.objectContaining({ code: "update.badRecipe" });
  for (let end = 0; end < bytes.length; end++) {
    expect(() => decodeRecipe(bytes.subarray(0, end), [part(8)])).toThrow(refused);
  }
  for (const sizes of [[7], [9], [4, 4], []]) expect(() => decodeRecipe(bytes, sizes.map(part))).toThrow(refused);
  const long = encodeRecipe({ steps: [{ kind: "chunk", length: maxStepBytes + 1, sha256: digest }] });
  expect(() => decodeRecipe(long, [part(maxStepBytes + 1)])).toThrow(refused);
  expect(() => decodeRecipe(bytes, [part(5), part(3)])).not.toThrow();
});

test.each<[string, { offset: number; length: number }, number]>([
  ["is empty", { offset: 0, length: 0 }, 16],
  ["is longer than any step needs", { offset: 0, length: 2 * maxStepBytes + 1 }, 3 * maxStepBytes],
  ["ends behind its pack", { offset: 8, length: 9 }, 16],
  ["lies in a pack that is longer than any number", { offset: 0, length: 9 }, 2 ** 60],
])(
  "a recipe whose frame %s is refused: no agent would bring it, and the device would wait for ever",
  (_, pack, sizeBytes) => {
    const from = { part: "root", offset: 0, length: 5 } as const;
    const bytes = encodeRecipe({
      steps: [{ kind: "packed", length: 5, sha256: digest, pack, from }],
      pack: { sha256: digest, sizeBytes },
    });
    expect(() => decodeRecipe(bytes, [part(5)])).toThrow(expect.objectContaining({ code: "update.badRecipe" }));
  },
);

test("places are filled and cleared alike, wherever the pieces of a part begin", () => {
  const places = [
    { name: "slot" as const, offset: 3, sizeBytes: 1 },
    { name: "disk" as const, offset: 5, sizeBytes: 8 },
  ];
  const values = { slot: "b", disk: "01234567" };
  const whole = Buffer.from("xxxaxdddddddd--");
  fillPlaces(whole, 0, places, values);
  expect(whole.toString()).toBe("xxxbx01234567--");
  for (let cut = 0; cut <= whole.length; cut++) {
    const [head, tail] = [whole.subarray(0, cut), whole.subarray(cut)].map((piece) => Buffer.from(piece)) as [
      Buffer,
      Buffer,
    ];
    clearPlaces(head, 0, places);
    clearPlaces(tail, cut, places);
    expect(Buffer.concat([head, tail]).toString()).toBe("xxx\0x\0\0\0\0\0\0\0\0--");
  }
});
