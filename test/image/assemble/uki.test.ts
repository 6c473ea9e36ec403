import { expect, test } from "vitest";
import { appendSections } from "../../../image/assemble/uki.ts";
import { makeStub, sectionsOf } from "./stub.ts";

test("reading returns the appended sections, after the stub's own", () => {
  const sections = [
    { name: ".osrel", content: Buffer.from("ID=hamlet\n") },
    { name: ".linux", content: Buffer.alloc(5000, 7) },
    { name: ".initrd", content: Buffer.alloc(4096, 9) },
  ];
  const program = appendSections(makeStub(), sections);
  const found = sectionsOf(program);
  expect(found.map(({ name }) => name)).toEqual([".text", ".osrel", ".linux", ".initrd"]);
  for (const [index, { content }] of sections.entries()) expect(found[index + 1]!.content.equals(content)).toBe(true);
  expect(program.subarray(1024, 1536).equals(makeStub().subarray(1024))).toBe(true);
});

test("sections are page-aligned and do not overlap, and the image's size covers them", () => {
  const program = appendSections(makeStub(), [
    { name: ".a", content: Buffer.alloc(5000) },
    { name: ".b", content: Buffer.alloc(1) },
  ]);
  const table = 0x84 + 20 + 240;
  const [a, b] = [1, 2].map((index) => program.readUInt32LE(table + index * 40 + 12));
  expect([a, b]).toEqual([0x5000, 0x7000]);
  expect(program.readUInt32LE(0x84 + 20 + 56)).toBe(0x8000);
});

test("a stub without room for headers, a 32-bit program and garbage are refused", () => {
  const many = Array.from({ length: 20 }, (_, index) => ({ name: `.s${index}`, content: Buffer.alloc(1) }));
  expect(() => appendSections(makeStub(), many)).toThrow(expect.objectContaining({ code: "bundle.invalid" }));
  for (const bad of [
    makeStub({ magic: 0x10b }),
    Buffer.alloc(10),
    Buffer.alloc(2000, 0x4d),
    Buffer.from("MZ".padEnd(80, "\xff"), "latin1"),
  ]) {
    expect(() => appendSections(bad, [])).toThrow(expect.objectContaining({ code: "bundle.invalid" }));
  }
});
