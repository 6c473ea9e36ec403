// What the firmware remembers from one start to the next: the flag and the partition that `reboot "0 tryboot"` left.
// Pure. Raspberry Pi documentation, "Fail-safe OS updates (TRYBOOT)".

/** Kept in registers that a reset leaves alone and power-off clears. */
export type ResetState = { isTryboot: boolean; partition: number };
export type Reset =
  | { kind: "power" }
  /** A hang that the watchdog ended, or a panic with `panic=3`. */
  | { kind: "watchdog" }
  | { kind: "reboot"; argument?: string };

export const coldState: ResetState = { isTryboot: false, partition: 0 };

/** What this boot is, and what is left after it: the flag is cleared before anything of the card is started. */
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
      // Six bits of a register; 63 means "halt".
      const number = Number(partition ?? 0);
      return number < 63 ? { isTryboot: flag !== undefined, partition: number } : coldState;
    }
  }
}

/**
 * The argument of the last reboot that a console shows, or undefined. Linux prints it at the highest level, so it comes
 * whatever `loglevel` says; a kernel without `tryboot` prints it too, and this is how the lab hears the request.
 */
export function rebootOnConsole(text: string): Reset | undefined {
  const last = [...text.matchAll(/reboot: Restarting system(?: with command '([^'\r\n]*)')?/g)].at(-1);
  if (!last) return undefined;
  return last[1] === undefined ? { kind: "reboot" } : { kind: "reboot", argument: last[1] };
}
