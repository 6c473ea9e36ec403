import { expect, test } from "vitest";
import { Connections } from "../../../agent/discovery/connections.ts";

const make = (busy = new Set<string>()) =>
  new Connections<string>({ perSource: 3, strangers: 6, known: 2 }, (connection) => !busy.has(connection));
/** Opens connections named after address and number; returns which one was ended for each. */
const open = (connections: Connections<string>, address: string, from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => connections.open(`${address} ${from + n}`, address));

test("a source has a fixed number of places until one of them closes", () => {
  const connections = make();
  expect(open(connections, "192.0.2.1", 0, 4)).toEqual([undefined, undefined, undefined, "192.0.2.1 3"]);
  connections.close("192.0.2.1 3");
  expect(open(connections, "192.0.2.1", 4, 5)).toEqual(["192.0.2.1 4"]);
  connections.close("192.0.2.1 0");
  expect(open(connections, "::ffff:192.0.2.1", 5, 6)).toEqual([undefined]);
  expect(open(connections, "192.0.2.1", 6, 7)).toEqual(["192.0.2.1 6"]);
});

test("when all places are taken, the source with the most gives up its oldest unfinished one", () => {
  const busy = new Set(["192.0.2.1 0"]);
  const connections = make(busy);
  open(connections, "192.0.2.9", 0, 1);
  open(connections, "192.0.2.1", 0, 3);
  open(connections, "192.0.2.2", 0, 2);
  expect(open(connections, "192.0.2.3", 0, 1)).toEqual(["192.0.2.1 1"]);
  busy.add("192.0.2.1 2").add("192.0.2.2 0").add("192.0.2.2 1");
  expect(open(connections, "192.0.2.4", 0, 1)).toEqual(["192.0.2.1 0"]);
});

test("a source that keeps connecting takes places from itself", () => {
  const connections = make();
  for (const n of [1, 2, 3, 4]) open(connections, `192.0.2.${n}`, 0, 1);
  open(connections, "192.0.2.66", 0, 2);
  expect(open(connections, "192.0.2.66", 2, 3)).toEqual(["192.0.2.66 0"]);
});

test("sixty-four sources with one connection each do not lock out a newcomer", () => {
  const connections = new Connections<string>({ perSource: 8, strangers: 64, known: 8 }, () => true);
  for (let n = 0; n < 64; n++) open(connections, `10.0.0.${n}`, 0, 1);
  expect(open(connections, "192.0.2.1", 0, 1)).toEqual(["10.0.0.0 0"]);
});
