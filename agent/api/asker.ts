// Asks a device on the link what its owner has signed: the owner's computer is no member, and shows its keys to nobody.
import { SignedAnswer, verifyAnswer } from "../../provisioning/trust/answer.ts";
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import type { NeighborhoodKeys } from "../../provisioning/trust/neighborhood-keys.ts";
import { type Asker, signQuestion } from "../../provisioning/trust/question.ts";
import type { Revocations } from "../../provisioning/trust/revocation.ts";
import { generateBoxKey, openBox, sealTo } from "../../provisioning/trust/sealed-box.ts";
import { boxKeyOfDevice } from "../../provisioning/trust/wireguard-key.ts";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { errorIn } from "../../system/http/answer.ts";
import { noAnswer, otherVersion } from "./errors.ts";
import { Boxed, NonceGiven, Outcome, type QuestionKind, questionsPath, type Taken } from "./questions.ts";

/** Throws `device.noAnswer`, `document.refused` or the device's refusal. */
export type AskQuestion = <Kind extends QuestionKind>(kind: Kind, taken: Taken<Kind>) => Promise<unknown>;
export type AskerOptions = {
  /** The name of the device in messages. */
  who: string;
  /** Of the device that is asked, as its public page shows it: no other can read the question. */
  deviceKey: string;
  /** Posts to the device; resolves to the body of an answer 200, and throws the device's refusal. */
  post(path: typeof questionsPath, body: object): Promise<unknown>;
  neighborhood: NeighborhoodKeys;
  revocations: Revocations;
  asker: Asker;
  clock: Pick<Clock, "now">;
};

export function makeAsker(options: AskerOptions): AskQuestion {
  const { who, deviceKey, post, neighborhood, revocations, asker, clock } = options;
  const device = deviceIdOf(deviceKey);
  return async (kind, taken) => {
    const boxKey = boxKeyOfDevice(deviceKey);
    const reply = generateBoxKey();
    const given = NonceGiven.safeParse(await post(questionsPath, { replyKey: reply.publicKey }));
    if (!given.success) throw otherVersion("it gives out no nonce");
    const { nonce } = given.data;
    const common = { v: 1 as const, neighborhood: neighborhood.id, device, nonce, replyKey: reply.publicKey };
    const signed = await signQuestion({ ...common, issuedAt: clock.now(), kind, with: taken }, asker);
    const box = await sealTo(boxKey, signed);
    const boxed = Boxed.safeParse(await post(questionsPath, { box }));
    const inside = boxed.success ? await openBox(boxed.data.box, reply.privateKey).catch(() => undefined) : undefined;
    const answer = SignedAnswer.safeParse(inside);
    if (!answer.success) throw noAnswer(who, "answers with something that is not sealed to this computer");
    const trust = {
      ...{ neighborhood, revocations, now: clock.now(), members: new Map(), bases: new Map() },
      ...{ knowsNobody: true, admittedByToken: new Map() },
    };
    const text = await verifyAnswer(answer.data, { question: signed.question, device, trust });
    const outcome = Outcome.safeParse(parseJson(text));
    if (!outcome.success) throw otherVersion("its answer has another form");
    if ("answer" in outcome.data) return outcome.data.answer;
    throw errorIn(outcome.data.refused) ?? new HamletError("api.refused", `${who} refuses`);
  };
}
