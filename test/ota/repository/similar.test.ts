import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { makeSimilar } from "../../../ota/repository/similar.ts";

/** Bytes without repetition, the same for the same name. */
const bytesOf = (name: string, sizeBytes: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(sizeBytes / 32) }, (_, index) => hash("sha256", `${name} ${index}`, "buffer")),
  ).subarray(0, sizeBytes);

const kib = 1 << 10;
const program = bytesOf("program", 200 * kib);

test("bytes that moved far, and changed here and there, are found where they were", () => {
  const similar = makeSimilar(400 * kib);
  similar.add("root", 5_000_000, bytesOf("other", 200 * kib));
  similar.add("kernel", 700_000, program);
  const moved = Buffer.from(program.subarray(50 * kib, 114 * kib));
  for (let at = 0; at < moved.length; at += 100) moved[at]! ^= 1;
  expect(similar.find(moved)).toEqual({
    part: "kernel",
    from: 700_000 + 50 * kib,
    to: 700_000 + 114 * kib,
  });
});

test("a chunk with bytes inserted spans both places that its halves suggest", () => {
  const similar = makeSimilar(program.length);
  similar.add("root", 0, program);
  const inserted = Buffer.concat([program.subarray(0, 30 * kib), bytesOf("new", 5 * kib), program.subarray(30 * kib)]);
  const span = similar.find(inserted.subarray(0, 64 * kib))!;
  expect(span).toEqual({ part: "root", from: 0, to: 64 * kib });
  const behind = similar.find(inserted.subarray(20 * kib, 84 * kib))!;
  expect(behind).toEqual({ part: "root", from: 15 * kib, to: 84 * kib });
});

test("new bytes, padding, and what the older release has everywhere are like nothing", () => {
  const similar = makeSimilar(2_000 * kib);
  similar.add("root", 0, Buffer.alloc(500 * kib));
  const table = bytesOf("table", 10 * kib);
  similar.add("root", 500 * kib, Buffer.concat(Array.from({ length: 100 }, () => table)));
  expect(similar.find(bytesOf("new", 64 * kib))).toBeUndefined();
  expect(similar.find(Buffer.alloc(64 * kib))).toBeUndefined();
  expect(similar.find(table)).toBeUndefined();
  expect(similar.find(Buffer.alloc(3))).toBeUndefined();
});
