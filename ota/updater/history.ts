// The history of updates: kept on `data`, told to the agent.
import type { UpdaterParts } from "./parts.ts";
import type { Knowledge } from "./report.ts";
import { noHistory, type History as Past } from "./state.ts";
import type { Teller } from "./teller.ts";

export type History = {
  change(change: (past: Past) => Past): Promise<void>;
  /** After somebody else has changed what is kept. */
  readAgain(): Promise<void>;
};

export function makeHistory({ state }: UpdaterParts, known: Knowledge, teller: Teller): History {
  return {
    async change(change) {
      // The end of a trial is written past this one.
      known.history = change((await state.read("history.json")) ?? known.history);
      await state.write("history.json", known.history);
      void teller.now();
    },
    async readAgain() {
      known.history = (await state.read("history.json")) ?? noHistory;
    },
  };
}
