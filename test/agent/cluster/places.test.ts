import { expect, test } from "vitest";
import { Places } from "../../../agent/cluster/places.ts";

function places() {
  const closed: string[] = [];
  return { it: new Places<string>((holder) => closed.push(holder)), closed };
}

test("a source that opens a fifth connection loses its oldest, and nobody else loses any", () => {
  const { it, closed } = places();
  it.take("honest", "h1");
  for (let count = 1; count <= 70; count++) it.take("mallory", `m${count}`);
  expect(closed).toEqual(Array.from({ length: 66 }, (_, index) => `m${index + 1}`));
  it.free("mallory", "m70");
  it.take("mallory", "m71");
  expect(closed).toHaveLength(66);
});

test("when all places are taken, whoever holds the most makes room", () => {
  const { it, closed } = places();
  for (let source = 0; source < 85; source++) for (const count of [1, 2, 3]) it.take(`${source}`, `${source}-${count}`);
  it.take("greedy", "g1");
  it.take("newcomer", "n1");
  expect(closed).toEqual(["0-1"]);
});
