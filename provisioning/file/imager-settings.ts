// The settings that Raspberry Pi Imager can give a device and that this system applies.
// Pure.
import { z } from "zod";
import { DeviceName } from "../trust/fields.ts";
import { maxSshKeys, Network, SshKey } from "./provision-file.ts";

export const ImagerSettings = z.object({
  name: DeviceName.optional(),
  sshKeys: z.array(SshKey).max(maxSshKeys).optional(),
  network: Network.optional(),
});
export type ImagerSettings = z.infer<typeof ImagerSettings>;
