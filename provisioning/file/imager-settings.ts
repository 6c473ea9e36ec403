// The settings that Raspberry Pi Imager can give a device and that this system applies.
// Pure.
import { z } from "zod";
import { DeviceName } from "../trust/fields.ts";
import { maxSshKeys, Network, SshKey } from "./provision-file.ts";
import { ZoneName } from "./time-zone.ts";

export const ImagerSettings = z.object({
  name: DeviceName.optional(),
  sshKeys: z.array(SshKey).max(maxSshKeys).optional(),
  network: Network.optional(),
  timezone: ZoneName.optional(),
});
export type ImagerSettings = z.infer<typeof ImagerSettings>;
