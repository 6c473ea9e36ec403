// The kinds of documents that operators sign, as members pass them on.
import { maxComebackChars } from "../../provisioning/trust/comeback.ts";
import { maxForgetChars } from "../../provisioning/trust/forget.ts";
import { maxHoldChars } from "../../provisioning/trust/hold.ts";
import { maxRolloutChars } from "../../provisioning/trust/rollout.ts";
import { rankOf } from "../../provisioning/trust/rollout-orders.ts";
import { digestOf } from "../membership/documents.ts";
import { type OrderKind, orderKind } from "../membership/orders.ts";
import { standing } from "./comebacks.ts";
import type { Orders } from "./orders.ts";
import type { OrderName } from "./readings.ts";

const takenBy = (orders: Orders, name: OrderName) => ({
  kind: name,
  check: (jws: string) => orders.check(name, jws),
  take: (jws: string) => orders.take(name, jws),
});
type Document = { jws: string };
const summaryOf = (id: string, number: number, { jws }: Document) => ({ id, number, digest: digestOf(jws) });

const operatorKind = (orders: Orders): OrderKind =>
  orderKind({
    ...takenBy(orders, "operator"),
    type: "hamlet-operator",
    maxChars: 2 << 10,
    summaries: () => [...orders.valid().operators.documents].map(([id, of]) => summaryOf(id, of.content.issuedAt, of)),
    get: (id) => orders.valid().operators.documents.get(id)?.jws,
  });

const rolloutKind = (orders: Orders): OrderKind =>
  orderKind({
    ...takenBy(orders, "rollout"),
    type: "hamlet-rollout",
    maxChars: maxRolloutChars,
    summaries: () =>
      [...orders.valid().rollouts.documents].flatMap(([id, all]) =>
        all.map((of, at) => summaryOf(at === 0 ? id : second(id), rankOf(of.content), of)),
      ),
    get(id) {
      const { documents } = orders.valid().rollouts;
      return (documents.get(id)?.[0] ?? documents.get(id.slice(0, -2))?.[1])?.jws;
    },
    // Of operators who disagree nobody has the say.
    counts: (id) => orders.valid().rollouts.documents.get(id)?.length === 1,
  });

/** Of two operators who disagree both documents are handed on. */
const second = (id: string) => `${id}:2`;

const holdKind = (orders: Orders): OrderKind =>
  orderKind({
    ...takenBy(orders, "hold"),
    type: "hamlet-hold",
    maxChars: maxHoldChars,
    summaries: () => [...orders.valid().holds.documents].map(([id, of]) => summaryOf(id, of.content.number, of)),
    get: (id) => orders.valid().holds.documents.get(id)?.jws,
  });

const forgetKind = (orders: Orders): OrderKind =>
  orderKind({
    ...takenBy(orders, "forget"),
    type: "hamlet-forget",
    maxChars: maxForgetChars,
    summaries: () => [...orders.valid().forgets.documents].map(([id, of]) => summaryOf(id, of.content.number, of)),
    get: (id) => orders.valid().forgets.documents.get(id)?.jws,
  });

/** The devices' own word, which ends an order. */
const comebackKind = (orders: Orders): OrderKind =>
  orderKind({
    ...takenBy(orders, "comeback"),
    type: "hamlet-comeback",
    maxChars: maxComebackChars,
    // Of the forget's number, so that a later one needs a later word.
    summaries() {
      const held = orders.valid();
      return [...standing(held)].map(([id, of]) => summaryOf(id, held.forgets.documents.get(id)!.content.number, of));
    },
    get: (id) => standing(orders.valid()).get(id)?.jws,
  });

export const operatorOrderKinds = (orders: Orders): OrderKind[] => [
  operatorKind(orders),
  rolloutKind(orders),
  holdKind(orders),
  forgetKind(orders),
  comebackKind(orders),
];
