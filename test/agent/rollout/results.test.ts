// The signed words of devices: each counts only about its own device, and the newest counts.
import { expect, test } from "vitest";
import { Results } from "../../../agent/rollout/results.ts";
import { generateSigningKey, type SigningKey } from "../../../provisioning/trust/keys.ts";
import { deviceIdOf } from "../../../provisioning/trust/names.ts";
import { type RolloutResult, signResult } from "../../../provisioning/trust/result.ts";

const [attic, cellar, stranger] = [generateSigningKey(), generateSigningKey(), generateSigningKey()];
const idOf = ({ publicKey }: SigningKey) => deviceIdOf(publicKey);
const neighborhood = idOf(generateSigningKey());
const members = new Map([attic, cellar].map((key) => [idOf(key), key.publicKey]));

const word = (change: Partial<RolloutResult> = {}, by = attic, of = attic) =>
  signResult(
    {
      ...{ v: 1, neighborhood, device: idOf(of), number: 1, rollout: "r".repeat(22), order: 1, release: "0.2.0" },
      ...{ outcome: "updated", bootId: "b", rootHash: "a".repeat(64), ...change },
    },
    by,
  );

function open() {
  const heard: string[] = [];
  const known = new Map(members);
  const results = new Results({ neighborhood, deviceKey: (id) => known.get(id) });
  results.listen(({ device, number, outcome }) =>
    heard.push(`${device === idOf(attic) ? "attic" : device} ${number} ${outcome}`),
  );
  return { results, heard, known };
}

test("the newest word of a device counts, whatever the order in which they come", async () => {
  const { results, heard } = open();
  expect(await results.kind.offer(await word({ number: 2 }))).toBe("new");
  expect(await results.kind.offer(await word({ number: 1, outcome: "began", trialSeconds: 180 }))).toBe("known");
  expect(await results.kind.offer(await word({ number: 3, outcome: "fellBack" }))).toBe("new");
  expect(heard).toEqual(["attic 2 updated", "attic 3 fellBack"]);
  expect(results.kind.summaries()).toMatchObject([{ id: idOf(attic), number: 3 }]);
});

test("of two words with one number every member keeps the same, and the first heard counts", async () => {
  const words = [await word(), await word({ outcome: "failed", check: "trial.meshDown" })];
  const [one, other] = [open(), open()];
  for (const jws of words) await one.results.kind.offer(jws);
  for (const jws of words.toReversed()) await other.results.kind.offer(jws);
  expect(one.results.documents()).toEqual(other.results.documents());
  expect(one.heard).toHaveLength(1);
});

test("nobody speaks for another device, for a stranger, or in another neighborhood", async () => {
  const { results, heard } = open();
  expect(await results.kind.offer(await word({}, cellar, attic))).toBe("refused");
  expect(await results.kind.offer(await word({}, stranger, stranger))).toBe("refused");
  expect(await results.kind.offer(await word({ neighborhood: idOf(stranger) }))).toBe("refused");
  expect(await results.kind.offer("nonsense")).toBe("refused");
  // Members show the code within a command.
  for (const check of ["", "a.b; reboot", "a.b\u001b[2J", "$(reboot)", "a b"])
    expect(await results.kind.offer(await word({ outcome: "failed", check }))).toBe("refused");
  expect([heard, results.documents()]).toEqual([[], []]);
});

test("words are read back, and those of devices that are out are forgotten", async () => {
  const { results, known } = open();
  await results.load([await word(), await word({}, cellar, cellar), "damaged"]);
  expect(results.documents()).toHaveLength(2);
  known.delete(idOf(cellar));
  expect(results.documents()).toHaveLength(1);
});
