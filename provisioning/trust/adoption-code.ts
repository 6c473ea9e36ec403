// What a person compares before adopting a device: 60 bits of its key's hash, the beginning of its id, as `abcd-efgh-ijkl`. Page, console,
// report, command line and status all show this one form.
// Pure.
import { deviceIdOf } from "./names.ts";

/** 12 characters of base32. */
export const adoptionCodeOf = (publicKey: string): string => grouped(deviceIdOf(publicKey).slice(0, 12));

/** The code that somebody typed, with or without hyphens and capitals; undefined if it is none. */
export function parseAdoptionCode(typed: string): string | undefined {
  const letters = typed.toLowerCase().replaceAll(/[\s-]/g, "");
  return /^[a-z2-7]{12}$/.test(letters) ? grouped(letters) : undefined;
}

const grouped = (letters: string): string => letters.match(/.{4}/g)!.join("-");
