import { expect, test } from "vitest";
import { answerCommonName } from "../../../agent/discovery/common-name.ts";

const own = ["192.168.1.7", "fe80::7"];

test("who asks for hamlet.local gets this device's addresses on the link, of the kind that was asked for", () => {
  expect(answerCommonName([{ name: "hamlet.local", type: "A" }], own)).toEqual([
    { name: "hamlet.local", type: "A", ttl: 10, data: "192.168.1.7" },
  ]);
  expect(answerCommonName([{ name: "Hamlet.Local", type: "ANY" }], own)).toHaveLength(2);
});

test("every other name is somebody else's", () => {
  expect(answerCommonName([{ name: "attic.local", type: "A" }], own)).toEqual([]);
  expect(answerCommonName([{ name: "hamlet.local", type: "SRV" }], own)).toEqual([]);
});
