// Warnings about problems from before the agent started.
import type { InternalDisk } from "../../image/install/available.ts";
import type { Problem } from "../../provisioning/handover/problems.ts";
import { provisionAgain } from "../../provisioning/neighborhood/provision-device.ts";
import type { HamletError } from "../../system/error.ts";
import type { Warnings } from "./warnings.ts";

type Raise = Pick<Warnings, "raise">;

/** `why`: the error that left this device without an identity, if there was one. */
export function warnOfNoIdentity(warnings: Raise, why: HamletError | undefined): void {
  const message = why?.message ?? "this device belongs to no neighborhood yet";
  warnings.raise("waiting.unprovisioned", message, why?.hint ?? provisionAgain("<name>"));
}

/** `problems`: what root's programs reported. */
export function warnOfProblems(warnings: Raise, problems: readonly Problem[]): void {
  for (const { code, message, hint, since } of problems) {
    warnings.raise("firstboot.failed", `${code}: ${message}`, hint, { subject: code, since });
  }
}

export function warnOfBadConfig(warnings: Raise, { message, hint }: HamletError): void {
  warnings.raise("config.invalid", message, hint ?? "provision the device again");
}

export function offerInternalDisk(warnings: Raise, { path, sizeBytes }: InternalDisk): void {
  warnings.raise(
    "install.available",
    `this device runs from its USB stick and could move to its internal disk (${path}, ${Math.floor(sizeBytes / 1e9)} GB)`,
    "run `hamlet install` as root on this device, or use the button on its page: hamlet open",
  );
}
