// Why a signed document is refused: a closed set, so that every reason can be counted, shown and tested.
import { HamletError } from "../../system/error.ts";

/** Of a device's record, and of what the root signs. */
export const recordRefusalCodes = [
  "tooLarge",
  "malformed",
  "wrongAlgorithm",
  "wrongType",
  "badSignature",
  "badContent",
  "wrongNeighborhood",
  "idMismatch",
  "tokenForged",
  "memberForged",
  "deviceRevoked",
  "deviceRejected",
  "tokenRevoked",
  "tokenClosed",
  "keyHeld",
  "addressHeld",
] as const;
/** Of what an operator signs. */
export const orderRefusalCodes = ["operatorUnknown", "operatorRevoked", "outdated"] as const;
/** Of a question of the owner and its answer. */
export const questionRefusalCodes = ["wrongDevice", "staleNonce"] as const;
export const refusalCodes = [...recordRefusalCodes, ...orderRefusalCodes, ...questionRefusalCodes] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Thrown by every function that verifies a signed document. `refusal` is the reason, `code` always document.refused. */
export class Refusal extends HamletError {
  readonly refusal: RefusalCode;

  constructor(refusal: RefusalCode, message: string, cause?: unknown) {
    super("document.refused", message, { cause });
    this.name = "Refusal";
    this.refusal = refusal;
  }
}
