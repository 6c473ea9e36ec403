// The worst YAML that a card can hold. Cost is measured in what the reader walks, not in seconds.
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { readImagerFiles } from "../../../provisioning/file/imager.ts";
import { maxYamlChars, parseYaml } from "../../../provisioning/file/yaml.ts";

const fill = (one: string, before = "", after = "") =>
  `${before}${one.repeat((maxYamlChars - before.length - after.length) / one.length)}${after}`;

test.each([
  ["in a block", Array.from({ length: 8000 }, (_, index) => `k${index.toString(36)}: 1`).join("\n")],
  ["in braces", `{${Array.from({ length: 12_000 }, (_, index) => index.toString(36)).join(",")}}`],
])("y1-yaml: thousands of keys %s are read, each held against the others once", (_, text) => {
  // A set of 8,000: were each held against each, these would be 32 million comparisons.
  const found = parseYaml(text) as Record<string, string>;
  expect(Object.keys(found).length).toBeGreaterThanOrEqual(8000);
});

test.each([
  ["249 KiB of keys", "k: 1\n".repeat(51_000), "more than 65536 characters"],
  ["brackets", fill("["), "nested too deeply"],
  ["braces", fill("{a: "), "nested too deeply"],
  ["dashes", fill("- "), "nested too deeply"],
  ["question marks", fill("? "), "nested too deeply"],
  ["one level a line", Array.from({ length: 350 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"), "too deep"],
  ["aliases", fill("- *a\n", "- &a x\n"), "more than 10 aliases"],
  [
    "aliases of aliases",
    `a: &a [x,x,x]\n${Array.from({ length: 9 }, (_, index) => `b${index}: &b${index} [*${index ? `b${index - 1}` : "a"}]`).join("\n")}\nc: [*b8, *b8]`,
    "more than 10 aliases",
  ],
  ["a key that stands twice", "hostname: attic\nusers: []\nhostname: cellar\n", "'hostname' is there twice at line 3"],
  ["several documents", "--- a\n--- b\n", "more than one YAML document"],
])("y1-yaml: %s are refused with a code that says why", (_, userData, why) => {
  expect(() => readImagerFiles({ userData })).toThrow(
    expect.objectContaining({ code: "imager.invalid", message: expect.stringContaining(why) }),
  );
});

test("y1-yaml: a file with a thousand wrong values is refused in one line", () => {
  const userData = `users:\n${"- ssh_authorized_keys: no list\n".repeat(1500)}`;
  expect(() => readImagerFiles({ userData })).toThrow(
    expect.objectContaining({ code: "imager.invalid", message: expect.stringMatching(/^.{20,2000} more$/s) }),
  );
});

test("y1-yaml: a short, shallow file without aliases is read as the library reads it", () => {
  const key = fc.stringMatching(/^[a-z]{1,8}$/);
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string(),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value;
  fc.assert(
    fc.property(value, (wanted) => {
      const text = stringify(wanted);
      expect(parseYaml(text)).toEqual(parse(text, { schema: "failsafe" }));
    }),
  );
});

test("y1-yaml: any text gives a value or an Error of one line, never a stack overflow", () => {
  const piece = fc.constantFrom(
    ..."{}[]:,-?&*!|>'\"%@`#\n \tab<".split(""),
    "- ",
    "? ",
    ": ",
    "&a ",
    "*a ",
    "--- ",
    "\\x41",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 400 }), (pieces) => {
      try {
        parseYaml(pieces.join(""));
      } catch (error) {
        expect(error).not.toBeInstanceOf(RangeError);
        expect(error).not.toBeInstanceOf(TypeError);
      }
    }),
    { numRuns: 500 },
  );
});
