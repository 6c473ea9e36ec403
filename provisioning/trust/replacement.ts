// A replacement: a new card in the board of a former device takes over its name. Proven by a key that only that board can make: it
// follows from what the board reports about itself and from the former device's key, and the former record names its public half.
// Pure.
import { z } from "zod";
import { signedBy, signPart } from "./jws.ts";
import type { SigningKey } from "./keys.ts";
import type { DeviceId, NeighborhoodId } from "./names.ts";

/** The former device's id and the board's signature. */
export const Replacement = z.string().regex(/^[a-z2-7]{26}\.[\w-]{86}$/, "is not a replacement");
export type Replaced = { neighborhood: NeighborhoodId; former: DeviceId; heir: DeviceId };

const contentOf = ({ neighborhood, former, heir }: Replaced) => ({ neighborhood, former, heir });

export const formerOf = (replacement: string): DeviceId => replacement.slice(0, 26);

export const signReplacement = (replaced: Replaced, boardKey: SigningKey): string =>
  `${replaced.former}.${signPart("hamlet-replacement", contentOf(replaced), boardKey)}`;

/** `boardIdentity`: the public half that the former device's record names. */
export const isReplacement = (
  replacement: string,
  replaced: Omit<Replaced, "former">,
  boardIdentity: string,
): boolean => {
  const content = contentOf({ ...replaced, former: formerOf(replacement) });
  return signedBy("hamlet-replacement", content, replacement.slice(27), boardIdentity);
};
