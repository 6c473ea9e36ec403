// What commands share that the owner may also give to a device on the link, from a computer that is no member.
import type { Option } from "../../terminal/command.ts";
import { deviceOption } from "../../terminal/device.ts";
import { ownerOptions } from "../neighborhood/owner.ts";

export const ownedDeviceOptions: Record<string, Option> = { ...deviceOption, ...ownerOptions };
export const whereItWorks = `Works on the device itself, in the lab and, for the owner, from any computer on its link: --device <address>
--neighborhood <folder> signs the request with the operator key, which asks for the passphrase.`;
