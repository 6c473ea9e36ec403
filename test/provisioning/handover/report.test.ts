import { expect, test } from "vitest";
import { freshReport, reportBlock, reportBlockBytes } from "../../../provisioning/handover/report.ts";
import { monday } from "../../street.ts";

const attic = { name: "attic", board: "nuc", release: "0.1.0", neighborhood: "Elm Street", code: "abcd-efgh-ijkl" };
const wrong = {
  code: "wifi.wrongPassword",
  message: "the password is wrong",
  hint: "hamlet provision <card>",
  since: monday,
};
const text = (block: Buffer) => block.toString("latin1").trimEnd();

test("the report says what is wrong, since when, and the command that fixes it, in lines that any editor shows", () => {
  const lines = text(reportBlock({ ...attic, problems: [wrong] })).split("\r\n");
  expect(lines).toEqual([
    "Hamlet: attic of Elm Street (nuc, release 0.1.0)",
    "",
    "Something is wrong:",
    "",
    "1. the password is wrong",
    "   To fix it: hamlet provision <card>",
    "   Since 2026-01-05 00:00 UTC; code wifi.wrongPassword",
    "",
    "Adoption code: abcd-efgh-ijkl",
  ]);
});

test("once all is well the report says so, every time with the same bytes", () => {
  const well = reportBlock({ ...attic, problems: [] });
  expect(text(well)).toContain("All is well.");
  expect(reportBlock({ ...attic, problems: [] }).equals(well)).toBe(true);
});

test("the report is always one block of ASCII without a bare line feed", () => {
  const long = { ...wrong, message: "ö\u001b[2J\n".repeat(2_000) };
  for (const block of [
    freshReport(),
    reportBlock({ ...attic, problems: [] }),
    reportBlock({ ...attic, problems: [long] }),
  ]) {
    expect(block.length).toBe(reportBlockBytes);
    expect(block.toString("latin1")).toMatch(/^([ -~]|\r\n)*\r?$/);
  }
});

test("a time from before the clock was set is not shown as a date", () => {
  expect(text(reportBlock({ ...attic, problems: [{ ...wrong, since: 5_000 }] }))).toContain("its clock was not set");
});
