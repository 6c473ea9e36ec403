import { expect, test } from "vitest";
import { meshLinks } from "../../../dashboard/page/mesh-links.ts";
import { makeStatusSource } from "../api/status-source.ts";

const [a, c, k] = ["a", "c", "k"].map((letter) => letter.repeat(26)) as [string, string, string];

test("members that report each other are one link, with the better round trip", () => {
  expect(meshLinks(makeStatusSource().state.members)).toEqual([
    { ends: [a, c], reportedBy: [a, c], isFresh: true, rttMs: 0.7, path: "sameLink" },
    { ends: [a, k], reportedBy: [a, k], isFresh: true, rttMs: 12.4, path: "sameLink" },
    { ends: [c, k], reportedBy: [c, k], isFresh: true, rttMs: 11.9, path: "sameLink" },
  ]);
});

test("a link that only one end reports names that end", () => {
  const source = makeStatusSource();
  source.member("kitchen").peers = [];
  expect(meshLinks(source.state.members).at(-1)).toMatchObject({ ends: [c, k], reportedBy: [c], isFresh: true });
});

test("an end that reports a link twice does not report it for the other", () => {
  const source = makeStatusSource();
  source.member("kitchen").peers = [];
  source.member("cellar").peers?.push({ id: k, handshakeAgeS: 1 });
  expect(meshLinks(source.state.members).at(-1)).toMatchObject({ ends: [c, k], reportedBy: [c] });
});

test("an old handshake at either end makes a link old, and so does none at all", () => {
  const source = makeStatusSource();
  source.member("cellar").peers = [{ id: a, handshakeAgeS: 181 }, { id: k }];
  expect(meshLinks(source.state.members).map(({ isFresh }) => isFresh)).toEqual([false, true, false]);
});

test("reports of itself and of devices that are not members draw nothing", () => {
  const source = makeStatusSource();
  for (const name of ["attic", "kitchen"]) source.member(name).peers = [];
  source.member("cellar").peers = [
    { id: c, handshakeAgeS: 1 },
    { id: "z".repeat(26), handshakeAgeS: 1 },
  ];
  expect(meshLinks(source.state.members)).toEqual([]);
});
