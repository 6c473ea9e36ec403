// The subject of the fuzzer: code that reads untrusted input.
import type { Need } from "../lacks.ts";
import type { Random } from "./random.ts";

export type Reader = {
  name: string;
  /** Programs needed to make its samples. */
  needs?: Need[];
  /** Makes valid inputs; the reader may use `folder` alone. */
  samples(folder: string): Promise<Buffer[]>;
  /** Damages a sample and corrects its checksums, so that the reader gets as far as the damage. */
  change(sample: Buffer, random: Random): Buffer;
  /** Must return a value or throw a HamletError. */
  read(input: Buffer, folder: string): Promise<unknown>;
  /** Number of inputs in `npm test`: about two seconds' worth. */
  inputs: number;
};
