// What a member asks a witness over the mesh. The path and both bodies are fixed: releases of different age exchange them.
import { z } from "zod";
import { maxWitnessChars, WitnessNonce } from "../../provisioning/trust/witness.ts";

export const witnessPath = "/v1/witness";
export const WitnessRequest = z.object({ v: z.literal(1), nonce: WitnessNonce });
export const WitnessAnswer = z.object({ v: z.literal(1), statement: z.string().max(maxWitnessChars) });
export const maxRequestBytes = 1 << 10;
export const maxAnswerBytes = 4 << 10;
