// What is fuzzed: a way to read something that may be anyone's.
import type { Need } from "../lacks.ts";
import type { Random } from "./random.ts";

export type Reader = {
  name: string;
  /** Programs that make its samples. */
  needs?: Need[];
  /** Valid inputs; `folder` is its own. */
  samples(folder: string): Promise<Buffer[]>;
  /** One of them with lies in it, and its sums right again, so that the lies get in. */
  change(sample: Buffer, random: Random): Buffer;
  /** Ends as a value or in a HamletError. */
  read(input: Buffer, folder: string): Promise<unknown>;
  /** In `npm test`: about two seconds of them. */
  inputs: number;
};
