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

test("config-syntax: a slip is found exactly where there is one, and what comes before it can be gone on with", () => {
  fc.assert(
    fc.property(fc.oneof(slipped, fc.json(), fc.string()), (text) => {
      expect([text, findJsonSlip(text) === undefined]).toEqual([text, parses(text)]);
    }),
    { numRuns: 3_000 },
  );
});

test("config-syntax: no slip tells more of a file than one character or a known word: it may hold a secret", () => {
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
  ['{\n  "name": "attic",\n}\n', /^line 3, column 1: '}' stands there after a comma/],
  ["[1, 2,]", /^line 1, column 7: ']' stands there after a comma/],
  ['{\n  // my device\n  "name": "attic"\n}', /^line 2, column 3: '\/' stands there; JSON has no comments/],
  ['{"a": 1} # done', /^line 1, column 10: '#' stands after the end/],
  ["{'name': 'attic'}", /^line 1, column 2: ''' stands there; JSON's quotes are "/],
  ['{"name": ‘attic’}', /^line 1, column 10: '‘' stands there; JSON's quotes are "/],
  ['{\r\n"a": 1\r\n"b": 2}', /^line 3, column 1: '"' stands there, where , or } belongs/],
  ['{"a" 1}', /^line 1, column 6: '1' stands there, where : belongs/],
  ["{name: 1}", /^line 1, column 2: 'n' stands there, where a name in " belongs/],
  ['{"a": True}', /^line 1, column 7: 'True' stands there, which is no value of JSON/],
  ['{"a": +1}', /^line 1, column 7: '\+' stands there/],
  ['{"a": 007}', /^line 1, column 7: '0' stands there/],
  ['{"Küche": "a\n"}', /^line 1, column 11: the string that begins here has no " at its end/],
  ['{"a": "C:\\Users"}', /^line 1, column 10: this backslash begins nothing/],
  ['{"a": "tab\there"}', /^line 1, column 11: a tab or another control character/],
  ['{"a": {"b": [1, 2]}', /^line 1, column 20: the file ends before its }/],
  ['\u00a0{"a": 1}', /^line 1, column 1: the character U\+00A0 stands there/],
  ["", /^line 1, column 1: the file ends before its value/],
])("config-syntax: %j: where, and what stands there", (text, told) => {
  expect(findJsonSlip(text)).toMatch(told);
});

test("config-syntax: a name that stands twice is a slip where both would be meant", () => {
  const text = '{"mesh": {"mtu": 1},\n "me\\u0073h": {"port": 1}}';
  expect(findJsonSlip(text)).toBeUndefined();
  expect(findJsonSlip(text, { isUnique: true })).toBe("line 2, column 2: this name stands there a second time");
  expect(findJsonSlip('[{"a": 1}, {"a": 1}]', { isUnique: true })).toBeUndefined();
});

test("config-syntax: nesting of any depth is looked through", () => {
  expect(findJsonSlip("[".repeat(200_000))).toContain("column 200001: the file ends before its ]");
});
