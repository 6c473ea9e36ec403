// A reset that the owner asks for over the link: what the agent and root say to each other about it. Root believes no agent. It gives out
// a nonce, and resets for a question that names it and that the owner has signed by the keys that this device was provisioned with.
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { z } from "zod";
import { sleep, systemClock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { readJson, writeJson } from "../../system/files.ts";
import { ErrorAnswer, errorIn } from "../../system/http/answer.ts";
import { SignedQuestion } from "../trust/question.ts";
import { isThere, putJson, readJsonFrom, readRootsOwn } from "./files.ts";

const Label = z.string().regex(/^[\w-]{22}$/);
const Wish = z.strictObject({
  v: z.literal(1),
  label: Label.describe("the answer has it too"),
  question: SignedQuestion.optional().describe("absent: wanted is a nonce"),
});
const RootsAnswer = z.object({
  v: z.literal(1),
  label: Label,
  nonce: Label.optional().describe("for the owner to sign"),
  refused: ErrorAnswer.optional(),
});
type RootsAnswer = z.infer<typeof RootsAnswer>;
export type Verdict = Pick<RootsAnswer, "nonce" | "refused">;

/** `wish` is in a folder of the agent's, `answer` in one of root's; both are gone after a restart. */
export type ResetFiles = { wish: string; answer: string };
type Patience = { withinMs: number; pauseMs?: number };

/** systemd misses a wish that comes while root's program is ending. */
const repeatMs = 3_000;

/**
 * For the agent. Root gives out a nonce, or takes the question: then it restarts the device once `beforeReset` has ended.
 * Throws root's refusal, `reset.noRoot` or `file.full`.
 */
export async function askRoot(
  { wish, answer }: ResetFiles,
  question: SignedQuestion | undefined,
  { withinMs, pauseMs = 100 }: Patience,
  beforeReset: () => Promise<unknown> = async () => {},
): Promise<string | undefined> {
  const label = newLabel();
  const { monotonic } = systemClock;
  const [askedAt, content] = [
    monotonic(),
    { v: 1, label, ...(question && { question }) } satisfies z.infer<typeof Wish>,
  ];
  try {
    for (let writtenAt = Number.NEGATIVE_INFINITY; monotonic() - askedAt < withinMs; await sleep(pauseMs)) {
      const said = await readJson(answer, RootsAnswer).catch(() => undefined);
      if (said?.label === label) {
        if (said.refused) throw errorIn(said.refused) ?? new HamletError("reset.refused", "root refuses");
        // Root has its request on disk: nothing stops it now.
        if (said.nonce === undefined) await beforeReset().catch(() => {});
        return said.nonce;
      }
      if (monotonic() - writtenAt < repeatMs) continue;
      writtenAt = monotonic();
      await writeJson(wish, content);
    }
  } finally {
    await rm(wish, { force: true });
  }
  throw new HamletError(
    "reset.noRoot",
    `the device's part that runs as root has not answered for ${withinMs / 1000} s`,
    {
      hint: "look whether it restarts; if it does not, try again, or as root on the device: journalctl -u hamlet-asked",
    },
  );
}

export const newLabel = (): string => randomBytes(16).toString("base64url");

/** For root: what the agent wants, unless it is answered. Throws `handover.refused` or `file.invalid`. */
export async function takeWish({ wish, answer }: ResetFiles) {
  const wanted = await readJsonFrom(wish, Wish);
  if (!wanted) return undefined;
  const answered = await readRootsOwn(answer, RootsAnswer).catch(() => undefined);
  return answered?.label === wanted.label ? undefined : wanted;
}

/** For root: everybody may read it. */
export const giveAnswer = ({ answer }: ResetFiles, label: string, verdict: Verdict): Promise<void> =>
  putJson(answer, { v: 1, label, ...verdict } satisfies RootsAnswer, { mode: 0o644 });

/** For root: the agent has read the answer and done what it does before the restart, or does not come to it. */
export async function isAnswerTaken({ wish }: ResetFiles, { withinMs, pauseMs = 100 }: Patience): Promise<boolean> {
  const { monotonic } = systemClock;
  const givenAt = monotonic();
  while (await isThere(wish)) {
    if (monotonic() - givenAt >= withinMs) return false;
    await sleep(pauseMs);
  }
  return true;
}
