// The answerer's side of a hello: proves itself to anybody who asks, and hears only whom the neighborhood's id has sealed a hello for it.
import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { explainIssues } from "../../system/files.ts";
import { disclose, Envelope } from "./envelope.ts";
import { Hello, Question, type Refused, Said, type Speaker } from "./hello.ts";
import { Nonces } from "./nonces.ts";
import { proofOf, seal, type Talk, unseal } from "./seal.ts";

/** `isMember`: the other proved to be one. */
export type Heard = { answer: unknown; isMember: boolean };
/** Takes in what came to the door from `address`. Throws `hello.invalid` or `hello.refused`. */
export type Hear = (body: unknown, address: string) => Promise<Heard>;

export type HearingOptions = Speaker & {
  /** Private, in base64: opens envelopes. */
  wireguardKey: string;
  clock: Pick<Clock, "monotonic">;
  /** Resolves to our hello for a device that proved to be a member; rejects with `hello.pending` or `hello.refused` for any other. */
  onHello(hello: Hello, talk: Talk, address: string): Promise<Hello>;
};

// The longer first: a question is a part of what is said then.
const Message = z.union([Said, Question]);

export function makeHearing({ id, neighborhood, wireguardKey, clock, onHello }: HearingOptions): Hear {
  const nonces = new Nonces(randomBytes(32));

  const answer = async (message: unknown, address: string): Promise<Heard> => {
    const parsed = Message.safeParse(message);
    if (!parsed.success) throw new HamletError("hello.invalid", explainIssues(parsed.error).slice(0, 300));
    const { id: asker, nonce: askerNonce } = parsed.data;
    const now = clock.monotonic();
    if (!("sealed" in parsed.data)) {
      const talk = {
        neighborhood,
        asker,
        askerNonce,
        answerer: id,
        answererNonce: nonces.give(asker, askerNonce, now),
      };
      return { answer: { id, nonce: talk.answererNonce, proof: proofOf(talk) }, isMember: false };
    }
    const { answererNonce, sealed } = parsed.data;
    const talk = { neighborhood, asker, askerNonce, answerer: id, answererNonce };
    const isFresh = nonces.isFresh(answererNonce, asker, askerNonce, now);
    const said = isFresh ? unseal(talk, "asker", sealed) : undefined;
    if (said === undefined) throw new HamletError("hello.refused", "this hello was not said to this device now");
    nonces.use(answererNonce, now);
    const hello = Hello.safeParse(said);
    if (!hello.success) throw new HamletError("hello.invalid", explainIssues(hello.error).slice(0, 300));
    try {
      return { answer: { sealed: seal(talk, "answerer", await onHello(hello.data, talk, address)) }, isMember: true };
    } catch (error) {
      return { answer: { sealed: seal(talk, "answerer", refusalOf(error)) }, isMember: false };
    }
  };

  return async (body, address) => {
    const envelope = Envelope.safeParse(body);
    if (!envelope.success) return await answer(body, address);
    const { message, answer: enclosed } = await disclose(envelope.data, wireguardKey);
    const heard = await answer(message, address);
    return { ...heard, answer: await enclosed(heard.answer) };
  };
}

/** Throws what is no refusal. */
function refusalOf(error: unknown): z.infer<typeof Refused> {
  if (!(error instanceof HamletError)) throw error;
  const refused = error.code === "hello.pending" ? "pending" : "refused";
  return { refused, because: error.message.slice(0, 300) };
}
