// The cause and the next step of every check that a device or the others can name of an update: in its history, and in a rollout's status.
import type { Cause } from "../../system/causes/cause.ts";
import type { CheckCode } from "../updater/checks.ts";
import { autoOff } from "./view.ts";

/** What the others find of a device that does not say itself that it failed. */
type Finding = "rollout.contradiction" | "rollout.noRestart" | "rollout.notBack" | "rollout.wrongRoot";

const seeHistory = "See the last lines before the restart with `hamlet update history --log` on the device";
const publish = "then publish a release that mends it";
const withOthers = "Check that the others are on and reach the device, then try again with `hamlet update retry`.";

export const checkCauses: Record<CheckCode | Finding | typeof autoOff, Cause> = {
  [autoOff]: {
    cause: "The owner of the device wants no release there unasked (`update.auto` is false).",
    next: "Update it with `hamlet update now` or `hamlet rollout start`, or set `update.auto` to true.",
  },
  "trial.wrongRoot": {
    cause: "The new slot started another root filesystem than the one that was signed.",
    next: "Check the card or disk of the device, and try again with `hamlet update retry`.",
  },
  "trial.dataLost": {
    cause: "The new release could not mount the data partition.",
    next: `${seeHistory}; check its card or disk, or publish a release that mends it.`,
  },
  "trial.agentDown": { cause: "The agent of the new release did not answer.", next: `${seeHistory}, ${publish}.` },
  "trial.pageDown": {
    cause: "The page of the new release did not answer.",
    next: `${seeHistory}, ${publish}.`,
  },
  "trial.unitFailed": {
    cause: "A unit failed under the new release that had not failed before, or systemd did not answer.",
    next: `${seeHistory}, ${publish}.`,
  },
  "trial.meshDown": { cause: "The mesh did not start under the new release.", next: `${seeHistory}, ${publish}.` },
  "trial.noHandshake": {
    cause: "The new release made no WireGuard handshake with any member that was there before.",
    next: `${seeHistory}, ${publish}.`,
  },
  "trial.noGossip": {
    cause: "The new release heard no gossip from any member that was there before.",
    next: `${seeHistory}, ${publish}.`,
  },
  "trial.noWitness": {
    cause: "No member that was there before confirmed that it reaches the device under the new release.",
    next: withOthers,
  },
  "trial.noTelemetry": {
    cause: "Telemetry did not reach the broker under the new release, as it did before.",
    next: `${seeHistory}, ${publish}.`,
  },
  "trial.ended": {
    cause: "The trial ended without a verdict: a crash, a hang or a power cut.",
    next: "Check the power of the device; it tries again by itself, three times at most.",
  },
  "trial.recordLost": {
    cause: "The record of the trial is lost, so nobody can judge it.",
    next: "Check the card or disk of the device, and try again with `hamlet update retry`.",
  },
  "trial.panicked": { cause: "A start of the new slot ended in a kernel panic.", next: `${seeHistory}, ${publish}.` },
  "trial.neverStarted": {
    cause: "Nothing shows that the new slot ever started.",
    next: "Check the card or disk of the device, and try again with `hamlet update retry`.",
  },
  "slot.unverified": {
    cause: "The root filesystem of the slot does not verify any more, so the device left it.",
    next: "Check the card or disk of the device, and replace it if this comes again.",
  },
  "slot.panics": {
    cause: "Four starts of the slot ended in a kernel panic, so the device left it.",
    next: `${seeHistory}, ${publish}.`,
  },
  "rollout.contradiction": {
    cause: "The device says that it has the release, and its record shows an older one.",
    next: "See what it runs with `hamlet status --device`; then go on with `hamlet rollout resume`, or abort.",
  },
  "rollout.noRestart": {
    cause: "The device took the lease eight times, and its updater did not restart it.",
    next: "See why with `hamlet update status` and `hamlet logs` on the device; `hamlet rollout pause` and `resume` let it try again.",
  },
  "rollout.notBack": {
    cause: "The device took the lease to restart, and was not back when its trial and ten minutes were over.",
    next: "Look after the device; then go on with `hamlet rollout resume`, or end it with `hamlet rollout abort`.",
  },
  "rollout.wrongRoot": {
    cause:
      "The device says that it has the release, and runs another system than the one that the release's manifest names: an older one, or one that was built again under the same version.",
    next: "Compare what `hamlet update history` on the device and `hamlet ota verify` say; then go on with `hamlet rollout resume`, or abort.",
  },
};
