// Asks a device who waits for adoption.
import type { PublicStatus, Status } from "../../../agent/api/schema.ts";
import type { Context } from "../../terminal/command.ts";
import type { Device } from "../../terminal/device.ts";

/** The page of one that waits says all that an order about it needs; a member is asked for all that it knows. */
export async function askWhoWaits(
  device: Pick<Device, "look" | "status" | "owner">,
  { progress }: Pick<Context, "progress">,
): Promise<Status | PublicStatus> {
  // A device on the link asks for the passphrase first.
  if (!device.owner) progress.stage("asking who waits");
  const looked = await device.look();
  const found = "self" in looked || looked.phase !== "member" ? looked : await device.status();
  progress.end();
  return found;
}
