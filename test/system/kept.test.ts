import { expect, test } from "vitest";
import { sealed, unsealed } from "../../system/kept.ts";

const value = { v: 1, names: ["attic", "cellar"], number: 7 };
const bytes = Buffer.from(sealed(value));

test("what was sealed says what it said", () => {
  expect(unsealed(sealed(value))).toEqual(value);
});

test("s1-state: each bit of it, turned round, is found out", () => {
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bent = Buffer.from(bytes);
      bent[at]! ^= 1 << bit;
      // Between two words a blank may become a line's end: that says the same.
      expect([undefined, JSON.stringify(value)]).toContain(JSON.stringify(unsealed(bent.toString())));
    }
  }
});

test("s1-state: with its sum's name bent as well, changed content is not taken for an earlier release's", () => {
  const text = bytes.toString().replace("cellar", "cellbr");
  const at = text.indexOf('"sum"') + 1;
  for (let place = at; place < at + 3; place++) {
    for (let mask = 1; mask < 256; mask++) {
      const bent = Buffer.from(text);
      bent[place]! ^= mask;
      expect(unsealed(bent.toString())).toBeUndefined();
    }
  }
});

test("an earlier release's file, without a sum, is read as it is", () => {
  expect(unsealed(JSON.stringify(value))).toEqual(value);
});
