import { expect, test } from "vitest";
import { sealed, unsealed } from "../../system/kept.ts";

const value = { v: 1, names: ["attic", "cellar"], number: 7 };
const bytes = Buffer.from(sealed(value));

test("unsealing returns the sealed value", () => {
  expect(unsealed(sealed(value))).toEqual(value);
});

test("s1-state: every flipped bit is detected", () => {
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bent = Buffer.from(bytes);
      bent[at]! ^= 1 << bit;
      // A blank between two tokens may become a line end, which means the same.
      expect([undefined, JSON.stringify(value)]).toContain(JSON.stringify(unsealed(bent.toString())));
    }
  }
});

test("s1-state: changed content with a damaged sum field does not pass for a file of an earlier release", () => {
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

test("a file of an earlier release, without a sum, is read unchanged", () => {
  expect(unsealed(JSON.stringify(value))).toEqual(value);
});
