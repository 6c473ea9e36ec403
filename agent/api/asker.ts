// Asks a device on the link what its owner has signed: the owner's computer is no member, and shows its keys to nobody.
import { deviceIdOf } from "../../provisioning/trust/names.ts";
import { type Asker, signQuestion } from "../../provisioning/trust/question.ts";
import { sealTo } from "../../provisioning/trust/sealed-box.ts";
import { boxKeyOfDevice } from "../../provisioning/trust/wireguard-key.ts";
import { HamletError } from "../../system/error.ts";
import { parseJson } from "../../system/files.ts";
import { errorIn } from "../../system/http/answer.ts";
import { type AskedDevice, meet, readSealed } from "./asked-device.ts";
import { otherVersion } from "./errors.ts";
import { Outcome, type QuestionKind, questionsPath, type Taken } from "./questions.ts";
import { rootWithinMs } from "./schema.ts";

/** Throws `device.noAnswer`, `document.refused` or the device's refusal. */
export type AskQuestion = <Kind extends QuestionKind>(kind: Kind, taken: Taken<Kind>) => Promise<unknown>;

export function makeAsker(asked: AskedDevice, asker: Asker): AskQuestion {
  const { who, deviceKey, post, neighborhood, clock } = asked;
  const device = deviceIdOf(deviceKey);
  return async (kind, taken) => {
    const boxKey = boxKeyOfDevice(deviceKey);
    const { nonce, reply } = await meet(asked);
    const common = { v: 1 as const, neighborhood: neighborhood.id, device, nonce, replyKey: reply.publicKey };
    const signed = await signQuestion({ ...common, issuedAt: clock.now(), kind, with: taken }, asker);
    const isForRoot = kind === "resetNonce" || kind === "reset";
    const patience = isForRoot ? { withinMs: rootWithinMs + 5_000 } : undefined;
    const body = await post(questionsPath, { box: await sealTo(boxKey, signed) }, patience);
    const text = await readSealed(asked, body, { to: signed.question, reply });
    const outcome = Outcome.safeParse(parseJson(text));
    if (!outcome.success) throw otherVersion("its answer has another form");
    if ("answer" in outcome.data) return outcome.data.answer;
    throw errorIn(outcome.data.refused) ?? new HamletError("api.refused", `${who} refuses`);
  };
}
