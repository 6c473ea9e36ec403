// Why something signed is not believed: a closed set, so that every refusal can be counted, shown and tested.
import { HamletError } from "../../system/error.ts";

export const refusalCodes = [
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
  "tokenRevoked",
  "tokenClosed",
  "keyHeld",
  "addressHeld",
] as const;
export type RefusalCode = (typeof refusalCodes)[number];

/** Thrown by whatever verifies a signed document. `refusal` says why; `code` is the house's. */
export class Refusal extends HamletError {
  readonly refusal: RefusalCode;

  constructor(refusal: RefusalCode, message: string, cause?: unknown) {
    super("document.refused", message, { cause });
    this.name = "Refusal";
    this.refusal = refusal;
  }
}
