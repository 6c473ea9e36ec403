// What a person types about a rollout, as the document says it.
// Pure.
import type { z } from "zod";
import { Rollout, type Wave } from "../../../provisioning/trust/rollout.ts";
import { RolloutPolicy } from "../../../provisioning/trust/rollout-policy.ts";
import { parseDuration } from "../../../provisioning/trust/token.ts";
import { type Command, text, usageError, type Values } from "../../terminal/command.ts";

export type Terms = Pick<
  Rollout,
  "release" | "waves" | "soakSeconds" | "successPercent" | "maxFailures" | "maxUnavailable" | "window" | "tag"
>;
const Terms = Rollout.pick({
  ...{ release: true, waves: true, soakSeconds: true, successPercent: true },
  ...{ maxFailures: true, maxUnavailable: true, window: true, tag: true },
});
const optionOf: Partial<Record<PropertyKey, string>> = {
  ...{ soakSeconds: "soak", successPercent: "success", maxFailures: "max-failures", maxUnavailable: "max-unavailable" },
};

/** Throws `usage.invalid`, which names the option. */
export function readTerms(command: Command, values: Values): Terms {
  const given = (name: string) => text(values, name);
  return readAs(Terms, command, values, {
    ...courseIn(given),
    release: given("release"),
    maxUnavailable: readCount(given("max-unavailable") ?? ""),
    ...(given("tag") !== undefined && { tag: given("tag") }),
  });
}

/** What a home wants that nobody looks after: one device goes first and proves itself for a night, and the first failure stops it. */
const forHomes = { waves: "canary,100%", soak: "12h", success: "95%", "max-failures": "1", window: "02:00-05:00" };

/** The policy of `ota publish --rollout auto`. Throws `usage.invalid`, which names the option. */
export function readPolicy(command: Command, values: Values): RolloutPolicy | undefined {
  const kind = text(values, "rollout");
  if (kind === undefined) {
    const useless = Object.keys(forHomes).find((name) => values[name] !== undefined);
    if (useless === undefined) return undefined;
    throw usageError(command, `--${useless} goes with --rollout auto`);
  }
  if (kind !== "auto") throw usageError(command, `--rollout ${kind} is not known; it takes: auto`);
  const said = Object.entries(values).filter(([, value]) => value !== undefined);
  const all: Values = { ...forHomes, ...Object.fromEntries(said) };
  const given = (name: string) => (text(all, name) === "none" && name === "window" ? undefined : text(all, name));
  return readAs(RolloutPolicy, command, all, { kind, ...courseIn(given) });
}

const courseIn = (given: (name: string) => string | undefined) => ({
  waves: (given("waves") ?? "").split(",").map(readWave),
  soakSeconds: readSeconds(given("soak") ?? ""),
  successPercent: readPercent(given("success") ?? ""),
  ...(given("max-failures") !== undefined && { maxFailures: readCount(given("max-failures")!) }),
  ...(given("window") !== undefined && { window: given("window") }),
});

function readAs<T extends z.ZodType>(shape: T, command: Command, values: Values, read: object): z.infer<T> {
  const given = (name: string) => text(values, name);
  const parsed = shape.safeParse(read);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path[0] ?? "release";
  const option = optionOf[field] ?? String(field);
  const value = given(option);
  throw usageError(
    command,
    value === undefined ? `--${option} is missing` : `--${option} ${value} ${explainOf(field, issue!.message)}`,
  );
}

const explainOf = (field: PropertyKey, message: string): string =>
  ({
    waves: "is no list of rising waves such as canary,10%,50%,100%",
    soakSeconds: "is no time such as 30s, 30m, 12h or 1d",
    successPercent: "is no whole percentage from 1% to 100%",
    maxFailures: "is no number",
    maxUnavailable: "is no number from 1",
  })[String(field)] ?? message;

const readPercent = (given: string): number =>
  /^[1-9][0-9]{0,2}%?$/.test(given) ? Number.parseInt(given, 10) : Number.NaN;
const readCount = (given: string): number => (/^[0-9]{1,5}$/.test(given) ? Number(given) : Number.NaN);
const readWave = (given: string): Wave | number => (given === "canary" ? "canary" : readPercent(given));

function readSeconds(given: string): number {
  const seconds = /^([0-9]{1,7})s$/.exec(given)?.[1];
  return seconds === undefined ? (parseDuration(given) ?? Number.NaN) / 1000 : Number(seconds);
}

export const waveText = (wave: Wave): string => (wave === "canary" ? "canary" : `${wave} %`);

/** In one line. */
export const describePolicy = (policy: RolloutPolicy): string =>
  `${describeTerms({ ...policy, maxUnavailable: 1 })}${policy.window === undefined ? "" : " of a device that has a time zone"}`;

/** In one line. */
export function describeTerms(terms: Omit<Terms, "release">): string {
  const { waves, soakSeconds, successPercent, maxFailures, maxUnavailable, window, tag } = terms;
  return [
    `waves ${waves.map(waveText).join(", ")}`,
    `soak ${describeSeconds(soakSeconds)}`,
    `success ${successPercent} %`,
    ...(maxFailures === undefined ? [] : [`stops at failure ${Math.max(1, maxFailures)}`]),
    `${maxUnavailable} away at most`,
    ...(window === undefined ? [] : [`only ${window}`]),
    ...(tag === undefined ? [] : [`only tag ${tag}`]),
  ].join("; ");
}

function describeSeconds(seconds: number): string {
  const units = [
    ["d", 86_400],
    ["h", 3_600],
    ["m", 60],
  ] as const;
  const [unit, size] = units.find(([, one]) => seconds >= one && seconds % one === 0) ?? ["s", 1];
  return `${seconds / size} ${unit}`;
}
