// Asks one member for a piece, and remembers what came of it: who brought it, who had none, and who sent wrong bytes.
import { hash } from "node:crypto";
import type { Clock } from "../../system/clock.ts";
import { free } from "../../system/free.ts";
import type { Answer, Borrower, Patience } from "./borrower.ts";
import type { Lenders } from "./lenders.ts";
import { keyOf, type Question, type Wanted } from "./question.ts";
import { isCode } from "./store.ts";

export type Lender = { id: string; name: string; address: string };
export type Neighborhood = {
  self: string;
  /** Other members that are alive. */
  others(): Lender[];
  borrower: Borrower;
};
/** Makes the content of the bytes. Throws `update.badObject` for wrong ones. It may not keep them. */
export type Open<T> = (bytes: Buffer) => Promise<T>;
/** `isProven`: it says that it has unpacked what it sent. */
export type Suspect = { lender: Lender; digest: string; isProven: boolean };
/** What somebody brought; undefined if it was nothing of use. */
export type Got<T> = { value: T } | undefined;
export type AskingOptions = {
  lenders: Lenders;
  clock: Clock;
  neighborhood(): Neighborhood | undefined;
  keep(key: string, bytes: Buffer): Promise<void>;
  /** A member has sent what is not what it was asked for, for the first time. */
  onLie(lender: Lender): void;
  patience?: { kept: Patience; fetched: Patience };
};

/** The updater waits for 300 s: after these the web still has time. */
const usualPatience = {
  kept: { stallMs: 10_000, deadlineMs: 30_000 },
  fetched: { stallMs: 60_000, deadlineMs: 120_000 },
};
/** A lender that answers sooner costs nothing. */
const usualWaitMs = 2_000;

export type Asking = ReturnType<typeof makeAsking>;

export function makeAsking(o: AskingOptions) {
  const { lenders, patience = usualPatience } = o;
  const now = o.clock.monotonic;

  async function askOne(
    lender: Lender,
    how: Question["how"],
    wanted: Wanted,
    signal: AbortSignal,
  ): Promise<Answer | undefined> {
    const startedAt = now();
    const isAlive = () =>
      o
        .neighborhood()
        ?.others()
        .some(({ id }) => id === lender.id) === true;
    try {
      return await o.neighborhood()?.borrower.ask(lender, { how, wanted }, { ...patience[how], signal, isAlive });
    } catch {
      signal.throwIfAborted();
      if (how === "kept") lenders.keepsSilent(lender.id, now());
      else lenders.failed(lender.id, now());
      return undefined;
    } finally {
      lenders.waited(lender.id, Math.max(0, now() - startedAt - usualWaitMs));
    }
  }

  /**
   * `suspects`: who has sent what could not be used, without proof that it is to blame. `lacking`: who has looked for it in its repository
   * in vain.
   */
  async function fromMember<T>(
    lender: Lender,
    how: Question["how"],
    wanted: Wanted,
    need: { signal: AbortSignal; open: Open<T>; suspects: Suspect[]; lacking: string[] },
  ): Promise<Got<T>> {
    const answer = await askOne(lender, how, wanted, need.signal);
    switch (answer?.kind) {
      case "bytes":
        return take(lender, wanted, answer, need).finally(() => free(answer.bytes));
      case "notKept":
      case "notThere":
        lenders.hadNot(lender.id, now());
        if (how === "fetched") need.lacking.push(lender.id);
        return undefined;
      case "busy":
      case "noWay":
        lenders.hasNoWay(lender.id, now());
        return undefined;
      case undefined:
        return undefined;
    }
  }

  async function take<T>(
    lender: Lender,
    wanted: Wanted,
    { bytes, isProven }: Extract<Answer, { kind: "bytes" }>,
    { open, suspects }: { open: Open<T>; suspects: Suspect[] },
  ): Promise<Got<T>> {
    const digest = hash("sha256", bytes, "hex");
    try {
      const value = await open(bytes);
      lenders.had(lender.id, now());
      blame(suspects, digest);
      await o.keep(keyOf(wanted), bytes);
      return { value };
    } catch (error) {
      if (!isCode(error, "update.badObject")) throw error;
      // A frame of a pack may be right, and the slot that it is unpacked with damaged.
      if (wanted.kind === "packed") suspects.push({ lender, digest, isProven });
      else condemn(lender);
      return undefined;
    }
  }

  /** Others had the right bytes, whose digest this is. */
  function blame(suspects: Suspect[], digest: string): void {
    for (const { lender, isProven } of suspects.filter((suspect) => suspect.digest !== digest)) {
      if (isProven) condemn(lender);
      // It has passed on what its repository sent, and could not tell that the pack there is damaged.
      else lenders.hasWrongFrames(lender.id);
    }
  }

  function condemn(lender: Lender): void {
    if (lenders.lied(lender.id)) o.onLie(lender);
  }

  return { askOne, fromMember, blame };
}
