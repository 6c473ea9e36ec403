// What a release on trial must show, each check with its code and a sentence for people.
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
  "trial.noTelemetry": "telemetry does not reach the broker as it did before",
  "trial.ended": "the trial ended without a verdict: a crash, a hang or a power cut",
  "trial.neverStarted": "nothing shows that the new slot ever started",
} as const;
export type CheckCode = keyof typeof checks;
export const checkCodes = Object.keys(checks) as [CheckCode, ...CheckCode[]];
