import { expect, test } from "vitest";
import { Retained } from "../../../ota/fleet/retained.ts";

const at = { now: 0, isMember: () => true };
const make = () => new Retained({ retainedBytes: 1_000, retainedShareBytes: 200 });

test("a device has more than its share while there is room, and gives it up to others, the oldest first", () => {
  const book = make();
  for (let number = 0; number < 10; number++) expect(book.keep("mallory", `m${number}`, 100, at)).toEqual([]);
  expect(book.keep("attic", "a0", 100, at)).toEqual(["m0"]);
  expect(book.keep("attic", "a1", 100, at)).toEqual(["m1"]);
  expect(book.keep("mallory", "m10", 100, at)).toBe(undefined);
  expect([book.bytes, [...book.of("attic").keys()], book.of("mallory").size]).toEqual([1_000, ["a0", "a1"], 8]);
});

test("newcomers without end take no room from those that came before and have no more than their share", () => {
  const book = make();
  expect(book.keep("attic", "a", 150, at)).toEqual([]);
  for (let number = 0; number < 100; number++) book.keep(`s${number}`, `s${number}`, 170, at);
  expect([[...book.of("attic").keys()], book.bytes]).toEqual([["a"], 1_000]);
  // What it says next may be longer: the last of the others makes room. More than its share it has only where nobody has to.
  expect(book.keep("attic", "a", 200, at)).toEqual(["s4"]);
  expect(book.keep("s99", "s99", 120, at)).toEqual([]);
  expect([book.keep("attic", "a", 210, at), book.keep("s99", "s99", 190, at)]).toEqual([undefined, undefined]);
});

test("who came earlier takes room from who came later, and not the other way", () => {
  const book = make();
  for (const [device, weight] of [
    ["attic", 100],
    ["s1", 200],
    ["s2", 200],
    ["s3", 200],
    ["s4", 200],
    ["s5", 100],
  ] as const)
    book.keep(device, device, weight, at);
  expect(book.keep("s5", "s5", 150, at)).toBe(undefined);
  expect(book.keep("attic", "attic", 200, at)).toEqual(["s5"]);
});

test("what was retained of a device that is no member any more goes first", () => {
  const book = make();
  for (const device of ["former", "s1", "s2", "s3", "s4"]) book.keep(device, device, 200, at);
  expect(book.keep("attic", "a", 100, { ...at, isMember: (id) => id !== "former" })).toEqual(["former"]);
});

test("a message in the place of a shorter one counts by the difference, and one that is removed counts no more", () => {
  const book = make();
  book.keep("attic", "a", 100, at);
  book.keep("attic", "a", 120, at);
  expect(book.bytes).toBe(120);
  book.drop("attic", "a");
  book.drop("attic", "never");
  expect([book.bytes, book.of("attic").size]).toEqual([0, 0]);
});
