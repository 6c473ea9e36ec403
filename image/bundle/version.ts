// The version and the date of a system bundle. Devices read them too, so they stand apart from all that builds one.
// Pure.
import { z } from "zod";

export const Version = z
  .string()
  .max(64)
  .regex(/^[0-9A-Za-z][0-9A-Za-z.~+-]*$/)
  // The loader would read `hamlet_1+3.efi` as version 1 with three tries left.
  .regex(/^(?!.*\+\d+(-\d+)?$)/, "must not end like a count of tries: +3")
  .describe("as in a file name of the boot loader: no underscore, no space");

/** Up to the last date with a four-digit year: ISO writes later ones differently. */
export const BuiltS = z.int().positive().max(253_402_300_799);
