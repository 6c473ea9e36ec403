import fc from "fast-check";
import { expect, test } from "vitest";
import { judgeRecord } from "../../../provisioning/trust/judge.ts";
import { sign } from "../../../provisioning/trust/jws.ts";
import { generateSigningKey } from "../../../provisioning/trust/keys.ts";
import { refusalCodes } from "../../../provisioning/trust/refusal.ts";
import { makeDevice, makeStreet, makeToken, recordOf, trustOf } from "../../street.ts";

const elm = makeStreet();
const token = await makeToken(elm);
const attic = await makeDevice(elm, token);
const trust = trustOf(elm.keys);
const jws = await recordOf(attic);

test("a record with any changed character is refused", async () => {
  expect((await judgeRecord(jws, trust)).kind).toBe("member");
  const change = fc.record({
    at: fc.nat(jws.length - 1),
    to: fc.string({ minLength: 1, maxLength: 1, unit: "binary" }),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, to }) => {
      fc.pre(jws[at] !== to);
      expect((await judgeRecord(jws.slice(0, at) + to + jws.slice(at + 1), trust)).kind).toBe("refused");
    }),
    { numRuns: 600 },
  );
});

test("a flipped bit in a token or a member certificate is refused, even if the record is signed again", async () => {
  const pieces = fc.constantFrom("token" as const, "member" as const);
  await fc.assert(
    fc.asyncProperty(pieces, fc.nat(), fc.nat(7), async (piece, where, bit) => {
      const bytes = Buffer.from(attic.record[piece]);
      const at = where % bytes.length;
      bytes[at] = bytes[at]! ^ (1 << bit);
      const bent = await sign("hamlet-record", { ...attic.record, [piece]: bytes.toString("latin1") }, attic.key);
      expect((await judgeRecord(bent, trust)).kind).toBe("refused");
    }),
    { numRuns: 400 },
  );
});

test("a record truncated anywhere is refused", async () => {
  for (let length = 0; length < jws.length; length += 7) {
    expect((await judgeRecord(jws.slice(0, length), trust)).kind).toBe("refused");
  }
});

test("no string makes the judge throw; each is refused by a code of the closed set", async () => {
  const part = fc.oneof(
    fc.base64String(),
    fc.string(),
    fc.json().map((text) => Buffer.from(text).toString("base64url")),
  );
  const strings = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.tuple(part, part, part).map((parts) => parts.join(".")),
    fc.tuple(fc.constant(jws.split(".")[0]!), part, fc.constant(jws.split(".")[2]!)).map((parts) => parts.join(".")),
  );
  await fc.assert(
    fc.asyncProperty(strings, async (text) => {
      const judgement = await judgeRecord(text, trust);
      expect(judgement.kind === "refused" && refusalCodes.includes(judgement.because)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test("a device without a token from the root is never a member, whatever it signs", async () => {
  const stranger = generateSigningKey();
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom(...Object.keys(attic.record)), fc.jsonValue()),
      async (whole, some) => {
        for (const content of [whole, { ...attic.record, deviceKey: stranger.publicKey, ...some }]) {
          expect((await judgeRecord(await sign("hamlet-record", content, stranger), trust)).kind).toBe("refused");
        }
      },
    ),
    { numRuns: 200 },
  );
});
