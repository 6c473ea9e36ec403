// The state that the firmware keeps from one start to the next: the flag and the partition of `reboot "0 tryboot"`.
// Pure. Raspberry Pi documentation, "Fail-safe OS updates (TRYBOOT)".

/** Kept in registers that survive a reset and are cleared by power-off. */
export type ResetState = { isTryboot: boolean; partition: number };
export type Reset =
  | { kind: "power" }
  /** A watchdog reset after a hang, or a panic with `panic=3`. */
  | { kind: "watchdog" }
  | { kind: "reboot"; argument?: string };

export const coldState: ResetState = { isTryboot: false, partition: 0 };

/** Returns the state of this boot and the state after it: the flag is cleared before anything on the card starts. */
export const takeState = (state: ResetState): { boot: ResetState; left: ResetState } => ({
  boot: state,
  left: coldState,
});

export function afterReset(reset: Reset): ResetState {
  switch (reset.kind) {
    case "power":
    case "watchdog":
      return coldState;
    case "reboot": {
      const [, partition, flag] = /^(\d{1,2})(?:\s+(tryboot))?$/.exec(reset.argument?.trim() ?? "") ?? [];
      // Six bits in a register; 63 means "halt".
      const number = Number(partition ?? 0);
      return number < 63 ? { isTryboot: flag !== undefined, partition: number } : coldState;
    }
  }
}

/**
 * The argument of the last reboot on a console, or undefined. Linux prints it at the highest level, whatever `loglevel` says. A
 * kernel without `tryboot` prints it too, so the lab reads the request here.
 */
export function rebootOnConsole(text: string): Reset | undefined {
  const last = [...text.matchAll(/reboot: Restarting system(?: with command '([^'\r\n]*)')?/g)].at(-1);
  if (!last) return undefined;
  return last[1] === undefined ? { kind: "reboot" } : { kind: "reboot", argument: last[1] };
}
