// What a release on trial must show, and why a committed one was left: each check with its code and a sentence for people.
// Pure.

export const checks = {
  "trial.wrongRoot": "another root filesystem runs than the one that was signed",
  "trial.dataLost": "the data partition could not be mounted",
  "trial.agentDown": "the agent does not answer",
  "trial.pageDown": "the device's page does not answer",
  "trial.unitFailed": "a unit failed that had not failed before, or systemd does not answer",
  "trial.meshDown": "the mesh does not start",
  "trial.noHandshake": "no WireGuard handshake with a member that was alive before",
  "trial.noGossip": "no gossip from a member that was alive before",
  "trial.noWitness": "no member that was alive before confirms that it reaches this device",
  "trial.noTelemetry": "telemetry does not reach the broker as it did before",
  "trial.ended": "the trial ended without a verdict: a crash, a hang or a power cut",
  "trial.recordLost": "the record of the trial is lost, so nobody can judge it",
  "trial.panicked": "a start of the new slot ended in a kernel panic",
  "trial.neverStarted": "nothing shows that the new slot ever started",
  "slot.unverified": "its root filesystem does not verify any more",
  "slot.panics": "four of its starts ended in a kernel panic",
} as const;
export type CheckCode = keyof typeof checks;

/** A release on trial may know checks that the one before it does not. */
export const isCheckCode = (code: string): code is CheckCode => Object.hasOwn(checks, code);
export const meaningOf = (code: string): string =>
  isCheckCode(code) ? checks[code] : "a check that this release does not know";
