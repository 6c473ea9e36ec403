import fc from "fast-check";
import { expect, test } from "vitest";
import { findJsonSlip } from "../../system/json-slip.ts";

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** JSON with one slip in it, or none that matters. */
const slipped = fc
  .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "'", '"', "}", "]", "//", "\n", "1", "-", "\\", "\ufeff", "é"))
  .chain(([text, at, more]) => fc.nat({ max: 2 }).map((cut) => ({ text, at: at % (text.length + 1), more, cut })))
  .map(({ text, at, more, cut }) => text.slice(0, at) + more + text.slice(at + cut));

test("config-syntax: a slip is found if, and only if, JSON.parse refuses the text", () => {
  fc.assert(
    fc.property(fc.oneof(slipped, fc.json(), fc.string()), (text) => {
      expect([text, findJsonSlip(text) === undefined]).toEqual([text, parses(text)]);
    }),
    { numRuns: 3_000 },
  );
});

test("config-syntax: a message shows at most one character or a known word of the file, which may hold a secret", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-zA-Z0-9]{12,20}$/), fc.constantFrom("", "'", '"'), (secret, quote) => {
      for (const text of [
        `{"psk": ${quote}${secret}`,
        `{"psk": x, ${secret}}`,
        `{${secret}: 1}`,
        `{"a": 1 ${secret}}`,
      ]) {
        expect(findJsonSlip(text) ?? "").not.toContain(secret.slice(0, 2) + secret.slice(2, 5));
      }
    }),
  );
});

test.each([
  ['{\n  "name": "attic",\n}\n', /^line 3, column 1: unexpected '}' after a trailing comma/],
  ["[1, 2,]", /^line 1, column 7: unexpected ']' after a trailing comma/],
  ['{\n  // my device\n  "name": "attic"\n}', /^line 2, column 3: unexpected '\/': JSON has no comments/],
  ['{"a": 1} # done', /^line 1, column 10: unexpected '#' after the end/],
  ["{'name': 'attic'}", /^line 1, column 2: unexpected ''': JSON uses " for quotes/],
  ['{"name": ‘attic’}', /^line 1, column 10: unexpected '‘': JSON uses " for quotes/],
  ['{\r\n"a": 1\r\n"b": 2}', /^line 3, column 1: expected , or } but found '"'/],
  ['{"a" 1}', /^line 1, column 6: expected : but found '1'/],
  ["{name: 1}", /^line 1, column 2: expected a name in " but found 'n'/],
  ['{"a": True}', /^line 1, column 7: expected a value but found 'True'/],
  ['{"a": +1}', /^line 1, column 7: expected a value but found '\+'/],
  ['{"a": 007}', /^line 1, column 7: expected a value but found '0'/],
  ['{"Küche": "a\n"}', /^line 1, column 11: this string has no closing "/],
  ['{"a": "C:\\Users"}', /^line 1, column 10: JSON has no such escape/],
  ['{"a": "tab\there"}', /^line 1, column 11: a control character in a string must be escaped/],
  ['{"a": {"b": [1, 2]}', /^line 1, column 20: the file ends without its closing }/],
  ['\u00a0{"a": 1}', /^line 1, column 1: expected a value but found the character U\+00A0/],
  ["", /^line 1, column 1: the file ends where a value is expected/],
])("config-syntax: %j: where it goes wrong, and why", (text, told) => {
  expect(findJsonSlip(text)).toMatch(told);
});

test("config-syntax: a name that appears twice in one object is a slip if names must be unique", () => {
  const text = '{"mesh": {"mtu": 1},\n "me\\u0073h": {"port": 1}}';
  expect(findJsonSlip(text)).toBeUndefined();
  expect(findJsonSlip(text, { isUnique: true })).toBe("line 2, column 2: this name appears twice in one object");
  expect(findJsonSlip('[{"a": 1}, {"a": 1}]', { isUnique: true })).toBeUndefined();
});

test("config-syntax: nesting of any depth is scanned", () => {
  expect(findJsonSlip("[".repeat(200_000))).toContain("column 200001: the file ends without its closing ]");
});
