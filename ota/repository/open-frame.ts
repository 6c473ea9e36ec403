// Opens the frame of an object as a device does: what a device would refuse is damaged.
import { HamletError } from "../../system/error.ts";
import { unpackObject } from "../format/unpack.ts";

/** The content of an object. Throws `ota.damaged` unless it is one frame with what its name and length say. */
export async function openFrame(
  frame: Buffer | undefined,
  sha256: string,
  sizeBytes: number,
  name: string,
): Promise<Buffer> {
  if (!frame) throw damaged(name, "is missing");
  return await unpackObject(frame, { sha256, sizeBytes }).catch((cause: Error) => {
    throw damaged(name, `is damaged: ${cause.message}`, cause);
  });
}

export const damaged = (path: string, why: string, cause?: unknown): HamletError =>
  new HamletError("ota.damaged", `${path} ${why}`, { hint: "restore it from a copy of the repository", cause });
