// What Raspberry Pi Imager may have been asked for a device, as it is kept once it was read. Pure.
import { z } from "zod";
import { maxSshKeys, Network, SshKey } from "../file/provision-file.ts";
import { DeviceName } from "../trust/fields.ts";

export const ImagerWishes = z.object({
  name: DeviceName.optional(),
  sshKeys: z.array(SshKey).max(maxSshKeys).optional(),
  network: Network.optional(),
});
export type ImagerWishes = z.infer<typeof ImagerWishes>;
