import { hash } from "node:crypto";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyPatch, encodePatch, maxPatchBytes } from "../../../ota/format/patch.ts";
import { makeAligner } from "../../../ota/repository/align.ts";

const align = makeAligner();
const text = "Every device knows what is in its slot by the root hash, and never cuts anything into chunks. ";
const older = Buffer.from(Array.from({ length: 200 }, (_, index) => `${index * 7919} ${text}`).join(""));

/** What an edit of a file does: bytes change, vanish, appear, move. */
const edit = fc.record({
  kind: fc.constantFrom("change", "remove", "insert", "move"),
  at: fc.nat(older.length - 1),
  length: fc.integer({ min: 1, max: 3_000 }),
  value: fc.nat(255),
});
function edited(edits: readonly { kind: string; at: number; length: number; value: number }[]): Buffer {
  let bytes: Buffer = Buffer.from(older);
  for (const { kind, at, length, value } of edits) {
    const [before, range, behind] = [
      bytes.subarray(0, at),
      bytes.subarray(at, at + length),
      bytes.subarray(at + length),
    ];
    const other = Buffer.from(range.map((byte, index) => (index % 50 === 0 ? byte ^ value : byte)));
    const made = { change: [before, other, behind], remove: [before, behind], move: [behind, range, before] };
    bytes = Buffer.concat(made[kind as keyof typeof made] ?? [before, Buffer.alloc(length, value), range, behind]);
  }
  return bytes;
}

test("whatever an edit does, the patch makes the new bytes", () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 6 }), (edits) => {
      const bytes = edited(edits);
      const pieces = align(older, bytes);
      let end = 0;
      for (const { at, from, length } of pieces) {
        expect(at >= end && length > 0 && from >= 0 && from + length <= older.length).toBe(true);
        end = at + length;
      }
      expect(end).toBeLessThanOrEqual(bytes.length);
      expect(applyPatch(encodePatch(older, bytes, pieces), older, bytes.length).equals(bytes)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test("a program whose addresses have moved costs a quarter of what zstd's dictionary makes of it", () => {
  // Code without repetition, and every 20 bytes an address.
  const code = Buffer.concat(Array.from({ length: 2_000 }, (_, index) => hash("sha256", `code ${index}`, "buffer")));
  const program = (shift: number) => {
    const bytes = Buffer.from(code);
    for (let at = 0; at + 4 <= bytes.length; at += 20) bytes.writeInt32LE(1_000_000 + 37 * at + shift, at);
    return bytes;
  };
  const [before, after] = [program(0), Buffer.concat([Buffer.alloc(500, "new code "), program(500)])];
  const frame = zstdCompressSync(encodePatch(before, after, align(before, after)), options(19));
  const byDictionary = zstdCompressSync(after, { ...options(19), dictionary: before });
  expect(frame.length).toBeLessThan(byDictionary.length / 4);
});

const options = (level: number) => ({ params: { [constants.ZSTD_c_compressionLevel]: level } });

test("bytes that are like nothing in the dictionary make a patch that is hardly longer", () => {
  for (const bytes of [Buffer.from("other"), Buffer.alloc(0), Buffer.alloc(100_000, 255)]) {
    const patch = encodePatch(older, bytes, align(older, bytes));
    expect(patch.length).toBeLessThanOrEqual(maxPatchBytes(bytes.length));
    expect(applyPatch(patch, older, bytes.length).equals(bytes)).toBe(true);
  }
  expect(align(Buffer.alloc(0), older)).toEqual([]);
});

const good = encodePatch(older, older.subarray(100, 300), [{ at: 0, from: 100, length: 200 }]);
const refused = expect.objectContaining({ code: "update.badObject" });
const columns = (...parts: number[][]) => {
  const head = Buffer.alloc(20);
  for (const [index, { length }] of parts.slice(0, 5).entries()) head.writeUInt32LE(length, 4 * index);
  return Buffer.concat([head, ...parts.map((part) => Buffer.from(part))]);
};
test.each<[string, Buffer, number?]>([
  ["no head", good.subarray(0, 19)],
  ["a column beyond its end", Buffer.concat([Buffer.from("ffffff7f", "hex"), good.subarray(4)])],
  ["fewer bytes than wanted", good, 201],
  ["more bytes than wanted", good, 199],
  ["a piece beyond the dictionary", columns([0], [0x80, 0x80, 0x80, 0x7f], [0], [], [])],
  ["a piece before the dictionary", columns([0], [1], [1], [], []), 1],
  ["a number without end", columns([0x80], [1], [0], [], []), 1],
  ["a number of five bytes", columns([0x80, 0x80, 0x80, 0x80, 0], [1], [0], [], []), 1],
  ["fewer lengths than pieces", columns([0], [], [0], [], []), 0],
  ["more lengths than pieces", columns([0], [1, 1], [0], [], []), 1],
  ["a change behind the last piece", columns([0], [1], [0], [1], [1]), 1],
  ["a change without its gap", columns([0], [2], [0], [0], [1, 1]), 2],
  ["a gap without its change", columns([0], [2], [0], [0, 0], [1]), 2],
  ["more fresh bytes than it has", columns([2], [0], [0], [], [], [7]), 2],
])("a patch with %s is refused", (_, patch, sizeBytes = 200) => {
  expect(() => applyPatch(patch, older, sizeBytes)).toThrow(refused);
});

test("whatever its bytes are, a patch makes as much as wanted or is refused", () => {
  const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      const bad = Buffer.from(good);
      for (const [at, value] of changes) bad.writeUInt8(value, at);
      try {
        expect(applyPatch(bad, older, 200)).toHaveLength(200);
      } catch (error) {
        expect(error).toEqual(refused);
      }
    }),
    { numRuns: 1_000 },
  );
});
