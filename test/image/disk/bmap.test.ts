import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bmap, bmapText, parseBmap } from "../../../image/disk/bmap.ts";

const sha256 = "ab".repeat(32);
const bmap: Bmap = {
  imageBytes: 100 * 4096,
  ranges: [
    { offset: 0, length: 8192, sha256 },
    { offset: 8192, length: 65536 },
    { offset: 50 * 4096, length: 4096, sha256 },
  ],
};

test("reading a map returns what was written", () => {
  expect(parseBmap(bmapText(bmap), "x.bmap")).toEqual(bmap);
});

test("the map has the same numbers as bmaptool's", () => {
  const text = bmapText(bmap);
  expect(text).toMatch(/<BlocksCount> 100 <\/BlocksCount>\s*<MappedBlocksCount> 19 <\/MappedBlocksCount>/);
  expect(text).toContain(`<Range chksum="${sha256}"> 0-1 </Range>`);
  expect(text).toContain("<Range> 2-17 </Range>");
  expect(text).toContain(`<Range chksum="${sha256}"> 50 </Range>`);
});

test("a single changed character anywhere is detected", () => {
  const text = bmapText(bmap);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom("0", "7", "x", "<", " "), (at, character) => {
      const changed = text.slice(0, at) + character + text.slice(at + 1);
      fc.pre(changed !== text);
      expect(() => parseBmap(changed, "x.bmap")).toThrow(expect.objectContaining({ code: "bmap.invalid" }));
    }),
  );
});

test.each([
  ["overlap", [bmap.ranges[0]!, bmap.ranges[0]!]],
  ["reach beyond the image", [{ offset: 100 * 4096, length: 4096, sha256 }]],
])("ranges that %s are refused", (_, ranges) => {
  expect(() => parseBmap(bmapText({ ...bmap, ranges }), "x.bmap")).toThrow(
    expect.objectContaining({ code: "bmap.invalid" }),
  );
});

test("text that is not a map is refused", () => {
  for (const text of ["", "<bmap/>", bmapText(bmap).replace('version="2.0"', 'version="1.4"')]) {
    expect(() => parseBmap(text, "x.bmap")).toThrow(expect.objectContaining({ code: "bmap.invalid" }));
  }
});
