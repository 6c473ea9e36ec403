// What Raspberry Pi Imager may have been asked for a device, as it is kept once it was read. Pure.
import { z } from "zod";
import { DeviceName } from "./fields.ts";
import { maxSshKeys, Network, SshKey } from "./provision-file.ts";

export const ImagerWishes = z.object({
  name: DeviceName.optional(),
  sshKeys: z.array(SshKey).max(maxSshKeys).optional(),
  network: Network.optional(),
});
export type ImagerWishes = z.infer<typeof ImagerWishes>;
