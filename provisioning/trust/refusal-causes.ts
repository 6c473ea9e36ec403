// Every refusal with its cause and next step.
import type { Cause } from "../../system/causes/cause.ts";
import type { RefusalCode } from "./refusal.ts";

export const refusalCauses: Record<RefusalCode, Cause> = {
  tooLarge: { cause: "The document is longer than any valid one.", next: "Nothing to do: it is ignored." },
  malformed: {
    cause: "The document is not a compact JWS: it was damaged or is something else.",
    next: "Make or send the document again.",
  },
  wrongAlgorithm: {
    cause: "The document is signed with an algorithm other than EdDSA.",
    next: "Nothing to do: Hamlet signs no such document.",
  },
  wrongType: {
    cause: "The document is valid, but of another kind than is needed here.",
    next: "Give the right file, such as a token where a token is needed.",
  },
  badSignature: {
    cause: "The signature does not match the key or the bytes.",
    next: "Make or send the document again; if it keeps coming, someone is forging it.",
  },
  badContent: {
    cause: "The document is signed, but its content breaks the rules.",
    next: "Update the older device; a newer release may have written it.",
  },
  wrongNeighborhood: {
    cause: "The document belongs to another neighborhood.",
    next: "Provision the device again from this neighborhood's folder.",
  },
  idMismatch: {
    cause: "The device's id is not the hash of its key.",
    next: "Reset the device and provision it again.",
  },
  tokenForged: {
    cause: "This neighborhood's root did not sign the token, or a root signed it that has been replaced.",
    next: "Make a new token with `hamlet token create` and provision the device again.",
  },
  memberForged: {
    cause: "The member certificate was not made with the token that it names.",
    next: "Reset the device and provision it again.",
  },
  deviceRevoked: {
    cause: "The device is revoked for good.",
    next: "Reset the device and provision it again: it becomes a new device.",
  },
  deviceRejected: {
    cause: "The owner has turned this device away for 24 hours.",
    next: "Wait until they are over, or let it in after all with `hamlet adopt`.",
  },
  tokenRevoked: {
    cause: "The token that the device joined with is revoked.",
    next: "Provision the device again with a new token.",
  },
  tokenClosed: {
    cause: "A device that joined with this token was revoked, so the token admits nobody new.",
    next: "Provision the device again with a new token.",
  },
  keyHeld: {
    cause: "Another member holds the same WireGuard key: the device is a copy of it.",
    next: "Reset one of the two devices and provision it again.",
  },
  addressHeld: {
    cause: "Another member holds the same address.",
    next: "Reset one of the two devices and provision it again.",
  },
  operatorUnknown: {
    cause: "No certificate of the root for this operator's key came with the order, and none is known here.",
    next: "Give the order again with a folder that `hamlet operator add` or `hamlet init` made.",
  },
  operatorRevoked: {
    cause: "The root has revoked the operator's key that signed this.",
    next: "Have another operator give the order, or make a new key with `hamlet operator add`.",
  },
  outdated: {
    cause: "The order is older than all that the device keeps: it may have ended before and been forgotten.",
    next: "Give a new order.",
  },
  wrongDevice: {
    cause: "The question names another device, or another device gave the answer.",
    next: "Run the command again; if it repeats, something on the link passes on what is not for it.",
  },
  staleNonce: {
    cause: "The question came too late, came twice, or was not asked from where the device gave out its nonce.",
    next: "Run the command again; on a network that changes addresses, name the device by its address.",
  },
};
