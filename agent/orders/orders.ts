// What operators have ordered, as this device heard it: verified, on disk before it counts, and handed on.
import type { Forget } from "../../provisioning/trust/forget.ts";
import type { Hold } from "../../provisioning/trust/hold.ts";
import type { NeighborhoodKeys } from "../../provisioning/trust/neighborhood-keys.ts";
import type { Authority } from "../../provisioning/trust/order.ts";
import { Refusal } from "../../provisioning/trust/refusal.ts";
import { noRevocations, type Revocations } from "../../provisioning/trust/revocation.ts";
import { type RolloutOrder, rolloutOrders } from "../../provisioning/trust/rollout-orders.ts";
import type { Clock } from "../../system/clock.ts";
import { describeError } from "../../system/error.ts";
import type { Log } from "../../system/log.ts";
import { makeQueue } from "../../system/queue.ts";
import { warnOfDamage } from "../health/damage.ts";
import type { Warnings } from "../health/warnings.ts";
import { isBack } from "./comebacks.ts";
import { type Bounds, type Held, nothingHeld, withFloors, withoutRevoked } from "./held.ts";
import { type OrderName, type Reading, readings } from "./readings.ts";
import { OrdersStore } from "./store.ts";

export type OrdersOptions = {
  neighborhood: NeighborhoodKeys;
  stateFolder: string;
  /** Those that are known now: what a revoked operator signed no longer counts. */
  revocations(): Revocations;
  clock: Pick<Clock, "now">;
  log: Log;
  warnings: Warnings;
};
/** `operator`: the name of who signed it. */
export type HoldOrder = { hold: Hold; operator: string };
/** `isBack`: the device has heard of it since, so that it counts as any other. */
export type ForgetOrder = { forget: Forget; operator: string; digest: string; isBack: boolean };
export type KnownOperator = { name: string; key: string; isRevoked: boolean };

export class Orders {
  readonly #o: OrdersOptions;
  readonly #store: OrdersStore;
  readonly #inTurn = makeQueue();
  readonly #listeners = new Set<() => void>();
  #held: Held = nothingHeld;
  /** Whether every device has the release of a rollout: such a one is the first to be forgotten. */
  isDone: (rollout: string) => boolean = () => false;

  private constructor(o: OrdersOptions) {
    this.#o = o;
    this.#store = new OrdersStore(o.stateFolder);
  }

  /** Reads back what was kept. What no longer verifies is left out. */
  static async open(o: OrdersOptions): Promise<Orders> {
    const orders = new Orders(o);
    const { damage, floorsMs, pastRollouts, operators, rollouts, holds, forgets, comebacks } =
      await orders.#store.load();
    if (damage) warnOfDamage(o.warnings, damage);
    for (const jws of operators) await orders.#readBack(readings.operator, jws);
    for (const jws of rollouts) await orders.#readBack(readings.rollout, jws);
    for (const jws of holds) await orders.#readBack(readings.hold, jws);
    for (const jws of forgets) await orders.#readBack(readings.forget, jws);
    for (const jws of comebacks) await orders.#readBack(readings.comeback, jws);
    orders.#held = { ...withFloors(orders.#held, floorsMs), pastRollouts };
    // What was found in a damaged file is in none by now. On a full disk it still counts until the next start.
    if (damage?.isLost) await orders.#keep(orders.#held).catch(() => {});
    return orders;
  }

  /** Whatever was revoked since: what a revoked operator signed must still be known, so that it stays stopped. */
  async #readBack(read: Reading, jws: string): Promise<void> {
    try {
      const add = await read(jws, { ...this.authority(), revocations: noRevocations }, this.#bounds());
      this.#held = add(this.#held);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#o.log.warn(`left out an order that was kept: ${error.message}`);
    }
  }

  /** Throws `Refusal` unless it would be taken. */
  async check(name: OrderName, jws: string): Promise<void> {
    (await readings[name](jws, this.authority(), this.#bounds()))(this.#held);
  }

  /** Keeps an order. Resolves to whether it changes something; throws `Refusal`, and `file.full` if it could not be kept. */
  take(name: OrderName, jws: string): Promise<boolean> {
    return this.#inTurn(async () => {
      const add = await readings[name](jws, this.authority(), this.#bounds());
      // What a revoked operator said of a device is in nobody's way. Of a rollout its word stays: it is what stopped it.
      const { holds, forgets } = this.valid();
      const before = { ...this.#held, holds, forgets };
      const next = add(before);
      if (next === before) return false;
      await this.#keep(next);
      this.#held = next;
      this.changed();
      return true;
    });
  }

  /** Who may order, as far as this device knows. */
  authority(): Authority {
    const { neighborhood, revocations } = this.#o;
    const known = new Map([...this.#held.operators.documents].map(([id, { content }]) => [id, content]));
    return { neighborhood, revocations: revocations(), known };
  }

  #bounds(): Bounds {
    const { clock, revocations } = this.#o;
    return { nowMs: clock.now(), revoked: revocations().operators, isDone: this.isDone };
  }

  /** The one that started first in front. */
  rollouts(): RolloutOrder[] {
    return rolloutOrders(this.#held.rollouts.documents, this.#o.revocations());
  }

  /** Digests of what each operator, by its key, has signed of rollouts and is held here. */
  rolloutDigests(): { operator: string; digest: string }[] {
    const all = [...this.#held.rollouts.documents.values()].flat();
    return all.map(({ operator, digest }) => ({ operator: operator.key, digest }));
  }

  holds(): HoldOrder[] {
    const { holds } = this.valid();
    return [...holds.documents.values()].map(({ content, operator }) => ({ hold: content, operator: operator.name }));
  }

  forgets(): ForgetOrder[] {
    const held = this.valid();
    return [...held.forgets.documents.values()].map(({ content, operator, digest }) => ({
      ...{ forget: content, operator: operator.name, digest, isBack: isBack(held, content.device) },
    }));
  }

  /** The devices for which nobody waits. */
  forgotten(): string[] {
    return this.forgets().flatMap(({ forget, isBack: is }) => (is ? [] : [forget.device]));
  }

  operators(): KnownOperator[] {
    const { operators } = this.#o.revocations();
    return [...this.#held.operators.documents.values()].map(({ content: { name, key } }) => ({
      ...{ name, key, isRevoked: operators.has(key) },
    }));
  }

  /** What is handed on: others would refuse what a revoked operator signed and the root did not name. */
  valid(): Held {
    return withoutRevoked(this.#held, this.#o.revocations());
  }

  /** Calls `listener` whenever what counts may have changed; returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To be called when the revocations have changed too. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  async #keep(next: Held): Promise<void> {
    const { warnings } = this.#o;
    try {
      await this.#store.save(next);
      warnings.clear("state.full", "orders");
    } catch (error) {
      warnings.raise(
        "state.full",
        `this device could not keep an order: ${describeError(error)}`,
        "free space on the data partition; the order counts here once it is kept",
        { subject: "orders" },
      );
      throw error;
    }
  }
}
