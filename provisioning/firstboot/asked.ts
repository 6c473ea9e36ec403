// Root's side of a reset over the link: it gives out a nonce, and makes a request of its own of the owner's question that names it.
// The request is on disk before the agent hears of it. The nonce lives in memory and by the time since the machine started, which no
// agent can turn; it counts once, and for ten minutes: who keeps a signed question can do nothing with it later.
import { z } from "zod";
import { describeError, HamletError } from "../../system/error.ts";
import { errorAnswer } from "../../system/http/answer.ts";
import type { Log } from "../../system/log.ts";
import { giveAnswer, isAnswerTaken, newLabel, takeWish, type Verdict } from "../handover/asked-reset.ts";
import { putFile, putJson, readRootsOwn, removeFile } from "../handover/files.ts";
import { requestText } from "../handover/requests.ts";
import { type SignedQuestion, verifyQuestion } from "../trust/question.ts";
import { Refusal } from "../trust/refusal.ts";
import { noRevocations } from "../trust/revocation.ts";
import { pinOwnId, readOwner } from "./owner.ts";
import type { Paths } from "./paths.ts";

const Given = z.object({ nonce: z.string(), atMs: z.number() });
const validMs = 10 * 60_000;
/** The agent says goodbye to the others and answers the owner meanwhile; then systemd restarts the device. */
const goodbyeMs = 10_000;

type Asked = { log: Log; uptimeMs: number; waitMs?: number };

export async function answerAsked(paths: Paths, { log, uptimeMs, waitMs = goodbyeMs }: Asked): Promise<void> {
  const files = paths.reset;
  const wish = await takeWish(files);
  if (!wish) return;
  const { label, question } = wish;
  let verdict: Verdict;
  try {
    verdict = question ? await take(paths, question, uptimeMs) : { nonce: await giveNonce(paths, uptimeMs) };
  } catch (error) {
    log.warn(`a reset that was asked for: ${describeError(error)}`);
    return await giveAnswer(files, label, { refused: errorAnswer(error, "reset.refused") });
  }
  if (question) log.info("the owner asks to reset this device");
  await giveAnswer(files, label, verdict);
  // hamlet-reset.service waits for the end of this.
  if (question) await isAnswerTaken(files, { withinMs: waitMs });
}

/** A newer one takes the place of the one before. Throws what `readOwner` and `pinOwnId` throw. */
async function giveNonce(paths: Paths, uptimeMs: number): Promise<string> {
  await readOwner(paths);
  await pinOwnId(paths);
  const nonce = newLabel();
  await putJson(paths.resetNonce, { nonce, atMs: uptimeMs } satisfies z.infer<typeof Given>);
  return nonce;
}

async function take(paths: Paths, signed: SignedQuestion, uptimeMs: number): Promise<Verdict> {
  const neighborhood = await readOwner(paths);
  const device = await pinOwnId(paths);
  if (device === undefined) throw new Refusal("wrongDevice", "this device has no identity");
  // What the agent gave out is the agent's matter.
  const asked = { device, neighborhood, revocations: noRevocations, spend: () => true };
  const { kind, with: named = {} } = await verifyQuestion(signed, asked);
  if (kind !== "reset") throw new Refusal("badContent", `a question of the kind ${kind} resets nothing`);
  await spend(paths, named["nonce"], uptimeMs);
  await putFile(paths.resetRequest, requestText.reset());
  return {};
}

/** Throws `reset.stale`. */
async function spend(paths: Paths, nonce: unknown, uptimeMs: number): Promise<void> {
  const given = await readRootsOwn(paths.resetNonce, Given);
  if (!given || nonce !== given.nonce || uptimeMs - given.atMs > validMs || uptimeMs < given.atMs) {
    throw new HamletError(
      "reset.stale",
      "the owner's question names no nonce that root gave out within ten minutes, or was used",
      {
        hint: "try again, with a hamlet of the device's own release or a newer one",
        exitCode: 3,
      },
    );
  }
  await removeFile(paths.resetNonce);
}
