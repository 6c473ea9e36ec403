// Which forgets have ended: the device has heard of it and says so itself. Its word is kept as long as that forget stands.
// Pure.
import { Refusal } from "../../provisioning/trust/refusal.ts";
import type { Comebacks, Held } from "./held.ts";

/** Throws `Refusal` unless it ends the forget that stands. */
export function addComeback(held: Held, device: string, { forget, jws }: { forget: string; jws: string }): Held {
  if (held.forgets.documents.get(device)?.digest !== forget) {
    throw new Refusal("outdated", "it ends no forget that is known here");
  }
  if (isBack(held, device)) return held;
  return { ...held, comebacks: new Map([...standing(held)]).set(device, { forget, jws }) };
}

export const isBack = ({ forgets, comebacks }: Pick<Held, "forgets" | "comebacks">, device: string): boolean =>
  comebacks.get(device)?.forget === forgets.documents.get(device)?.digest && comebacks.has(device);

/** Those whose forget stands. */
export const standing = (held: Pick<Held, "forgets" | "comebacks">): Comebacks =>
  new Map([...held.comebacks].filter(([device]) => isBack(held, device)));
