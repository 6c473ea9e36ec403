import { encode } from "uqr";
import { expect, test } from "vitest";
import { consoleCard } from "../../../agent/health/console-card.ts";

const card = {
  v: 1 as const,
  phase: "member" as const,
  name: "attic",
  board: "nuc",
  release: "0.1.0",
  code: "abcd-efgh-ijkl",
  neighborhood: "Elm Street",
  waiting: [],
  warnings: [],
  addresses: ["192.168.178.123", "2001:db8::7"],
  pagePort: 80,
};
const waits = { id: "x", name: "porch", deviceKey: "", code: "kocc-glig-wgqy", because: "needsConfirmation" };
/** The QR modules that half blocks show on a dark terminal; true is dark. */
function modules(text: string): boolean[][] {
  const lines = text.split("\n").filter((line) => /[█▀▄]/.test(line));
  return lines.flatMap((line) => [
    [...line].map((char) => char !== "█" && char !== "▀"),
    [...line].map((char) => char !== "█" && char !== "▄"),
  ]);
}

test("the card shows name, code, addresses, and the page as a QR code with its quiet zone", () => {
  const text = consoleCard(card);
  expect(text).toContain("Hamlet: attic (nuc, release 0.1.0) is a member of Elm Street");
  expect(text).toContain("adoption code: abcd-efgh-ijkl");
  expect(text).toContain("page: http://192.168.178.123/\nor:   http://[2001:db8::7]/");
  const { data, size } = encode("http://192.168.178.123/", { ecc: "L", border: 2 });
  expect(modules(text).slice(0, size)).toEqual(data);
});

test("the card shows the device's relation to its neighborhood in each phase", () => {
  const said = (phase: typeof card.phase | "pending" | "unprovisioned") =>
    consoleCard({ ...card, phase }).split("\n")[1];
  expect(said("pending")).toBe("Hamlet: attic (nuc, release 0.1.0) asks to join Elm Street");
  expect(said("unprovisioned")).toBe("Hamlet: attic (nuc, release 0.1.0) belongs to no neighborhood yet");
});

test("the card lists who waits for adoption with the code to compare, a few of them", () => {
  const waiting = ["porch", "shed", "barn", "loft", "gate"].map((name) => ({ ...waits, name }));
  const lines = consoleCard({ ...card, waiting }).split("\n");
  expect(lines).toContain("waiting for adoption: porch, code kocc-glig-wgqy");
  expect(lines.filter((line) => line.startsWith("waiting"))).toHaveLength(4);
  expect(lines).toContain("... and 1 more: hamlet status");
});

test("the card fits the smallest screen, 80 by 25", () => {
  const lines = consoleCard(card).split("\n");
  expect(lines.length).toBeLessThanOrEqual(25);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});

test("without a network or a page, the card shows no address and no QR code", () => {
  const text = consoleCard({ ...card, addresses: [] });
  expect(text).toContain("no network yet");
  expect(modules(text)).toEqual([]);
  expect(modules(consoleCard({ ...card, pagePort: 0 }))).toEqual([]);
});

test("the address includes a port other than 80", () => {
  expect(consoleCard({ ...card, pagePort: 8080 })).toContain("http://192.168.178.123:8080/");
});

test("text quoted in a warning cannot control the terminal", () => {
  const text = consoleCard({
    ...card,
    warnings: [{ code: "start.failed", message: "bad \u001b[2J\u009b0m\nü", hint: "look" }],
  });
  expect(text).toContain("! bad ?[2J?0m??");
  expect(text).toMatch(/^([ -~█▀▄]|\n)*$/);
});
