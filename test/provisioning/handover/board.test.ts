import { expect, test } from "vitest";
import { boardIdentityOf, sortFacts } from "../../../provisioning/handover/board.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";

const key = generateSigningKey().publicKey;
const facts = {
  serials: ["G6BN1234", "BTBN5678"],
  uuid: "12345678-1234-5678-90ab-cddeefaabbcc",
  macs: ["1c:69:7a:01:02:03"],
};

test("placeholders of vendors do not count", () => {
  const raw = {
    serials: [
      "Default string",
      "To Be Filled By O.E.M.",
      "System Serial Number",
      "0000000000",
      "",
      "G6BN1234",
      "100000003d1d1c36\0",
    ],
    uuid: "03000200-0400-0500-0006-000700080009",
    macs: ["1C:69:7A:01:02:03", "02:00:00:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"],
  };
  expect(sortFacts(raw)).toEqual({ serials: ["100000003d1d1c36", "g6bn1234"], macs: ["1c:69:7a:01:02:03"] });
  expect(sortFacts({ serials: [], uuid: "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", macs: [] })).toEqual({
    serials: [],
    macs: [],
  });
});

test("the same board gives the same hash in any order; another board or another device key gives another", () => {
  const identity = boardIdentityOf(facts, key);
  expect(identity).toMatch(/^[\w-]{43}$/);
  expect(boardIdentityOf({ ...facts, serials: facts.serials.toReversed() }, key)).toBe(identity);
  expect(boardIdentityOf({ ...facts, macs: ["1c:69:7a:01:02:04"] }, key)).not.toBe(identity);
  expect(boardIdentityOf({ ...facts, serials: ["G6BN1235"] }, key)).not.toBe(identity);
  expect(boardIdentityOf(facts, generateSigningKey().publicKey)).not.toBe(identity);
});

test("a board with only placeholders has no identity", () => {
  expect(boardIdentityOf({ serials: ["None"], macs: [] }, key)).toBeUndefined();
});
