import fc from "fast-check";
import { expect, test } from "vitest";
import { printRecoverySheet, readRecoverySheet } from "../../../provisioning/neighborhood/recovery-sheet.ts";
import { makeStreet } from "../../street.ts";

const { root, successor, keys } = makeStreet();
const sheet = printRecoverySheet({ name: "Elm Street", id: keys.id, root, successor });
const lineAt = (label: string) => sheet.split("\n").find((line) => line.includes(` ${label} `))!;
const refusal = (text: string): string => {
  try {
    readRecoverySheet(text);
    return "accepted";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

test("the sheet gives the keys back, however it was typed", () => {
  const loud = sheet.toUpperCase().replaceAll("R2  ", "r2: ").replaceAll("\n", "\r\n");
  const dense = sheet.replace(/^( {2}[RS]\d {2})(.*)$/gm, (_, label, letters) => label + letters.replaceAll(" ", "-"));
  for (const text of [sheet, loud, dense]) {
    const found = readRecoverySheet(text);
    expect([found.id, found.root.publicKey, found.successor.publicKey]).toEqual([
      keys.id,
      root.publicKey,
      successor.publicKey,
    ]);
  }
  expect(readRecoverySheet(sheet).name).toBe("Elm Street");
});

test("one wrong letter anywhere is found, with its line", () => {
  const labels = ["R1", "R2", "R3", "R4", "S1", "S2", "S3", "S4"];
  const slip = fc.record({
    label: fc.constantFrom(...labels),
    at: fc.nat(15),
    letter: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567"),
  });
  fc.assert(
    fc.property(slip, ({ label, at, letter }) => {
      const line = lineAt(label);
      const index = 6 + at + Math.floor(at / 4);
      fc.pre(line[index] !== letter);
      const bent = `${line.slice(0, index)}${letter}${line.slice(index + 1)}`;
      // Two bytes of check: one slip in 65,536 would pass its line, and then the id on the sheet does not fit.
      expect(refusal(sheet.replace(line, bent))).toMatch(
        new RegExp(`wrong on the sheet: ${label}$|do not belong to the neighborhood`),
      );
    }),
  );
});

test("swapped or missing lines, and lines of another neighborhood, are refused", () => {
  const [r1, r2, s1] = ["R1", "R2", "S1"].map(lineAt) as [string, string, string];
  const swapped = sheet.replace(r1, "#").replace(r2, r1.replace("R1", "R2")).replace("#", r2.replace("R2", "R1"));
  expect(refusal(swapped)).toBe("wrong on the sheet: R1, R2");
  expect(refusal(sheet.replace(s1, s1.slice(0, -1)))).toBe("wrong on the sheet: S1");
  expect(refusal(sheet.replace(`${s1}\n`, ""))).toBe("wrong on the sheet: S1 (missing)");
  expect(refusal("")).toMatch(/R1 \(missing\), .*S4 \(missing\)/);
  expect(refusal(sheet.replace(keys.id, makeStreet().keys.id))).toBe(
    "these keys do not belong to the neighborhood on the sheet",
  );
  expect(refusal(sheet.replace("Root key", "root key"))).toBe("accepted");
});
