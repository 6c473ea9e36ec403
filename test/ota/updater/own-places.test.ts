// What differs from device to device, in bytes of the running release.
import fc from "fast-check";
import { expect, test } from "vitest";
import { clearLikelyPlaces, readCleared } from "../../../ota/updater/own-places.ts";

const cleared = (text: string): string => {
  const bytes = Buffer.from(text, "latin1");
  clearLikelyPlaces(bytes);
  return bytes.toString("latin1");
};

test.each([
  ["hamlet.slot=a", "hamlet.slot=\0"],
  ["quiet hamlet.slot=b hamlet.disk=0a0b0c0d rw", "quiet hamlet.slot=\0 hamlet.disk=\0\0\0\0\0\0\0\0 rw"],
  ["\0hamlet.disk=01234567\n", "\0hamlet.disk=\0\0\0\0\0\0\0\0\n"],
  ["hamlet.slot=ab", "hamlet.slot=ab"],
  ["hamlet.slot=c hamlet.disk=0123456", "hamlet.slot=c hamlet.disk=0123456"],
  ["xhamlet.slot=a", "xhamlet.slot=a"],
  ["hamlet.hamlet.slot=a", "hamlet.hamlet.slot=\0"],
])("%j becomes %j", (before, after) => {
  expect(cleared(before)).toBe(after);
});

test("a range reads as in the whole part, also where it begins or ends within a place's word", async () => {
  const word = fc.constantFrom(
    "hamlet.slot=a",
    "hamlet.disk=0a0b0c0d",
    " ",
    "\0",
    "hamlet.",
    "x",
    "1234567890".repeat(9),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1 }), fc.nat(), fc.nat(), async (parts, from, size) => {
      const text = parts.join("");
      const bytes = Buffer.from(text, "latin1");
      const offset = from % bytes.length;
      const length = 1 + (size % (bytes.length - offset));
      const read = async (_: string, at: number, wanted: number) => Buffer.from(bytes.subarray(at, at + wanted));
      const range = await readCleared(read, { part: "kernel", offset, length });
      expect(range!.toString("latin1")).toBe(cleared(text).slice(offset, offset + length));
    }),
  );
});

test("a range that does not read is not there", async () => {
  expect(await readCleared(async () => undefined, { part: "boot", offset: 100, length: 1 })).toBeUndefined();
});
