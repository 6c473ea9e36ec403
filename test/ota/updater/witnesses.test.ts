// Which statements of witnesses an updater believes, and what follows from them.
import { describe, expect, test } from "vitest";
import { bestOf, confirmationsIn, isFull, type Question, witnessesIn } from "../../../ota/updater/witnesses.ts";
import type { Evidence } from "../../../provisioning/handover/update.ts";
import type { WitnessStatement } from "../../../provisioning/trust/witness.ts";
import { healthy } from "./agent.ts";
import { attic, makeMember } from "./company.ts";

const [cellar, garden, stranger] = [makeMember(), makeMember(), makeMember()];
const question: Question = { nonce: "n".repeat(22), upMs: 40_000, bootId: "boot-2" };
const all: Partial<WitnessStatement> = { handshakeS: 5, gossip: "boot-2", connection: "boot-2" };
const known = { self: attic, members: [cellar, garden].map(({ id, key }) => ({ id, key })) };
const confirmed = { handshake: true, gossip: true, connection: true };
const saying = async (...statements: Promise<string>[]): Promise<Evidence> => ({
  ...healthy,
  statements: await Promise.all(statements),
});

describe("a statement", () => {
  test("of a witness that sees all confirms the trial", async () => {
    const evidence = await saying(cellar.says(question.nonce, all));
    expect(confirmationsIn(evidence, known, question)).toEqual([{ by: cellar.id, ...confirmed }]);
  });

  test.each<[string, Partial<WitnessStatement>, object]>([
    ["a handshake of the boot before", { handshakeS: 41 }, { handshake: false }],
    ["no handshake", { handshakeS: undefined as never }, { handshake: false }],
    ["gossip of the boot before", { gossip: "boot-1" }, { gossip: false }],
    ["a dead device", { gossip: undefined as never }, { gossip: false }],
    ["a connection that is not answered", { connection: undefined as never }, { connection: false }],
    ["a connection to the boot before", { connection: "boot-1" }, { connection: false }],
  ])("that sees %s does not", async (_, seen, missing) => {
    const evidence = await saying(cellar.says(question.nonce, { ...all, ...seen }));
    const [found] = confirmationsIn(evidence, known, question);
    expect(found).toEqual({ by: cellar.id, ...confirmed, ...missing });
    expect(isFull(found!)).toBe(false);
  });

  test("of whoever was no member when the trial was armed does not count", async () => {
    expect(confirmationsIn(await saying(stranger.says(question.nonce, all)), known, question)).toEqual([]);
  });

  test("of another trial, replayed, does not count", async () => {
    expect(confirmationsIn(await saying(cellar.says("o".repeat(22), all)), known, question)).toEqual([]);
  });

  test("that the agent signs itself in a member's name does not count", async () => {
    const forged = stranger.says(question.nonce, { ...all, by: cellar.id });
    expect(confirmationsIn(await saying(forged, Promise.resolve("x.y.z")), known, question)).toEqual([]);
  });

  test("about another device, or twice by one witness, confirms nothing more", async () => {
    const evidence = await saying(
      cellar.says(question.nonce, { ...all, device: garden.id }),
      cellar.says(question.nonce, all),
      cellar.says(question.nonce, all),
    );
    expect(confirmationsIn(evidence, known, question)).toHaveLength(1);
  });

  // An agent that holds back what a witness said of the boot before cannot make the handshake younger.
  test("that comes late counts by the time of the question", async () => {
    const evidence = await saying(cellar.says(question.nonce, { ...all, handshakeS: 50 }));
    expect(confirmationsIn(evidence, known, question)[0]).toMatchObject({ handshake: false });
  });
});

test("witnesses are the members that confirm the running release before a trial, and no others", async () => {
  const evidence: Evidence = {
    ...(await saying(
      cellar.says(question.nonce, all),
      garden.says(question.nonce, { gossip: "boot-2" }),
      stranger.says(question.nonce, { ...all, by: garden.id }),
    )),
    self: attic,
    members: known.members,
  };
  expect(witnessesIn(evidence, question)).toEqual({ self: attic, members: [{ id: cellar.id, key: cellar.key }] });
  expect(witnessesIn({ ...evidence, statements: [] }, question)).toBeUndefined();
  // An agent of a release before.
  expect(witnessesIn(healthy, question)).toBeUndefined();
  // An id is the hash of its key: an agent cannot give a member another key.
  const swapped = { ...evidence, members: [{ id: cellar.id, key: stranger.key }] };
  expect(witnessesIn(swapped, question)).toBeUndefined();
  const broken = { ...evidence, members: [{ id: cellar.id, key: "?" }] };
  expect(witnessesIn(broken, question)).toBeUndefined();
});

test("what was confirmed once stays, and a full confirmation outlasts what comes later", () => {
  const full = { by: "a", ...confirmed };
  const part = { by: "a", ...confirmed, gossip: false };
  expect(bestOf([full], [part])).toEqual([full]);
  expect(bestOf([part], [full])).toEqual([full]);
  expect(bestOf([part], [{ ...full, by: "b" }])).toEqual([{ ...full, by: "b" }, part]);
  const many = Array.from({ length: 40 }, (_, index) => ({ ...part, by: `m${index}` }));
  expect(bestOf(many, [full])).toHaveLength(16);
  expect(bestOf(many, [full])[0]).toEqual(full);
});
