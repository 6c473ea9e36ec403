// Asks other members for pieces, over the mesh. A lender may be slow, gone or hostile: whatever it does costs time, and not much of it.
import { Agent, type IncomingMessage, request } from "node:http";
import type { Clock } from "../../system/clock.ts";
import { HamletError } from "../../system/error.ts";
import { free } from "../../system/free.ts";
import { readBytes } from "../../system/read-all.ts";
import { answers, lendPath, mostBytes, provenHeader, type Question } from "./question.ts";

export type Answer = { kind: "bytes"; bytes: Buffer; isProven: boolean } | { kind: keyof typeof answers };
export type Patience = { stallMs: number; deadlineMs: number };
export type Borrower = {
  /** Throws if the lender brings nothing for `stallMs`, has not done within `deadlineMs`, or is no longer alive. */
  ask(lender: { id: string; address: string }, question: Question, patience: Patience & Until): Promise<Answer>;
  close(): void;
};
type Until = { signal: AbortSignal; isAlive(): boolean };
export type BorrowerOptions = { localAddress: string; port: number; clock: Clock };

/** An idle connection ends before the lender would end it. */
const idleMs = 4_000;
const lookMs = 500;

export function openBorrower({ localAddress, port, clock }: BorrowerOptions): Borrower {
  const agent = new Agent({ keepAlive: true, maxSockets: 4, maxFreeSockets: 4, timeout: idleMs });
  /** When each lender last brought something, for any question. */
  const broughtAt = new Map<string, number>();

  async function exchange(
    { id, address }: { id: string; address: string },
    question: Question,
    signal: AbortSignal,
  ): Promise<Answer> {
    const body = JSON.stringify(question);
    const headers = { "content-length": Buffer.byteLength(body) };
    const where = { host: address, port, localAddress, path: lendPath, method: "POST", headers, agent, signal };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(where, resolve).on("error", reject).end(body);
    });
    const note = () => broughtAt.set(id, clock.monotonic());
    note();
    response.on("data", note);
    try {
      const bytes = await readBytes(response, mostBytes(question.wanted), free);
      if (response.statusCode === 200) return { kind: "bytes", bytes, isProven: provenHeader in response.headers };
    } catch (error) {
      response.destroy();
      throw error;
    }
    const known = (Object.keys(answers) as (keyof typeof answers)[]).find(
      (kind) => answers[kind] === response.statusCode,
    );
    if (known) return { kind: known };
    throw new HamletError("update.unreachable", `it answers with HTTP ${response.statusCode}`);
  }

  return {
    async ask(lender, question, { stallMs, deadlineMs, signal, isAlive }) {
      const startedAt = clock.monotonic();
      const over = new AbortController();
      const looking = setInterval(
        () => {
          const now = clock.monotonic();
          const lastAt = Math.max(startedAt, broughtAt.get(lender.id) ?? startedAt);
          if (!isAlive()) over.abort(new Error("it is no longer alive"));
          else if (now - lastAt > stallMs) over.abort(new Error(`it brought nothing for ${stallMs / 1000} s`));
          else if (now - startedAt > deadlineMs) over.abort(new Error(`it was not done within ${deadlineMs / 1000} s`));
        },
        Math.min(lookMs, stallMs),
      );
      try {
        return await exchange(lender, question, AbortSignal.any([signal, over.signal]));
      } catch (error) {
        throw over.signal.aborted ? over.signal.reason : error;
      } finally {
        clearInterval(looking);
      }
    },
    close: () => agent.destroy(),
  };
}
