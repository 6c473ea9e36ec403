// Performs what a step asks for: saves, warns and logs here, and hands on what other parts have to do.
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import type { Warnings } from "../health/warnings.ts";
import type { Effect, State, Task } from "./state.ts";
import type { Store } from "./store.ts";

type Doors = { store: Store; warnings: Warnings; log: Log; monotonicMs: number; hand(task: Task): void };

/** `state` is what the step led to. */
export async function perform(effect: Effect, state: State, doors: Doors): Promise<void> {
  switch (effect.kind) {
    // membership.ts, which has the keys: it signs our record before these effects, and an admission after them.
    case "sign":
    case "countersign":
      break;
    case "save":
      await saving(doors, (store) => store.save(effect.file, state, doors.monotonicMs));
      break;
    case "warn": {
      const { code, message, hint, kind: _, ...options } = effect;
      doors.warnings.raise(code, message, hint, options);
      break;
    }
    case "clear":
      doors.warnings.clear(effect.code, effect.subject);
      break;
    case "log":
      doors.log[effect.level](effect.text);
      break;
    default:
      doors.hand(effect);
  }
}

/** A full disk ends as a warning. */
export async function saving(
  { store, warnings }: Pick<Doors, "store" | "warnings">,
  save: (store: Store) => Promise<void>,
): Promise<void> {
  try {
    await save(store);
    if (!store.owes()) warnings.clear("state.full");
  } catch (error) {
    warnings.raise(
      "state.full",
      `this device could not save whom it knows: ${describeError(error)}`,
      "free space on the data partition; the device stays a member and asks its neighbors again after a restart",
    );
  }
}
