// A provision file that was decoded and verified, once: with it travel the keys that count in its neighborhood and the certificate of
// its token, so that nobody downstream has to check the chain again.
import { HamletError } from "../../system/error.ts";
import { signingKeyFromSeed } from "../trust/keys.ts";
import { foundedBy, type NeighborhoodKeys, succeed } from "../trust/neighborhood-keys.ts";
import { Refusal } from "../trust/refusal.ts";
import { type TokenCertificate, type VerifiedToken, verifyToken } from "../trust/token.ts";
import { decodeProvisionFile, type ProvisionFile, requireBoard } from "./provision-file.ts";

export type Provision = { file: ProvisionFile; keys: NeighborhoodKeys; token: TokenCertificate };

/** Throws `provision.invalid`, `provision.tooLarge` or `provision.wrongBoard`. */
export async function openProvision(bytes: Uint8Array, board: string): Promise<Provision> {
  const file = decodeProvisionFile(bytes);
  requireBoard(file, board);
  return await verifyProvision(file);
}

/** The chain from the founding keys to the token's secret. Throws `provision.invalid` if a link of it does not hold. */
export async function verifyProvision(file: ProvisionFile): Promise<Provision> {
  try {
    const { keys, certificate: token, byFormerRoot } = await verifyChain(file);
    if (byFormerRoot) throw new Refusal("tokenForged", "a root that has been replaced signed the token");
    if (signingKeyFromSeed(file.tokenKey).publicKey !== token.key) {
      throw new Refusal("tokenForged", "the token's secret does not belong to its certificate");
    }
    return { file, keys, token };
  } catch (cause) {
    throw new HamletError("provision.invalid", "the token in the provision file is not from its neighborhood", {
      hint: "create a new token and provision again",
      cause,
    });
  }
}

/** From the founding keys by way of the changes of root to the token's certificate. Throws `Refusal`. */
export async function verifyChain({
  neighborhood,
  token,
}: Pick<ProvisionFile, "neighborhood" | "token">): Promise<VerifiedToken & { keys: NeighborhoodKeys }> {
  const { rootKey, successorKey, successions = [] } = neighborhood;
  const keys = await succeed(foundedBy(rootKey, successorKey), successions);
  return { keys, ...(await verifyToken(token, keys)) };
}
