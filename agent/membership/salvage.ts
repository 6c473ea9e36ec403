// Finds signed documents in what is left of a damaged file. Each is verified later: here its claimed type is enough.
import { z } from "zod";
import { type DocumentType, readUnverified } from "../../provisioning/trust/jws.ts";

export const documentsIn = (text: string): string[] => text.match(/[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g) ?? [];

export function isOfType(type: DocumentType): (jws: string) => boolean {
  return (jws) => {
    try {
      readUnverified(type, jws, z.unknown());
      return true;
    } catch {
      return false;
    }
  };
}
