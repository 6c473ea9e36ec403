// Whole updates that other members must confirm: the real updater, members with real keys, and an agent that may lie.
import { afterEach, beforeEach, expect, test } from "vitest";
import { stateIn } from "../../../ota/updater/state.ts";
import type { WitnessStatement } from "../../../provisioning/trust/witness.ts";
import { healthy } from "./agent.ts";
import { type Bench, makeBench } from "./bench.ts";
import { attic, makeMember, type Witness } from "./company.ts";

const [cellar, garden, mallory] = [makeMember(), makeMember(), makeMember()];
const company = { ...healthy, verdictSeconds: 60, handshakes: [cellar.id], alive: [cellar.id, garden.id] };
let bench: Bench;
/** The boot that the members see. */
let boot: string;
let nonces: string[];
type Seen = Partial<WitnessStatement> | undefined;

/** What each member says; undefined: it does not answer. */
function answering(says: (member: Witness) => Seen, members = [cellar, garden]) {
  bench.agent.witness = async ({ nonce, from }) => {
    nonces.push(nonce);
    const asked = members.filter(({ id }) => from?.includes(id) ?? true);
    const statements = asked.flatMap((member) => {
      const seen = says(member);
      return seen ? [member.says(nonce, seen)] : [];
    });
    return {
      ...{ self: attic, members: asked.map(({ id, key }) => ({ id, key })) },
      statements: await Promise.all(statements),
    };
  };
}
const all = (): Seen => ({ handshakeS: 0, gossip: boot, connection: boot });
const deaf = (): Seen => ({ handshakeS: 0, gossip: boot });

async function begin(): Promise<void> {
  bench.publish("1.1", { from: bench.first });
  boot = "old";
  bench.facts = { bootId: boot };
  const old = await bench.start();
  bench.agent.ask({ kind: "now" });
  await old.untilRestart();
  boot = "trial";
  bench.facts = { bootId: boot };
}
async function end() {
  boot = "back";
  bench.facts = { bootId: boot };
  const back = await bench.start({ kind: "reboot" });
  return back.untilReport(({ history }) => history.length > 0);
}

beforeEach(async () => {
  bench = await makeBench();
  let count = 0;
  bench.parts.nonce = () => `${++count}`.padStart(22, "n");
  bench.agent.evidence = company;
  nonces = [];
  answering(all);
});
afterEach(() => bench.close());

test("a release is kept once a witness confirms it, and the history has what each of them said", async () => {
  await begin();
  expect((await stateIn(bench.stateFolder).read("armed.json"))!.witnesses!.members.map(({ id }) => id)).toEqual(
    [cellar, garden].map(({ id }) => id),
  );
  answering((member) => (member === cellar ? all() : deaf()));
  const trial = await bench.start({ kind: "reboot" });
  const { history } = await trial.untilReport((one) => one.history.length > 0);
  expect(history[0]).toMatchObject({ outcome: "committed" });
  expect(history[0]!.witnesses).toEqual([
    { by: cellar.id, handshake: true, gossip: true, connection: true },
    { by: garden.id, handshake: true, gossip: true, connection: false },
  ]);
  // Each question has a nonce of its own, and nobody is asked again once one has confirmed.
  expect(new Set(nonces).size).toBe(nonces.length);
  expect(nonces).toHaveLength(2);
});

test("witnesses that answer and do not confirm fail the trial with a check of its own", async () => {
  await begin();
  answering(deaf);
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilRestart();
  answering(all);
  const { fallback, failed } = await end();
  expect(failed).toEqual(["1.1"]);
  expect(fallback).toMatchObject({ outcome: "failed", check: "trial.noWitness" });
  expect(fallback!.witnesses).toHaveLength(2);
});

test("witnesses that are all gone make the trial void, if the release before does not hear of them either", async () => {
  await begin();
  answering(() => undefined);
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilRestart();
  const { fallback, failed } = await end();
  expect(failed).toEqual([]);
  expect(fallback).toMatchObject({ outcome: "void", check: "trial.noWitness" });
});

test("a release that its witnesses do not hear has failed, if they confirm the release before", async () => {
  await begin();
  answering(() => undefined);
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilRestart();
  answering(all);
  const { fallback, failed } = await end();
  expect(failed).toEqual(["1.1"]);
  expect(fallback).toMatchObject({ outcome: "failed", check: "trial.noWitness" });
});

test.each<[string, (nonce: string) => Promise<string[]>]>([
  ["signs statements with a key of its own", async (nonce) => [await mallory.says(nonce, { ...all(), by: cellar.id })]],
  ["names a witness that nobody knew", async (nonce) => [await mallory.says(nonce, all()!)]],
  ["replays what witnesses said before the trial", async () => [await cellar.says(nonces[0]!, all()!)]],
  [
    "passes on what a witness says of another",
    async (nonce) => [await cellar.says(nonce, { ...all(), device: garden.id })],
  ],
])("an agent on trial that %s does not pass", async (_, statementsFor) => {
  await begin();
  bench.agent.witness = async ({ nonce }) => ({
    ...{ self: attic, members: [{ id: mallory.id, key: mallory.key }] },
    statements: await statementsFor(nonce),
  });
  const trial = await bench.start({ kind: "reboot" });
  await trial.untilRestart();
  answering(all);
  const { fallback } = await end();
  expect(fallback).toMatchObject({ outcome: "failed", check: "trial.noWitness" });
});

test("members of a release without witnesses fail no trial: the device's own view decides, and the history says so", async () => {
  answering(() => undefined);
  await begin();
  const trial = await bench.start({ kind: "reboot" });
  const { history } = await trial.untilReport((one) => one.history.length > 0);
  expect(history[0]).toMatchObject({ outcome: "committed", isUnwitnessed: true });
  expect(history[0]!.witnesses).toBeUndefined();
});
