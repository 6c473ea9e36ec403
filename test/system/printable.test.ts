// Only text reaches a terminal.
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { expect, test } from "vitest";
import { printable, printableLines } from "../../system/printable.ts";
import { printableStream } from "../../system/printable-stream.ts";

/** An independent list of the characters that xterm, the Linux console or a bidi renderer interpret. */
const isOrder = (code: number) =>
  code < 0x20 ||
  (code >= 0x7f && code <= 0x9f) ||
  [0x61c, 0x200e, 0x200f, 0x2028, 0x2029, 0xfeff].includes(code) ||
  (code >= 0x202a && code <= 0x202e) ||
  (code >= 0x2066 && code <= 0x2069);
const orders = (shown: string) => [...shown].filter((char) => isOrder(char.codePointAt(0)!));
const anything = fc.string({ unit: "binary" });
const nasty = fc
  .array(
    fc.oneof(anything, fc.constantFrom("\x1b[2J", "\x9b31m", "\u202egnp.", "\r", "\n", "\x07", "\x1b]0;title\x07")),
  )
  .map((parts) => parts.join(""));

test("k1-image-fuzz: shown text contains no control sequences, and JSON keeps its value", () => {
  fc.assert(
    fc.property(nasty, (name) => {
      expect(orders(printable(name))).toEqual([]);
      expect(JSON.parse(printable(JSON.stringify({ name })))).toEqual({
        name: name.toWellFormed() === name ? name : expect.any(String),
      });
      expect(
        printableLines(name)
          .slice(1)
          .every((line) => line.startsWith("    ")),
      ).toBe(true);
      expect(orders(printableLines(name).join(""))).toEqual([]);
    }),
  );
});

test("k1-image-fuzz: text in any language is shown unchanged", () => {
  for (const words of ["Grüße aus Žižkov ☕ 🏠", "家族の家", "שלום", "خانه‌ها", "👨‍👩‍👧", "a\\b 'c' \"d\""])
    expect(printable(words)).toBe(words);
  expect(printable("a\tb\x1b[31m\u{e0041}")).toBe("a\\tb\\u001b[31m\\udb40\\udc41");
});

test("k1-image-fuzz: a program's output is shown line by line, however it is split", async () => {
  await fc.assert(
    fc.asyncProperty(nasty, fc.nat({ max: 7 }), async (said, step) => {
      const bytes = Buffer.from(said);
      const chunks = Array.from({ length: Math.ceil(bytes.length / (step + 1)) }, (_, index) =>
        bytes.subarray(index * (step + 1), (index + 1) * (step + 1)),
      );
      const shown = await text(Readable.from(chunks).pipe(printableStream()));
      expect(shown).toBe(bytes.toString("utf8").split("\n").map(printable).join("\n"));
    }),
  );
});
