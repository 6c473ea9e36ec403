// Fuzzes each reader for about two seconds; `npm run test:long -- --cases fuzz` does it for hours.
import { expect, test } from "vitest";
import { HamletError } from "../../system/error.ts";
import { lacks } from "../lacks.ts";
import { fuzz } from "./fuzz.ts";
import { memoryFile } from "./meter.ts";
import type { Reader } from "./reader.ts";
import { readers } from "./readers.ts";

test.each(readers.filter(({ needs = [] }) => !lacks(...needs)))(
  "k1-image-fuzz: reader $name soon returns a value or a coded error for any bytes",
  async (reader) => {
    expect(await fuzz(reader, 1, (inputs) => inputs >= reader.inputs)).toBe(reader.inputs);
  },
);

test("the fuzzer catches uncoded exceptions, endless reads and refused samples, and repeats the same inputs", async () => {
  const inputs: string[] = [];
  const reader: Reader = {
    name: "wrong",
    inputs: 1,
    samples: async () => [Buffer.from("sample")],
    change: (sample, random) => Buffer.concat([sample, Buffer.from([random.below(256)])]),
    read: async (input) => void inputs.push(input.toString("hex")),
  };
  const once = (change: Partial<Reader>) => fuzz({ ...reader, ...change }, 7, (count) => count >= 3);
  await once({});
  const first = inputs.splice(0);
  await once({});
  expect(inputs).toEqual(first);
  expect(new Set(first).size).toBeGreaterThan(2);
  const onLies = (wrong: () => unknown) => (input: Buffer) =>
    input.length > 6 ? Promise.resolve().then(wrong) : Promise.resolve();
  const throws = (error: Error) =>
    onLies(() => {
      throw error;
    });
  await expect(once({ read: throws(new RangeError("out")) })).rejects.toThrow(
    "wrong, seed 7, input 0: RangeError: out",
  );
  await once({ read: throws(new HamletError("image.damaged", "it is")) });
  const reads = onLies(async () => {
    for (;;) await memoryFile(Buffer.alloc(1)).read(Buffer.alloc(1), 0, 1, 0);
  });
  await expect(once({ read: reads })).rejects.toThrow("it reads without end");
  await expect(once({ read: async () => Promise.reject(new HamletError("image.damaged", "it is")) })).rejects.toThrow();
});
